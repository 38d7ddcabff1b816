//! One session: fresh processes of all sides that take turns on one processor.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    FIXTURE_TIME, Side, Sides, WorkerError,
    process::{PADDING_MAX, Placement, Worker, allowed_cpus, copy_path},
    random::{below, shuffle},
    temporary_directory,
};
use crate::{
    clock::Clock,
    contract::{Check, Contract},
    paired::{Pairs, Policy, Session},
    units::{Nanos, Ppm},
    worker::protocol::{Answer, Question, Seen},
};

/// Samples that warm a check up in each process, at most, and for about how long.
const WARMUP: u32 = 60;
const WARMUP_TIME: Nanos = Nanos::new(10_000_000);

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

/// Who takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Baseline,
    Current,
    /// A copy of the baseline, of which every other turn has work added. It is one process, as
    /// whoever has more turns than the others finds the caches warmer.
    Control,
    Anchor,
}

/// A process with the role that it was started for.
struct Seat<'a> {
    role: Role,
    worker: Worker<'a>,
    /// What the first samples were like.
    seen: Option<Seen>,
}

/// What a session needs to know of the comparison.
pub(super) struct Setting<'a> {
    pub(super) contract: &'a Contract,
    pub(super) sides: &'a Sides,
    pub(super) policy: &'a Policy,
    /// How much slower the current side is made.
    pub(super) slower: Ppm,
    pub(super) clock: &'a dyn Clock,
    pub(super) stop: &'a dyn Fn() -> bool,
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
    let mut roles = vec![Role::Baseline, Role::Current, Role::Control];
    roles.extend(setting.sides.anchor.as_ref().map(|_| Role::Anchor));
    shuffle(&mut random, &mut roles);
    let mut seats = Vec::new();
    for role in roles {
        let side = match role {
            Role::Baseline | Role::Control => &setting.sides.baseline,
            Role::Current => &setting.sides.current,
            Role::Anchor => setting.sides.anchor.as_ref().unwrap_or(&setting.sides.baseline),
        };
        let placement = Placement { cpu, padding: below(&mut random, PADDING_MAX) };
        let copy = copy_path(directory.path(), &format!("{role:?}").to_lowercase());
        // The control too is another one, so that it shows what another layout alone does.
        let picked = below(&mut random, side.relinked.len());
        let executable = side.relinked.get(picked).unwrap_or(&side.executable).clone();
        let side = Side { executable, ..side.clone() };
        let (worker, _) = Worker::start(&side, &copy, placement, (setting.clock, setting.stop))?;
        seats.push(Seat { role, worker, seen: None });
    }
    let mut order: Vec<&Check> = checks.to_vec();
    shuffle(&mut random, &mut order);
    // One fixture after the other: a service holds one at a time.
    order.sort_by(|a, b| a.fixture.cmp(&b.fixture));
    let mut outcomes = Vec::new();
    for check in order {
        let measured = measure(setting, &mut seats, check, &mut random);
        let over = matches!(
            measured,
            Err(WorkerError::Interrupted | WorkerError::Died { .. } | WorkerError::Hangs { .. })
        );
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
    for seat in seats.iter_mut() {
        let question = Question::Prepare { check: check.id(), samples: WARMUP, time: WARMUP_TIME };
        match seat.worker.ask(&question, FIXTURE_TIME)? {
            Answer::Prepared { latency_ns, response } => {
                seat.seen = Some(response);
                latency = latency.max(latency_ns);
            }
            other => return Err(seat.worker.unexpected(&other)),
        }
    }
    let plan = Plan::of(latency, setting.policy.pair_time_ns);
    let time = question_time(setting.contract, check, plan.batch);
    let mut order: Vec<usize> = (0..seats.len()).collect();
    let mut taken = Taken::default();
    let started = setting.clock.elapsed();
    for cycle in 0..plan.cycles {
        shuffle(random, &mut order);
        let injects = cycle % 2 == 1;
        let mut batches: Vec<(Role, Vec<Nanos>)> = Vec::with_capacity(order.len());
        for index in &order {
            let seat = &mut seats[*index];
            let slower_ppm = match seat.role {
                Role::Control if injects => setting.policy.injected_ppm,
                Role::Current => setting.slower,
                _ => Ppm::new(0),
            };
            let latencies = batch(seat, plan.batch, slower_ppm, time)?;
            batches.push((seat.role, latencies));
        }
        taken.add(&batches, plan.skipped, injects);
        let spent = setting.clock.elapsed().saturating_sub(started);
        if cycle + 1 >= CYCLES_MIN && spent.get() > plan.time_max.get() {
            break;
        }
    }
    Ok(taken.session())
}

/// One turn: a batch of samples, which must all be like the first response of this process.
fn batch(
    seat: &mut Seat<'_>,
    samples: u32,
    slower_ppm: Ppm,
    time: Nanos,
) -> Result<Vec<Nanos>, WorkerError> {
    match seat.worker.ask(&Question::Batch { samples, slower_ppm }, time)? {
        Answer::Samples { latencies_ns, response } if latencies_ns.len() == samples as usize => {
            if response != seat.seen {
                return Err(WorkerError::AnswersDiffer);
            }
            Ok(latencies_ns)
        }
        other => Err(seat.worker.unexpected(&other)),
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

/// The pairs so far.
#[derive(Default)]
struct Taken {
    baseline: Vec<Nanos>,
    current: Pairs,
    control: Pairs,
    injected: Pairs,
    anchor: Option<Pairs>,
}

impl Taken {
    /// Each side's turn counts as its median sample.
    fn add(&mut self, turns: &[(Role, Vec<Nanos>)], skipped: usize, injects: bool) {
        let of = |role: Role| {
            let turn = turns.iter().find(|(it, _)| *it == role);
            let mut kept =
                turn.and_then(|(_, all)| all.get(skipped..)).unwrap_or_default().to_vec();
            let middle = kept.len().saturating_sub(1) / 2;
            kept.sort_unstable();
            kept.get(middle).copied()
        };
        let (Some(baseline), Some(current)) = (of(Role::Baseline), of(Role::Current)) else {
            return;
        };
        self.baseline.push(baseline);
        self.current.push(baseline, current);
        if let Some(control) = of(Role::Control) {
            let pairs = if injects { &mut self.injected } else { &mut self.control };
            pairs.push(baseline, control);
        }
        if let Some(anchor) = of(Role::Anchor) {
            self.anchor.get_or_insert_default().push(anchor, current);
        }
    }

    fn session(mut self) -> Session {
        let middle = self.baseline.len() / 2;
        self.baseline.sort_unstable();
        Session {
            seed: 0,
            baseline_ns: self.baseline.get(middle).copied().unwrap_or_default(),
            current: self.current,
            control: self.control,
            injected: self.injected,
            anchor: self.anchor,
        }
    }
}
