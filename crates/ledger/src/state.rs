//! What all requests share.

use std::sync::Arc;

use tempfile::TempDir;

use super::{database::Database, error::LedgerError, settings::Settings};
use perf_passport_meter::clock::SystemClock;

/// A ledger that is ready to answer. Cloning shares it.
#[derive(Debug, Clone)]
pub struct LedgerState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    settings: Settings,
    clock: SystemClock,
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
        Self(Arc::new(Shared { database, settings, clock, _directory: directory }))
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn clock(&self) -> &SystemClock {
        &self.0.clock
    }
}
