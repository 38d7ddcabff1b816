//! What takes turns: a worker, or a server that is asked over HTTP.
//!
//! A session knows [`Subject`] and [`Starter`] alone, so that it does not care which of the two it
//! is.

use std::path::Path;

use super::{
    FIXTURE_TIME, Side, Sides, WorkerError,
    process::{Placement, Worker, copy_path},
};
use crate::{
    clock::Clock,
    contract::Check,
    units::{Nanos, Ppm},
    worker::protocol::{Answer, Question, Seen},
};

/// Samples that warm a check up in each worker, at most, and for about how long.
const WARMUP: u32 = 60;
const WARMUP_TIME: Nanos = Nanos::new(10_000_000);

/// The time, and whether the user interrupted.
pub(super) type Watch<'a> = (&'a dyn Clock, &'a dyn Fn() -> bool);

/// Who takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Baseline,
    Current,
    /// A copy of the baseline, of which every other turn has work added. It is one process, as
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

/// What a subject says of a check that it is ready to take turns of.
pub(super) struct Prepared {
    /// The median latency of its last samples.
    pub(super) latency: Nanos,
    /// What the last one was like.
    pub(super) response: Seen,
    /// What its latencies are of.
    pub(super) measures: Measures,
}

/// What the latencies of a subject are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measures {
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
    /// What the last one was like; `None` when their statuses differ.
    pub(super) response: Option<Seen>,
}

/// A process that takes turns; gone with what it started when it is dropped.
pub(super) trait Subject {
    /// Waits until it can be asked.
    fn ready(&mut self) -> Result<(), WorkerError>;

    /// Brings it into the state that the check needs, and warms it up.
    fn prepare(&mut self, check: &Check) -> Result<Prepared, WorkerError>;

    /// Takes samples of the prepared check. A worker does more work within each, by this share of
    /// its time; a server cannot.
    fn batch(&mut self, samples: u32, slower: Ppm, time: Nanos) -> Result<Turn, WorkerError>;

    /// Of which side it is.
    fn label(&self) -> &str;
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
pub(super) struct Workers<'a> {
    pub(super) sides: Sides,
    pub(super) watch: Watch<'a>,
}

impl Starter for Workers<'_> {
    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::Baseline, Role::Current, Role::Control];
        roles.extend(self.sides.anchor.as_ref().map(|_| Role::Anchor));
        roles
    }

    /// They send their requests to themselves.
    fn asks_from_their_cpu(&self) -> bool {
        false
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

impl Subject for Worker<'_> {
    /// A worker answers to the contract only when it can be asked.
    fn ready(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    fn prepare(&mut self, check: &Check) -> Result<Prepared, WorkerError> {
        let question = Question::Prepare { check: check.id(), samples: WARMUP, time: WARMUP_TIME };
        match self.ask(&question, FIXTURE_TIME)? {
            Answer::Prepared { latency_ns: latency, response } => {
                Ok(Prepared { latency, response, measures: Measures::Work })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn batch(&mut self, samples: u32, slower_ppm: Ppm, time: Nanos) -> Result<Turn, WorkerError> {
        match self.ask(&Question::Batch { samples, slower_ppm }, time)? {
            Answer::Samples { latencies_ns: latencies, response }
                if latencies.len() == samples as usize =>
            {
                Ok(Turn { latencies, told: None, response })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn label(&self) -> &str {
        self.label()
    }
}
