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

mod error;
mod migrations;
mod value;
mod watch;
mod sqlite_statements;
mod sqlite;
mod postgres;

use std::path::Path;

pub use self::error::{DatabaseError, DatabaseKind};
pub(crate) use self::{
    value::{Columns, SqlStatement, Value},
    watch::DatabaseWatch,
};
use super::{
    fixture::Load,
    settings::{DatabaseTarget, Settings},
};
use perf_passport_meter::{telemetry::PoolConnections, units::Bytes};

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

    /// Tells `watch` of every operation and every wait for a connection from now on.
    pub(crate) fn watch(&self, watch: DatabaseWatch) {
        match &self.backend {
            Backend::Sqlite(pool) => pool.watch(watch),
            Backend::Postgres(pool) => pool.watch(watch),
        }
    }

    /// The connections that there are now.
    pub(crate) fn connections(&self) -> PoolConnections {
        match &self.backend {
            Backend::Sqlite(pool) => pool.connections(),
            Backend::Postgres(pool) => pool.connections(),
        }
    }

    /// The bytes that the database takes.
    pub(crate) async fn size(&self) -> Result<Bytes, DatabaseError> {
        let sql = match &self.backend {
            Backend::Sqlite(_) => {
                "SELECT (SELECT page_count FROM pragma_page_count()) \
                 * (SELECT page_size FROM pragma_page_size())"
            }
            Backend::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        let mut size = 0;
        self.query(sql, &[], |row| {
            size = row.count(0)?;
            Ok(())
        })
        .await?;
        Ok(Bytes::new(size))
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

    /// As [`query`](Self::query), for a statement that writes and gives the rows that it wrote.
    pub(crate) async fn change(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.change(sql, parameters, visit).await,
            Backend::Postgres(pool) => pool.query(sql, parameters, visit).await,
        }
    }

    /// Runs statements in one transaction: all take effect, or none.
    pub(crate) async fn write(&self, statements: &[SqlStatement<'_>]) -> Result<(), DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.write(statements).await,
            Backend::Postgres(pool) => pool.write(statements).await,
        }
    }

    /// Runs `first`, which gives one number or no row. Where it gave one, `then` runs in the same
    /// transaction; where it gave none, nothing takes effect.
    pub(crate) async fn write_if(
        &self,
        first: SqlStatement<'_>,
        then: &[SqlStatement<'_>],
    ) -> Result<Option<u64>, DatabaseError> {
        match &self.backend {
            Backend::Sqlite(pool) => pool.write_if(first, then).await,
            Backend::Postgres(pool) => pool.write_if(first, then).await,
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
