//! The ledger at its edges: keys, sizes, panics, shutdown, files, and loads that fail.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing,
};
use perf_passport_ledger::{
    self as ledger, ApiKey, Fixture, LedgerState, Settings,
    database::{Database, DatabaseError},
    fixture,
    hash::Hash,
    settings::DatabaseTarget,
    statements::{NewProof, RecordError, record_proof},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
};

use crate::ledger::{ALL_ROUTES, assert_error, get, get_json, send};

async fn app_with(settings: Settings) -> Router {
    let state = LedgerState::open(settings).await.unwrap();
    Fixture::Normal.load_into(state.database(), 7).await.unwrap();
    ledger::app(state)
}

fn file(path: impl Into<std::path::PathBuf>) -> Settings {
    Settings { database: DatabaseTarget::File(path.into()), ..Settings::default() }
}

#[tokio::test]
async fn a_key_is_asked_for_everywhere_but_at_health() {
    let api_key = Some(ApiKey::new("k3y").unwrap());
    let app = app_with(Settings { api_key, ..Settings::default() }).await;
    for path in ALL_ROUTES.into_iter().chain(["/nothing"]) {
        let ask = |key: Option<&str>| {
            let request = Request::get(path);
            let request = match key {
                Some(key) => request.header("X-API-Key", key),
                None => request,
            };
            send(&app, request.body(Body::empty()).unwrap())
        };
        if path == "/health" {
            assert_eq!(ask(None).await.status, 200);
            continue;
        }
        for wrong in [None, Some(""), Some("k3"), Some("k3yk3y"), Some("K3Y")] {
            assert_error(&ask(wrong).await, 401, "unauthorized");
        }
        assert_ne!(ask(Some("k3y")).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let app = app_with(Settings::default()).await;
    let announced = |length: u64| {
        Request::get("/metrics").header("content-length", length).body(Body::empty()).unwrap()
    };
    let message = assert_error(&send(&app, announced(1_048_577)).await, 413, "body_too_large");
    assert_eq!(message, "the body is larger than 1.00 MiB");
    assert_eq!(send(&app, announced(1_048_576)).await.status, 200);
}

#[tokio::test]
async fn the_owner_is_told_the_cause_that_the_caller_is_not() {
    static REPORTED: AtomicUsize = AtomicUsize::new(0);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let report = |error: &(dyn std::error::Error + 'static)| {
        let source = error.source().unwrap().to_string();
        assert!(source.contains("unable to open database file"), "{source}");
        REPORTED.fetch_add(1, Ordering::Relaxed);
    };
    let one = NonZeroUsize::MIN;
    let settings = Settings { report, pool_size: one, ..file(&path) };
    let state = LedgerState::open(settings).await.unwrap();
    // The load closes the connection of the migration; then the file goes.
    Fixture::Zeros.load_into(state.database(), 1).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let app = ledger::app(state);
    for path in ALL_ROUTES {
        assert_eq!(get(&app, path).await.status, 503, "{path}");
    }
    assert_eq!(REPORTED.load(Ordering::Relaxed), ALL_ROUTES.len());
    assert!(!path.exists(), "a file that vanished is not replaced by an empty one");
}

#[tokio::test]
async fn a_file_keeps_what_it_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let settings = file(directory.path().join("ledger.db"));
    let app = app_with(settings.clone()).await;
    let before = get(&app, "/ui").await.body;
    drop(app);
    let database = Database::open(&settings).await.unwrap();
    Fixture::Normal.load_into(&database, 7).await.unwrap();
    let in_memory = Database::open(&Settings::default()).await.unwrap();
    Fixture::Normal.load_into(&in_memory, 7).await.unwrap();
    assert_eq!(
        fixture::digest(&database).await.unwrap(),
        fixture::digest(&in_memory).await.unwrap()
    );
    assert_eq!(get(&app_with(settings).await, "/ui").await.body, before);
}

#[tokio::test]
async fn a_load_that_stops_midway_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let settings = file(&path);
    let database = Database::open(&settings).await.unwrap();
    let empty = fixture::digest(&database).await.unwrap();
    drop(database);

    // A row that is already there makes building an index fail at the very end of the load.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("INSERT INTO blocks VALUES (42, ?1, ?1, 0, 0)", [Hash::ZERO.as_str()]).unwrap();
    let database = Database::open(&settings).await.unwrap();
    let error = Fixture::Normal.load_into(&database, 7).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Query { .. }), "{error}");
    drop(database);

    other.execute("DELETE FROM blocks", []).unwrap();
    drop(other);
    let database = Database::open(&settings).await.unwrap();
    assert_eq!(fixture::digest(&database).await.unwrap(), empty);
    // The indexes, which the load had dropped, are back too, and the next load succeeds.
    Fixture::Normal.load_into(&database, 7).await.unwrap();
}

#[tokio::test]
async fn a_proof_counts_at_once_in_totals_and_rate() {
    let state = LedgerState::open(Settings::default()).await.unwrap();
    Fixture::Normal.load_into(state.database(), 7).await.unwrap();
    let app = ledger::app(state.clone());
    let page = get_json(&app, "/statements?limit=1").await;
    let hash = page["items"][0]["hash"].as_str().unwrap();
    let path = format!("/statements?hash={hash}");
    let before = get_json(&app, &path).await["proofs"].as_array().unwrap().len();
    let now = get_json(&app, "/heartbeat.json").await["ts"].as_str().unwrap().to_owned();
    let at = humantime::parse_rfc3339(&now).unwrap();
    let proof =
        |success| NewProof { statement: hash.parse().unwrap(), method: "tableau", success, at };
    for success in [true, true, true, false] {
        record_proof(state.database(), proof(success)).await.unwrap();
    }
    let metrics = get_json(&app, "/metrics").await;
    assert_eq!(
        (&metrics["proofs"]["total"], &metrics["proofs"]["failure"]),
        (&3_004.into(), &151.into())
    );
    let after = get_json(&app, &path).await["proofs"].as_array().unwrap().len();
    assert_eq!(after, before + 4);
    let rate = get_json(&app, "/heartbeat.json").await["proofs_per_sec"].as_f64().unwrap();
    assert!((rate - 3.0 / 300.0).abs() < 1e-12, "{rate}");

    // An old proof counts in the totals only.
    record_proof(state.database(), NewProof { at: UNIX_EPOCH, ..proof(true) }).await.unwrap();
    let beat = get_json(&app, "/heartbeat.json").await;
    assert_eq!(beat["proofs"]["success"], 2_854);
    assert!((beat["proofs_per_sec"].as_f64().unwrap() - 0.01).abs() < 1e-12);

    let unknown = NewProof { statement: Hash::ZERO, ..proof(true) };
    let error = record_proof(state.database(), unknown).await.unwrap_err();
    assert!(matches!(error, RecordError::UnknownStatement(_)), "{error}");
}

#[tokio::test]
async fn a_full_pool_is_a_503_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let settings = Settings {
        pool_size: NonZeroUsize::MIN,
        acquire_timeout: Duration::from_millis(1),
        statement_timeout: Duration::from_secs(60),
        ..file(&path)
    };
    let state = LedgerState::open(settings).await.unwrap();
    let app = ledger::app(state.clone());
    // The load takes the one place in the pool and waits in it for another process to finish.
    let mut other = rusqlite::Connection::open(&path).unwrap();
    let writing = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
    let load = Fixture::Normal.load_into(state.database(), 7);
    let (loaded, ()) = tokio::join!(biased; load, async {
        let message = assert_error(&get(&app, "/metrics").await, 503, "database_busy");
        assert!(message.contains("in use"), "{message}");
        writing.unwrap().commit().unwrap();
    });
    loaded.unwrap();
    assert_eq!(get_json(&app, "/metrics").await["block_count"], 42);
}

#[tokio::test]
async fn shutdown_lets_the_request_that_runs_finish() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waited) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = routing::get(move || async move {
        told.notify_one();
        waited.notified().await;
        "finished"
    });
    let app = app_with(Settings::default()).await.route("/slow", slow);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(ledger::serve(listener, app, async { drop(stopped.await) }));

    let idle = TcpStream::connect(address).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: ledger\r\n\r\n").await.unwrap();
    entered.notified().await;
    stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("finished"), "{answer}");
    drop(idle);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn many_requests_share_few_connections() {
    let settings = Settings { pool_size: NonZeroUsize::new(2).unwrap(), ..Settings::default() };
    let app = app_with(settings).await;
    let asked: Vec<_> = (0..64)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { get(&app, "/statements?limit=100").await.status })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let settings = file(&path);
    drop(Database::open(&settings).await.unwrap());
    let newer = "INSERT INTO migrations VALUES (4, 'of a later version')";
    rusqlite::Connection::open(&path).unwrap().execute(newer, []).unwrap();

    let refused = Database::open(&settings).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Migrate { .. }), "{refused:?}");
    let kept: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM migrations", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 4);
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE blocks (theirs TEXT)").unwrap();

    let refused = Database::open(&file(&path)).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Migrate { .. }), "{refused:?}");
    let tables: i64 = theirs
        .query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "nothing of the migrations is left behind");
}
