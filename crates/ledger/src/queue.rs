//! The queue of jobs in the database: accepted, claimed, and done.
//!
//! Each of the three is one transaction. [`accept`] refuses what is beyond the capacity. [`claim`] gives
//! each job to one worker for a while, and after that to another: a worker that dies loses no job.
//! [`complete`] removes the job and records its run, where the claim still holds. So a job has one run,
//! however often somebody works on it. Nothing here does a job.

use std::time::Duration;

use super::{
    database::{Database, DatabaseError, DatabaseKind, Value},
    hash::Hash,
    moment::Moment,
    organism::Run,
    queries::{self, WINDOW_SECONDS, integer},
    statements::{COUNT_SECOND, FORGET_SECONDS, INSERT_PROOF},
    timestamp::Timestamp,
};

/// How a truth table is called as the method of a proof.
const METHOD: &str = "truth-table";

/// Upper bounds of the latency buckets in microseconds, in the order of the columns.
const LATENCY_LE_US: [u64; 6] = [100_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000];
/// Upper bounds of the abstention buckets in millionths, in the order of the columns.
const ABSTENTION_LE_PPM: [u64; 6] = [50_000, 100_000, 150_000, 200_000, 300_000, 500_000];

/// An event that asks for a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    /// The statement it is about.
    pub(super) statement: Hash,
    /// When it came, and at which process.
    pub(super) at: Moment,
    pub(super) instance: &'a str,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// It is a job of this number, and in the database.
    Accepted(u64),
    /// There is no such statement.
    UnknownStatement,
    /// The queue has no room.
    Full,
}

/// Makes a job of an event. Once this says so, no crash loses it.
pub(super) async fn accept(
    database: &Database,
    event: Event<'_>,
    capacity: u64,
) -> Result<Acceptance, DatabaseError> {
    let find = "SELECT id FROM statements WHERE hash = $1";
    let hash = [Value::Text(event.statement.as_str())];
    let Some(statement) = queries::one(database, find, &hash, |row| row.count(0)).await? else {
        return Ok(Acceptance::UnknownStatement);
    };
    let at = Timestamp::at(event.at.wall);
    let row = [
        integer(statement),
        integer(at.ms()),
        integer(at.us()),
        Value::Text(event.instance),
        integer(event.at.elapsed_us()),
    ];
    let accepted = database
        .write_if(
            (
                "UPDATE totals SET queue_length = queue_length + 1, \
                 jobs_accepted = jobs_accepted + 1 \
                 WHERE id = 1 AND queue_length < $1 RETURNING jobs_accepted",
                &[integer(capacity)],
            ),
            &[(
                "INSERT INTO jobs (id, statement_id, enqueued_at_ms, event_at_us, accepted_by, \
                 accepted_elapsed_us) SELECT jobs_accepted, CAST($1 AS BIGINT), \
                 CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT) \
                 FROM totals WHERE id = 1",
                &row,
            )],
        )
        .await?;
    Ok(accepted.map_or(Acceptance::Full, Acceptance::Accepted))
}

/// Who claims jobs, how many and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    /// A name that no other claim has.
    pub(super) name: &'a str,
    pub(super) jobs: usize,
    pub(super) now: Moment,
    pub(super) lease: Duration,
}

/// A job that is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) statement: u64,
    /// The event; a fixture's jobs have none.
    pub(super) event: Option<JobEvent>,
    /// How often it was claimed, this time included.
    pub(super) claims: u64,
}

/// When the event of a job came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobEvent {
    /// Microseconds since 1970.
    pub(super) at_us: u64,
    /// The process that accepted it.
    pub(super) instance: String,
    /// Microseconds since that process started.
    pub(super) elapsed_us: u64,
}

/// Claims the oldest jobs that nobody works on.
pub(super) async fn claim(
    database: &Database,
    claim: Claim<'_>,
) -> Result<Vec<Job>, DatabaseError> {
    let now_us = Timestamp::at(claim.now.wall).us();
    let lease_us = u64::try_from(claim.lease.as_micros()).unwrap_or(u64::MAX);
    let parameters = [
        Value::Text(claim.name),
        integer(now_us.saturating_add(lease_us)),
        integer(now_us),
        // A claim beyond this was made by a clock that was put back since.
        integer(now_us.saturating_add(lease_us.saturating_mul(2))),
        integer(u64::try_from(claim.jobs).unwrap_or(u64::MAX)),
    ];
    let sql = match database.kind() {
        DatabaseKind::Sqlite => CLAIM_SQLITE,
        DatabaseKind::Postgres => CLAIM_POSTGRES,
    };
    let mut jobs = Vec::with_capacity(claim.jobs);
    database
        .change(sql, &parameters, |row| {
            let event = match row.optional_count(2)? {
                None => None,
                Some(at_us) => Some(JobEvent {
                    at_us,
                    instance: row.text(3)?.to_owned(),
                    elapsed_us: row.count(4)?,
                }),
            };
            let (id, statement, claims) = (row.count(0)?, row.count(1)?, row.count(5)?);
            jobs.push(Job { id, statement, event, claims });
            Ok(())
        })
        .await?;
    // The rows come in any order.
    jobs.sort_unstable_by_key(|job| job.id);
    Ok(jobs)
}

const CLAIM_SQLITE: &str = "UPDATE jobs SET claimed_by = $1, claimed_until_us = $2, claims = claims + 1 \
     WHERE id IN (SELECT id FROM jobs WHERE claimed_until_us <= $3 OR claimed_until_us > $4 \
     ORDER BY id LIMIT $5) \
     RETURNING id, statement_id, event_at_us, accepted_by, accepted_elapsed_us, claims";

/// Of jobs that another process claims right now, PostgreSQL takes the next. The array makes it look
/// for them once.
const CLAIM_POSTGRES: &str = "UPDATE jobs SET claimed_by = $1, claimed_until_us = $2, claims = claims + 1 \
     WHERE id = ANY(ARRAY(SELECT id FROM jobs WHERE claimed_until_us <= $3 OR claimed_until_us > $4 \
     ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED)) \
     RETURNING id, statement_id, event_at_us, accepted_by, accepted_elapsed_us, claims";

/// A run that is to be recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion<'a> {
    pub(super) job: &'a Job,
    /// The name of the claim.
    pub(super) claimed_by: &'a str,
    pub(super) run: Run,
    /// From the event until now.
    pub(super) latency_us: u64,
    pub(super) now: Moment,
}

/// Removes a job and records its run, its proof and all totals. False where the claim was lost: then
/// somebody else does the job, and nothing is recorded.
pub(super) async fn complete(
    database: &Database,
    completion: Completion<'_>,
) -> Result<bool, DatabaseError> {
    let Completion { job, claimed_by, run, latency_us, now } = completion;
    let at = Timestamp::at(now.wall);
    let flag = |set: bool| integer(u64::from(set));
    let attempted = run.proved.is_some();
    let proved = flag(run.proved == Some(true));
    let totals = [flag(attempted), proved];
    let proof = [integer(job.statement), Value::Text(METHOD), proved, integer(at.ms())];
    let second = [integer(at.seconds()), proved];
    let expired = [integer(at.seconds().saturating_sub(WINDOW_SECONDS))];
    let ht_hash = Value::Text(run.ht_hash.as_str());
    let mut organism =
        vec![flag(run.completed), ht_hash, integer(run.abstention_ppm), integer(latency_us)];
    organism.extend(LATENCY_LE_US.map(|bound| flag(latency_us <= bound)));
    organism.extend(ABSTENTION_LE_PPM.map(|bound| flag(run.abstention_ppm <= bound)));
    let row = [&organism[..4], &[integer(job.id)]].concat();

    let mut then = vec![(COUNT_RUN, &totals[..])];
    if attempted {
        then.extend([
            (INSERT_PROOF, &proof[..]),
            (COUNT_SECOND, &second[..]),
            (FORGET_SECONDS, &expired[..]),
        ]);
    }
    then.extend([(SUM_UP, &organism[..]), (INSERT_RUN, &row[..])]);
    let mine = [integer(job.id), Value::Text(claimed_by)];
    let remove = "DELETE FROM jobs WHERE id = $1 AND claimed_by = $2 RETURNING id";
    Ok(database.write_if((remove, &mine), &then).await?.is_some())
}

const COUNT_RUN: &str = "UPDATE totals SET queue_length = queue_length - 1, \
     proofs_total = proofs_total + $1, proofs_success = proofs_success + $2 WHERE id = 1";

const SUM_UP: &str = "INSERT INTO first_organism (id, runs_total, runs_completed, last_ht_hash, \
     last_abstention_ppm, last_latency_us, \
     latency_le_100_ms, latency_le_500_ms, latency_le_1_s, latency_le_2_s, latency_le_5_s, \
     latency_le_10_s, abstention_le_5_pct, abstention_le_10_pct, abstention_le_15_pct, \
     abstention_le_20_pct, abstention_le_30_pct, abstention_le_50_pct) \
     VALUES (1, 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
     ON CONFLICT (id) DO UPDATE SET runs_total = first_organism.runs_total + 1, \
     runs_completed = first_organism.runs_completed + excluded.runs_completed, \
     last_ht_hash = excluded.last_ht_hash, \
     last_abstention_ppm = excluded.last_abstention_ppm, \
     last_latency_us = excluded.last_latency_us, \
     latency_le_100_ms = first_organism.latency_le_100_ms + excluded.latency_le_100_ms, \
     latency_le_500_ms = first_organism.latency_le_500_ms + excluded.latency_le_500_ms, \
     latency_le_1_s = first_organism.latency_le_1_s + excluded.latency_le_1_s, \
     latency_le_2_s = first_organism.latency_le_2_s + excluded.latency_le_2_s, \
     latency_le_5_s = first_organism.latency_le_5_s + excluded.latency_le_5_s, \
     latency_le_10_s = first_organism.latency_le_10_s + excluded.latency_le_10_s, \
     abstention_le_5_pct = first_organism.abstention_le_5_pct + excluded.abstention_le_5_pct, \
     abstention_le_10_pct = first_organism.abstention_le_10_pct + excluded.abstention_le_10_pct, \
     abstention_le_15_pct = first_organism.abstention_le_15_pct + excluded.abstention_le_15_pct, \
     abstention_le_20_pct = first_organism.abstention_le_20_pct + excluded.abstention_le_20_pct, \
     abstention_le_30_pct = first_organism.abstention_le_30_pct + excluded.abstention_le_30_pct, \
     abstention_le_50_pct = first_organism.abstention_le_50_pct + excluded.abstention_le_50_pct";

/// The sums count the run already, and give its number.
const INSERT_RUN: &str = "INSERT INTO organism_runs \
     (id, completed, ht_hash, abstention_ppm, latency_us, job_id) \
     SELECT runs_total, CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS BIGINT), \
     CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM first_organism WHERE id = 1";

/// The events that nobody did yet.
pub(super) async fn events_waiting(database: &Database) -> Result<u64, DatabaseError> {
    let sql = "SELECT COUNT(*) FROM jobs WHERE event_at_us IS NOT NULL";
    Ok(queries::one(database, sql, &[], |row| row.count(0)).await?.unwrap_or(0))
}
