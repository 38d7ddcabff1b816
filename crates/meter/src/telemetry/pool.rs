//! [`PoolMetrics`]: how many connections a pool has, and how long one waits for them.
//!
//! The number of used connections does not show a pool that is too small: one that is always full may be
//! just right. How long callers wait does.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    counter::{Gauge, GaugeGuard},
    database::DatabaseMetrics,
    edges::BucketEdges,
    histogram::BucketHistogram,
    names::MetricError,
    registry::Registry,
};
use crate::{
    clock::Clock,
    units::{Count, Nanos},
};

/// How many connections a pool has, of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConnections {
    /// Open, and used by nobody.
    pub idle: Count,
    /// In use.
    pub used: Count,
    /// Open ones at most.
    pub max: Count,
}

/// The metrics of a pool: `pool_connections{pool,state}`, `pool_wait_seconds{pool}` and
/// `pool_waiting{pool}`. Clones are the same.
///
/// ```
/// # use perf_passport_meter::{telemetry::{PoolConnections, PoolMetrics, Registry}, units::Count};
/// # async fn connection() -> Result<(), ()> { Ok(()) }
/// # async fn service(registry: &Registry) -> Result<(), Box<dyn std::error::Error>> {
/// let pool = PoolMetrics::new(registry, "main")?;
/// let max = Count::new(8);
/// pool.on_scrape(move || PoolConnections { idle: Count::ZERO, used: Count::ZERO, max });
/// let connection = pool.acquire(connection()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PoolMetrics {
    registry: Registry,
    clock: Arc<dyn Clock + Send + Sync>,
    name: Arc<str>,
    wait: BucketHistogram,
    waiting: Gauge,
    database: Option<DatabaseMetrics>,
}

impl PoolMetrics {
    /// The metrics of the pool of this name.
    ///
    /// # Errors
    ///
    /// [`MetricError::Taken`] where the registry has other metrics of these names.
    pub fn new(registry: &Registry, name: &str) -> Result<Self, MetricError> {
        let wait =
            "Time until a connection of the pool was there, or nobody waited for it any more.";
        let wait =
            registry.histograms("pool_wait_seconds", wait, ["pool"], &BucketEdges::latency())?;
        let waiting = "Who waits for a connection of the pool.";
        let waiting = registry.gauges("pool_waiting", waiting, ["pool"])?;
        Ok(Self {
            registry: registry.clone(),
            clock: registry.clock(),
            name: name.into(),
            wait: wait.with([name]),
            waiting: waiting.with([name]),
            database: None,
        })
    }

    /// Adds what is waited for this pool to `db_connection_wait_seconds` of its database too.
    #[must_use]
    pub fn of_database(self, database: &DatabaseMetrics) -> Self {
        Self { database: Some(database.clone()), ..self }
    }

    /// Asks `connections` at each scrape.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 connections")]
    pub fn on_scrape(&self, connections: impl Fn() -> PoolConnections + Send + Sync + 'static) {
        let pool = Arc::clone(&self.name);
        self.registry.on_scrape(move |exposition| {
            let connections = connections();
            for (state, number) in
                [("idle", connections.idle), ("used", connections.used), ("max", connections.max)]
            {
                let labels = [("pool", &*pool), ("state", state)];
                let help = "Connections of the pool: idle, used, and how many there may be.";
                exposition.gauge("pool_connections", help, &labels, number.get() as f64);
            }
        });
    }

    /// Times the future that waits for a connection, from its first poll on. It counts whether it
    /// returns one, returns an error, or is dropped because nobody waits any more.
    pub fn acquire<F: Future>(&self, connection: F) -> PoolWait<F> {
        PoolWait { connection, pool: self.clone(), timer: None }
    }

    /// Times what waits without a future, until the timer is dropped.
    pub fn timer(&self) -> PoolTimer {
        PoolTimer {
            started: self.clock.elapsed(),
            clock: Arc::clone(&self.clock),
            wait: self.wait.clone(),
            database: self.database.clone(),
            _waiting: self.waiting.hold(),
        }
    }
}

impl fmt::Debug for PoolMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Someone who waits for a connection, until it is dropped.
#[must_use = "dropping it ends the wait"]
pub struct PoolTimer {
    clock: Arc<dyn Clock + Send + Sync>,
    started: Nanos,
    wait: BucketHistogram,
    database: Option<DatabaseMetrics>,
    _waiting: GaugeGuard,
}

impl Drop for PoolTimer {
    fn drop(&mut self) {
        let waited = self.clock.elapsed().saturating_sub(self.started);
        self.wait.observe(waited);
        if let Some(database) = &self.database {
            database.waited(waited);
        }
    }
}

impl fmt::Debug for PoolTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolTimer").field("started", &self.started).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`PoolMetrics::acquire`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct PoolWait<F> {
        #[pin]
        connection: F,
        pool: PoolMetrics,
        timer: Option<PoolTimer>,
    }
}

impl<F: Future> Future for PoolWait<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.timer.get_or_insert_with(|| this.pool.timer());
        let connection = ready!(this.connection.poll(context));
        *this.timer = None;
        Poll::Ready(connection)
    }
}
