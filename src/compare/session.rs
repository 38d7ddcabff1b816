//! One session: fresh processes of all sides that take turns on one processor.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    ServerProblem, WorkerError,
    process::{OnCpu, PADDING_MAX, Placement, allowed_cpus},
    random::{below, shuffle},
    subject::{Measures, Role, Starter, Subject, Turn},
    taken::{Added, Taken},
    temporary_directory,
};
use crate::{
    clock::Clock,
    contract::{Check, Contract},
    paired::{Policy, Session, TimeOf},
    units::{Nanos, Ppm},
    worker::protocol::Seen,
};

/// Time beyond the timeouts of its requests that an answer may take.
const GRACE: Nanos = Nanos::new(10_000_000_000);

/// Time of one turn, about.
const TURN_TIME: Nanos = Nanos::new(400_000);

/// Cycles of a check in a session, at least and at most: below, its median is a matter of luck;
/// above, it is not known any better, as what is wrong with a process stays with it.
const CYCLES_MIN: u64 = 12;
const CYCLES_MAX: u64 = 400;

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
    pub(super) starter: &'a dyn Starter,
    pub(super) policy: &'a Policy,
    /// What the times of a check were of in the sessions before.
    pub(super) time_of: &'a dyn Fn(&Check) -> Option<TimeOf>,
    /// How much slower the current side is made.
    pub(super) slower: Ppm,
    pub(super) clock: &'a dyn Clock,
}

/// What became of one check in a session.
pub(super) type Outcome<'a> = (&'a Check, Result<Session, WorkerError>);

/// Runs a session of these checks.
///
/// # Errors
///
/// When a process could not be started. What goes wrong with one check is its outcome; the checks
/// after a process died are left out.
pub(super) fn run<'a>(
    setting: &Setting<'_>,
    checks: &[&'a Check],
    seed: u64,
) -> Result<Vec<Outcome<'a>>, WorkerError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = temporary_directory()?;
    let cpus = allowed_cpus();
    let cpu = (!cpus.is_empty()).then(|| cpus[below(&mut random, cpus.len())]);
    let mut roles = setting.starter.roles();
    shuffle(&mut random, &mut roles);
    let mut seats = Vec::new();
    for role in roles {
        let padding = below(&mut random, PADDING_MAX);
        let placement = Placement { cpu, padding, layout: below(&mut random, usize::MAX) };
        let subject = setting.starter.start(role, placement, directory.path())?;
        seats.push(Seat { role, subject, seen: None });
    }
    for seat in &mut seats {
        seat.subject.ready()?;
    }
    let _here = cpu.filter(|_| setting.starter.asks_from_their_cpu()).map(OnCpu::stay);
    let mut order: Vec<&Check> = checks.to_vec();
    shuffle(&mut random, &mut order);
    // One fixture after the other: a service holds one at a time.
    order.sort_by(|a, b| a.fixture.cmp(&b.fixture));
    let mut outcomes = Vec::new();
    for check in order {
        let measured = measure(setting, &mut seats, check, &mut random);
        let over = measured.as_ref().is_err_and(WorkerError::ends_the_session);
        let session = measured.map(|session| Session { seed, ..session });
        outcomes.push((check, session));
        if over {
            break;
        }
    }
    Ok(outcomes)
}

/// The pairs of one check.
fn measure(
    setting: &Setting<'_>,
    seats: &mut [Seat<'_>],
    check: &Check,
    random: &mut ChaCha8Rng,
) -> Result<Session, WorkerError> {
    let mut latency = Nanos::ZERO;
    let mut measures = Vec::new();
    let (floors, asked): (Vec<_>, Vec<_>) =
        seats.iter_mut().partition(|seat| seat.role == Role::Floor);
    let has_floor = !floors.is_empty();
    for seat in asked {
        let prepared = seat.subject.prepare(check)?;
        seat.seen = Some(prepared.response);
        latency = latency.max(prepared.latency);
        measures.push(prepared.measures);
    }
    // Times of different kinds are no sessions that are drawn alike.
    let time_of = (setting.time_of)(check).or_else(|| time_of(&measures, has_floor));
    // It answers what the baseline was heard to answer, so it comes after that.
    for seat in floors.into_iter().filter(|_| time_of == Some(TimeOf::AboveFloor)) {
        seat.seen = Some(seat.subject.prepare(check)?.response);
    }
    let plan = Plan::of(latency, setting.policy.pair_time_ns);
    let time = question_time(setting.contract, check, plan.batch);
    let takes_turns = |role: Role| role != Role::Floor || time_of == Some(TimeOf::AboveFloor);
    let mut order: Vec<usize> =
        (0..seats.len()).filter(|index| takes_turns(seats[*index].role)).collect();
    let mut taken = Taken::new(time_of);
    let started = setting.clock.elapsed();
    for cycle in 0..plan.cycles {
        shuffle(random, &mut order);
        let injects = cycle % 2 == 1;
        let mut turns: Vec<(Role, Turn)> = Vec::with_capacity(order.len());
        for index in &order {
            let seat = &mut seats[*index];
            let slower_ppm = match seat.role {
                Role::Control if injects => setting.policy.injected_ppm,
                Role::Current => setting.slower,
                _ => Ppm::new(0),
            };
            let turn = batch(seat, plan.batch, slower_ppm, time)?;
            if time_of == Some(TimeOf::Service) && turn.told.is_none() {
                let side = seat.subject.label().to_owned();
                return Err(WorkerError::Server { side, problem: ServerProblem::TellsNoMore });
            }
            turns.push((seat.role, turn));
        }
        taken.add(&turns, plan.skipped, injects);
        let spent = setting.clock.elapsed().saturating_sub(started);
        if cycle + 1 >= CYCLES_MIN && spent.get() > plan.time_max.get() {
            break;
        }
    }
    Ok(taken.session(Added { injected: setting.policy.injected_ppm, slower: setting.slower }))
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
fn batch(
    seat: &mut Seat<'_>,
    samples: u32,
    slower_ppm: Ppm,
    time: Nanos,
) -> Result<Turn, WorkerError> {
    let turn = seat.subject.batch(samples, slower_ppm, time)?;
    if turn.response == seat.seen {
        Ok(turn)
    } else {
        Err(WorkerError::AnswersDiffer { side: seat.subject.label().to_owned() })
    }
}

/// The time within which a batch must be answered.
fn question_time(contract: &Contract, check: &Check, samples: u32) -> Nanos {
    let requests = check.requests_per_sample().saturating_mul(u64::from(samples));
    GRACE.saturating_add(Nanos::new(contract.sampling.timeout.get().saturating_mul(requests)))
}

/// How a check's time is divided.
struct Plan {
    /// Samples in a turn.
    batch: u32,
    /// The first samples of a turn, which fetch the process into the caches again.
    skipped: usize,
    /// Turns of each side.
    cycles: u64,
    /// All turns together take at most this long, but for the least number of cycles.
    time_max: Nanos,
}

impl Plan {
    fn of(latency: Nanos, pair_time: Nanos) -> Self {
        let latency = latency.get().max(1);
        // The longer a turn, the less it matters that another process had the caches before.
        let batch = (TURN_TIME.get() / latency).clamp(2, 64);
        let skipped = if batch < 4 { 0 } else { (batch / 4).min(8) };
        let one = latency.saturating_mul(2 * batch);
        let cycles = (pair_time.get() / one).clamp(CYCLES_MIN, CYCLES_MAX);
        Self {
            batch: u32::try_from(batch).unwrap_or(u32::MAX),
            skipped: usize::try_from(skipped).unwrap_or(usize::MAX),
            cycles,
            time_max: Nanos::new(one.saturating_mul(cycles * STRETCH_MAX)),
        }
    }
}
