//! A bounded pool of PostgreSQL connections.
//!
//! The server ends a statement at the statement timeout, and this side stops waiting a little
//! later, so that neither a slow query nor a silent network holds a request. Connections are not
//! encrypted: use a local socket, loopback, or a tunnel.

use std::{error::Error, fmt::Write, future::Future, pin::pin, sync::OnceLock, time::Duration};

use deadpool_postgres::{
    ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{
    Config, NoTls, Row, binary_copy::BinaryCopyInWriter, types::ToSql, types::Type,
};

use super::{
    Columns, DatabaseError, DatabaseKind, DatabaseWatch, SqlStatement, Value,
    migrations::{self, AFTER_LOAD, INDEXES, drop_indexes},
    value::ArrayRow,
};
use crate::{
    fixture::{Batch, ColumnKind, Load, ReadLoaded, Table},
    settings::{PostgresTarget, Settings},
};
use perf_passport_meter::{
    telemetry::{DatabaseOperation, PoolConnections},
    units::Count,
};

/// What this side waits longer than the server's own statement timeout, so that the server's
/// answer, which says more, usually comes first.
const NETWORK_SLACK: Duration = Duration::from_millis(500);

/// The advisory lock that orders migrations and loads of all processes: ASCII `ledger`.
const SETUP_LOCK: i64 = 0x6c65_6467_6572;

#[derive(Debug)]
pub(super) struct PostgresPool {
    pool: Pool,
    /// How migrations and loads connect: as the pool does, without the statement timeout.
    setup: Config,
    schema: Option<String>,
    acquire_timeout: Duration,
    answer_timeout: Duration,
    watch: OnceLock<DatabaseWatch>,
}

impl PostgresPool {
    pub(super) fn new(target: &PostgresTarget, settings: &Settings) -> Result<Self, DatabaseError> {
        let mut setup: Config = target.url().parse().map_err(unreachable_database)?;
        setup.connect_timeout(settings.acquire_timeout).application_name("ledger");
        if let Some(schema) = target.schema() {
            add_option(&mut setup, &format!("search_path={schema}"));
        }
        let mut config = setup.clone();
        let timeout = settings.statement_timeout.as_millis().max(1);
        add_option(&mut config, &format!("statement_timeout={timeout}"));

        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = deadpool_postgres::Manager::from_config(config, NoTls, manager);
        let acquire = Some(settings.acquire_timeout);
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size.get())
            .timeouts(Timeouts { wait: acquire, create: acquire, recycle: acquire })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(unreachable_database)?;
        Ok(Self {
            pool,
            setup,
            schema: target.schema().map(ToOwned::to_owned),
            acquire_timeout: settings.acquire_timeout,
            answer_timeout: settings.statement_timeout + NETWORK_SLACK,
            watch: OnceLock::new(),
        })
    }

    /// Creates the schema where one is named, and runs the migrations, one process at a time.
    pub(super) async fn migrate(&self) -> Result<(), DatabaseError> {
        let mut client = self.connect_for_setup().await?;
        if let Some(schema) = &self.schema {
            let sql = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
            client.batch_execute(&sql).await.map_err(failed)?;
        }
        let migrated = migrate(&mut client).await;
        migrated.map_err(|source| DatabaseError::Migrate { kind: DatabaseKind::Postgres, source })
    }

    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        self.rows(sql, parameters).await?.iter().try_for_each(|row| visit(row))
    }

    /// PERF: the driver allocates for each row. So many rows come as one, with an array for each
    /// column: a page of 1,000 takes 1,140 allocations by rows and as many as a page of 1 so.
    pub(super) async fn query_many(
        &self,
        sql: &str,
        columns: usize,
        parameters: &[Value<'_>],
        mut visit: impl FnMut(&dyn Columns) -> Result<(), DatabaseError> + Send,
    ) -> Result<(), DatabaseError> {
        for row in self.rows(&in_one_row(sql, columns), parameters).await? {
            // Null, and not empty, where there are no rows.
            let arrays: Vec<Vec<Value<'_>>> = (0..columns)
                .map(|column| Ok(row.try_get::<_, Option<_>>(column)?.unwrap_or_default()))
                .collect::<Result<_, _>>()
                .map_err(failed)?;
            let rows = arrays.first().map_or(0, Vec::len);
            (0..rows).try_for_each(|index| visit(&ArrayRow { columns: &arrays, index }))?;
        }
        Ok(())
    }

    pub(super) async fn write(&self, statements: &[SqlStatement<'_>]) -> Result<(), DatabaseError> {
        let mut client = self.acquire().await?;
        let operation = self.operation(statements.first().map_or("", |(sql, _)| sql));
        let written = self.answer(async {
            let transaction = client.transaction().await?;
            for (sql, parameters) in statements {
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &borrowed(parameters)).await?;
            }
            transaction.commit().await
        });
        done(operation, written.await)
    }

    pub(super) async fn write_if(
        &self,
        (sql, parameters): SqlStatement<'_>,
        then: &[SqlStatement<'_>],
    ) -> Result<Option<u64>, DatabaseError> {
        let mut client = self.acquire().await?;
        let operation = self.operation(then.last().map_or(sql, |(sql, _)| sql));
        let first = self.answer(async {
            let transaction = client.transaction().await?;
            let statement = transaction.prepare_cached(sql).await?;
            let Some(row) = transaction.query_opt(&statement, &borrowed(parameters)).await? else {
                transaction.rollback().await?;
                return Ok(None);
            };
            for (sql, parameters) in then {
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &borrowed(parameters)).await?;
            }
            transaction.commit().await?;
            Ok(Some(row))
        });
        done(operation, first.await)?.map(|row| row.count(0)).transpose()
    }

    /// Loads in one transaction by binary `COPY`.
    pub(super) async fn load(&self, mut load: Load) -> Result<(), DatabaseError> {
        let mut client = self.connect_for_setup().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let mut held = ReadLoaded::default();
        for row in transaction.query(ReadLoaded::SQL, &[]).await.map_err(failed)? {
            held.visit(&row)?;
        }
        if !load.is_needed(&held)? {
            return Ok(());
        }
        transaction.batch_execute(&drop_indexes()).await.map_err(failed)?;
        transaction.batch_execute("DELETE FROM totals").await.map_err(failed)?;
        let mut next = load.next().await?;
        while let Some(batch) = next {
            next = copy_table(&transaction, batch, &mut load).await?;
        }
        transaction.batch_execute(INDEXES).await.map_err(failed)?;
        transaction.batch_execute(AFTER_LOAD).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        client.batch_execute("ANALYZE").await.map_err(failed)
    }

    /// Tells `watch` of every operation and every wait from now on.
    pub(super) fn watch(&self, watch: DatabaseWatch) {
        // The first who watches stays.
        drop(self.watch.set(watch));
    }

    pub(super) fn connections(&self) -> PoolConnections {
        let count = |number: usize| Count::new(u64::try_from(number).unwrap_or(u64::MAX));
        let status = self.pool.status();
        PoolConnections {
            idle: count(status.available),
            used: count(status.size.saturating_sub(status.available)),
            max: count(status.max_size),
        }
    }

    fn operation(&self, sql: &str) -> Option<DatabaseOperation> {
        self.watch.get().map(|watch| watch.operation(sql))
    }

    /// As [`rows`](Self::rows), watched.
    async fn watched_rows(
        &self,
        watch: &DatabaseWatch,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        let client = self.acquire().await?;
        let operation = watch.operation(sql);
        let rows = self.answer(async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, &borrowed(parameters)).await
        });
        operation.done(rows.await)
    }

    /// PERF: what watches is in a box, so that what nobody watches is as small as before.
    async fn rows(&self, sql: &str, parameters: &[Value<'_>]) -> Result<Vec<Row>, DatabaseError> {
        if let Some(watch) = self.watch.get() {
            return Box::pin(self.watched_rows(watch, sql, parameters)).await;
        }
        let client = self.acquire().await?;
        self.answer(async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, &borrowed(parameters)).await
        })
        .await
    }

    async fn acquire(&self) -> Result<Object, DatabaseError> {
        if let Some(watch) = self.watch.get() {
            let got = Box::pin(watch.pool.acquire(self.pool.get())).await;
            return got.map_err(|error| {
                watch.no_connection();
                self.no_connection(error)
            });
        }
        self.pool.get().await.map_err(|error| self.no_connection(error))
    }

    fn no_connection(&self, error: PoolError) -> DatabaseError {
        match error {
            PoolError::Timeout(_) => DatabaseError::PoolExhausted(self.acquire_timeout),
            error => unreachable_database(error),
        }
    }

    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match tokio::time::timeout(self.answer_timeout, answer).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(DatabaseError::TimedOut(self.answer_timeout)),
        }
    }

    /// A connection of its own that holds the setup lock until it is dropped.
    async fn connect_for_setup(&self) -> Result<tokio_postgres::Client, DatabaseError> {
        let connecting = tokio::time::timeout(self.acquire_timeout, self.setup.connect(NoTls));
        let (client, connection) = connecting
            .await
            .map_err(|_| DatabaseError::TimedOut(self.acquire_timeout))?
            .map_err(unreachable_database)?;
        // Ends when the client is dropped. What it would report, the client's calls report too.
        tokio::spawn(async move { drop(connection.await) });
        client.execute("SELECT pg_advisory_lock($1)", &[&SETUP_LOCK]).await.map_err(failed)?;
        Ok(client)
    }
}

/// Ends an operation that may be watched.
fn done<T>(
    operation: Option<DatabaseOperation>,
    result: Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    match operation {
        Some(operation) => operation.done(result),
        None => result,
    }
}

/// Brings the tables up to date, in one transaction.
async fn migrate(client: &mut tokio_postgres::Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(migrations::PREPARE).await?;
    let rows = transaction.query(migrations::RAN, &[]).await?;
    let ran = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    transaction.batch_execute(&migrations::left(&ran)?).await?;
    Ok(transaction.commit().await?)
}

/// Copies `batch` and those that follow for the same table; gives the first one of another.
async fn copy_table(
    transaction: &tokio_postgres::Transaction<'_>,
    batch: Batch,
    load: &mut Load,
) -> Result<Option<Batch>, DatabaseError> {
    let table: &'static Table = batch.table();
    let types: Vec<Type> = table
        .columns
        .iter()
        .map(|(_, kind)| match kind {
            ColumnKind::Integer => Type::INT8,
            ColumnKind::Text => Type::TEXT,
        })
        .collect();
    let sink = transaction.copy_in(&batch.copy_sql()).await.map_err(failed)?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    let mut current = Some(batch);
    while let Some(batch) = current.take_if(|batch| std::ptr::eq(batch.table(), table)) {
        for row in batch.rows() {
            writer.as_mut().write_raw(row).await.map_err(failed)?;
        }
        current = load.next().await?;
    }
    writer.finish().await.map_err(failed)?;
    Ok(current)
}

/// The query that gives the rows of `sql` as one row, with an array for each column.
///
/// An aggregate reads its rows in the order of the subquery, as nothing comes between the two.
fn in_one_row(sql: &str, columns: usize) -> String {
    let mut out = String::with_capacity(sql.len() + 64 + 32 * columns);
    out.push_str("SELECT ");
    write_list(&mut out, columns, "array_agg(c", ")");
    out.extend([" FROM (", sql, ") AS many ("]);
    write_list(&mut out, columns, "c", "");
    out.push(')');
    out
}

fn write_list(out: &mut String, columns: usize, before: &str, after: &str) {
    for number in 1..=columns {
        let comma = if number == 1 { "" } else { ", " };
        write!(out, "{comma}{before}{number}{after}").expect("writing to a string cannot fail");
    }
}

/// Sets one more parameter of the server for every connection, beside those of the address.
fn add_option(config: &mut Config, parameter: &str) {
    let given = config.get_options().unwrap_or_default();
    let options = format!("{given} -c {parameter}");
    config.options(options.trim_start());
}

fn borrowed<'a>(parameters: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn failed(error: tokio_postgres::Error) -> DatabaseError {
    DatabaseError::Query { kind: DatabaseKind::Postgres, source: error.into() }
}

fn unreachable_database(error: impl Into<Box<dyn Error + Send + Sync>>) -> DatabaseError {
    DatabaseError::Connect { kind: DatabaseKind::Postgres, source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_asked_for_as_one() {
        assert_eq!(
            in_one_row("SELECT a, b FROM t ORDER BY a LIMIT $1", 2),
            "SELECT array_agg(c1), array_agg(c2) \
             FROM (SELECT a, b FROM t ORDER BY a LIMIT $1) AS many (c1, c2)"
        );
    }
}
