//! The ledger on a real PostgreSQL: the same answers and the same rows as on SQLite.
//!
//! A private cluster is started for each test and removed with it; `DATABASE_URL` names a server to
//! use instead. Where neither is to be had, each test prints a line that starts with `MISSING:`.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
};

use axum::Router;
use perf_passport_ledger::{
    Database, DatabaseError, Fixture, LedgerError, LedgerState, Settings, app, fixture,
    service_for_fixture,
    settings::{DatabaseTarget, PostgresTarget},
    statements::{NewProof, record_proof},
};
use perf_passport_test_support::postgres::Cluster;

use crate::ledger::{assert_broken, assert_empty, assert_normal, assert_zeros, get, get_json};

/// A PostgreSQL server for one test.
pub(crate) enum Server {
    /// Named by `DATABASE_URL`, and left as it is.
    Given(String),
    /// Started here, and stopped and removed when dropped.
    Own(Cluster),
}

impl Server {
    /// A server, or `None`, with a printed line, where there is no PostgreSQL.
    pub(crate) fn start() -> Option<Self> {
        if let Some(url) = env::var_os("DATABASE_URL") {
            return Some(Self::Given(url.into_string().expect("DATABASE_URL is UTF-8")));
        }
        Cluster::start().map(Self::Own)
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Own(cluster) => cluster.url(),
        }
    }
}

pub(crate) fn in_schema(url: &str, schema: &str) -> Settings {
    let target = PostgresTarget::new(url).in_schema(schema).unwrap();
    Settings { database: DatabaseTarget::Postgres(target), ..Settings::default() }
}

async fn service(fixture: &str, server: &Server) -> Router {
    service_for_fixture(fixture, 7, Some(server.url())).await.unwrap()
}

#[test]
fn postgresql_is_present_or_reported() {
    match Server::start() {
        Some(Server::Given(_)) => println!("PostgreSQL of DATABASE_URL"),
        Some(Server::Own(cluster)) => println!("PostgreSQL of {}", cluster.programs().display()),
        None => println!("every PostgreSQL test of this run proved nothing"),
    }
}

#[tokio::test]
async fn postgresql_answers_as_sqlite_does() {
    let Some(server) = Server::start() else { return };
    assert_empty(&service("empty", &server).await).await;
    assert_zeros(&service("zeros", &server).await).await;
    assert_normal(&service("normal", &server).await).await;
    assert_broken(&service("broken", &server).await).await;

    // Answers without clocks are equal byte by byte.
    let (here, there) =
        (service_for_fixture("normal", 7, None).await.unwrap(), service("normal", &server).await);
    let page = get_json(&here, "/statements?limit=50&offset=700").await;
    let hashes =
        page["items"].as_array().unwrap().iter().map(|item| item["hash"].as_str().unwrap());
    let mut paths: Vec<String> = hashes.map(|hash| format!("/statements?hash={hash}")).collect();
    paths.extend(
        ["/blocks/latest", "/statements?limit=1000", "/ui", "/statements?limit=x"]
            .map(String::from),
    );
    for path in paths {
        assert_eq!(get(&here, &path).await.text(), get(&there, &path).await.text(), "{path}");
    }
}

#[tokio::test]
async fn postgresql_holds_the_rows_that_sqlite_holds() {
    let Some(server) = Server::start() else { return };
    let here = Database::open(&Settings::default()).await.unwrap();
    Fixture::Normal.load_into(&here, 11).await.unwrap();
    let settings = in_schema(server.url(), "ledger_digest_11");
    // Two processes may start at once on a database that is still empty.
    let open = || async {
        let database = Database::open(&settings).await?;
        Fixture::Normal.load_into(&database, 11).await?;
        Ok::<_, DatabaseError>(database)
    };
    let (there, also) = tokio::join!(open(), open());
    let there = there.unwrap();
    also.unwrap();
    assert_eq!(fixture::digest(&there).await.unwrap(), fixture::digest(&here).await.unwrap());
    let refused = Fixture::Normal.load_into(&there, 12).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::NotEmpty { .. }), "{refused}");
}

#[tokio::test]
async fn postgresql_records_proofs_of_many_writers() {
    let Some(server) = Server::start() else { return };
    // Named by the process, for a given server keeps what earlier runs recorded.
    let schema = format!("ledger_proofs_{}", std::process::id());
    let state = LedgerState::open(in_schema(server.url(), &schema)).await.unwrap();
    Fixture::Normal.load_into(state.database(), 7).await.unwrap();
    let app = app(state.clone());
    let page = get_json(&app, "/statements?limit=1").await;
    let hash = page["items"][0]["hash"].as_str().unwrap().parse().unwrap();
    let now = get_json(&app, "/health").await["timestamp"].as_str().unwrap().to_owned();
    let at = humantime::parse_rfc3339(&now).unwrap();
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let state = state.clone();
            let success = number % 2 == 0;
            tokio::spawn(async move {
                let proof = NewProof { statement: hash, method: "tableau", success, at };
                record_proof(state.database(), proof).await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let beat = get_json(&app, "/heartbeat.json").await;
    assert_eq!(beat["proofs"]["success"], 2_860);
    assert!((beat["proofs_per_sec"].as_f64().unwrap() - 10.0 / 300.0).abs() < 1e-12);
    assert_eq!(get_json(&app, "/metrics").await["proofs"]["total"], 3_020);
}

#[tokio::test]
async fn postgresql_that_goes_away_is_a_503() {
    let Some(server) = Server::start() else { return };
    let Server::Own(cluster) = &server else { return println!("a given server is not stopped") };
    let app = service("normal", &server).await;
    assert_eq!(get(&app, "/health").await.status, 200);
    cluster.stop();
    assert_broken(&app).await;
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_that_keeps_the_password() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let url = format!("postgres://ledger:s3cret@127.0.0.1:{port}/ledger");
    let error = service_for_fixture("normal", 7, Some(&url)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Database(DatabaseError::Connect { .. })), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}
