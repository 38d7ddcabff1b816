//! One session: fresh processes of all sides that take turns on one processor.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Item, ServerProblem, WorkerError,
    process::{OnCpu, PADDING_MAX, Placement},
    random::{below, shuffle},
    subject::{Asked, Measures, Prepared, Role, Starter, Subject, Turn},
    taken::{Added, Taken},
    temporary_directory,
};
use perf_passport::{
    clock::Clock,
    contract::Contract,
    paired::{Policy, Session, TimeOf},
    units::{Count, Nanos, Picos, Ppm},
    worker::protocol::Seen,
};

/// Time of one turn, about.
const TURN_TIME: Nanos = Nanos::new(400_000);

/// A sample of an operation is as many iterations as take this long, about: reading the clock, which
/// hides as much of a change, is then a few thousandths of it.
const SAMPLE_TIME: Nanos = Nanos::new(20_000);

/// No sample has more iterations.
const ITERATIONS_MAX: u64 = 1 << 40;

/// An iteration of this time has averaged by itself what a short one needs many turns for, so it takes
/// few: one of a second would else take a minute of each session.
const LONG: Nanos = Nanos::new(10_000_000);

/// Cycles of an operation in a session whose iterations are long, at least.
const LONG_CYCLES_MIN: u64 = 4;

/// Cycles of a check in a session, at least and at most: below, its median is a matter of luck;
/// above, it is not known any better, as what is wrong with a process stays with it.
const CYCLES_MIN: u64 = 12;
const CYCLES_MAX: u64 = 400;

/// The least where samples are so long that a turn has two: luck has more to say in each.
const SLOW_CYCLES_MIN: u64 = 18;

/// One turn of the control in so many is as it is, and in the others it is slowed down: that this is found
/// takes a narrow bound, and to see that a copy is no slower takes a wide one only.
const CONTROL_EVERY: u64 = 3;

/// A check takes at most this many times its time where others want the processor too.
const STRETCH_MAX: u64 = 3;

/// A process with the role that it was started for.
struct Seat<'a> {
    role: Role,
    subject: Box<dyn Subject + 'a>,
    /// What the first samples were like.
    seen: Option<Seen>,
}

/// What a session needs to know of the comparison.
pub(super) struct Setting<'a> {
    pub(super) contract: &'a Contract,
    /// Names of items that the anchor takes no turns of.
    pub(super) not_anchored: &'a [String],
    pub(super) policy: &'a Policy,
    /// What the times of an item were of in the sessions before.
    pub(super) time_of: &'a (dyn Fn(Item<'_>) -> Option<TimeOf> + Sync),
    /// How much slower the current side is made.
    pub(super) slower: Ppm,
    pub(super) clock: &'a dyn Clock,
}

/// What became of one item in a session.
pub(super) type Outcome<'a> = (Item<'a>, Result<Session, WorkerError>);

/// Runs a session of these items, on this processor.
///
/// # Errors
///
/// When a process could not be started. What goes wrong with one item is its outcome; those after a
/// process died are left out.
pub(super) fn run<'a>(
    setting: &Setting<'_>,
    starter: &dyn Starter,
    items: &[Item<'a>],
    seed: u64,
    cpu: Option<usize>,
) -> Result<Vec<Outcome<'a>>, WorkerError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = temporary_directory()?;
    let mut roles = starter.roles();
    shuffle(&mut random, &mut roles);
    let mut seats = Vec::new();
    for role in roles {
        let padding = below(&mut random, PADDING_MAX);
        let placement = Placement { cpu, padding, layout: below(&mut random, usize::MAX) };
        let subject = starter.start(role, placement, directory.path())?;
        seats.push(Seat { role, subject, seen: None });
    }
    for seat in &mut seats {
        seat.subject.ready()?;
    }
    let _here = cpu.filter(|_| starter.asks_from_their_cpu()).map(OnCpu::stay);
    let mut order: Vec<Item<'a>> = items.to_vec();
    shuffle(&mut random, &mut order);
    // One fixture after the other: a service holds one at a time.
    order.sort_by_key(Item::fixture);
    let mut outcomes = Vec::new();
    for item in order {
        let measured = measure(setting, &mut seats, item, &mut random);
        let over = measured.as_ref().is_err_and(WorkerError::ends_the_session);
        let session = measured.map(|session| Session { seed, ..session });
        outcomes.push((item, session));
        if over {
            break;
        }
    }
    Ok(outcomes)
}

/// The pairs of one item.
fn measure(
    setting: &Setting<'_>,
    seats: &mut [Seat<'_>],
    item: Item<'_>,
    random: &mut ChaCha8Rng,
) -> Result<Session, WorkerError> {
    let mut slowest = Slowest::default();
    let mut measures = Vec::new();
    let id = item.id();
    let anchored = !setting.not_anchored.contains(&id);
    let takes_part = |role| anchored || !matches!(role, Role::Anchor | Role::AnchorAgain);
    let (floors, asked): (Vec<_>, Vec<_>) = seats
        .iter_mut()
        .filter(|seat| takes_part(seat.role))
        .partition(|seat| seat.role == Role::Floor);
    let has_floor = !floors.is_empty();
    for seat in asked {
        let prepared = seat.subject.prepare(item)?;
        // A refusal is quick, and alike on all sides.
        let seen = item.check().zip(prepared.response.as_ref());
        let unexpected = seen.and_then(|(check, seen)| check.unexpected_status(&seen.statuses));
        if let Some((status, expected)) = unexpected {
            let side = seat.subject.label().to_owned();
            return Err(WorkerError::Status { side, check: id, status, expected });
        }
        slowest.add(&prepared);
        seat.seen = prepared.response;
        measures.push(prepared.measures);
    }
    // Times of different kinds are no sessions that are drawn alike.
    let time_of = (setting.time_of)(item).or_else(|| time_of(&measures, has_floor));
    // It answers what the baseline was heard to answer, so it comes after that.
    for seat in floors.into_iter().filter(|_| time_of == Some(TimeOf::AboveFloor)) {
        seat.seen = seat.subject.prepare(item)?.response;
    }
    let plan = Plan::of(&slowest, setting.policy.pair_time_ns);
    let time = item.turn_time(setting.contract, plan.batch);
    let takes_turns = |role: Role| {
        takes_part(role) && (role != Role::Floor || time_of == Some(TimeOf::AboveFloor))
    };
    let mut order: Vec<usize> =
        (0..seats.len()).filter(|index| takes_turns(seats[*index].role)).collect();
    let mut taken = Taken::new(time_of);
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
            let asked = Asked { samples: plan.batch, iterations: plan.iterations, slower };
            let turn = batch(seat, asked, time)?;
            if time_of == Some(TimeOf::Service) && turn.told.is_none() {
                let side = seat.subject.label().to_owned();
                return Err(WorkerError::Server { side, problem: ServerProblem::TellsNoMore });
            }
            turns.push((seat.role, turn));
        }
        taken.add(&turns, plan.skipped, injects);
        let spent = setting.clock.elapsed().saturating_sub(started);
        if cycle + 1 >= plan.cycles_min && spent.get() > plan.time_max.get() {
            break;
        }
    }
    let added = Added { injected: setting.policy.injected_ppm, slower: setting.slower };
    Ok(Session { iterations: plan.iterations.map(Count::new), ..taken.session(added) })
}

/// What the times are of: `None` in process. What only one side tells is not compared.
fn time_of(measures: &[Measures], has_floor: bool) -> Option<TimeOf> {
    if measures.contains(&Measures::Work) {
        None
    } else if measures.iter().all(|it| *it == Measures::RoundTripAndWork) {
        Some(TimeOf::Service)
    } else if has_floor {
        Some(TimeOf::AboveFloor)
    } else {
        Some(TimeOf::RoundTrip)
    }
}

/// One turn: a batch of samples, which must all be like the first response of this process.
fn batch(seat: &mut Seat<'_>, asked: Asked, time: Nanos) -> Result<Turn, WorkerError> {
    let turn = seat.subject.batch(asked, time)?;
    if turn.response == seat.seen {
        Ok(turn)
    } else {
        Err(WorkerError::AnswersDiffer { side: seat.subject.label().to_owned() })
    }
}

/// How long a sample takes, of the side that takes longest.
#[derive(Default)]
struct Slowest {
    latency: Nanos,
    /// Of an operation, the time of one iteration.
    iteration: Option<Picos>,
}

impl Slowest {
    fn add(&mut self, prepared: &Prepared) {
        self.latency = self.latency.max(prepared.latency);
        let iteration = prepared.iterations.map(|iterations| {
            let picos = u128::from(prepared.latency.get()) * 1_000 / u128::from(iterations.max(1));
            Picos::new(u64::try_from(picos).unwrap_or(u64::MAX).max(1))
        });
        self.iteration = self.iteration.max(iteration);
    }
}

/// How an item's time is divided.
struct Plan {
    /// Samples in a turn.
    batch: u32,
    /// Of an operation, iterations in a sample: the same on all sides, so that it is the same work.
    iterations: Option<u64>,
    /// The first samples of a turn, which fetch the process into the caches again.
    skipped: usize,
    /// Turns of each side.
    cycles: u64,
    /// The least of them, however long they take.
    cycles_min: u64,
    /// All turns together take at most this long, but for the least number of cycles.
    time_max: Nanos,
}

impl Plan {
    fn of(slowest: &Slowest, pair_time: Nanos) -> Self {
        let iterations = slowest.iteration.map(|iteration| {
            let sample = SAMPLE_TIME.saturating_mul(1_000).get();
            sample.div_ceil(iteration.get().max(1)).clamp(1, ITERATIONS_MAX)
        });
        let latency = match slowest.iteration.zip(iterations) {
            None => slowest.latency,
            Some((iteration, iterations)) => {
                Nanos::new(iteration.saturating_mul(iterations).get() / 1_000)
            }
        };
        let is_long = iterations.is_some() && latency >= LONG;
        let latency = latency.get().max(1);
        // The longer a turn, the less it matters that another process had the caches before.
        let batch_min = if is_long { 1 } else { 2 };
        let batch = (TURN_TIME.get() / latency).clamp(batch_min, 64);
        let skipped = if batch < 4 { 0 } else { (batch / 4).min(8) };
        let one = latency.saturating_mul(2 * batch);
        let cycles_min = match batch {
            _ if is_long => LONG_CYCLES_MIN,
            ..=2 => SLOW_CYCLES_MIN,
            _ => CYCLES_MIN,
        };
        let cycles = (pair_time.get() / one).clamp(cycles_min, CYCLES_MAX);
        Self {
            batch: u32::try_from(batch).unwrap_or(u32::MAX),
            iterations,
            skipped: usize::try_from(skipped).unwrap_or(usize::MAX),
            cycles,
            cycles_min,
            time_max: Nanos::new(one.saturating_mul(cycles * STRETCH_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR_TIME: Nanos = Nanos::new(12_000_000);

    fn plan(blocks: &[(u64, u64)]) -> Plan {
        let mut slowest = Slowest::default();
        for (iterations, ns) in blocks {
            slowest.add(&Prepared {
                latency: Nanos::new(*ns),
                iterations: Some(*iterations),
                response: None,
                measures: Measures::Work,
            });
        }
        Plan::of(&slowest, PAIR_TIME)
    }

    #[test]
    fn a_sample_of_code_is_the_same_iterations_on_all_sides_and_long_enough() {
        // 1 ns, and on the other side 2 ns.
        let short = plan(&[(32_768, 32_768), (16_384, 32_768)]);
        assert_eq!(short.iterations, Some(10_000));
        assert_eq!((short.batch, short.skipped, short.cycles), (20, 5, 15));
        let longer = plan(&[(1, 50_000)]);
        assert_eq!((longer.iterations, longer.batch), (Some(1), 8));
        // Nothing at all takes some time.
        assert_eq!(plan(&[(1 << 40, 0)]).iterations, Some(20_000_000));
    }

    #[test]
    fn an_iteration_of_a_second_takes_few_turns() {
        let long = plan(&[(1, 1_000_000_000)]);
        assert_eq!((long.batch, long.skipped, long.cycles), (1, 0, LONG_CYCLES_MIN));
        let shorter = plan(&[(1, 5_000_000)]);
        assert_eq!((shorter.batch, shorter.cycles), (2, SLOW_CYCLES_MIN));
    }

    #[test]
    fn a_check_is_sampled_request_by_request() {
        let mut slowest = Slowest::default();
        let latency = Nanos::new(100_000_000);
        let prepared = |latency| Prepared {
            latency,
            iterations: None,
            response: None,
            measures: Measures::Work,
        };
        slowest.add(&prepared(latency));
        let plan = Plan::of(&slowest, PAIR_TIME);
        assert_eq!((plan.iterations, plan.batch, plan.cycles), (None, 2, SLOW_CYCLES_MIN));
    }
}
