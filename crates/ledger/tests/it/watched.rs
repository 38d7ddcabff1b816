//! A ledger that is watched: who asks for metrics gets them, and who does not gets what he always got.
#![expect(clippy::float_cmp, reason = "whole numbers")]

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use perf_passport_ledger::{self as ledger, ApiKey, LedgerState, Settings, Waiting};
use perf_passport_meter::telemetry::Telemetry;

use crate::{
    ledger::{ALL_ROUTES, Answer, assert_broken, assert_error, assert_normal, get, send},
    work::{accepted, drained, hashes, open, workers},
};

const TEXT: &str = "text/plain;version=0.0.4";
const LONG: std::time::Duration = std::time::Duration::from_secs(600);

pub(crate) fn watched(state: &LedgerState) -> Router {
    state.watch(&Telemetry::builder("ledger").build()).unwrap();
    ledger::app(state.clone())
}

async fn asked(app: &Router, accept: &str) -> Answer {
    let request = Request::get("/metrics").header(header::ACCEPT, accept);
    send(app, request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn text(app: &Router) -> String {
    let answer = asked(app, TEXT).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers["vary"], "accept");
    answer.text().to_owned()
}

async fn json(app: &Router) -> serde_json::Value {
    serde_json::from_str(get(app, "/metrics").await.text()).unwrap()
}

/// The figure of one series, named with its labels as it is written.
#[track_caller]
pub(crate) fn figure(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

/// What work leaves in the metrics of a ledger, whatever its database is.
pub(crate) async fn assert_watched(state: LedgerState) {
    let app = watched(&state);
    let hash = hashes(&app).await[0].clone();
    for _ in 0..20 {
        accepted(&app, &hash).await;
    }
    let before = text(&app).await;
    let json_before = json(&app).await;
    assert_eq!(figure(&before, "queue_length{queue=\"events\"}"), 37.0);
    assert_eq!(figure(&before, "workers{queue=\"events\"}"), 0.0);
    assert_eq!(figure(&before, "first_organism_runs_total"), 25.0);
    let running = workers(&state, 3, LONG);
    drained(&app).await;
    running.stop(Waiting::Keep, LONG).await;

    let after = text(&app).await;
    for (series, expected) in [
        ("queue_length{queue=\"events\"}", 0.0),
        ("workers{queue=\"events\"}", 3.0),
        ("workers_active{queue=\"events\"}", 0.0),
        ("queue_jobs_total{queue=\"events\",outcome=\"done\"}", 37.0),
        ("queue_jobs_total{queue=\"events\",outcome=\"lost\"}", 0.0),
        ("queue_wait_seconds_count{queue=\"events\"}", 20.0),
        ("first_organism_runs_total", 62.0),
        ("first_organism_latency_seconds_count", 37.0),
        ("pool_waiting{pool=\"ledger\"}", 0.0),
        ("pool_connections{pool=\"ledger\",state=\"used\"}", 0.0),
        ("db_operations_total{operation=\"insert\",table=\"organism_runs\",outcome=\"ok\"}", 37.0),
        ("db_operations_total{operation=\"insert\",table=\"jobs\",outcome=\"ok\"}", 20.0),
    ] {
        assert_eq!(figure(&after, series), expected, "{series}");
    }
    // What JSON tells of runs is what the histogram tells, bound by bound.
    let json_after = json(&app).await;
    for bound in ["0.1", "0.5", "1", "2", "5", "10", "+Inf"] {
        let of = |json: &serde_json::Value| {
            json["first_organism"]["latency_buckets"][bound].as_f64().unwrap()
        };
        let bucket =
            figure(&after, &format!("first_organism_latency_seconds_bucket{{le=\"{bound}\"}}"));
        assert_eq!(of(&json_after) - of(&json_before), bucket, "{bound}");
    }
    // Waited in the queue, and then for the run.
    let sum = |of: &str| figure(&after, of);
    let waited = sum("queue_wait_seconds_sum{queue=\"events\"}");
    assert!(waited > 0.0 && sum("first_organism_latency_seconds_sum") >= waited);
    assert!(sum("db_size_bytes{database=\"ledger\"}") > 100_000.0);
    assert!((1.0..=8.0).contains(&sum("db_connections{database=\"ledger\"}")));
    let (waits, pool) = (
        sum("db_connection_wait_seconds_count{database=\"ledger\"}"),
        sum("pool_wait_seconds_count{pool=\"ledger\"}"),
    );
    assert!(waits > 100.0 && waits == pool, "{waits} and {pool}");
    let claims = "db_operation_duration_seconds_count{operation=\"update\",table=\"jobs\"}";
    assert!(sum(claims) >= 13.0, "37 jobs for three workers");
    assert_eq!(after.matches("\nfirst_organism_info{").count(), 1);
    assert!(!after.contains("other"), "every operation has a name");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_watched_at_work() {
    let directory = tempfile::tempdir().unwrap();
    let database = ledger::settings::DatabaseTarget::File(directory.path().join("ledger.db"));
    assert_watched(open(Settings { database, ..Settings::default() }).await).await;
}

#[tokio::test]
async fn who_asks_for_no_metrics_gets_what_he_always_got() {
    assert_normal(&watched(&open(Settings::default()).await)).await;
    let (plain, app) =
        (ledger::app(open(Settings::default()).await), watched(&open(Settings::default()).await));
    // Clocks aside, byte by byte.
    let shape = |answer: &Answer| {
        let text = answer.text().to_owned();
        let (_, rest) = text.split_once("\"proofs\":").unwrap();
        rest.split_once("\"performance\":").unwrap().0.to_owned()
    };
    let bare = get(&plain, "/metrics").await;
    assert!(bare.headers.get("vary").is_none());
    for accept in ["*/*", "application/json", "text/html", "application/json, text/plain;q=0.5"] {
        let answer = asked(&app, accept).await;
        assert_eq!(answer.headers["content-type"], "application/json", "{accept}");
        assert_eq!(answer.headers["vary"], "accept");
        assert_eq!(shape(&answer), shape(&bare), "{accept}");
    }
    let open_metrics = asked(&app, "application/openmetrics-text;version=1.0.0").await;
    assert!(open_metrics.text().ends_with("# EOF\n"));
    // Nobody else's ledger shows metrics.
    assert_eq!(asked(&plain, TEXT).await.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_database_that_fails_takes_away_its_own_series_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let database = ledger::settings::DatabaseTarget::File(path.clone());
    // The load closes its connection; then the file goes.
    let state = open(Settings { database, ..Settings::default() }).await;
    std::fs::remove_file(&path).unwrap();
    let app = watched(&state);
    assert_broken(&app).await;
    let failing = text(&app).await;
    for absent in ["\nfirst_organism_info{", "\nfirst_organism_runs_total ", "\nqueue_length{"] {
        assert!(!failing.contains(absent), "{failing}");
    }
    let errors = "db_operations_total{operation=\"connect\",table=\"none\",outcome=\"error\"}";
    assert!(figure(&failing, errors) >= 9.0);
    let failed = "http_requests_total{route=\"/ui\",method=\"GET\",status=\"5xx\"}";
    assert_eq!(figure(&failing, failed), 1.0);
}

#[tokio::test]
async fn a_key_is_taken_as_a_bearer_token_too() {
    let api_key = Some(ApiKey::new("k3y").unwrap());
    let app = watched(&open(Settings { api_key, ..Settings::default() }).await);
    let ask = |path: &'static str, shown: &'static str| {
        let request = Request::get(path).header("authorization", shown).header("accept", TEXT);
        send(&app, request.body(Body::empty()).unwrap())
    };
    for wrong in ["", "Bearer", "Bearer ", "Bearer k3", "Basic k3y", "k3y", "Bearer  k3y"] {
        assert_error(&ask("/metrics", wrong).await, 401, "unauthorized");
    }
    for right in ["Bearer k3y", "bearer k3y"] {
        assert_eq!(ask("/metrics", right).await.status, 200, "{right}");
    }
    // The key in its own header decides where there is one.
    let both = Request::get("/ui").header("authorization", "Bearer k3y").header("x-api-key", "no");
    assert_error(&send(&app, both.body(Body::empty()).unwrap()).await, 401, "unauthorized");
}

#[tokio::test]
async fn requests_are_counted_by_their_templates() {
    let app = watched(&open(Settings::default()).await);
    for path in ALL_ROUTES {
        get(&app, path).await;
    }
    for number in 0..50 {
        get(&app, &format!("/nothing/{number}")).await;
    }
    let text = text(&app).await;
    let of = |route: &str, status: &str| {
        let labels = format!("{{route=\"{route}\",method=\"GET\",status=\"{status}\"}}");
        figure(&text, &format!("http_requests_total{labels}"))
    };
    assert_eq!((of("/statements", "2xx"), of("/statements", "4xx")), (1.0, 1.0));
    assert_eq!((of("/ui", "2xx"), of("<unmatched>", "4xx")), (1.0, 50.0));
    assert!(!text.contains("nothing/"));
}
