//! [`QueueMetrics`]: how long a queue is, how long jobs wait in it, and what becomes of them.

use std::{fmt, sync::Arc};

use super::{
    counter::{Counter, Gauge, GaugeGuard},
    edges::BucketEdges,
    family::Family,
    histogram::BucketHistogram,
    names::MetricError,
    registry::Registry,
};
use crate::{
    clock::Clock,
    units::{Count, Nanos},
};

/// The metrics of a queue and its workers. Clones are the same.
///
/// - `queue_length{queue}`, `queue_capacity{queue}`, `queue_wait_seconds{queue}`.
/// - `queue_jobs_total{queue,outcome}`: `done`, `failed`, `rejected`, `dropped` or `lost`.
/// - `workers{queue}` and `workers_active{queue}`.
///
/// A [`QueuedJob`] goes with its job through the queue, and becomes a [`RunningJob`]. Of a queue that is
/// elsewhere, such as in a database, [`QueueMetrics::set_length`] and [`QueueMetrics::started`] tell.
///
/// ```
/// use perf_passport_meter::{telemetry::{ExpositionFormat, QueueMetrics, Registry}, units::Count};
///
/// let registry = Registry::new();
/// let queue = QueueMetrics::new(&registry, "derivations", Count::new(100))?;
/// queue.set_workers(Count::new(2));
/// let queued = queue.enqueued();
/// let running = queued.started();
/// running.done();
/// let text = registry.text(ExpositionFormat::Text);
/// assert!(text.contains("queue_jobs_total{queue=\"derivations\",outcome=\"done\"} 1\n"));
/// # Ok::<(), perf_passport_meter::telemetry::MetricError>(())
/// ```
#[derive(Clone)]
pub struct QueueMetrics {
    clock: Arc<dyn Clock + Send + Sync>,
    name: Arc<str>,
    lengths: Family<Gauge, 1>,
    jobs: Family<Counter, 2>,
    wait: BucketHistogram,
    workers: Gauge,
    active: Gauge,
}

impl QueueMetrics {
    /// The metrics of the queue of this name, which holds so many jobs at most.
    ///
    /// # Errors
    ///
    /// [`MetricError::Taken`] where the registry has other metrics of these names.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 jobs")]
    pub fn new(registry: &Registry, name: &str, capacity: Count) -> Result<Self, MetricError> {
        let gauge = |metric, help| Ok(registry.gauges(metric, help, ["queue"])?.with([name]));
        gauge("queue_capacity", "Jobs that the queue holds at most.")?.set(capacity.get() as f64);
        let jobs = "Jobs by what became of them: done, failed, rejected, dropped or lost.";
        let jobs = registry.counters("queue_jobs_total", jobs, ["queue", "outcome"])?;
        let wait = "Time of a job in the queue.";
        let wait =
            registry.histograms("queue_wait_seconds", wait, ["queue"], &BucketEdges::latency())?;
        let lengths = registry.gauges("queue_length", "Jobs in the queue.", ["queue"])?;
        lengths.with([name]);
        // All are there before the first job, so that a rate has a beginning.
        for outcome in ["done", "failed", "rejected", "dropped", "lost"] {
            jobs.with([name, outcome]);
        }
        Ok(Self {
            clock: registry.clock(),
            name: name.into(),
            lengths,
            jobs,
            wait: wait.with([name]),
            workers: gauge("workers", "Workers of the queue.")?,
            active: gauge("workers_active", "Workers of the queue that have a job.")?,
        })
    }

    /// A job came into the queue.
    pub fn enqueued(&self) -> QueuedJob {
        let started = self.clock.elapsed();
        let length = self.lengths.with([&self.name]).hold();
        QueuedJob { queue: self.clone(), started, _length: length, has_started: false }
    }

    /// Says how long a queue is that is elsewhere; `None` where that is not known, which is then not shown.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 jobs")]
    pub fn set_length(&self, length: Option<Count>) {
        match length {
            Some(length) => self.lengths.with([&self.name]).set(length.get() as f64),
            None => {
                self.lengths.remove([&self.name]);
            }
        }
    }

    /// A worker took a job out of a queue that is elsewhere, in which it waited so long, if that is known.
    pub fn started(&self, waited: Option<Nanos>) -> RunningJob {
        if let Some(waited) = waited {
            self.wait.observe(waited);
        }
        RunningJob { queue: self.clone(), _active: self.active.hold(), outcome: "failed" }
    }

    /// A job was not taken, since the queue is full.
    pub fn rejected(&self) {
        self.ended("rejected");
    }

    /// Says how many workers there are.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 workers")]
    pub fn set_workers(&self, workers: Count) {
        self.workers.set(workers.get() as f64);
    }

    /// How many jobs wait in the queue.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not below 0"
    )]
    pub fn length(&self) -> Count {
        Count::new(self.lengths.with([&self.name]).get() as u64)
    }

    /// How many workers have a job.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not below 0"
    )]
    pub fn active_workers(&self) -> Count {
        Count::new(self.active.get() as u64)
    }

    fn ended(&self, outcome: &str) {
        self.jobs.with([&self.name, outcome]).inc();
    }
}

impl fmt::Debug for QueueMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A job in a queue. Dropped there, it counts as `dropped`.
#[must_use = "dropping it counts the job as dropped"]
pub struct QueuedJob {
    queue: QueueMetrics,
    started: Nanos,
    _length: GaugeGuard,
    has_started: bool,
}

impl QueuedJob {
    /// A worker took the job out of the queue.
    pub fn started(mut self) -> RunningJob {
        self.has_started = true;
        let waited = self.queue.clock.elapsed().saturating_sub(self.started);
        self.queue.started(Some(waited))
    }
}

impl Drop for QueuedJob {
    fn drop(&mut self) {
        if !self.has_started {
            self.queue.ended("dropped");
        }
    }
}

impl fmt::Debug for QueuedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedJob").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// A job that a worker has. Dropped before it is done, also by a panic, it counts as `failed`.
#[must_use = "dropping it counts the job as failed"]
pub struct RunningJob {
    queue: QueueMetrics,
    _active: GaugeGuard,
    outcome: &'static str,
}

impl RunningJob {
    /// The queue keeps the job until it is done or has failed: dropped before that it counts as `lost`, for
    /// it is done again.
    pub fn kept(self) -> Self {
        self.or("lost")
    }

    /// The work is done.
    pub fn done(self) {
        drop(self.or("done"));
    }

    /// The work failed.
    pub fn failed(self) {
        drop(self.or("failed"));
    }

    fn or(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.queue.ended(self.outcome);
    }
}

impl fmt::Debug for RunningJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningJob").field("queue", &self.queue).finish_non_exhaustive()
    }
}
