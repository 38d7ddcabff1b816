//! A bounded pool of SQLite connections, to a file, to memory, or to a file that stays as it is.
//!
//! Connections open on first use; one that failed a query is closed and not used again. Files use
//! write-ahead logging, so readers never wait for the writer. A file is only ever created by the
//! migration: one that vanishes later is an error and not an empty ledger. There is no statement
//! timeout: statements are bounded by what they read (see [`super`]), waits by the busy timeout.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags, Statement as Prepared, TransactionBehavior, params_from_iter,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    Columns, DatabaseError, DatabaseKind, DatabaseWatch, SqlStatement, Value,
    migrations::{self, AFTER_LOAD, INDEXES, drop_indexes},
    sqlite_statements::{begin, execute, failed, first_number, watched},
};
use crate::{
    fixture::{Batch, Load, ReadLoaded},
    settings::Settings,
};
use perf_passport_meter::{
    telemetry::{PoolConnections, PoolTimer},
    units::Count,
};

/// Prepared statements kept on each connection: all that the service has.
const STATEMENTS_KEPT: usize = 32;

/// A page cache that holds the hot part of the largest fixture, in kibibytes.
const CACHE_KIB: i32 = 64 * 1024;

pub(super) struct SqlitePool {
    location: Location,
    permits: Semaphore,
    /// Of one place: SQLite has one writer at a time, and who waits here blocks no thread.
    writing: Semaphore,
    idle: Mutex<Vec<Connection>>,
    connections_max: usize,
    watch: OnceLock<DatabaseWatch>,
    acquire_timeout: Duration,
    busy_timeout: Duration,
    /// A database in memory lives as long as one connection to it does.
    #[expect(dead_code, reason = "held and never used")]
    keep_alive: Option<Mutex<Connection>>,
}

enum Location {
    File(PathBuf),
    /// A name that the connections of this pool share.
    Memory(String),
    /// The name of a file that nobody writes to any more.
    Saved(String),
}

/// Whether opening may bring a file into being.
#[derive(Clone, Copy)]
enum Missing {
    Create,
    Refuse,
}

impl SqlitePool {
    pub(super) fn file(path: PathBuf, settings: &Settings) -> Self {
        Self::new(Location::File(path), settings)
    }

    pub(super) fn memory(settings: &Settings) -> Result<Self, DatabaseError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);

        let name = format!("file:/ledger-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed));
        let pool = Self::new(Location::Memory(name), settings);
        let keep_alive = Some(Mutex::new(pool.connect(Missing::Create)?));
        Ok(Self { keep_alive, ..pool })
    }

    pub(super) fn saved(path: &Path, settings: &Settings) -> Self {
        let mut name = "file:".to_owned();
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    name.push(char::from(*byte));
                }
                _ => name.push_str(&format!("%{byte:02x}")),
            }
        }
        // Without locks, and without looking whether somebody changed it.
        Self::new(Location::Saved(name + "?immutable=1"), settings)
    }

    fn new(location: Location, settings: &Settings) -> Self {
        Self {
            location,
            permits: Semaphore::new(settings.pool_size.get()),
            writing: Semaphore::new(1),
            idle: Mutex::default(),
            connections_max: settings.pool_size.get(),
            watch: OnceLock::new(),
            acquire_timeout: settings.acquire_timeout,
            busy_timeout: settings.statement_timeout,
            keep_alive: None,
        }
    }

    pub(super) fn migrate(&self) -> Result<(), DatabaseError> {
        let mut connection = self.connect(Missing::Create)?;
        let migrated = migrate(&mut connection);
        migrated.map_err(|source| DatabaseError::Migrate { kind: DatabaseKind::Sqlite, source })?;
        self.idle().push(connection);
        Ok(())
    }

    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        self.with(|connection, watch| {
            watched(watch, sql, || {
                let mut statement = connection.prepare_cached(sql).map_err(failed)?;
                let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
                while let Some(row) = rows.next().map_err(failed)? {
                    visit(row)?;
                }
                Ok(())
            })
        })
        .await
    }

    /// As [`query`](Self::query), for a statement that writes.
    pub(super) async fn change(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        let _turn = self.turn().await?;
        self.query(sql, parameters, visit).await
    }

    pub(super) async fn write(&self, statements: &[SqlStatement<'_>]) -> Result<(), DatabaseError> {
        let _turn = self.turn().await?;
        self.with(|connection, watch| {
            watched(watch, statements.first().map_or("", |(sql, _)| sql), || {
                let transaction = begin(connection)?;
                execute(&transaction, statements)?;
                transaction.commit().map_err(failed)
            })
        })
        .await
    }

    pub(super) async fn write_if(
        &self,
        (sql, parameters): SqlStatement<'_>,
        then: &[SqlStatement<'_>],
    ) -> Result<Option<u64>, DatabaseError> {
        let _turn = self.turn().await?;
        self.with(|connection, watch| {
            watched(watch, then.last().map_or(sql, |(sql, _)| sql), || {
                let transaction = begin(connection)?;
                let first = first_number(&transaction, sql, parameters)?;
                if first.is_some() {
                    execute(&transaction, then)?;
                    transaction.commit().map_err(failed)?;
                }
                Ok(first)
            })
        })
        .await
    }

    /// Loads on a thread of its own: seconds of work have no place on a request's task.
    pub(super) async fn load(&self, load: Load) -> Result<(), DatabaseError> {
        let _permit = self.acquire().await?;
        // Leaving write-ahead logging needs the file alone.
        self.idle().clear();
        let connection = self.connect(Missing::Refuse)?;
        let in_memory = matches!(self.location, Location::Memory(_));
        tokio::task::spawn_blocking(move || load_into(connection, load, in_memory))
            .await
            .map_err(|_| DatabaseError::LoadInterrupted)?
    }

    /// Copies the whole database to a file, which is complete once it has this name.
    pub(super) async fn save(&self, path: &Path) -> Result<(), DatabaseError> {
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        self.with(|connection, _| {
            connection.backup(rusqlite::MAIN_DB, &partial, None).map_err(failed)
        })
        .await?;
        std::fs::rename(&partial, path).map_err(DatabaseError::Snapshot)
    }

    /// Lends a connection to `work`, which does not await, and takes it back unless work failed.
    async fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection, Option<&DatabaseWatch>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let _permit = self.acquire().await?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect(Missing::Refuse).inspect_err(|_| {
                if let Some(watch) = self.watch.get() {
                    watch.no_connection();
                }
            })?,
        };
        let done = work(&mut connection, self.watch.get())?;
        self.idle().push(connection);
        Ok(done)
    }

    async fn acquire(&self) -> Result<SemaphorePermit<'_>, DatabaseError> {
        if let Some(watch) = self.watch.get() {
            let waiting = watch.wait();
            if let Ok(permit) = self.permits.try_acquire() {
                return Ok(permit);
            }
            return Box::pin(self.acquire_later(waiting)).await;
        }
        match tokio::time::timeout(self.acquire_timeout, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(DatabaseError::PoolExhausted(self.acquire_timeout)),
        }
    }

    /// As [`acquire`](Self::acquire), watched.
    async fn acquire_later(
        &self,
        _waiting: PoolTimer,
    ) -> Result<SemaphorePermit<'_>, DatabaseError> {
        let acquired = tokio::time::timeout(self.acquire_timeout, self.permits.acquire()).await;
        if let Ok(Ok(permit)) = acquired {
            return Ok(permit);
        }
        if let Some(watch) = self.watch.get() {
            watch.no_connection();
        }
        Err(DatabaseError::PoolExhausted(self.acquire_timeout))
    }

    /// The turn to write.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, DatabaseError> {
        match tokio::time::timeout(self.acquire_timeout, self.writing.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(DatabaseError::PoolExhausted(self.acquire_timeout)),
        }
    }

    /// Tells `watch` of every operation and every wait from now on.
    pub(super) fn watch(&self, watch: DatabaseWatch) {
        // The first who watches stays.
        drop(self.watch.set(watch));
    }

    pub(super) fn connections(&self) -> PoolConnections {
        let count = |number: usize| Count::new(u64::try_from(number).unwrap_or(u64::MAX));
        let used = self.connections_max.saturating_sub(self.permits.available_permits());
        PoolConnections {
            idle: count(self.idle().len()),
            used: count(used),
            max: count(self.connections_max),
        }
    }

    /// The idle connections. A panic elsewhere cannot leave the list half changed.
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, missing: Missing) -> Result<Connection, DatabaseError> {
        let connect = || {
            let mut flags = match self.location {
                Location::Saved(_) => OpenFlags::SQLITE_OPEN_READ_ONLY,
                Location::File(_) | Location::Memory(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
            };
            flags |= OpenFlags::SQLITE_OPEN_NO_MUTEX;
            if matches!(missing, Missing::Create) {
                flags |= OpenFlags::SQLITE_OPEN_CREATE;
            }
            let connection = match &self.location {
                Location::File(path) => Connection::open_with_flags(path, flags)?,
                // The name is found again in the memory of this process, where it was created.
                Location::Memory(name) | Location::Saved(name) => {
                    Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_URI)?
                }
            };
            connection.busy_timeout(self.busy_timeout)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
            let journal = match self.location {
                Location::File(_) => Some("WAL"),
                Location::Memory(_) => Some("MEMORY"),
                Location::Saved(_) => None,
            };
            if let Some(journal) = journal {
                connection.pragma_update(None, "journal_mode", journal)?;
            }
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            Ok(connection)
        };
        connect().map_err(|error: rusqlite::Error| DatabaseError::Connect {
            kind: DatabaseKind::Sqlite,
            source: error.into(),
        })
    }
}

impl fmt::Debug for SqlitePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlitePool").finish_non_exhaustive()
    }
}

/// Brings the tables up to date, in one transaction.
fn migrate(connection: &mut Connection) -> Result<(), Box<dyn Error + Send + Sync>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migrations::PREPARE)?;
    let ran = transaction
        .prepare(migrations::RAN)?
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    transaction.execute_batch(&migrations::left(&ran)?)?;
    Ok(transaction.commit()?)
}

/// Loads everything in one transaction on a connection that is then closed.
fn load_into(
    mut connection: Connection,
    mut load: Load,
    in_memory: bool,
) -> Result<(), DatabaseError> {
    // PERF: the rollback journal, without which a kill could leave rows half written, holds only
    // the old pages of the empty tables, while write-ahead logging would write every page twice.
    let journal = if in_memory { "MEMORY" } else { "DELETE" };
    // Refused while another process has the file open: then the load is only slower.
    drop(connection.pragma_update(None, "journal_mode", journal));
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(failed)?;

    let transaction = begin(&mut connection)?;
    let mut held = ReadLoaded::default();
    {
        let mut statement = transaction.prepare(ReadLoaded::SQL).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            held.visit(row)?;
        }
    }
    if !load.is_needed(&held)? {
        return Ok(());
    }
    transaction.execute_batch(&drop_indexes()).map_err(failed)?;
    transaction.execute_batch("DELETE FROM totals").map_err(failed)?;
    while let Some(batch) = load.blocking_next()? {
        let mut statement = transaction.prepare_cached(&batch.insert_sql()).map_err(failed)?;
        insert(&mut statement, &batch)?;
    }
    transaction.execute_batch(INDEXES).map_err(failed)?;
    transaction.execute_batch(AFTER_LOAD).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn insert(statement: &mut Prepared<'_>, batch: &Batch) -> Result<(), DatabaseError> {
    for row in batch.rows() {
        for (index, value) in row.enumerate() {
            statement.raw_bind_parameter(index + 1, value).map_err(failed)?;
        }
        statement.raw_execute().map_err(failed)?;
    }
    Ok(())
}
