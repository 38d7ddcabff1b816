//! What a running ledger shows to who watches it, beside the JSON of `/metrics`.
//!
//! [`Watch`] holds the metrics of queue, runs and database. What all processes share is read from the
//! database at each scrape: the queue, the runs and the last attestation. Where that fails, those series
//! are absent, and the rest is shown. What this process did is counted as it happens.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, Response};

use super::{
    database::{Database, DatabaseError, DatabaseWatch},
    queries::{self, FirstOrganism, Totals},
};
use perf_passport_meter::{
    telemetry::{
        BucketEdges, BucketHistogram, Counter, DatabaseMetrics, Family, FunctionMetrics, Gauge,
        GaugeGuard, MetricError, OperationTimer, PoolConnections, PoolMetrics, Telemetry,
    },
    units::{Bytes, Count, Nanos},
};

/// The name of the queue in labels.
const QUEUE: &str = "events";
/// The name of the database and of its pool in labels.
const DATABASE: &str = "ledger";

/// The metrics of one ledger.
#[derive(Debug)]
pub(super) struct Watch {
    telemetry: Telemetry,
    jobs: Family<Counter, 2>,
    wait: BucketHistogram,
    length: Family<Gauge, 1>,
    workers: Gauge,
    active: Gauge,
    /// Held while an answer is written, so that each shows one reading.
    writing: Mutex<()>,
    /// The runs that the database knows; none where it cannot be asked.
    runs: Arc<Mutex<Option<u64>>>,
    info: Family<Gauge, 1>,
    latency: BucketHistogram,
    functions: FunctionMetrics,
    database: DatabaseMetrics,
    pool: PoolMetrics,
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its run is recorded, and closed its loop.
    Done,
    /// Its run is recorded as one that failed.
    Failed,
    /// The event came to a full queue.
    Rejected,
    /// The claim ended before the run was recorded: the job is done again.
    Lost,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Rejected, Self::Lost];

    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Lost => "lost",
        }
    }
}

/// What is read from the database for one scrape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    totals: Totals,
    organism: Option<FirstOrganism>,
    size: Bytes,
}

impl Reading {
    pub(super) async fn of(database: &Database) -> Result<Self, DatabaseError> {
        let (totals, organism) = queries::totals(database).await?;
        Ok(Self { totals, organism, size: database.size().await? })
    }
}

impl Watch {
    /// The metrics of a ledger with a queue of this capacity.
    pub(super) fn new(telemetry: &Telemetry, capacity: Count) -> Result<Self, MetricError> {
        let registry = telemetry.registry();
        let gauges = |name, help| registry.gauges(name, help, ["queue"]);
        let edges = BucketEdges::latency();
        gauges("queue_capacity", "Jobs that may wait at most.")?.with([QUEUE]).set(whole(capacity));
        let jobs = "Jobs of this process: done, failed, rejected by a full queue, or lost.";
        let jobs = registry.counters("queue_jobs_total", jobs, ["queue", "outcome"])?;
        for outcome in Outcome::ALL {
            jobs.with([QUEUE, outcome.name()]);
        }
        let wait = "Time from the event until a worker has its job.";
        let wait = registry.histograms("queue_wait_seconds", wait, ["queue"], &edges)?;
        let latency = "Time from the event until its run is recorded, of runs of this process.";
        let latency = registry.histograms("first_organism_latency_seconds", latency, [], &edges)?;
        let info = "The last attestation, as a label.";
        let database = telemetry.database(DATABASE)?;
        let watch = Self {
            jobs,
            wait: wait.with([QUEUE]),
            length: gauges("queue_length", "Jobs whose run is not recorded, of all processes.")?,
            workers: gauges("workers", "Workers of this process.")?.with([QUEUE]),
            active: gauges("workers_active", "Workers that have a job.")?.with([QUEUE]),
            writing: Mutex::default(),
            runs: Arc::default(),
            info: registry.gauges("first_organism_info", info, ["last_ht_hash"])?,
            latency: latency.with([]),
            functions: FunctionMetrics::new(registry)?,
            pool: PoolMetrics::new(registry, DATABASE)?.of_database(&database),
            database,
            telemetry: telemetry.clone(),
        };
        watch.workers.set(0.0);
        let runs = Arc::clone(&watch.runs);
        registry.on_scrape(move |exposition| {
            let runs = *runs.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(runs) = runs else { return };
            let help = "Runs of the first organism, of all processes since the database was made.";
            exposition.counter("first_organism_runs_total", help, &[], whole(Count::new(runs)));
        });
        Ok(watch)
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// What the database is told to tell.
    pub(super) fn of_database(&self) -> DatabaseWatch {
        DatabaseWatch { database: self.database.clone(), pool: self.pool.clone() }
    }

    /// Asks `connections` at each scrape.
    pub(super) fn connections(
        &self,
        connections: impl Fn() -> PoolConnections + Send + Sync + 'static,
    ) {
        self.pool.on_scrape(connections);
    }

    pub(super) fn workers(&self, workers: Count) {
        self.workers.set(whole(workers));
    }

    /// A worker has a job from now on, until the guard is dropped.
    pub(super) fn job_started(&self, waited: Option<Nanos>) -> GaugeGuard {
        // A fixture's jobs have no event, so nobody knows how long they waited.
        if let Some(waited) = waited {
            self.wait.observe(waited);
        }
        self.active.hold()
    }

    pub(super) fn job_ended(&self, outcome: Outcome) {
        self.jobs.with([QUEUE, outcome.name()]).inc();
    }

    /// A run is recorded, so long after its event.
    pub(super) fn run_recorded(&self, latency: Nanos) {
        self.latency.observe(latency);
    }

    /// Times a run until the timer is dropped.
    pub(super) fn timer(&self, questions: usize) -> OperationTimer {
        // A statement has two premises at most.
        let size = ["0", "1", "2"].get(questions.saturating_sub(1)).copied().unwrap_or("2");
        self.functions.timer("decide", size)
    }

    /// The metrics in the form that is asked for. `None` where that is JSON.
    pub(super) fn respond(
        &self,
        headers: &HeaderMap,
        reading: Option<&Reading>,
        connections: PoolConnections,
    ) -> Option<Response<String>> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let organism = reading.and_then(|reading| reading.organism);
        *self.runs.lock().unwrap_or_else(PoisonError::into_inner) =
            reading.map(|_| organism.map_or(0, |organism| organism.runs));
        self.info.clear();
        if let Some(organism) = organism {
            self.info.with([organism.last_ht_hash.as_str()]).set(1.0);
        }
        match reading {
            Some(reading) => {
                let length = whole(Count::new(reading.totals.queue_length));
                self.length.with([QUEUE]).set(length);
                self.database.set_size(reading.size);
            }
            None => self.length.clear(),
        }
        let open = connections.idle.saturating_add(connections.used);
        self.database.set_connections(open);
        self.telemetry.negotiated(headers)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn whole(count: Count) -> f64 {
    count.get() as f64
}
