//! Statements on one connection to SQLite: begun, run, and told to who watches.

use std::error::Error;

use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};

use super::{Columns, DatabaseError, DatabaseKind, DatabaseWatch, SqlStatement, Value};

/// Does one operation, and tells who watches.
pub(super) fn watched<T>(
    watch: Option<&DatabaseWatch>,
    sql: &str,
    work: impl FnOnce() -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    match watch {
        None => work(),
        Some(watch) => {
            let operation = watch.operation(sql);
            operation.done(work())
        }
    }
}

/// The one number that a statement gives, if it gives a row.
pub(super) fn first_number(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[Value<'_>],
) -> Result<Option<u64>, DatabaseError> {
    let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
    let mut first = None;
    while let Some(row) = rows.next().map_err(failed)? {
        first = Some(row.count(0)?);
    }
    Ok(first)
}

pub(super) fn begin(connection: &mut Connection) -> Result<Transaction<'_>, DatabaseError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)
}

pub(super) fn execute(
    transaction: &Transaction<'_>,
    statements: &[SqlStatement<'_>],
) -> Result<(), DatabaseError> {
    for (sql, parameters) in statements {
        let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
        statement.execute(params_from_iter(*parameters)).map_err(failed)?;
    }
    Ok(())
}

pub(super) fn failed(error: rusqlite::Error) -> DatabaseError {
    let source: Box<dyn Error + Send + Sync> = error.into();
    DatabaseError::Query { kind: DatabaseKind::Sqlite, source }
}
