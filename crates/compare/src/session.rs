//! One session: fresh processes of all sides that take turns on one processor.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use perf_passport::{
    clock::Clock,
    contract::Contract,
    paired::{OverHttp, Policy, Session, TimeOf, WarmUp},
    units::{Count, Nanos, Ppm},
    worker::protocol::Seen,
};

use crate::{
    cycles::{AddedWork, Cycles},
    error::{ServerProblem, WorkerError},
    item::Item,
    process::{OnCpu, PADDING_MAX, Placement},
    random::{below, shuffle},
    subject::{LatencyKind, Role, Starter, Subject, Turn, TurnRequest},
    turn_plan::{SlowestSide, TurnPlan},
    warm_up::{WarmSides, WarmUpPlan, warm_up},
    warm_windows::WarmUps,
    workplace::temporary_directory,
};

/// In process every third turn of the control is unmodified; the others are slowed down. To find the slowdown needs
/// more data than to show that a copy is no slower.
const CONTROL_EVERY: u64 = 3;

/// All sides of an item are warmed up for at least so long together where one may make code, if there is time for
/// twice that.
const WARM_TIME_MIN: Nanos = Nanos::new(150_000_000);

/// Samples of the floor that tell how long it takes.
const FLOOR_SAMPLES: u32 = 60;

/// A process with the role that it was started for.
struct Seat<'a> {
    role: Role,
    subject: Box<dyn Subject + 'a>,
    /// What the first samples were like.
    seen: Option<Seen>,
}

/// What a session needs to know of the comparison.
pub(crate) struct SessionSetting<'a> {
    pub(crate) contract: &'a Contract,
    /// Names of items that the anchor takes no turns of.
    pub(crate) not_anchored: &'a [String],
    pub(crate) policy: &'a Policy,
    /// What the times of an item were of in the sessions before.
    pub(crate) time_of: &'a (dyn Fn(Item<'_>) -> Option<TimeOf> + Sync),
    /// What sessions before show of how the servers of an item warm up.
    pub(crate) warm_ups: &'a (dyn Fn(Item<'_>) -> WarmUps + Sync),
    /// All servers of a session are warmed up for an item for about so long together, at most.
    pub(crate) warm_time_max: Nanos,
    /// How much slower the current side is made.
    pub(crate) slower: Ppm,
    pub(crate) clock: &'a dyn Clock,
}

/// The processes of a session, of which all are told to end before one is waited for.
struct Seats<'a>(Vec<Seat<'a>>);

impl Drop for Seats<'_> {
    fn drop(&mut self) {
        for seat in &mut self.0 {
            seat.subject.begin_to_end();
        }
    }
}

/// What became of one item in a session.
pub(crate) struct ItemResult<'a> {
    pub(crate) item: Item<'a>,
    pub(crate) session: Result<Session, WorkerError>,
    /// How its servers were warmed up; `None` in process, and where nobody knows.
    pub(crate) warmed: Option<WarmSides>,
}

/// Runs a session of these items, on this processor.
///
/// # Errors
///
/// When a process could not be started. What goes wrong with one item is its result; those after a
/// process died are left out.
pub(crate) fn run<'a>(
    setting: &SessionSetting<'_>,
    starter: &dyn Starter,
    items: &[Item<'a>],
    seed: u64,
    cpu: Option<usize>,
) -> Result<Vec<ItemResult<'a>>, WorkerError> {
    // Fresh processes, each at a random place, that are waited for together.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = temporary_directory()?;
    let mut roles = starter.roles();
    shuffle(&mut random, &mut roles);
    let mut seats = Seats(Vec::new());
    let began = setting.clock.elapsed();
    for role in roles {
        let padding = below(&mut random, PADDING_MAX);
        let placement = Placement { cpu, padding, layout: below(&mut random, usize::MAX) };
        let subject = starter.start(role, placement, directory.path())?;
        seats.0.push(Seat { role, subject, seen: None });
    }
    for seat in &mut seats.0 {
        seat.subject.ready()?;
    }
    let start_time = setting.clock.elapsed().saturating_sub(began);
    let share = Nanos::new(start_time.get() / u64::try_from(items.len()).unwrap_or(1).max(1));
    let _here = cpu.filter(|_| starter.asks_from_their_cpu()).map(OnCpu::stay);

    // The items in random order, one fixture after the other: a service holds one at a time.
    let mut order: Vec<Item<'a>> = items.to_vec();
    shuffle(&mut random, &mut order);
    order.sort_by_key(Item::fixture);
    let mut results = Vec::new();
    for item in order {
        let measured = measure(setting, &mut seats.0, item, share, &mut random);
        let over = measured.as_ref().is_err_and(WorkerError::ends_the_session);
        let (session, warmed) = match measured {
            Ok((session, warmed)) => (Ok(Session { seed, ..session }), warmed),
            Err(error) => (Err(error), None),
        };
        results.push(ItemResult { item, session, warmed });
        if over {
            break;
        }
    }
    Ok(results)
}

/// The pairs of one item, and how its servers were warmed up. To start all processes took so long, as the
/// share of one item.
fn measure(
    setting: &SessionSetting<'_>,
    seats: &mut [Seat<'_>],
    item: Item<'_>,
    start_time: Nanos,
    random: &mut ChaCha8Rng,
) -> Result<(Session, Option<WarmSides>), WorkerError> {
    let anchored = item.is_anchored(setting.not_anchored);
    let takes_part = |role| anchored || !matches!(role, Role::Anchor | Role::AnchorAgain);
    let began = setting.clock.elapsed();
    let WarmItem { slowest, time_of, warmup, warmed } = prepare(setting, seats, item, &takes_part)?;
    let prepared = setting.clock.elapsed().saturating_sub(began).saturating_add(start_time);

    // How the time is divided, and who takes turns.
    let served = time_of.map(|_| prepared);
    let plan = TurnPlan::of(&slowest, setting.policy.pair_time_ns, served);
    let time = item.turn_time(setting.contract, plan.batch);
    let takes_turns = |role: Role| {
        takes_part(role) && (role != Role::Floor || time_of == Some(TimeOf::AboveFloor))
    };
    let mut order: Vec<usize> =
        (0..seats.len()).filter(|index| takes_turns(seats[*index].role)).collect();

    // Cycle after cycle, in each of which all take a turn in random order.
    let mut cycles = Cycles::new(time_of);
    let added = AddedWork { injected: setting.policy.injected_ppm, slower: setting.slower };
    let started = setting.clock.elapsed();
    for cycle in 0..plan.cycles {
        shuffle(random, &mut order);
        let injects = cycle % CONTROL_EVERY != 0;
        let mut turns: Vec<(Role, Turn)> = Vec::with_capacity(order.len());
        for index in &order {
            let seat = &mut seats[*index];
            let slower = match seat.role {
                Role::Control if injects => setting.policy.injected_ppm,
                Role::Current => setting.slower,
                _ => Ppm::new(0),
            };
            let request = TurnRequest { samples: plan.batch, iterations: plan.iterations, slower };
            turns.push((seat.role, seat.take_turn(request, time, time_of)?));
        }
        cycles.add(&turns, plan.skipped, injects);
        let spent = setting.clock.elapsed().saturating_sub(started);
        if plan.is_over(cycle + 1, spent, &|| cycles.are_precise(added)) {
            break;
        }
    }
    let session = cycles.session(added);
    let http = session.http.map(|http| OverHttp { warmup, ..http });
    Ok((Session { iterations: plan.iterations.map(Count::new), http, ..session }, warmed))
}

/// What is known of an item once all sides are warm.
struct WarmItem {
    slowest: SlowestSide,
    /// What the times are of; `None` in process.
    time_of: Option<TimeOf>,
    /// How servers were warmed up.
    warmup: Option<WarmUp>,
    /// What that showed.
    warmed: Option<WarmSides>,
}

/// Brings all who take part into the state that the item needs, and warms them up.
fn prepare(
    setting: &SessionSetting<'_>,
    seats: &mut [Seat<'_>],
    item: Item<'_>,
    takes_part: &dyn Fn(Role) -> bool,
) -> Result<WarmItem, WorkerError> {
    let (mut floors, mut asked): (Vec<_>, Vec<_>) = seats
        .iter_mut()
        .filter(|seat| takes_part(seat.role))
        .partition(|seat| seat.role == Role::Floor);
    let mut slowest = SlowestSide::default();
    let mut measures = Vec::new();
    for seat in &mut asked {
        let prepared = seat.subject.prepare(item)?;
        // A refusal is quick, and alike on all sides.
        let seen = item.check().zip(prepared.response.as_ref());
        let unexpected = seen.and_then(|(check, seen)| check.unexpected_status(&seen.statuses));
        if let Some((status, expected)) = unexpected {
            let side = seat.subject.label().to_owned();
            return Err(WorkerError::Status { side, check: item.id(), status, expected });
        }
        slowest.add(&prepared);
        seat.seen = prepared.response;
        measures.push(prepared.measures);
    }
    // Times of different kinds are no sessions that are drawn alike.
    let known = (setting.time_of)(item);
    let time_of = known.or_else(|| time_of(&measures, !floors.is_empty()));
    let Some(first) = time_of else {
        return Ok(WarmItem { slowest, time_of: None, warmup: None, warmed: None });
    };
    refuse_other_answers(&asked)?;

    // Servers, until none becomes faster any more; and once more where not all tell their time after all.
    let mut warmed = warm_servers(setting, &mut asked, &mut floors, item, first)?;
    let mut time_of = first;
    if let Some(left_out) = warmed.left_out.filter(|_| first == TimeOf::Service) {
        if let Some(mute) = warmed.mute.or(known.map(|_| left_out)) {
            let side = asked[mute].subject.label().to_owned();
            return Err(WorkerError::Server { side, problem: ServerProblem::TellsNoMore });
        }
        time_of = if floors.is_empty() { TimeOf::RoundTrip } else { TimeOf::AboveFloor };
        warmed = warm_servers(setting, &mut asked, &mut floors, item, time_of)?;
    }
    let warmup = WarmUp { samples: Count::new(warmed.samples), falling_ppm: warmed.falling };
    let slowest = SlowestSide::of_latency(warmed.latency);
    let (time_of, warmup, warmed) = (Some(time_of), Some(warmup), Some(warmed));
    Ok(WarmItem { slowest, time_of, warmup, warmed })
}

/// Builds of the same code answer alike.
fn refuse_other_answers(asked: &[&mut Seat<'_>]) -> Result<(), WorkerError> {
    for (number, seat) in asked.iter().enumerate() {
        let label = seat.subject.label();
        let mut others = asked[..number].iter().filter(|it| it.subject.label() == label);
        if others.any(|other| other.seen != seat.seen) {
            return Err(WorkerError::AnswersDiffer { side: label.to_owned() });
        }
    }
    Ok(())
}

/// Warms servers up whose times are of this kind.
fn warm_servers(
    setting: &SessionSetting<'_>,
    asked: &mut [&mut Seat<'_>],
    floors: &mut [&mut Seat<'_>],
    item: Item<'_>,
    time_of: TimeOf,
) -> Result<WarmSides, WorkerError> {
    // The floor answers what the baseline was heard to answer, so it comes after that.
    let mut floor = Nanos::ZERO;
    for seat in floors.iter_mut().filter(|_| time_of == TimeOf::AboveFloor) {
        let prepared = seat.subject.prepare(item)?;
        seat.seen = prepared.response;
        let turn = seat.take(item, setting, FLOOR_SAMPLES)?;
        floor = turn.median_latency();
    }
    let mut latency = Nanos::ZERO;
    for seat in asked.iter_mut() {
        latency = latency.max(seat.take(item, setting, FLOOR_SAMPLES / 10)?.median_latency());
    }
    let warm_ups = (setting.warm_ups)(item);
    let may_make_code = asked.iter().any(|seat| seat.subject.may_make_code());
    let plan = WarmUpPlan {
        sides: asked.len(),
        latency,
        floor,
        counts_told: time_of == TimeOf::Service,
        warmth: warm_ups.warmth(),
        first_window: warm_ups.first_window(),
        may_make_code,
        time_min: WARM_TIME_MIN.min(Nanos::new(setting.warm_time_max.get() / 2)),
        time_max: setting.warm_time_max,
        clock: setting.clock,
    };
    let warm = warm_up(&plan, &mut |side, samples| asked[side].take(item, setting, samples))?;
    if may_make_code || !asked.iter().any(|seat| seat.subject.may_make_code()) {
        return Ok(warm);
    }
    // The first requests had nothing made of them yet.
    let plan = WarmUpPlan { may_make_code: true, ..plan };
    warm_up(&plan, &mut |side, samples| asked[side].take(item, setting, samples))
}

/// What the times are of: `None` in process. What only one side tells is not compared.
fn time_of(measures: &[LatencyKind], has_floor: bool) -> Option<TimeOf> {
    if measures.contains(&LatencyKind::Work) {
        None
    } else if measures.iter().all(|it| *it == LatencyKind::RoundTripAndWork) {
        Some(TimeOf::Service)
    } else if has_floor {
        Some(TimeOf::AboveFloor)
    } else {
        Some(TimeOf::RoundTrip)
    }
}

impl Seat<'_> {
    /// Samples before those that count.
    fn take(
        &mut self,
        item: Item<'_>,
        setting: &SessionSetting<'_>,
        samples: u32,
    ) -> Result<Turn, WorkerError> {
        let request = TurnRequest { samples, iterations: None, slower: Ppm::new(0) };
        self.take_turn(request, item.turn_time(setting.contract, samples), None)
    }

    /// One turn of samples, of which the last must be like the response that this process was prepared with. They
    /// tell the time that is compared.
    fn take_turn(
        &mut self,
        request: TurnRequest,
        time: Nanos,
        time_of: Option<TimeOf>,
    ) -> Result<Turn, WorkerError> {
        let turn = self.subject.batch(request, time)?;
        let side = || self.subject.label().to_owned();
        if turn.response != self.seen {
            return Err(WorkerError::AnswersDiffer { side: side() });
        }
        if time_of == Some(TimeOf::Service) && turn.told.is_none() {
            let problem = ServerProblem::TellsNoMore;
            return Err(WorkerError::Server { side: side(), problem });
        }
        Ok(turn)
    }
}
