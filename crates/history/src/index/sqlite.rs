//! The index in a file of SQLite.

use std::{
    fs, io, iter,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, params_from_iter, types::ValueRef};

use super::{
    PointRow,
    cell::{Cell, Table},
    holder::{APPLICATION_ID, Holder, beside, holder},
    migrations::{self, Needed},
};
use crate::error::HistoryError;

/// How long another process is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// In the order of the rows, which is that in which they lie.
const ALL: &str = "SELECT series, passport, track, low, high FROM points";

pub(super) struct SqliteIndex {
    connection: Connection,
    path: PathBuf,
}

impl SqliteIndex {
    /// Opens the file, and makes it again where an index of ours is of another version or corrupt.
    /// What is something else is replaced only at the place that is `own` to the history.
    pub(super) fn open(path: &Path, own: bool) -> Result<(Self, bool), HistoryError> {
        if !Self::may_be_used(path, own)? {
            return Self::anew(path);
        }
        match Self::open_once(path) {
            Ok(Some(index)) => Ok((index, false)),
            Ok(None) => Self::anew(path),
            Err(HistoryError::Index { source, .. }) if is_corrupt(source.as_ref()) => {
                Self::anew(path)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes an index of ours again from nothing.
    pub(super) fn again(path: &Path, own: bool) -> Result<(Self, bool), HistoryError> {
        Self::may_be_used(path, own)?;
        Self::anew(path)
    }

    /// Whether the file can be opened as it is; an error where it is somebody else's.
    fn may_be_used(path: &Path, own: bool) -> Result<bool, HistoryError> {
        match holder(path)? {
            Holder::Nobody | Holder::Ours => Ok(true),
            Holder::Others if own => Ok(false),
            Holder::Others => Err(HistoryError::ForeignIndex { path: path.to_owned() }),
        }
    }

    /// Removes the file, which holds nothing that the store does not.
    fn anew(path: &Path) -> Result<(Self, bool), HistoryError> {
        for path in iter::once(path.to_owned()).chain(beside(path)) {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(HistoryError::Write { path, source });
                }
                _ => {}
            }
        }
        let opened = Self::open_once(path)?;
        let failed =
            || HistoryError::Nothing(format!("the index `{}` is no database", path.display()));
        opened.map(|it| (it, true)).ok_or_else(failed)
    }

    /// `None` where another version made it.
    fn open_once(path: &Path) -> Result<Option<Self>, HistoryError> {
        if let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
            fs::create_dir_all(parent)
                .map_err(|source| HistoryError::Write { path: parent.to_owned(), source })?;
        }
        let failed = |error| failed(path, error);
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // Before the log of writes is there, so that it is in the file itself.
        let id: i32 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(failed)?;
        if id != APPLICATION_ID {
            connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        }
        // A kill leaves the index whole; what a crash of the machine breaks is made again.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        connection.pragma_update(None, "cache_size", -65536).map_err(failed)?;
        let ran = {
            let is_there = connection.table_exists(None, "passport_migrations").map_err(failed)?;
            if is_there { Self::ran(&connection).map_err(failed)? } else { Vec::new() }
        };
        match migrations::needed(&ran) {
            Needed::Rebuild => return Ok(None),
            Needed::Sql(sql) if sql.is_empty() => {}
            Needed::Sql(_) => {
                let behaviour = rusqlite::TransactionBehavior::Immediate;
                let transaction =
                    connection.transaction_with_behavior(behaviour).map_err(failed)?;
                // Another process may have been faster.
                transaction.execute_batch(migrations::PREPARE).map_err(failed)?;
                let ran = Self::ran(&transaction).map_err(failed)?;
                let Needed::Sql(sql) = migrations::needed(&ran) else { return Ok(None) };
                transaction.execute_batch(&sql).map_err(failed)?;
                transaction.commit().map_err(failed)?;
            }
        }
        Ok(Some(Self { connection, path: path.to_owned() }))
    }

    fn ran(connection: &Connection) -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(migrations::RAN)?;
        let digests = statement.query_map([], |row| row.get(0))?;
        digests.collect()
    }

    pub(super) fn begin(&mut self) -> Result<(), HistoryError> {
        self.execute("BEGIN IMMEDIATE")
    }

    pub(super) fn execute(&mut self, sql: &str) -> Result<(), HistoryError> {
        self.connection.execute_batch(sql).map_err(|error| failed(&self.path, error))
    }

    pub(super) fn rows(
        &mut self,
        sql: &str,
        parameters: &[Cell],
        columns: usize,
    ) -> Result<Vec<Vec<Cell>>, HistoryError> {
        self.try_rows(sql, parameters, columns).map_err(|error| failed(&self.path, error))
    }

    fn try_rows(
        &self,
        sql: &str,
        parameters: &[Cell],
        columns: usize,
    ) -> rusqlite::Result<Vec<Vec<Cell>>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(value) => Cell::Integer(value),
                    ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
                })
            });
            all.push(cells.collect::<rusqlite::Result<Vec<Cell>>>()?);
        }
        Ok(all)
    }

    pub(super) fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), HistoryError> {
        let inserted = || {
            let mut statement = self.connection.prepare_cached(&table.insert_sql())?;
            for row in rows {
                statement.execute(params_from_iter(row))?;
            }
            Ok(())
        };
        inserted().map_err(|error| failed(&self.path, error))
    }

    pub(super) fn points(
        &mut self,
        series: Option<&[i64]>,
        visit: &mut dyn FnMut(PointRow),
    ) -> Result<(), HistoryError> {
        let read = |statement: &mut rusqlite::CachedStatement<'_>,
                    parameters: &[i64],
                    visit: &mut dyn FnMut(PointRow)| {
            let mut rows = statement.query(params_from_iter(parameters))?;
            while let Some(row) = rows.next()? {
                visit(PointRow {
                    series: row.get(0)?,
                    passport: row.get(1)?,
                    track: row.get(2)?,
                    low: row.get(3)?,
                    high: row.get(4)?,
                });
            }
            Ok(())
        };
        let sql =
            if series.is_some() { format!("{ALL} WHERE series = $1") } else { ALL.to_owned() };
        let visited = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            match series {
                None => read(&mut statement, &[], visit),
                Some(ids) => ids.iter().try_for_each(|id| read(&mut statement, &[*id], visit)),
            }
        };
        let mut visited = visited;
        visited().map_err(|error| failed(&self.path, error))
    }
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::ToSqlOutput;
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn is_corrupt(error: &(dyn std::error::Error + 'static)) -> bool {
    let error =
        error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(error, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

fn failed(path: &Path, error: rusqlite::Error) -> HistoryError {
    let name = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            HistoryError::IndexLocked { name }
        }
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure,
        ) => HistoryError::IndexNotWritten { name, why: error.to_string() },
        _ => HistoryError::Index { name, source: error.into() },
    }
}
