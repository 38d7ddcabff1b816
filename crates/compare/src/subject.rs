//! What takes turns: a worker, or a server that is asked over HTTP.
//!
//! A session knows [`Subject`] and [`Starter`] alone, so that it does not care which of the two it
//! is.

use std::path::Path;

use perf_passport::{
    contract::{Operation, TimePart},
    units::{Nanos, Ppm},
    worker::protocol::{Answer, Question, Seen},
};

use crate::{
    error::WorkerError,
    item::Item,
    process::{Placement, Worker, copy_path},
    side::{Side, Sides},
    watch::Watch,
};

/// Samples that warm a check or an operation up in each worker, at most, and for about how long.
const WARMUP: u32 = 60;
const WARMUP_TIME: Nanos = Nanos::new(10_000_000);

/// Who takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Baseline,
    Current,
    /// A copy of the baseline, of which two turns in three have work added, in process. It is one process, as
    /// whoever has more turns than the others finds the caches warmer.
    Control,
    Anchor,
    /// The current side once more, where the control is no process of its own: so that it has as
    /// many turns as the baseline.
    CurrentAgain,
    /// The same for the anchor.
    AnchorAgain,
    /// A server that only answers what the baseline does.
    Floor,
}

/// What a subject says of an item that it is ready to take turns of.
pub(crate) struct Readiness {
    /// The median latency of its last samples.
    pub(super) latency: Nanos,
    /// Of an operation, iterations of which that latency is.
    pub(super) iterations: Option<u64>,
    /// What the last one was like; `None` of an operation, whose results are held when it is observed.
    pub(super) response: Option<Seen>,
    /// What its latencies are of.
    pub(super) measures: LatencyKind,
}

/// What a turn is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TurnRequest {
    /// Samples.
    pub(super) samples: u32,
    /// Of an operation, iterations in each.
    pub(super) iterations: Option<u64>,
    /// How much more work a worker is to do within each, as a share of its time; a server cannot.
    pub(super) slower: Ppm,
}

/// What the latencies of a subject are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LatencyKind {
    /// The service's work.
    Work,
    /// The round trip, and how long it took the service is told as well.
    RoundTripAndWork,
    /// The round trip.
    RoundTrip,
}

/// Some samples.
pub(super) struct Turn {
    /// In their order.
    pub(super) latencies: Vec<Nanos>,
    /// How long each took the service, as it tells; never there of a worker.
    pub(super) told: Option<Vec<Nanos>>,
    /// What the last one was like; `None` when their statuses differ, and of an operation.
    pub(super) response: Option<Seen>,
}

impl Turn {
    /// The median of its latencies.
    pub(super) fn median_latency(&self) -> Nanos {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

/// A process that takes turns; gone with what it started when it is dropped.
pub(super) trait Subject {
    /// Waits until it can be asked.
    fn ready(&mut self) -> Result<(), WorkerError>;

    /// Brings it into the state that the item needs. A worker is warm then; a session warms servers up.
    fn prepare(&mut self, item: Item<'_>) -> Result<Readiness, WorkerError>;

    /// Takes samples of the prepared item within this time.
    fn batch(&mut self, request: TurnRequest, time: Nanos) -> Result<Turn, WorkerError>;

    /// Of which side it is.
    fn label(&self) -> &str;

    /// Whether it may make machine code while it runs.
    fn may_make_code(&self) -> bool {
        false
    }

    /// Tells it to end, without waiting for that: all are told before one is waited for.
    fn begin_to_end(&mut self) {}
}

/// Starts the subjects of sessions.
pub(super) trait Starter {
    /// Who takes turns in each session.
    fn roles(&self) -> Vec<Role>;

    /// Whether who asks them does so on the processor that they run on.
    fn asks_from_their_cpu(&self) -> bool;

    /// Starts one; the directory is the session's.
    fn start(
        &self,
        role: Role,
        placement: Placement,
        directory: &Path,
    ) -> Result<Box<dyn Subject + '_>, WorkerError>;
}

/// Starts workers.
pub(crate) struct WorkerStarter<'a> {
    pub(super) sides: Sides,
    pub(super) watch: Watch<'a>,
}

impl Starter for WorkerStarter<'_> {
    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::Baseline, Role::Current, Role::Control];
        roles.extend(self.sides.anchor.as_ref().map(|_| Role::Anchor));
        roles
    }

    fn asks_from_their_cpu(&self) -> bool {
        true
    }

    fn start(
        &self,
        role: Role,
        placement: Placement,
        directory: &Path,
    ) -> Result<Box<dyn Subject + '_>, WorkerError> {
        let side = match role {
            Role::Anchor => self.sides.anchor.as_ref().unwrap_or(&self.sides.baseline),
            Role::Current | Role::CurrentAgain => &self.sides.current,
            _ => &self.sides.baseline,
        };
        // The control too is another one, so that it shows what another layout alone does.
        let picked = placement.layout.checked_rem(side.relinked.len());
        let executable = picked.map_or(&side.executable, |it| &side.relinked[it]).clone();
        let side = &Side { executable, ..side.clone() };
        let copy = copy_path(directory, &format!("{role:?}").to_lowercase());
        let (worker, _) = Worker::start(side, &copy, placement, self.watch)?;
        Ok(Box::new(worker))
    }
}

fn prepare_case(operation: &Operation, size: Option<u64>, part: Option<TimePart>) -> Question {
    let part = part.map(|it| it.name().to_owned());
    let operation = operation.name.clone();
    Question::PrepareCase { operation, size, part, blocks: WARMUP, time: WARMUP_TIME }
}

impl Subject for Worker<'_> {
    /// A worker answers to the contract only when it can be asked.
    fn ready(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    fn prepare(&mut self, item: Item<'_>) -> Result<Readiness, WorkerError> {
        let question = match item {
            Item::Check(check) => {
                Question::Prepare { check: check.id(), samples: WARMUP, time: WARMUP_TIME }
            }
            Item::Case(operation, size) => prepare_case(operation, size, None),
            Item::Part(operation, size, part) => prepare_case(operation, size, Some(part)),
        };
        let measures = LatencyKind::Work;
        match self.ask(&question, item.ready_time())? {
            Answer::Prepared { latency_ns: latency, response } => {
                Ok(Readiness { latency, iterations: None, response: Some(response), measures })
            }
            Answer::PreparedCase { iterations, time_ns: latency } => {
                let iterations = Some(iterations.max(1));
                Ok(Readiness { latency, iterations, response: None, measures })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn batch(&mut self, request: TurnRequest, time: Nanos) -> Result<Turn, WorkerError> {
        let TurnRequest { samples, slower: slower_ppm, .. } = request;
        let question = match request.iterations {
            None => Question::Batch { samples, slower_ppm },
            Some(iterations) => Question::Iterate { samples, iterations, slower_ppm },
        };
        let (latencies, response) = match self.ask(&question, time)? {
            Answer::Samples { latencies_ns, response } => (latencies_ns, response),
            Answer::Iterated { latencies_ns } => (latencies_ns, None),
            other => return Err(self.unexpected(&other)),
        };
        if latencies.len() == samples as usize {
            Ok(Turn { latencies, told: None, response })
        } else {
            Err(self.unexpected(&Answer::Iterated { latencies_ns: latencies }))
        }
    }

    fn label(&self) -> &str {
        self.label()
    }
}
