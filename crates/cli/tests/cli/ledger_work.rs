//! `passport serve` at work: killed and started again, and two of it on one PostgreSQL.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use crate::service::{SERVE, Service};
use perf_passport_test_support::{
    processes::eventually,
    program::{Workspace, assert_says},
};
use serde_json::Value;

/// Runs and jobs of the fixture `normal`.
const RUNS: u64 = 25;
const JOBS: u64 = 17;

/// Callers that post at once.
const CALLERS: u64 = 4;

fn json(service: &Service, path: &str) -> Value {
    let answer = service.get(path, "");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    serde_json::from_str(body).unwrap()
}

pub(crate) fn runs(service: &Service) -> u64 {
    json(service, "/metrics")["first_organism"]["runs_total"].as_u64().unwrap()
}

pub(crate) fn waiting(service: &Service) -> u64 {
    json(service, "/metrics")["queue_length"].as_u64().unwrap()
}

fn first_hash(service: &Service) -> String {
    let page = json(service, "/statements?limit=1");
    page["items"][0]["hash"].as_str().unwrap().to_owned()
}

/// Posts one event, and tells whether it was accepted.
pub(crate) fn post(service: &Service, statement: &str) -> io::Result<bool> {
    post_to(&service.address, statement, service.headers())
}

/// The same, and an error where the service is gone.
fn post_to(address: &str, statement: &str, headers: &str) -> io::Result<bool> {
    let body = format!("{{\"statement\":\"{statement}\"}}");
    let mut stream = TcpStream::connect(address)?;
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.get(..13) {
        Some("HTTP/1.1 202 ") => Ok(true),
        Some("HTTP/1.1 503 ") => Ok(false),
        _ => Err(io::Error::other(answer)),
    }
}

/// Posts from several callers until the service is gone, and gives how many events it accepted.
///
/// `enough` is called once `so_many` are accepted.
fn post_until_gone(address: &str, statement: &str, so_many: u64, enough: impl FnOnce()) -> u64 {
    let (accepted, gone) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while let Ok(kept) = post_to(address, statement, "") {
                    accepted.fetch_add(u64::from(kept), Ordering::SeqCst);
                }
                gone.store(true, Ordering::SeqCst);
            });
        }
        eventually("too few events are accepted", || {
            accepted.load(Ordering::SeqCst) >= so_many || gone.load(Ordering::SeqCst)
        });
        enough();
    });
    accepted.into_inner()
}

/// Every accepted event became a run. Of those that were on their way each caller has one at most.
fn assert_none_lost(service: &Service, accepted: u64) {
    eventually("the queue is not emptied", || waiting(service) == 0);
    let done = runs(service) - RUNS - JOBS;
    assert!((accepted..=accepted + CALLERS).contains(&done), "{accepted} accepted, {done} done");
}

/// Kills a service that works for callers, and lets `heir` do what is left.
fn killed_at_work(service: Service, heir: impl FnOnce() -> Service) {
    let hash = first_hash(&service);
    let address = service.address.clone();
    let accepted = post_until_gone(&address, &hash, 60, || service.kill());
    assert!(accepted >= 60, "{accepted}");
    assert_none_lost(&heir(), accepted);
}

#[test]
fn a_service_that_is_killed_loses_no_event() {
    let workspace = Workspace::new(crate::PASSPORT);
    let start = |arguments: &[&str]| {
        let all = [&SERVE[..], &["--database", "ledger.db"], arguments].concat();
        Service::start(&mut workspace.command(&all))
    };
    let service = start(&["--fixture", "normal", "--workers", "1"]);
    killed_at_work(service, || start(&["--workers", "4"]));
}

#[test]
fn of_two_services_on_one_postgresql_one_is_killed() {
    let Some(cluster) = perf_passport_test_support::postgres::Cluster::start() else { return };
    let workspace = Workspace::new(crate::PASSPORT);
    let start = || {
        let database = ["--database", cluster.url(), "--fixture", "normal", "--workers", "2"];
        Service::start(&mut workspace.command(&[&SERVE[..], &database].concat()))
    };
    let (first, second) = (start(), start());
    let hash = first_hash(&second);
    for _ in 0..20 {
        assert!(post(&second, &hash).unwrap());
    }
    eventually("the queue is not emptied", || waiting(&second) == 0);
    assert_eq!((runs(&first), runs(&second)), (RUNS + JOBS + 20, RUNS + JOBS + 20));
    let address = first.address.clone();
    let accepted = post_until_gone(&address, &hash, 60, || first.kill());
    assert_none_lost(&second, accepted + 20);
}

#[test]
fn a_queue_that_is_full_or_ends_with_its_database_is_said() {
    let workspace = Workspace::new(crate::PASSPORT);
    let serve = [&SERVE[..], &["--fixture", "normal", "--queue-max", "18"]].concat();
    let service = Service::start(&mut workspace.command(&serve));
    let hash = first_hash(&service);
    // Nobody works on a fixture unasked.
    assert!(post(&service, &hash).unwrap());
    assert!(!post(&service, &hash).unwrap());
    assert_eq!(waiting(&service), 18);
    let said = "1 event was not done, and ends with the database in memory\n".to_owned();
    assert_eq!(service.stop("TERM"), (Some(0), said));

    let serve = [&SERVE[..], &["--fixture", "normal", "--workers", "1"]].concat();
    let service = Service::start(&mut workspace.command(&serve));
    for _ in 0..20 {
        assert!(post(&service, &hash).unwrap());
    }
    assert_eq!(service.stop("TERM"), (Some(0), String::new()));
}

#[test]
fn numbers_of_workers_and_jobs_have_bounds() {
    let workspace = Workspace::new(crate::PASSPORT);
    for (option, value) in [
        ("--workers", "1025"),
        ("--workers", "many"),
        ("--queue-max", "0"),
        ("--queue-max", "1000001"),
    ] {
        let run = workspace.run(&[&SERVE[..], &[option, value]].concat()).exits(2);
        assert_says(&run.stderr, option);
    }
}
