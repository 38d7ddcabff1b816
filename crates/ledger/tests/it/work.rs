//! Events, jobs and runs: real load through real workers, and every way in which work is refused,
//! stopped or lost.
//!
//! What must hold on every database is in `assert_*` functions, which the PostgreSQL tests call too.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request},
};
use perf_passport_ledger::{
    self as ledger, ApiKey, Fixture, LedgerState, Settings, Waiting, WorkSettings, Workers,
    settings::DatabaseTarget,
};
use perf_passport_meter::units::Count;

use crate::ledger::{Answer, assert_error, get, get_json, send};

/// Runs and jobs of the fixture.
const RUNS: u64 = 25;
const JOBS: u64 = 17;

/// A claim that is long over before a test is, and one that ends at once.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(50);

pub(crate) async fn open(settings: Settings) -> LedgerState {
    let state = LedgerState::open(settings).await.unwrap();
    Fixture::Normal.load_into(state.database(), 7).await.unwrap();
    state
}

pub(crate) fn workers(state: &LedgerState, workers: usize, lease: Duration) -> Workers {
    let workers = NonZeroUsize::new(workers).unwrap();
    let poll = Duration::from_millis(10);
    Workers::start(state.clone(), WorkSettings { workers, lease, poll })
}

fn file(path: &Path) -> Settings {
    Settings { database: DatabaseTarget::File(path.to_owned()), ..Settings::default() }
}

fn event(statement: &str) -> Request<Body> {
    let body = format!("{{\"statement\":\"{statement}\"}}");
    let request = Request::post("/events").header("content-type", "application/json");
    request.body(Body::from(body)).unwrap()
}

async fn post(app: &Router, statement: &str) -> Answer {
    send(app, event(statement)).await
}

/// Posts an event that must be accepted, and gives the number of its job.
pub(crate) async fn accepted(app: &Router, statement: &str) -> u64 {
    let answer = post(app, statement).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["job"].as_u64().unwrap()
}

pub(crate) async fn hashes(app: &Router) -> Vec<String> {
    let page = get_json(app, "/statements?limit=100").await;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["hash"].as_str().unwrap().to_owned()).collect()
}

/// Waits until no job waits, and gives the attestations that were seen meanwhile.
pub(crate) async fn drained(app: &Router) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for _ in 0..6_000 {
        let metrics = get_json(app, "/metrics").await;
        if let Some(hash) = metrics["first_organism"]["last_ht_hash"].as_str() {
            seen.insert(hash.to_owned());
        }
        if metrics["queue_length"] == 0 {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the queue is not drained: {}", get_json(app, "/metrics").await);
}

/// What a test asks of the tables themselves.
pub(crate) trait Tables {
    /// The one number that some SQL gives.
    async fn number(&self, sql: &str) -> i64;
    /// Changes rows.
    async fn change(&self, sql: &str);
}

struct SqliteFile(PathBuf);

impl SqliteFile {
    fn open(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.0).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }
}

impl Tables for SqliteFile {
    async fn number(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn change(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }
}

/// Every sum is that of its rows, and no job has two runs.
pub(crate) async fn assert_whole(tables: &impl Tables) {
    for (sum, of, rows) in [
        ("queue_length", "totals", "SELECT COUNT(*) FROM jobs"),
        ("proofs_total", "totals", "SELECT COUNT(*) FROM proofs"),
        ("proofs_success", "totals", "SELECT COUNT(*) FROM proofs WHERE success = 1"),
        ("runs_total", "first_organism", "SELECT COUNT(*) FROM organism_runs"),
        ("runs_total", "first_organism", "SELECT MAX(id) FROM organism_runs"),
        (
            "runs_completed",
            "first_organism",
            "SELECT COUNT(*) FROM organism_runs WHERE completed = 1",
        ),
        (
            "latency_le_100_ms",
            "first_organism",
            "SELECT COUNT(*) FROM organism_runs WHERE latency_us <= 100000",
        ),
        (
            "latency_le_1_s",
            "first_organism",
            "SELECT COUNT(*) FROM organism_runs WHERE latency_us <= 1000000",
        ),
        (
            "latency_le_10_s",
            "first_organism",
            "SELECT COUNT(*) FROM organism_runs WHERE latency_us <= 10000000",
        ),
        (
            "abstention_le_5_pct",
            "first_organism",
            "SELECT COUNT(*) FROM organism_runs WHERE abstention_ppm <= 50000",
        ),
        (
            "abstention_le_50_pct",
            "first_organism",
            "SELECT COUNT(*) FROM organism_runs WHERE abstention_ppm <= 500000",
        ),
    ] {
        let kept = tables.number(&format!("SELECT {sum} FROM {of}")).await;
        assert_eq!(kept, tables.number(rows).await, "{sum}: {rows}");
    }
    // Each job that was ever accepted waits or has one run.
    let accepted = tables.number("SELECT jobs_accepted FROM totals").await;
    let done = tables.number("SELECT COUNT(DISTINCT job_id) FROM organism_runs").await;
    let runs = tables.number("SELECT COUNT(job_id) FROM organism_runs").await;
    let waiting = tables.number("SELECT COUNT(*) FROM jobs").await;
    assert_eq!((done, done + waiting), (runs, accepted));
}

/// 200 events of eight callers at once, through the workers of all ledgers of one database.
pub(crate) async fn assert_load(ledgers: &[LedgerState], tables: &impl Tables) {
    const CALLERS: u64 = 8;
    const EACH: u64 = 25;

    let apps: Vec<Router> = ledgers.iter().cloned().map(ledger::app).collect();
    let before = get_json(&apps[0], "/metrics").await;
    assert_eq!(before["queue_length"], JOBS);
    let running: Vec<_> = ledgers.iter().map(|state| workers(state, 4, LONG)).collect();
    let hashes = hashes(&apps[0]).await;
    let callers: Vec<_> = (0..CALLERS)
        .zip(apps.iter().cycle())
        .map(|(caller, app)| {
            let (app, hashes) = (app.clone(), hashes.clone());
            tokio::spawn(async move {
                let mut jobs = Vec::new();
                for number in 0..EACH {
                    let of = usize::try_from(caller * EACH + number).unwrap() % hashes.len();
                    jobs.push(accepted(&app, &hashes[of]).await);
                }
                jobs
            })
        })
        .collect();
    let mut jobs = BTreeSet::new();
    for caller in callers {
        jobs.extend(caller.await.unwrap());
    }
    // The numbers of the fixture's jobs are not given again.
    assert_eq!(jobs, (JOBS + 1..=JOBS + CALLERS * EACH).collect());
    let mut seen = drained(&apps[0]).await;

    let after = get_json(&apps[0], "/metrics").await;
    let (old, new) = (&before["first_organism"], &after["first_organism"]);
    seen.insert(old["last_ht_hash"].as_str().unwrap().to_owned());
    assert!(seen.len() >= 2 && old["last_ht_hash"] != new["last_ht_hash"], "{seen:?}");
    assert_eq!(new["runs_total"], RUNS + JOBS + CALLERS * EACH);
    assert_eq!(new["latency_buckets"]["+Inf"], RUNS + JOBS + CALLERS * EACH);
    assert!(new["latency_seconds"].as_f64().unwrap() > 0.0);
    assert!(after["proofs"]["total"].as_u64() > before["proofs"]["total"].as_u64());
    let beat = get_json(&apps[0], "/heartbeat.json").await;
    assert_eq!(beat["proofs_per_sec"].as_f64().unwrap() > 0.0, after["proofs"]["success"] != 2_850);
    assert_whole(tables).await;
    for workers in running {
        workers.stop(Waiting::Keep, LONG).await;
    }
}

/// Workers stop while much waits: each job is done or kept, and done after the next start.
pub(crate) async fn assert_stops(state: LedgerState, again: LedgerState, tables: &impl Tables) {
    let app = ledger::app(state.clone());
    let hashes = hashes(&app).await;
    for hash in &hashes {
        accepted(&app, hash).await;
    }
    let running = workers(&state, 2, LONG);
    let runs =
        || async { get_json(&app, "/metrics").await["first_organism"]["runs_total"].as_u64() };
    while runs().await < Some(RUNS + 3) {
        tokio::task::yield_now().await;
    }
    running.stop(Waiting::Keep, LONG).await;
    let claimed = "SELECT COUNT(*) FROM jobs WHERE claims > 0";
    assert_eq!(tables.number(claimed).await, 0, "what was begun is finished");
    let stopped = runs().await;
    assert_whole(tables).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(runs().await, stopped);

    // Waiting jobs are counted, and the next process does them.
    let left = again.events_waiting().await.unwrap();
    let running = workers(&again, 2, LONG);
    drained(&app).await;
    assert_eq!(again.events_waiting().await.unwrap(), Count::new(0));
    assert_eq!(runs().await, Some(RUNS + JOBS + 100), "{left} were left");
    assert_whole(tables).await;
    running.stop(Waiting::Keep, LONG).await;
}

/// A claim of a worker that died ends, also where the clock was put back since.
pub(crate) async fn assert_claims_end(state: LedgerState, tables: &impl Tables) {
    let app = ledger::app(state.clone());
    let hash = hashes(&app).await[0].clone();
    for _ in 0..3 {
        accepted(&app, &hash).await;
    }
    let now =
        humantime::parse_rfc3339(get_json(&app, "/health").await["timestamp"].as_str().unwrap());
    let now = now.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let lease = Duration::from_secs(2);
    // Over already, over soon, and beyond any claim of today.
    for (job, until) in [(1, now - 1), (2, now + 1_000_000), (3, now + 3_600_000_000)] {
        let claim = format!(
            "UPDATE jobs SET claimed_by = 'dead', claims = 1, claimed_until_us = {until} \
             WHERE id = {job}"
        );
        tables.change(&claim).await;
    }
    // One that was claimed too often may be what kills its workers.
    tables.change("UPDATE jobs SET claims = 10 WHERE id = 4").await;
    let running = workers(&state, 2, lease);
    drained(&app).await;
    assert_whole(tables).await;
    assert_eq!(tables.number("SELECT completed FROM organism_runs WHERE job_id = 4").await, 0);
    assert_eq!(tables.number("SELECT completed FROM organism_runs WHERE job_id = 2").await, 1);
    running.stop(Waiting::Keep, LONG).await;
}

/// The time of a run starts when the event comes, also where another process does the job.
pub(crate) async fn assert_latency(state: LedgerState, again: LedgerState, tables: &impl Tables) {
    tables.change("DELETE FROM jobs; UPDATE totals SET queue_length = 0").await;
    let app = ledger::app(state.clone());
    let hash = hashes(&app).await[0].clone();
    for worker in [&state, &again] {
        accepted(&app, &hash).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        let running = workers(worker, 1, LONG);
        drained(&app).await;
        let metrics = get_json(&app, "/metrics").await;
        let latency = metrics["first_organism"]["latency_seconds"].as_f64().unwrap();
        assert!((0.06..60.0).contains(&latency), "{latency}");
        running.stop(Waiting::Keep, LONG).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_does_the_work_of_many_callers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let ledgers = [open(file(&path)).await, LedgerState::open(file(&path)).await.unwrap()];
    assert_load(&ledgers, &SqliteFile(path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_what_waits_when_workers_stop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (first, again) = (open(file(&path)).await, LedgerState::open(file(&path)).await.unwrap());
    assert_stops(first, again, &SqliteFile(path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_gives_the_jobs_of_the_dead_to_the_living() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    assert_claims_end(open(file(&path)).await, &SqliteFile(path)).await;
}

#[tokio::test]
async fn sqlite_measures_from_the_event_to_the_update() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (first, again) = (open(file(&path)).await, LedgerState::open(file(&path)).await.unwrap());
    assert_latency(first, again, &SqliteFile(path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_emptied_before_it_ends() {
    let state = open(Settings::default()).await;
    let app = ledger::app(state.clone());
    for hash in hashes(&app).await {
        accepted(&app, &hash).await;
    }
    assert_eq!(state.events_waiting().await.unwrap(), Count::new(100));
    workers(&state, 2, LONG).stop(Waiting::Finish, LONG).await;
    let metrics = get_json(&app, "/metrics").await;
    assert_eq!(metrics["queue_length"], 0);
    assert_eq!(metrics["first_organism"]["runs_total"], RUNS + JOBS + 100);
}

#[tokio::test]
async fn a_full_queue_is_a_503_until_a_job_is_done() {
    let settings = Settings { queue_max: Count::new(JOBS + 2), ..Settings::default() };
    let state = open(settings).await;
    let app = ledger::app(state.clone());
    let hash = hashes(&app).await[0].clone();
    for _ in 0..2 {
        accepted(&app, &hash).await;
    }
    for _ in 0..3 {
        let full = post(&app, &hash).await;
        assert_error(&full, 503, "queue_full");
        assert_eq!(full.headers["retry-after"], "1");
    }
    assert_eq!(get_json(&app, "/metrics").await["queue_length"], JOBS + 2);
    let running = workers(&state, 1, LONG);
    drained(&app).await;
    assert_eq!(accepted(&app, &hash).await, JOBS + 3);
    running.stop(Waiting::Keep, LONG).await;
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_queues_nothing() {
    let key = ApiKey::new("k3y").unwrap();
    let app = ledger::app(open(Settings { api_key: Some(key), ..Settings::default() }).await);
    let request = |kind: Option<&'static str>, body: &str| {
        let mut request = Request::post("/events").header("x-api-key", "k3y");
        if let Some(kind) = kind {
            request = request.header("content-type", HeaderValue::from_static(kind));
        }
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let json = Some("application/json");
    let zeros = "0".repeat(64);
    let whole = format!("{{\"statement\":\"{zeros}\"}}");
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"statement\":1}",
        "{\"statement\":\"\"}",
        "{\"statement\":\"abc\"}",
        &whole.to_uppercase(),
        &whole.replace('}', ",\"kind\":\"x\"}"),
        &whole.replace("\"}", "0\"}"),
        &format!("{whole}{whole}"),
        "{\"statement\":\"\\u0000\"}",
        "\u{e9}",
    ] {
        assert_error(&send(&app, request(json, body)).await, 400, "bad_event");
    }
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        assert_error(&send(&app, request(kind, &whole)).await, 415, "not_json");
    }
    let charset = Some("Application/JSON; charset=utf-8");
    assert_error(&send(&app, request(charset, &whole)).await, 404, "unknown_statement");
    // Whether the size is announced or not.
    let large = format!("{{\"statement\":\"{}\"}}", "0".repeat(5000));
    assert_error(&send(&app, request(json, &large)).await, 413, "body_too_large");
    assert_error(&send(&app, event(&zeros)).await, 401, "unauthorized");
    let mut get = request(json, "");
    *get.method_mut() = axum::http::Method::GET;
    let wrong = send(&app, get).await;
    assert_error(&wrong, 405, "wrong_method");
    assert_eq!(wrong.headers["allow"], "POST");

    let ask = Request::get("/metrics").header("x-api-key", "k3y").body(Body::empty()).unwrap();
    assert_eq!(send(&app, ask).await.json()["queue_length"], JOBS);
}

#[tokio::test]
async fn an_event_is_no_job_where_the_database_fails() {
    let app = ledger::service_for_fixture("broken", 7, None).await.unwrap();
    assert_error(&post(&app, &"0".repeat(64)).await, 503, "database_unavailable");
}

#[tokio::test]
async fn a_statement_that_is_no_formula_is_a_run_that_failed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let state = open(file(&path)).await;
    let tables = SqliteFile(path);
    tables.change("UPDATE statements SET text = 'no formula' WHERE id = 1").await;
    let app = ledger::app(state.clone());
    let completed = "SELECT runs_total - runs_completed FROM first_organism";
    let running = workers(&state, 1, LONG);
    drained(&app).await;
    let (failed, proofs) = (
        tables.number(completed).await,
        get_json(&app, "/metrics").await["proofs"]["total"].clone(),
    );
    accepted(&app, &hashes(&app).await[0]).await;
    drained(&app).await;
    assert_eq!(tables.number(completed).await, failed + 1);
    assert_eq!(get_json(&app, "/metrics").await["proofs"]["total"], proofs);
    assert_whole(&tables).await;
    running.stop(Waiting::Keep, LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_vanish_lose_no_job() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let state = open(file(&path)).await;
    let tables = SqliteFile(path.clone());
    let app = ledger::app(state.clone());
    for hash in hashes(&app).await {
        accepted(&app, &hash).await;
    }
    // Dropped at whatever they are doing, again and again.
    for _ in 0..10 {
        let running = workers(&state, 4, SHORT);
        tokio::time::sleep(Duration::from_millis(3)).await;
        drop(running);
    }
    let again = LedgerState::open(file(&path)).await.unwrap();
    let running = workers(&again, 4, SHORT);
    drained(&app).await;
    assert_whole(&tables).await;
    let metrics = get_json(&app, "/metrics").await;
    assert_eq!(metrics["first_organism"]["runs_total"], RUNS + JOBS + 100);
    running.stop(Waiting::Keep, LONG).await;
}

#[tokio::test]
async fn nobody_works_unasked() {
    let state = open(Settings::default()).await;
    let app = ledger::app(state.clone());
    accepted(&app, &hashes(&app).await[0]).await;
    let before = get(&app, "/ui").await.body;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(get(&app, "/ui").await.body, before);
    assert_eq!(get_json(&app, "/metrics").await["queue_length"], JOBS + 1);
}
