//! What a running ledger shows to who watches it, beside the JSON of `/metrics`.
//!
//! [`Watch`] holds the metrics of queue, runs and database. What all processes share is read from the
//! database at each scrape, by the question of the JSON: the length of the queue, the runs and the last
//! attestation. Where that fails, those series are absent, and the rest is shown. What this process did is
//! counted as it happens; the time of a run is the number that is recorded with it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, Response};

use super::{
    database::{Database, DatabaseError, DatabaseWatch},
    queries::{self, FirstOrganism, Totals},
};
use perf_passport_meter::{
    telemetry::{
        BucketEdges, BucketHistogram, DatabaseMetrics, Family, FunctionMetrics, Gauge, MetricError,
        OperationTimer, PoolConnections, PoolMetrics, QueueMetrics, Telemetry,
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
    queue: QueueMetrics,
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
        // With an edge at each bound that the JSON has.
        let edges = BucketEdges::latency().with(&BucketEdges::times([Nanos::new(2_000_000_000)]));
        let latency = "Time from the event until its run is recorded, of runs of this process.";
        let latency = registry.histograms("first_organism_latency_seconds", latency, [], &edges)?;
        let info = "The last attestation, as a label.";
        let database = telemetry.database(DATABASE)?;
        let watch = Self {
            queue: QueueMetrics::new(registry, QUEUE, capacity)?,
            writing: Mutex::default(),
            runs: Arc::default(),
            info: registry.gauges("first_organism_info", info, ["last_ht_hash"])?,
            latency: latency.with([]),
            functions: FunctionMetrics::new(registry)?,
            pool: PoolMetrics::new(registry, DATABASE)?.of_database(&database),
            database,
            telemetry: telemetry.clone(),
        };
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

    /// The queue, whose jobs are in the database.
    pub(super) const fn queue(&self) -> &QueueMetrics {
        &self.queue
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
        self.queue.set_length(reading.map(|reading| Count::new(reading.totals.queue_length)));
        if let Some(reading) = reading {
            self.database.set_size(reading.size);
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
