//! [`DatabaseMetrics`]: operations on tables, by name and never by their text.

use std::{fmt, sync::Arc};

use super::{
    counter::{Counter, Gauge},
    edges::BucketEdges,
    family::Family,
    histogram::BucketHistogram,
    names::MetricError,
    registry::Registry,
    slow_log::{SlowLog, SlowQuery},
    trace_context::current_trace,
};
use crate::{
    clock::Clock,
    units::{Bytes, Count, Nanos},
};

/// The metrics of a database. Clones are the same.
///
/// - `db_operations_total{operation,table,outcome}`; `outcome` is `ok`, `error` or `aborted`.
/// - `db_operation_duration_seconds{operation,table}`, of all outcomes.
/// - `db_size_bytes{database}` and `db_connections{database}`.
/// - `db_connection_wait_seconds{database}`.
///
/// `operation` and `table` are names from the program's text, such as `select` and `users`.
///
/// ```
/// # use perf_passport_meter::telemetry::{DatabaseMetrics, Registry};
/// # async fn query() -> Result<u64, String> { Ok(7) }
/// # async fn service(registry: &Registry) -> Result<(), Box<dyn std::error::Error>> {
/// let database = DatabaseMetrics::new(registry, "ledger")?;
/// let operation = database.operation("select", "users");
/// let users = operation.done(query().await)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DatabaseMetrics {
    clock: Arc<dyn Clock + Send + Sync>,
    operations: Family<Counter, 3>,
    durations: Family<BucketHistogram, 2>,
    size: Family<Gauge, 1>,
    connections: Family<Gauge, 1>,
    wait: BucketHistogram,
    slow_log: Option<SlowLog>,
    name: Arc<str>,
}

impl DatabaseMetrics {
    /// The metrics of the database of this name.
    ///
    /// # Errors
    ///
    /// [`MetricError::Taken`] where the registry has other metrics of these names.
    pub fn new(registry: &Registry, name: &str) -> Result<Self, MetricError> {
        let edges = BucketEdges::latency();
        let wait = registry.histograms(
            "db_connection_wait_seconds",
            "Time until a connection to the database was there.",
            ["database"],
            &edges,
        )?;
        Ok(Self {
            clock: registry.clock(),
            operations: registry.counters(
                "db_operations_total",
                "Database operations that ended.",
                ["operation", "table", "outcome"],
            )?,
            durations: registry.histograms(
                "db_operation_duration_seconds",
                "Time of a database operation.",
                ["operation", "table"],
                &edges,
            )?,
            size: registry.gauges("db_size_bytes", "Size of the database.", ["database"])?,
            connections: registry.gauges(
                "db_connections",
                "Open connections to the database.",
                ["database"],
            )?,
            wait: wait.with([name]),
            slow_log: None,
            name: name.into(),
        })
    }

    /// Writes slow operations to `log`.
    #[must_use]
    pub fn slow_log(self, log: SlowLog) -> Self {
        Self { slow_log: Some(log), ..self }
    }

    /// Begins an operation on a table. It is counted when it is done, or dropped.
    pub fn operation(&self, operation: &'static str, table: &'static str) -> DatabaseOperation {
        let started = self.clock.elapsed();
        let database = self.clone();
        DatabaseOperation { database, operation, table, started, outcome: "aborted" }
    }

    /// Says how large the database is.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 bytes")]
    pub fn set_size(&self, size: Bytes) {
        self.size.with([&self.name]).set(size.get() as f64);
    }

    /// Says how many connections are open.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 connections")]
    pub fn set_connections(&self, connections: Count) {
        self.connections.with([&self.name]).set(connections.get() as f64);
    }

    /// Adds a time that was waited for a connection, where no [`PoolMetrics`](super::PoolMetrics) adds
    /// it.
    pub fn waited(&self, time: Nanos) {
        self.wait.observe(time);
    }
}

impl fmt::Debug for DatabaseMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An operation on a table that has begun. Dropped before it is done, it counts as `aborted`; by a panic,
/// as `error`.
#[must_use = "dropping it counts the operation as aborted"]
pub struct DatabaseOperation {
    database: DatabaseMetrics,
    operation: &'static str,
    table: &'static str,
    started: Nanos,
    outcome: &'static str,
}

impl DatabaseOperation {
    /// Ends the operation with its result, which is handed on.
    ///
    /// # Errors
    ///
    /// That of the operation.
    pub fn done<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.ok(),
            Err(_) => self.failed(),
        }
        result
    }

    /// It succeeded.
    pub fn ok(mut self) {
        self.outcome = "ok";
    }

    /// It failed.
    pub fn failed(mut self) {
        self.outcome = "error";
    }
}

impl Drop for DatabaseOperation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.outcome = "error";
        }
        let database = &self.database;
        let elapsed = database.clock.elapsed().saturating_sub(self.started);
        database.operations.with([self.operation, self.table, self.outcome]).inc();
        database.durations.with([self.operation, self.table]).observe(elapsed);
        if let Some(log) = database.slow_log.as_ref().filter(|log| log.is_slow(elapsed)) {
            log.query(&SlowQuery {
                at: database.clock.now(),
                operation: self.operation,
                table: self.table,
                outcome: self.outcome,
                elapsed,
                trace: current_trace().map(|it| it.trace),
            });
        }
    }
}

impl fmt::Debug for DatabaseOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DatabaseOperation");
        shown.field("operation", &self.operation).field("table", &self.table);
        shown.finish_non_exhaustive()
    }
}
