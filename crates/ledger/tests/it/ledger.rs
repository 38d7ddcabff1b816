//! Every route of the ledger and every way it refuses, through the router.
//!
//! What must hold on every database is in `assert_*` functions, which the PostgreSQL tests call too.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use perf_passport_ledger::{hash::Hash, service_for_fixture};
use serde_json::Value;
use tower::ServiceExt;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    Answer { status, headers, body }
}

pub(crate) async fn get(app: &Router, path: &str) -> Answer {
    send(app, Request::get(path).body(Body::empty()).unwrap()).await
}

/// The JSON of an answer that must be a success.
pub(crate) async fn get_json(app: &Router, path: &str) -> Value {
    let answer = get(app, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Asserts the one shape that all errors have, and gives the message.
#[track_caller]
pub(crate) fn assert_error(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["error"]["status"], status);
    assert_eq!(body["error"]["code"], code);
    assert_eq!(body.as_object().unwrap().len(), 1);
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.len() > 10 && message.is_ascii(), "{message}");
    message.to_owned()
}

pub(crate) const ALL_ROUTES: [&str; 8] = [
    "/metrics",
    "/health",
    "/blocks/latest",
    "/statements",
    "/statements?hash=0000000000000000000000000000000000000000000000000000000000000000",
    "/ui",
    "/heartbeat",
    "/heartbeat.json",
];

pub(crate) async fn assert_normal(app: &Router) {
    let metrics = get_json(app, "/metrics").await;
    assert_eq!(metrics["proofs"]["total"], 3_000);
    assert_eq!(metrics["proofs"]["success"], 2_850);
    assert_eq!(metrics["proofs"]["failure"], 150);
    assert_eq!(metrics["proofs"]["success_rate"], 0.95);
    assert_eq!(metrics["statements"]["total"], 1_500);
    assert_eq!(metrics["statements"]["max_depth"], metrics["max_depth"]);
    assert_eq!(metrics["blocks"]["count"], 42);
    assert_eq!(metrics["blocks"]["height"], 42);
    assert_eq!(metrics["block_count"], 42);
    assert_eq!(metrics["queue_length"], 17);
    assert_organism(&metrics["first_organism"]);
    assert_performance(&metrics["performance"]);
    assert_blocks(app).await;
    assert_pages(app).await;
    assert_one_statement(app).await;
    assert_pages_for_people(app).await;

    let beat = get_json(app, "/heartbeat.json").await;
    assert_eq!(beat["ok"], true);
    assert_eq!(beat["proofs"]["success"], 2_850);
    assert_eq!(beat["proofs_per_sec"], 0.0);
    assert_eq!(beat["blocks"]["height"], 42);
    let latest = get_json(app, "/blocks/latest").await;
    assert_eq!(beat["blocks"]["latest"]["merkle"], latest["merkle_root"]);
    assert_eq!(beat["queue_length"], 17);

    let health = get_json(app, "/health").await;
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["dependencies"]["database"]["status"], "up");
    assert!(health["dependencies"]["database"].get("error").is_none());
}

fn assert_organism(organism: &Value) {
    let number = |name: &str| organism[name].as_u64().unwrap();
    assert_eq!(number("runs_total"), 25);
    assert_eq!(number("runs_total"), number("runs_completed") + number("runs_failed"));
    assert!(organism["last_ht_hash"].as_str().unwrap().parse::<Hash>().is_ok());
    for (buckets, bounds) in [
        ("latency_buckets", &["0.1", "0.5", "1", "2", "5", "10", "+Inf"][..]),
        ("abstention_buckets", &["0.05", "0.1", "0.15", "0.2", "0.3", "0.5", "1", "+Inf"]),
    ] {
        let buckets = &organism[buckets];
        assert_eq!(buckets.as_object().unwrap().len(), bounds.len());
        let counts: Vec<u64> = bounds.iter().map(|le| buckets[le].as_u64().unwrap()).collect();
        assert!(counts.is_sorted(), "cumulative: {counts:?}");
        assert_eq!(counts.last(), Some(&25));
    }
}

fn assert_performance(performance: &Value) {
    assert!(performance["latency_ns"].as_u64().unwrap() > 0);
    if cfg!(target_os = "linux") {
        let mb = |name: &str| performance[name].as_f64().unwrap();
        assert!(mb("initial_memory_mb") > 0.1 && mb("peak_memory_mb") >= mb("final_memory_mb"));
        let delta = mb("final_memory_mb") - mb("initial_memory_mb");
        assert!((mb("memory_delta_mb") - delta).abs() < 1e-9);
    } else {
        assert!(performance["initial_memory_mb"].is_null());
    }
    // This test binary counts, and by the time of the snapshot the request has allocated a little.
    let count = |name: &str| performance[name].as_u64().unwrap();
    assert!((5..200).contains(&count("allocations")));
    assert!(count("allocated_bytes") >= count("heap_peak_bytes") && count("heap_peak_bytes") > 100);
    let live = performance["object_delta"].as_i64().unwrap();
    assert!(live > 0 && live.unsigned_abs() <= count("allocations"), "{live}");
}

async fn assert_blocks(app: &Router) {
    let block = get_json(app, "/blocks/latest").await;
    assert_eq!(block["block_number"], 42);
    let header = &block["header"];
    assert_eq!(header["block_number"], 42);
    assert_eq!(header["merkle_root"], block["merkle_root"]);
    assert_eq!(header["created_at"], block["created_at"]);
    assert_eq!(header["statement_count"], 35);
    for root in ["merkle_root", "previous_merkle_root"] {
        assert!(header[root].as_str().unwrap().parse::<Hash>().is_ok());
    }
    assert!(block["created_at"].as_str().unwrap().starts_with("2025-"));
}

async fn assert_pages(app: &Router) {
    let whole = get_json(app, "/statements?limit=1000").await;
    let items = whole["items"].as_array().unwrap();
    assert_eq!((items.len(), &whole["limit"], &whole["offset"]), (1000, &1000.into(), &0.into()));
    assert_eq!(whole["total"], 1_500);

    let default = get_json(app, "/statements").await;
    assert_eq!(default["limit"], 20);
    assert_eq!(default["items"].as_array().unwrap()[..], items[..20]);
    let middle = get_json(app, "/statements?limit=7&offset=13").await;
    assert_eq!(middle["items"].as_array().unwrap()[..], items[13..20]);
    let last = get_json(app, "/statements?limit=1000&offset=1499").await;
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    assert_eq!(last["total"], 1_500);
    for beyond in ["1500", "9223372036854775807", "18446744073709551615"] {
        let path = format!("/statements?limit=5&offset={beyond}");
        let empty = get_json(app, &path).await;
        assert_eq!((&empty["items"], &empty["total"]), (&Value::Array(vec![]), &1_500.into()));
    }
    for item in items {
        let normalized = item["normalized_text"].as_str().unwrap();
        assert_eq!(item["hash"], Hash::of(normalized.as_bytes()).as_str());
        assert_eq!(normalized, item["text"].as_str().unwrap().replace(' ', ""));
    }
}

async fn assert_one_statement(app: &Router) {
    let page = get_json(app, "/statements?limit=1000").await;
    let mut with = (0, 0);
    for item in &page["items"].as_array().unwrap()[..100] {
        let path = format!("/statements?hash={}", item["hash"].as_str().unwrap());
        let statement = get_json(app, &path).await;
        for field in ["hash", "text", "normalized_text", "display", "depth", "block_number"] {
            assert_eq!(statement[field], item[field], "{field}");
        }
        for proof in statement["proofs"].as_array().unwrap() {
            assert!(proof["method"].is_string() && proof["created_at"].is_string());
            assert!(proof["status"] == "success" || proof["status"] == "failure");
            with.0 += 1;
        }
        let parents = statement["parents"].as_array().unwrap();
        assert_eq!(parents.is_empty(), item["depth"] == 0);
        for parent in parents {
            let path = format!("/statements?hash={}", parent["hash"].as_str().unwrap());
            let parent_itself = get_json(app, &path).await;
            assert_eq!(parent_itself["display"], parent["display"]);
            assert!(parent_itself["depth"].as_u64() < item["depth"].as_u64());
            with.1 += 1;
        }
    }
    assert!(with.0 > 100 && with.1 > 50, "proofs and parents: {with:?}");
}

async fn assert_pages_for_people(app: &Router) {
    let page = get(app, "/ui").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'")
    );
    assert_eq!(get(app, "/ui").await.body, page.body, "equal rows give equal bytes");
    let text = page.text();
    assert!(text.starts_with("<!DOCTYPE html>") && text.contains("<dd>1,500</dd>"), "{text}");
    assert_eq!(text.matches("<a href=\"/statements?hash=").count(), 20);
    let (_, link) = text.split_once("<a href=\"").unwrap();
    let (path, _) = link.split_once('"').unwrap();
    // `->` in a formula is escaped in the page and plain in the JSON.
    assert!(text.contains("-&gt;"));
    let linked = get_json(app, path).await;
    assert!(text.contains(linked["display"].as_str().unwrap()));

    let beat = get(app, "/heartbeat").await;
    assert_eq!(
        (beat.status, &beat.headers["content-type"]),
        (StatusCode::OK, &page.headers["content-type"])
    );
    assert!(beat.text().contains("<dd>2850</dd>"));
}

pub(crate) async fn assert_empty(app: &Router) {
    let metrics = get_json(app, "/metrics").await;
    assert_eq!(metrics["first_organism"], Value::Null);
    assert_eq!(metrics["proofs"]["success_rate"], Value::Null);
    for zero in
        ["/proofs/total", "/statements/total", "/blocks/count", "/blocks/height", "/queue_length"]
    {
        assert_eq!(metrics.pointer(zero), Some(&0.into()), "{zero}");
    }
    assert_error(&get(app, "/blocks/latest").await, 404, "no_blocks");
    let page = get_json(app, "/statements").await;
    assert_eq!((&page["items"], &page["total"]), (&Value::Array(vec![]), &0.into()));
    let beat = get_json(app, "/heartbeat.json").await;
    assert_eq!((&beat["ok"], &beat["blocks"]["latest"]), (&true.into(), &Value::Null));
    assert!(get(app, "/ui").await.text().contains("There are no blocks yet."));
    assert_eq!(get_json(app, "/health").await["status"], "healthy");
}

pub(crate) async fn assert_zeros(app: &Router) {
    let metrics = get_json(app, "/metrics").await;
    let organism = &metrics["first_organism"];
    assert_eq!(organism["runs_total"], 0);
    assert_eq!(organism["latency_buckets"]["+Inf"], 0);
    assert_eq!(organism["last_ht_hash"], Hash::ZERO.as_str());
    assert_eq!(metrics["proofs"]["total"], 0);
    assert_error(&get(app, "/blocks/latest").await, 404, "no_blocks");
}

/// A database that fails is a 503 on every route, and tells the caller nothing of its insides.
pub(crate) async fn assert_broken(app: &Router) {
    for path in ALL_ROUTES {
        let answer = get(app, path).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        let text = answer.text().to_lowercase();
        for secret in ["select", "sqlite3", "postgres://", "127.0.0.1", "/tmp", "not a database"] {
            assert!(!text.contains(secret), "{path} tells {secret}: {text}");
        }
        match path {
            "/health" => {
                assert_eq!(answer.json()["status"], "unhealthy");
                assert_eq!(answer.json()["dependencies"]["database"]["status"], "down");
            }
            "/heartbeat.json" => {
                assert_eq!(answer.json()["ok"], false);
                assert!(answer.json()["error"].is_string());
            }
            "/heartbeat" => assert!(answer.text().contains("has failed")),
            _ => drop(assert_error(&answer, 503, "database_unavailable")),
        }
    }
}

async fn sqlite(fixture: &str) -> Router {
    service_for_fixture(fixture, 7, None).await.unwrap()
}

#[tokio::test]
async fn normal_is_answered_in_full() {
    assert_normal(&sqlite("normal").await).await;
}

#[tokio::test]
async fn empty_is_answered_without_rows() {
    assert_empty(&sqlite("empty").await).await;
}

#[tokio::test]
async fn zeros_are_answered_as_zeros() {
    assert_zeros(&sqlite("zeros").await).await;
}

#[tokio::test]
async fn broken_is_a_503_everywhere() {
    assert_broken(&sqlite("broken").await).await;
}

#[tokio::test]
async fn an_unknown_fixture_is_an_error() {
    let error = service_for_fixture("norml", 7, None).await.unwrap_err();
    let message = "unknown fixture `norml`: use empty, zeros, normal, huge or broken";
    assert_eq!(error.to_string(), message);
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused_by_name() {
    let app = sqlite("normal").await;
    let zeros = "0".repeat(64);
    for (query, code, named) in [
        ("hash=", "bad_hash", "`hash`"),
        ("hash=abc", "bad_hash", "`hash`"),
        (&format!("hash={}", "A".repeat(64)), "bad_hash", "`hash`"),
        (&format!("hash={zeros}0"), "bad_hash", "`hash`"),
        (&format!("hash={zeros}&limit=1"), "bad_query", "`limit`"),
        (&format!("hash={zeros}&offset=1"), "bad_query", "`offset`"),
        ("limit=-1", "bad_query", "`limit`"),
        ("limit=%2B5", "bad_query", "`limit`"),
        ("limit=ten", "bad_query", "`limit`"),
        ("limit=", "bad_query", "`limit`"),
        ("offset=x", "bad_query", "`offset`"),
        ("offset=", "bad_query", "`offset`"),
        ("offset=1.0", "bad_query", "`offset`"),
        ("limit=1&limit=2", "bad_query", "`limit`"),
        ("lmit=1", "bad_query", "`lmit`"),
    ] {
        let answer = get(&app, &format!("/statements?{query}")).await;
        let message = assert_error(&answer, 400, code);
        assert!(message.contains(named), "{query}: {message}");
    }
    for (query, range) in [
        ("limit=0", "`limit` must be from 1 to 1000"),
        ("limit=1001", "`limit` must be from 1 to 1000"),
        ("limit=5000", "`limit` must be from 1 to 1000"),
        ("limit=99999999999999999999", "`limit` must be from 1 to 1000"),
        ("offset=99999999999999999999", "`offset` must be from 0 to 18446744073709551615"),
    ] {
        let answer = get(&app, &format!("/statements?{query}")).await;
        assert_eq!(assert_error(&answer, 422, "out_of_range"), range, "{query}");
    }
    let unknown = get(&app, &format!("/statements?hash={zeros}")).await;
    assert_error(&unknown, 404, "unknown_statement");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_json_too() {
    let app = sqlite("empty").await;
    for path in ["/", "/metrics/", "/blocks", "/nothing"] {
        assert_error(&get(&app, path).await, 404, "unknown_route");
    }
    for method in ["POST", "DELETE", "PUT"] {
        let request = Request::builder().method(method).uri("/metrics").body(Body::empty());
        let answer = send(&app, request.unwrap()).await;
        assert_error(&answer, 405, "wrong_method");
        assert_eq!(answer.headers["allow"], "GET,HEAD");
    }
    let head = send(&app, Request::head("/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn clocks_move() {
    let app = sqlite("empty").await;
    for (path, field) in
        [("/metrics", "generated_at"), ("/health", "timestamp"), ("/heartbeat.json", "ts")]
    {
        let first = get_json(&app, path).await[field].as_str().unwrap().to_owned();
        let parsed = humantime::parse_rfc3339(&first).unwrap();
        assert!(parsed > humantime::parse_rfc3339("2025-06-01T00:00:00Z").unwrap());
        loop {
            tokio::task::yield_now().await;
            if get_json(&app, path).await[field].as_str().unwrap() != first {
                break;
            }
        }
    }
}
