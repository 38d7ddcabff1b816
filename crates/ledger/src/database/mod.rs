//! The database: SQLite inside the process, or a PostgreSQL server, behind one small interface.
//!
//! [`Database`] runs the same SQL on both: placeholders are `$1, $2, ...` in the order of their
//! first use, columns are `BIGINT` and `TEXT`. Both pools are bounded and give up after a timeout.
//! A query that fails is always an error here, never an empty result.
//!
//! SQLite queries run on the task of the request and not on a thread of their own. They are point
//! reads and short index ranges of microseconds: a hop to another thread would cost more than the
//! query, and would hide its allocations from what is attributed to the request.
//!
//! Nothing here knows what the rows mean: `queries` does.

mod migrations;
mod value;
mod sqlite;
mod postgres;

use std::{error::Error, fmt, path::Path, time::Duration};

pub(crate) use self::value::{Columns, Value};
use super::{
    fixture::Load,
    settings::{DatabaseTarget, Settings},
};

/// An open database whose migrations have run.
#[derive(Debug)]
pub struct Database {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Sqlite(sqlite::SqlitePool),
    Postgres(postgres::PostgresPool),
}

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// SQLite inside this process.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// Why the database could not be used. Messages name neither SQL nor connection strings; sources
/// may, and are for the operator only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Every connection stayed in use for the whole acquire timeout.
    #[error("no database connection became free within {0:?}: raise the pool size or the timeout")]
    PoolExhausted(Duration),
    /// The database could not be reached or opened.
    #[error("cannot connect to the {kind} database: is it there, and readable?")]
    Connect {
        /// The kind of database.
        kind: DatabaseKind,
        /// The driver's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database answered a query with an error.
    #[error("the {kind} database failed a query")]
    Query {
        /// The kind of database.
        kind: DatabaseKind,
        /// The driver's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database did not answer within the statement timeout.
    #[error("the database did not answer within {0:?}")]
    TimedOut(Duration),
    /// The schema could not be brought up to date.
    #[error("cannot migrate the {kind} database: another version may own it")]
    Migrate {
        /// The kind of database.
        kind: DatabaseKind,
        /// The migration's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database holds what this service never writes.
    #[error("the database holds an impossible value: {0}")]
    Corrupt(&'static str),
    /// The database already holds other rows than those to load.
    #[error("cannot load a fixture: the database already holds {held}; use an empty one")]
    NotEmpty {
        /// What it holds: `other rows`, or a fixture's name and seed.
        held: String,
    },
    /// The thread that loads or generates rows was lost.
    #[error("the load of a fixture was interrupted, and nothing of it was kept")]
    LoadInterrupted,
    /// A copy of the database could not be given its name.
    #[error("cannot keep a copy of the database")]
    Snapshot(#[source] std::io::Error),
}

impl DatabaseKind {
    /// `sqlite` or `postgresql`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Database {
    /// Opens the database, creates it where it is a new file or memory, and runs the migrations.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] where it cannot be reached, is not a database, or cannot be migrated.
    pub async fn open(settings: &Settings) -> Result<Self, DatabaseError> {
        let database = Self::open_unchecked(settings)?;
        match &database.backend {
            Backend::Sqlite(pool) => pool.migrate()?,
            Backend::Postgres(pool) => pool.migrate().await?,
        }
        Ok(database)
    }

    /// The database as it is: nothing is read, created or migrated before the first query.
    pub(crate) fn open_unchecked(settings: &Settings) -> Result<Self, DatabaseError> {
        let backend = match &settings.database {
            DatabaseTarget::Postgres(target) => {
                Backend::Postgres(postgres::PostgresPool::new(target, settings)?)
            }
            DatabaseTarget::File(path) => {
                Backend::Sqlite(sqlite::SqlitePool::file(path.clone(), settings))
            }
            DatabaseTarget::Memory => Backend::Sqlite(sqlite::SqlitePool::memory(settings)?),
        };
        Ok(Self { backend })
    }

    /// A database in SQLite that was saved, to read and not to write. Nothing of it is copied.
    pub(crate) fn open_saved(path: &Path, settings: &Settings) -> Self {
        Self { backend: Backend::Sqlite(sqlite::SqlitePool::saved(path, settings)) }
    }

    /// Which kind of database this is.
    pub fn kind(&self) -> DatabaseKind {
        match &self.backend {
            Backend::Sqlite(_) => DatabaseKind::Sqlite,
            Backend::Postgres(_) => DatabaseKind::Postgres,
        }
    }

    /// Runs one query and shows each row to `visit`, in order.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.query(sql, parameters, visit).await,
            Backend::Postgres(pool) => pool.query(sql, parameters, visit).await,
        }
    }

    /// As [`query`](Self::query), for a query of many rows of `columns` columns.
    pub(crate) async fn query_many(
        &self,
        sql: &str,
        columns: usize,
        parameters: &[Value<'_>],
        visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.query(sql, parameters, visit).await,
            Backend::Postgres(pool) => pool.query_many(sql, columns, parameters, visit).await,
        }
    }

    /// Runs statements in one transaction: all take effect, or none.
    pub(crate) async fn write(
        &self,
        statements: &[(&str, &[Value<'_>])],
    ) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.write(statements).await,
            Backend::Postgres(pool) => pool.write(statements).await,
        }
    }

    /// Copies a database in SQLite to a file; for another one there is nothing to do.
    pub(crate) async fn save(&self, path: &Path) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.save(path).await,
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Loads a fixture in one transaction. Loading what is already there does nothing.
    pub(crate) async fn load(&self, load: Load) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.load(load).await,
            Backend::Postgres(pool) => pool.load(load).await,
        }
    }
}
