//! The ledger on a real PostgreSQL: the same answers and the same rows as on SQLite.
//!
//! A private cluster is started for each test and removed with it; `DATABASE_URL` names a server to
//! use instead. Where neither is to be had, each test prints a line that starts with `MISSING:`.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use axum::Router;
use perf_passport_ledger::{
    Database, DatabaseError, Fixture, LedgerError, LedgerState, Settings, app, fixture,
    service_for_fixture,
    settings::{DatabaseTarget, PostgresTarget},
    statements::{NewProof, record_proof},
};
use tempfile::TempDir;

use crate::ledger::{assert_broken, assert_empty, assert_normal, assert_zeros, get, get_json};

const MISSING: &str = "MISSING: postgresql (initdb not found)";

/// A PostgreSQL server for one test.
enum Server {
    /// Named by `DATABASE_URL`, and left as it is.
    Given(String),
    /// Started here, and stopped and removed when dropped.
    Own(Cluster),
}

struct Cluster {
    url: String,
    programs: PathBuf,
    directory: TempDir,
    user: Option<&'static str>,
}

impl Server {
    /// A server, or `None`, with a printed line, where there is no PostgreSQL.
    fn start() -> Option<Self> {
        if let Some(url) = env::var_os("DATABASE_URL") {
            return Some(Self::Given(url.into_string().expect("DATABASE_URL is UTF-8")));
        }
        let Some(programs) = programs() else {
            println!("{MISSING}");
            return None;
        };
        Some(Self::Own(Cluster::start(programs)))
    }

    fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Own(cluster) => &cluster.url,
        }
    }
}

/// The directory of `initdb` and `pg_ctl`: on the path, or where Debian keeps the newest version.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .find(|directory| directory.join("initdb").is_file() && directory.join("pg_ctl").is_file())
}

impl Cluster {
    fn start(programs: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // PostgreSQL refuses to run as root.
        let user = (fs::metadata(directory.path()).unwrap().uid() == 0).then(|| {
            ["postgres", "nobody"]
                .into_iter()
                .find(|user| succeeds(Command::new("chown").arg(user).arg(directory.path())))
                .expect("a user other than root to run PostgreSQL as")
        });
        let mut cluster = Self { url: String::new(), programs, directory, user };
        let options = ["-A", "trust", "-U", "ledger", "-E", "UTF8", "--locale=C", "--no-sync"];
        assert!(succeeds(cluster.program("initdb").args(options)), "initdb failed");
        // Another process may take the free port before the server does.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let port = port.port();
            let sockets = cluster.directory.path().display();
            let options =
                format!("-p {port} -k {sockets} -c listen_addresses=127.0.0.1 -c fsync=off");
            let log = cluster.directory.path().join("log");
            let mut start = cluster.program("pg_ctl");
            if succeeds(start.args(["-w", "-o", &options, "-l"]).arg(log).arg("start")) {
                cluster.url = format!("postgres://ledger@127.0.0.1:{port}/postgres");
                return cluster;
            }
        }
        let log = fs::read_to_string(cluster.directory.path().join("log"));
        panic!("PostgreSQL did not start: {}", log.unwrap_or_default());
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        command.arg("-D").arg(self.directory.path().join("data")).current_dir(Path::new("/"));
        command
    }

    fn stop(&self) {
        let mut stop = self.program("pg_ctl");
        assert!(succeeds(stop.args(["-w", "-m", "immediate", "stop"])), "pg_ctl stop failed");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already.
        succeeds(self.program("pg_ctl").args(["-w", "-m", "immediate", "stop"]));
    }
}

fn succeeds(command: &mut Command) -> bool {
    // The server inherits these and would keep a pipe open.
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn in_schema(url: &str, schema: &str) -> Settings {
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
        Some(Server::Own(cluster)) => println!("PostgreSQL of {}", cluster.programs.display()),
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
