//! What all requests share.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
};

use tempfile::TempDir;
use tokio::sync::Notify;

use super::{
    database::{Database, DatabaseError},
    error::LedgerError,
    moment::Moment,
    queue,
    settings::Settings,
    watch::Watch,
};
use perf_passport_meter::{
    clock::SystemClock,
    telemetry::{MetricError, PoolConnections, Telemetry},
    units::Count,
};

/// A ledger that is ready to answer. Cloning shares it.
#[derive(Debug, Clone)]
pub struct LedgerState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    settings: Settings,
    clock: SystemClock,
    /// A name that no other ledger on the same database has, now or later.
    instance: String,
    job_accepted: Notify,
    watch: OnceLock<Watch>,
    /// Keeps the files of a fixture for as long as they may be read.
    _directory: Option<TempDir>,
}

impl LedgerState {
    /// Opens and migrates the database that `settings` name.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`] where it cannot be opened or migrated.
    pub async fn open(settings: Settings) -> Result<Self, LedgerError> {
        let database = Database::open(&settings).await?;
        Ok(Self::new(database, settings))
    }

    /// A ledger over an open database.
    pub fn new(database: Database, settings: Settings) -> Self {
        Self::with_directory(database, settings, None)
    }

    pub(super) fn with_directory(
        database: Database,
        settings: Settings,
        directory: Option<TempDir>,
    ) -> Self {
        let clock = SystemClock::start();
        // The standard library's keys are of the system's randomness.
        let random = [(); 2].map(|()| RandomState::new().hash_one(std::process::id()));
        let instance = format!("{:016x}{:016x}", random[0], random[1]);
        Self(Arc::new(Shared {
            database,
            settings,
            clock,
            instance,
            job_accepted: Notify::new(),
            watch: OnceLock::new(),
            _directory: directory,
        }))
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The events that were accepted, and whose run is not recorded yet.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] where they cannot be counted.
    pub async fn events_waiting(&self) -> Result<Count, DatabaseError> {
        queue::events_waiting(self.database()).await.map(Count::new)
    }

    /// Has `telemetry` watch this ledger: what is made of it from now on shows its metrics at `/metrics`.
    /// A ledger is watched once; what comes later is left out.
    ///
    /// # Errors
    ///
    /// [`MetricError`] where the telemetry has other metrics of the same names.
    pub fn watch(&self, telemetry: &Telemetry) -> Result<(), MetricError> {
        let watch = Watch::new(telemetry, self.settings().queue_max)?;
        // Weak, for the watch is a part of what it asks.
        let shared = Arc::downgrade(&self.0);
        watch.connections(move || match shared.upgrade() {
            Some(shared) => shared.database.connections(),
            None => PoolConnections { idle: Count::ZERO, used: Count::ZERO, max: Count::ZERO },
        });
        self.database().watch(watch.of_database());
        drop(self.0.watch.set(watch));
        Ok(())
    }

    /// Who watches this ledger.
    pub(super) fn watched(&self) -> Option<&Watch> {
        self.0.watch.get()
    }

    /// The name of this ledger in what it accepts and claims.
    pub(super) fn instance(&self) -> &str {
        &self.0.instance
    }

    /// The moment now.
    pub(super) fn moment(&self) -> Moment {
        Moment::now(&self.0.clock)
    }

    /// Wakes who waits in [`job_accepted`](Self::job_accepted), or the next one to wait.
    pub(super) fn tell_job_accepted(&self) {
        self.0.job_accepted.notify_one();
    }

    /// Waits until this ledger accepted a job.
    pub(super) async fn job_accepted(&self) {
        self.0.job_accepted.notified().await;
    }

    pub(super) fn clock(&self) -> &SystemClock {
        &self.0.clock
    }
}
