//! The index in a PostgreSQL server, for a team.
//!
//! Connections are not encrypted: use a local socket, loopback, or a tunnel. What the driver says of a
//! connection is told without the address, which may hold a password.

use std::time::Duration;

use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Config, NoTls,
    types::{ToSql, Type},
};

use super::{
    PointRow,
    cell::{Cell, Table},
    migrations::{self, Needed},
};
use crate::error::HistoryError;

/// How errors name it.
const NAME: &str = "postgresql";

/// How long the server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);

/// How long it may take for one statement.
const STATEMENT: Duration = Duration::from_secs(120);

/// The advisory lock that orders writers: ASCII `history`.
const LOCK: i64 = 0x0068_6973_746f_7279;

/// A number of rows that one statement inserts.
const BATCH: usize = 20_000;

pub(super) struct PostgresIndex {
    client: Client,
    runtime: Runtime,
    connection: JoinHandle<()>,
}

impl Drop for PostgresIndex {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl PostgresIndex {
    /// Connects, and makes the tables; whether another version's were removed first.
    pub(super) fn open(address: &str) -> Result<(Self, bool), HistoryError> {
        let mut config: Config = address.parse().map_err(|_| HistoryError::IndexAddress)?;
        config.connect_timeout(CONNECT).application_name("passport");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let connecting = runtime.block_on(async { timeout(CONNECT, config.connect(NoTls)).await });
        let (client, connection) = connecting.map_err(|_| late())?.map_err(failed)?;
        // What it would report, the client's calls report too.
        let connection = runtime.spawn(async move { drop(connection.await) });
        let mut index = Self { client, runtime, connection };
        let rebuilt = index.migrate(false)?;
        Ok((index, rebuilt))
    }

    /// Removes all tables, and makes them again.
    pub(super) fn again(&mut self) -> Result<(), HistoryError> {
        self.migrate(true).map(drop)
    }

    fn migrate(&mut self, again: bool) -> Result<bool, HistoryError> {
        // No other schema is looked at: `DROP` must find no table of somebody else.
        self.execute(&format!("SET search_path TO {}", migrations::SCHEMA))?;
        self.begin()?;
        self.make_schema()?;
        if again {
            self.execute(migrations::DROP)?;
        }
        self.execute(migrations::PREPARE)?;
        let ran = self.rows(migrations::RAN, &[], 1)?;
        let ran: Vec<String> = ran.into_iter().filter_map(|mut it| it.remove(0).text()).collect();
        let (sql, rebuilt) = match migrations::needed(&ran) {
            Needed::Sql(sql) => (sql, again),
            Needed::Rebuild => {
                self.execute(migrations::DROP)?;
                self.execute(migrations::PREPARE)?;
                let Needed::Sql(sql) = migrations::needed(&[]) else {
                    return Err(unusable("its tables stay those of another version".to_owned()));
                };
                (sql, true)
            }
        };
        self.execute(&sql)?;
        self.execute("COMMIT")?;
        Ok(rebuilt)
    }

    fn make_schema(&mut self) -> Result<(), HistoryError> {
        // To make one needs a right of its own, also where it is there already.
        let sql = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = $1";
        if self.rows(sql, &[migrations::SCHEMA.into()], 1)?.is_empty() {
            self.execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", migrations::SCHEMA))?;
        }
        Ok(())
    }

    pub(super) fn begin(&mut self) -> Result<(), HistoryError> {
        self.execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})"))
    }

    pub(super) fn execute(&mut self, sql: &str) -> Result<(), HistoryError> {
        let Self { client, runtime, .. } = self;
        wait(runtime, client.batch_execute(sql))
    }

    pub(super) fn rows(
        &mut self,
        sql: &str,
        parameters: &[Cell],
        columns: usize,
    ) -> Result<Vec<Vec<Cell>>, HistoryError> {
        let Self { client, runtime, .. } = self;
        let given: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(Cell::parameter).collect();
        let rows = wait(runtime, client.query(sql, &given))?;
        let cell = |row: &tokio_postgres::Row, column: usize| {
            if *row.columns()[column].type_() == Type::INT8 {
                row.try_get::<_, Option<i64>>(column).map(|it| it.map_or(Cell::Null, Cell::Integer))
            } else {
                row.try_get::<_, Option<String>>(column).map(|it| it.map_or(Cell::Null, Cell::Text))
            }
        };
        let of_row = |row| (0..columns).map(|column| cell(row, column)).collect();
        rows.iter().map(of_row).collect::<Result<_, _>>().map_err(failed)
    }

    pub(super) fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), HistoryError> {
        let arrays: Vec<String> = (table.columns.iter().enumerate())
            .map(|(index, (_, text))| {
                format!("${}::{}[]", index + 1, if *text { "text" } else { "bigint" })
            })
            .collect();
        let (name, names, arrays) = (table.name, table.names(), arrays.join(", "));
        let sql = format!("INSERT INTO {name} ({names}) SELECT * FROM unnest({arrays})");
        for batch in rows.chunks(BATCH) {
            let columns: Vec<Box<dyn ToSql + Sync>> = (table.columns.iter().enumerate())
                .map(|(index, (_, text))| column(batch, index, *text))
                .collect();
            let given: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|it| &**it).collect();
            let Self { client, runtime, .. } = self;
            wait(runtime, client.execute(&sql, &given))?;
        }
        Ok(())
    }

    /// PERF: the driver allocates for each row, so that the points of a series come as arrays of one.
    pub(super) fn points(
        &mut self,
        series: Option<&[i64]>,
        visit: &mut dyn FnMut(PointRow),
    ) -> Result<(), HistoryError> {
        const ARRAYS: &str = "SELECT series, array_agg(passport), array_agg(track), array_agg(low), \
                              array_agg(high) FROM points";
        let Self { client, runtime, .. } = self;
        let rows = match series {
            None => wait(runtime, client.query(&format!("{ARRAYS} GROUP BY series"), &[]))?,
            Some(ids) => {
                let sql = format!("{ARRAYS} WHERE series = ANY($1::bigint[]) GROUP BY series");
                wait(runtime, client.query(&sql, &[&ids]))?
            }
        };
        for row in rows {
            let series = row.try_get(0).map_err(failed)?;
            let column = |it: usize| row.try_get::<_, Vec<i64>>(it).map_err(failed);
            let (passports, tracks) = (column(1)?, column(2)?);
            let (lows, highs) = (column(3)?, column(4)?);
            for (((passport, track), low), high) in
                passports.into_iter().zip(tracks).zip(lows).zip(highs)
            {
                visit(PointRow { series, passport, track, low, high });
            }
        }
        Ok(())
    }
}

impl Cell {
    fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Null => &None::<String>,
            Self::Integer(value) => value,
            Self::Text(text) => text,
        }
    }
}

fn column(rows: &[Vec<Cell>], index: usize, text: bool) -> Box<dyn ToSql + Sync> {
    if text {
        let text = |row: &Vec<Cell>| match &row[index] {
            Cell::Text(text) => Some(text.clone()),
            Cell::Null | Cell::Integer(_) => None,
        };
        Box::new(rows.iter().map(text).collect::<Vec<Option<String>>>())
    } else {
        Box::new(rows.iter().map(|row| row[index].integer()).collect::<Vec<i64>>())
    }
}

fn wait<T>(
    runtime: &Runtime,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, HistoryError> {
    let answered = runtime.block_on(async { timeout(STATEMENT, answer).await });
    answered.map_err(|_| late())?.map_err(failed)
}

fn late() -> HistoryError {
    away("the server does not answer".to_owned())
}

/// The server's own words, or what the system says of the connection; never the address.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn failed(error: tokio_postgres::Error) -> HistoryError {
    if let Some(said) = error.as_db_error() {
        let words = said.message().to_owned();
        // A server that ends, begins, or has no room for one more says so itself.
        let is_away = ["57P", "53"].iter().any(|it| said.code().code().starts_with(it));
        return if is_away { away(words) } else { unusable(words) };
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let what = if error.is_closed() { "the connection was closed" } else { "no connection" };
    away(cause.map_or_else(|| what.to_owned(), |it| format!("{what}: {it}")))
}

fn away(why: String) -> HistoryError {
    HistoryError::IndexAway { name: NAME.to_owned(), why }
}

fn unusable(why: String) -> HistoryError {
    HistoryError::Index { name: NAME.to_owned(), source: why.into() }
}
