//! What several routes ask of the database: totals, blocks, and whether work goes on.
//!
//! Each question is one statement of SQL: a point read or a short range of an index, so the cost of
//! a route does not grow with the tables.

use super::{
    database::{Columns, Database, DatabaseError, Value},
    hash::Hash,
    timestamp::Timestamp,
};

/// What the ledger counts, kept in one row by every write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    pub(super) proofs: u64,
    pub(super) proofs_success: u64,
    pub(super) statements: u64,
    pub(super) max_depth: u64,
    pub(super) blocks: u64,
    pub(super) height: u64,
    pub(super) queue_length: u64,
}

/// The runs of the first organism. Buckets are cumulative, without the last one, which is all runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstOrganism {
    pub(super) runs: u64,
    pub(super) runs_completed: u64,
    pub(super) last_ht_hash: Hash,
    pub(super) last_abstention_ppm: u64,
    pub(super) last_latency_us: u64,
    pub(super) latency_le: [u64; 6],
    pub(super) abstention_le: [u64; 6],
}

/// One block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) merkle_root: Hash,
    pub(super) previous_root: Hash,
    pub(super) statement_count: u64,
    pub(super) created_at: Timestamp,
}

const TOTALS: &str = "SELECT t.proofs_total, t.proofs_success, t.statements_total, t.max_depth, \
     t.blocks_total, t.height, t.queue_length, o.runs_total, o.runs_completed, o.last_ht_hash, \
     o.last_abstention_ppm, o.last_latency_us, \
     o.latency_le_100_ms, o.latency_le_500_ms, o.latency_le_1_s, o.latency_le_2_s, \
     o.latency_le_5_s, o.latency_le_10_s, o.abstention_le_5_pct, o.abstention_le_10_pct, \
     o.abstention_le_15_pct, o.abstention_le_20_pct, o.abstention_le_30_pct, \
     o.abstention_le_50_pct \
     FROM totals t LEFT JOIN first_organism o ON o.id = t.id WHERE t.id = 1";

/// The totals, and the first organism where it ever ran.
pub(super) async fn totals(
    database: &Database,
) -> Result<(Totals, Option<FirstOrganism>), DatabaseError> {
    let found = one(database, TOTALS, &[], |row| {
        let organism = match row.optional_count(7)? {
            None => None,
            Some(runs) => Some(FirstOrganism {
                runs,
                runs_completed: at_most(row.count(8)?, runs)?,
                last_ht_hash: hash(row, 9)?,
                last_abstention_ppm: row.count(10)?,
                last_latency_us: row.count(11)?,
                latency_le: buckets(row, 12)?,
                abstention_le: buckets(row, 18)?,
            }),
        };
        let proofs = row.count(0)?;
        let totals = Totals {
            proofs,
            proofs_success: at_most(row.count(1)?, proofs)?,
            statements: row.count(2)?,
            max_depth: row.count(3)?,
            blocks: row.count(4)?,
            height: row.count(5)?,
            queue_length: row.count(6)?,
        };
        Ok((totals, organism))
    });
    found.await?.ok_or(NO_TOTALS)
}

/// Reads one row, to see that the database can be read at all.
pub(super) async fn ping(database: &Database) -> Result<(), DatabaseError> {
    let found = one(database, "SELECT id FROM totals WHERE id = 1", &[], |row| row.count(0));
    found.await?.map(|_| ()).ok_or(NO_TOTALS)
}

/// The newest blocks, newest first.
pub(super) async fn latest_blocks(
    database: &Database,
    limit: u32,
) -> Result<Vec<Block>, DatabaseError> {
    let sql = "SELECT id, merkle_root, previous_root, statement_count, created_at_ms \
               FROM blocks ORDER BY id DESC LIMIT $1";
    let mut blocks = Vec::new();
    database
        .query(sql, &[Value::Integer(limit.into())], |row| {
            blocks.push(Block {
                number: row.count(0)?,
                merkle_root: hash(row, 1)?,
                previous_root: hash(row, 2)?,
                statement_count: row.count(3)?,
                created_at: Timestamp::from_ms(row.count(4)?)?,
            });
            Ok(())
        })
        .await?;
    Ok(blocks)
}

/// What tells that the ledger is alive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat {
    pub(super) proofs_success: u64,
    pub(super) proofs_in_window: u64,
    pub(super) height: u64,
    pub(super) latest_root: Option<Hash>,
    pub(super) queue_length: u64,
}

/// The seconds that a rate of proofs is taken over.
pub(super) const WINDOW_SECONDS: u64 = 300;

/// The state now, with the proofs that succeeded in the last [`WINDOW_SECONDS`].
pub(super) async fn heartbeat(
    database: &Database,
    now: Timestamp,
) -> Result<Heartbeat, DatabaseError> {
    // A sum is NUMERIC in PostgreSQL.
    let sql = "SELECT t.proofs_success, t.height, t.queue_length, \
               (SELECT CAST(COALESCE(SUM(succeeded), 0) AS BIGINT) FROM proof_seconds \
                WHERE second > $1 AND second <= $2), \
               (SELECT merkle_root FROM blocks ORDER BY id DESC LIMIT 1) \
               FROM totals t WHERE t.id = 1";
    let end = now.seconds();
    let window = [integer(end.saturating_sub(WINDOW_SECONDS)), integer(end)];
    let found = one(database, sql, &window, |row| {
        Ok(Heartbeat {
            proofs_success: row.count(0)?,
            height: row.count(1)?,
            queue_length: row.count(2)?,
            proofs_in_window: row.count(3)?,
            latest_root: match row.value(4)? {
                Value::Null => None,
                _ => Some(hash(row, 4)?),
            },
        })
    });
    found.await?.ok_or(NO_TOTALS)
}

/// Runs a query of at most one row.
pub(super) async fn one<T: Send>(
    database: &Database,
    sql: &str,
    parameters: &[Value<'_>],
    mut read: impl FnMut(&dyn Columns) -> Result<T, DatabaseError> + Send,
) -> Result<Option<T>, DatabaseError> {
    let mut found = None;
    database
        .query(sql, parameters, |row| {
            found = Some(read(row)?);
            Ok(())
        })
        .await?;
    Ok(found)
}

/// A count as a parameter. What is beyond 2^63 is beyond every row too.
pub(super) fn integer(value: u64) -> Value<'static> {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The hash in a column.
pub(super) fn hash(row: &dyn Columns, column: usize) -> Result<Hash, DatabaseError> {
    row.text(column)?.parse().map_err(|_| DatabaseError::Corrupt("no hash in a column of hashes"))
}

/// The migrations write the row of totals, and nothing removes it.
const NO_TOTALS: DatabaseError = DatabaseError::Corrupt("the row of totals is missing");

fn at_most(part: u64, whole: u64) -> Result<u64, DatabaseError> {
    if part <= whole { Ok(part) } else { Err(DatabaseError::Corrupt("a part above its whole")) }
}

fn buckets(row: &dyn Columns, first: usize) -> Result<[u64; 6], DatabaseError> {
    let mut counts = [0; 6];
    for (column, count) in (first..).zip(&mut counts) {
        *count = row.count(column)?;
    }
    Ok(counts)
}
