//! Statements in the database: one by its hash, a page of many, and proofs of them.
//!
//! Offsets work on ids: the ledger only appends, so ids are dense, and `OFFSET k` is `id > k`, which
//! does not walk over the first `k` rows. [`record_proof`] keeps the totals in the same transaction.

use std::time::SystemTime;

use serde::Serialize;

use super::{
    database::{Columns, Database, DatabaseError, Value},
    formula::InWords,
    hash::Hash,
    queries::{self, WINDOW_SECONDS, integer},
    timestamp::Timestamp,
};

/// One statement with its proofs and the statements it was derived from.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: u64,
    pub(super) text: String,
    pub(super) normalized_text: String,
    pub(super) depth: u64,
    pub(super) block_number: u64,
    pub(super) parents: Vec<Parent>,
    pub(super) proofs: Vec<Proof>,
}

/// A statement that another one was derived from.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) hash: Hash,
    pub(super) text: String,
}

/// One attempt to prove a statement.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) method: String,
    pub(super) success: bool,
    pub(super) created_at: Timestamp,
}

/// A range of statements, oldest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) limit: u64,
    pub(super) offset: u64,
}

/// The statement with this hash, where there is one.
pub(super) async fn find(
    database: &Database,
    hash: &Hash,
) -> Result<Option<Statement>, DatabaseError> {
    let sql = "SELECT s.id, s.text, s.normalized_text, s.depth, s.block_id, \
               s.premise_1, a.hash, a.text, s.premise_2, b.hash, b.text \
               FROM statements s LEFT JOIN statements a ON a.id = s.premise_1 \
               LEFT JOIN statements b ON b.id = s.premise_2 WHERE s.hash = $1";
    let parameters = [Value::Text(hash.as_str())];
    let found = queries::one(database, sql, &parameters, |row| {
        let mut parents = Vec::new();
        for column in [5, 8] {
            // A premise that is named but not found is an error, and not one parent less.
            if row.optional_count(column)?.is_some() {
                let text = row.text(column + 2)?.to_owned();
                parents.push(Parent { hash: queries::hash(row, column + 1)?, text });
            }
        }
        Ok(Statement {
            id: row.count(0)?,
            text: row.text(1)?.to_owned(),
            normalized_text: row.text(2)?.to_owned(),
            depth: row.count(3)?,
            block_number: row.count(4)?,
            parents,
            proofs: Vec::new(),
        })
    });
    let Some(mut statement) = found.await? else { return Ok(None) };
    let sql = "SELECT method, success, created_at_ms FROM proofs WHERE statement_id = $1 \
               ORDER BY id LIMIT 1000";
    let proofs = &mut statement.proofs;
    database
        .query(sql, &[integer(statement.id)], |row| {
            proofs.push(Proof {
                method: row.text(0)?.to_owned(),
                success: row.count(1)? == 1,
                created_at: Timestamp::from_ms(row.count(2)?)?,
            });
            Ok(())
        })
        .await?;
    Ok(Some(statement))
}

/// A statement and what it was derived from, by their hashes and texts.
#[derive(Debug, Clone)]
pub(super) struct Derivation {
    pub(super) hash: Hash,
    pub(super) text: String,
    pub(super) premises: Vec<(Hash, String)>,
}

/// The derivation of the statement with this id, where there is one.
pub(super) async fn derivation(
    database: &Database,
    id: u64,
) -> Result<Option<Derivation>, DatabaseError> {
    let sql = "SELECT s.hash, s.text, a.hash, a.text, b.hash, b.text FROM statements s \
               LEFT JOIN statements a ON a.id = s.premise_1 \
               LEFT JOIN statements b ON b.id = s.premise_2 WHERE s.id = $1";
    let parameters = [integer(id)];
    let found = queries::one(database, sql, &parameters, |row| {
        let mut premises = Vec::new();
        for column in [2, 4] {
            if row.value(column)? != Value::Null {
                premises.push((queries::hash(row, column)?, row.text(column + 1)?.to_owned()));
            }
        }
        Ok(Derivation { hash: queries::hash(row, 0)?, text: row.text(1)?.to_owned(), premises })
    });
    found.await
}

/// One statement of a page, borrowed from the row it is read from.
#[derive(Serialize)]
struct Item<'a> {
    hash: &'a str,
    text: &'a str,
    normalized_text: &'a str,
    display: InWords<'a>,
    depth: u64,
    block_number: u64,
}

/// What an item takes at most, as fixtures have it; a longer one makes the buffer grow.
const ITEM_BYTES: usize = 384;

/// The JSON of a page: `{"items":[...],"limit":..,"offset":..,"total":..}`.
///
/// PERF: rows are written straight from the cursor into one buffer made large enough, so a page of
/// 1,000 costs no more allocations than one of 1.
pub(super) async fn page_json(database: &Database, page: Page) -> Result<Vec<u8>, DatabaseError> {
    let items = usize::try_from(page.limit).unwrap_or(0);
    let mut json = Vec::with_capacity(128 + items.saturating_mul(ITEM_BYTES));
    json.extend_from_slice(b"{\"items\":[");
    let sql = "SELECT hash, text, normalized_text, depth, block_id, \
               (SELECT statements_total FROM totals WHERE id = 1) \
               FROM statements WHERE id > $1 ORDER BY id LIMIT $2";
    let mut total = None;
    database
        .query_many(sql, 6, &[integer(page.offset), integer(page.limit)], |row| {
            if total.is_some() {
                json.push(b',');
            }
            total = Some(row.count(5)?);
            write_json(&mut json, &item(row)?)
        })
        .await?;
    let total = match total {
        Some(total) => total,
        None => queries::totals(database).await?.0.statements,
    };
    json.extend_from_slice(b"],\"limit\":");
    write_json(&mut json, &page.limit)?;
    json.extend_from_slice(b",\"offset\":");
    write_json(&mut json, &page.offset)?;
    json.extend_from_slice(b",\"total\":");
    write_json(&mut json, &total)?;
    json.push(b'}');
    Ok(json)
}

/// The newest statements, newest first: hash and text.
pub(super) async fn latest(
    database: &Database,
    limit: u32,
) -> Result<Vec<(Hash, String)>, DatabaseError> {
    let sql = "SELECT hash, text FROM statements ORDER BY id DESC LIMIT $1";
    let mut found = Vec::new();
    database
        .query(sql, &[Value::Integer(limit.into())], |row| {
            found.push((queries::hash(row, 0)?, row.text(1)?.to_owned()));
            Ok(())
        })
        .await?;
    Ok(found)
}

/// An attempt to prove a statement, to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewProof<'a> {
    /// The statement.
    pub statement: Hash,
    /// How it was tried.
    pub method: &'a str,
    /// Whether it was proved.
    pub success: bool,
    /// When.
    pub at: SystemTime,
}

/// Why a proof was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The ledger has no such statement.
    #[error("cannot record a proof: there is no statement {0}")]
    UnknownStatement(Hash),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Records a proof, and the totals and rate with it, in one transaction.
///
/// # Errors
///
/// [`RecordError`] where the statement is unknown or the database fails; nothing is recorded then.
pub async fn record_proof(database: &Database, proof: NewProof<'_>) -> Result<(), RecordError> {
    let hash = [Value::Text(proof.statement.as_str())];
    let find = "SELECT id FROM statements WHERE hash = $1";
    let found = queries::one(database, find, &hash, |row| row.count(0)).await?;
    let statement = found.ok_or(RecordError::UnknownStatement(proof.statement))?;

    let at = Timestamp::at(proof.at);
    let success = u64::from(proof.success);
    let row = [integer(statement), Value::Text(proof.method), integer(success), integer(at.ms())];
    let second = [integer(at.seconds()), integer(success)];
    let expired = [integer(at.seconds().saturating_sub(WINDOW_SECONDS))];
    // The row of totals comes first: it orders writers, and gives the id.
    database
        .write(&[
            (
                "UPDATE totals SET proofs_total = proofs_total + 1, \
                 proofs_success = proofs_success + $1 WHERE id = 1",
                &second[1..],
            ),
            (INSERT_PROOF, &row),
            (COUNT_SECOND, &second),
            (FORGET_SECONDS, &expired),
        ])
        .await?;
    Ok(())
}

/// Appends a proof of a statement, by a method, with its success and time; the totals count it already.
pub(super) const INSERT_PROOF: &str = "INSERT INTO proofs (id, statement_id, method, success, created_at_ms) \
     SELECT proofs_total, CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS BIGINT), \
     CAST($4 AS BIGINT) FROM totals WHERE id = 1";

/// Counts proofs that succeeded in a second.
pub(super) const COUNT_SECOND: &str = "INSERT INTO proof_seconds (second, succeeded) VALUES ($1, $2) ON CONFLICT \
     (second) DO UPDATE SET succeeded = proof_seconds.succeeded + excluded.succeeded";

/// Drops the seconds before one.
pub(super) const FORGET_SECONDS: &str = "DELETE FROM proof_seconds WHERE second < $1";

fn item(row: &dyn Columns) -> Result<Item<'_>, DatabaseError> {
    let text = row.text(1)?;
    Ok(Item {
        hash: row.text(0)?,
        text,
        normalized_text: row.text(2)?,
        display: InWords(text),
        depth: row.count(3)?,
        block_number: row.count(4)?,
    })
}

fn write_json(json: &mut Vec<u8>, value: &impl Serialize) -> Result<(), DatabaseError> {
    serde_json::to_writer(json, value)
        .map_err(|_| DatabaseError::Corrupt("a row that JSON cannot hold"))
}
