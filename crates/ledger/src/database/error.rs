//! The kinds of database, and why one could not be used.

use std::{error::Error, fmt, time::Duration};

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
