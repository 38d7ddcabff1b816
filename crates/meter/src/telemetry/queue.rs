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
/// - `queue_jobs_total{queue,outcome}`: `done`, `failed`, `rejected` or `dropped`.
/// - `workers{queue}` and `workers_active{queue}`.
///
/// A [`QueuedJob`] goes with its job through the queue, and becomes a [`RunningJob`].
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
    length: Gauge,
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
        let jobs = "Jobs by what became of them: done, failed, rejected or dropped.";
        let jobs = registry.counters("queue_jobs_total", jobs, ["queue", "outcome"])?;
        let wait = "Time of a job in the queue.";
        let wait =
            registry.histograms("queue_wait_seconds", wait, ["queue"], &BucketEdges::latency())?;
        // Both are there before the first job, so that a rate has a beginning.
        for outcome in ["done", "failed"] {
            jobs.with([name, outcome]);
        }
        Ok(Self {
            clock: registry.clock(),
            name: name.into(),
            length: gauge("queue_length", "Jobs in the queue.")?,
            jobs,
            wait: wait.with([name]),
            workers: gauge("workers", "Workers of the queue.")?,
            active: gauge("workers_active", "Workers of the queue that have a job.")?,
        })
    }

    /// A job came into the queue.
    pub fn enqueued(&self) -> QueuedJob {
        let started = self.clock.elapsed();
        QueuedJob { queue: self.clone(), started, _length: self.length.hold(), has_started: false }
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
        Count::new(self.length.get() as u64)
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
        let queue = self.queue.clone();
        queue.wait.observe(queue.clock.elapsed().saturating_sub(self.started));
        let active = queue.active.hold();
        RunningJob { queue, _active: active, outcome: "failed" }
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
    /// The work is done.
    pub fn done(mut self) {
        self.outcome = "done";
    }

    /// The work failed.
    pub fn failed(self) {}
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
