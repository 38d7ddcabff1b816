//! Waiting for a service to come up.

use std::{
    cell::Cell,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use perf_passport::{
    clock::{Clock, SystemClock},
    contract::Contract,
    probe::{Awaited, HttpTarget, ProbeError, ReadyWhen, wait_until_ready},
    units::Nanos,
};

use super::{
    LONG, NOBODY, SHORT,
    server::{Server, hang, request, response},
    settings, target,
};

/// A clock that goes on by so many milliseconds whenever it is read.
struct SteppingClock {
    now: AtomicU64,
    step_ms: u64,
}

impl SteppingClock {
    fn by_ms(step_ms: u64) -> Self {
        Self { now: AtomicU64::new(0), step_ms }
    }
}

impl Clock for SteppingClock {
    fn elapsed(&self) -> Nanos {
        Nanos::new(self.now.fetch_add(self.step_ms * 1_000_000, Ordering::SeqCst))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn nobody() -> HttpTarget {
    target(settings(NOBODY))
}

/// Waits for any answer.
fn wait(
    target: &HttpTarget,
    path: &str,
    deadline: Nanos,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
) -> Result<Awaited, ProbeError> {
    wait_until_ready(target, &ReadyWhen::any_answer(path), deadline, clock, stop)
}

#[track_caller]
fn assert_unreachable(result: Result<Awaited, ProbeError>, said: &str) {
    match result {
        Err(ProbeError::Unreachable { message, .. }) => {
            assert!(message.contains(said), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_status_is_up_and_its_body_is_not_waited_for() {
    let clock = SystemClock::start();
    for answer in [
        response("200 OK", "", ""),
        response("401 Unauthorized", "", ""),
        response("503 Busy", "", ""),
        "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n".to_owned(),
    ] {
        let server = Server::answering(answer);
        wait(&target(settings(&server.url())), "/", LONG, &clock, &|| false).unwrap();
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_service_that_comes_up_later_is_found() {
    let up = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&up);
    let server = Server::start(move |mut stream| {
        if request(&mut stream).is_some() && answers.load(Ordering::SeqCst) {
            stream.write_all(response("200 OK", "", "").as_bytes()).unwrap();
        }
    });
    // Asked before each attempt and within each pause.
    let asked = Cell::new(0);
    let never = || {
        asked.set(asked.get() + 1);
        up.store(asked.get() >= 5, Ordering::SeqCst);
        false
    };
    let target = target(settings(&server.url()));
    wait(&target, "/", LONG, &SystemClock::start(), &never).unwrap();
    assert!(server.connections() >= 2 && asked.get() >= 5);
}

#[test]
fn the_deadline_is_kept_by_the_given_clock_when_nobody_answers() {
    let clock = SteppingClock::by_ms(20);
    let deadline = Nanos::new(1_000_000_000);
    assert_unreachable(wait(&nobody(), "/", deadline, &clock, &|| false), "refused");
    // The clock is read a few times more than the deadline has steps, and not once per attempt.
    let ended = clock.elapsed();
    assert!(ended >= deadline && ended <= Nanos::new(1_200_000_000), "{ended}");
}

#[test]
fn the_deadline_is_kept_when_the_service_accepts_and_says_nothing_or_rubbish() {
    let clock = SystemClock::start();
    let silent = target(settings(&Server::start(hang).url()));
    assert_unreachable(wait(&silent, "/", SHORT, &clock, &|| false), "headers");
    assert!(clock.elapsed() >= SHORT);

    let rubbish = target(settings(&Server::closing("rubbish\r\n\r\n").url()));
    assert_unreachable(wait(&rubbish, "/", SHORT, &clock, &|| false), "broken");

    assert_unreachable(wait(&rubbish, "/", Nanos::ZERO, &clock, &|| false), "no time");
    assert!(matches!(
        wait(&rubbish, "no slash", LONG, &clock, &|| false),
        Err(ProbeError::Request(_))
    ));
}

#[test]
fn a_wait_stops_when_told_to_even_within_an_attempt() {
    let clock = SystemClock::start();
    let silent = Server::start(hang);
    let asked = Cell::new(0);
    let third = || {
        asked.set(asked.get() + 1);
        asked.get() >= 3
    };
    let result = wait(&target(settings(&silent.url())), "/", LONG, &clock, &third);
    assert_unreachable(result, "interrupted");
    assert_eq!(silent.connections(), 1);
}

/// A contract of one check, whose `[target]` has these keys.
fn contract(target: &str) -> Contract {
    let text = format!(
        "schema_version = 1\nname = \"a\"\n[target]\n{target}\n[[endpoint]]\nname = \"create\"\n\
         path = \"/create\"\nmethod = \"POST\"\n[[endpoint]]\nname = \"prepared\"\npath = \"/prepared\"\n\
         setup = [{{ path = \"/state\" }}]\n[[endpoint]]\nname = \"list\"\npath = \"/list\"\n\
         headers = {{ accept = \"text/plain\" }}\nstatus = 201\n"
    );
    Contract::parse(&text).unwrap()
}

fn ready_when(contract: &Contract) -> ReadyWhen {
    let checks: Vec<_> = contract.checks.iter().collect();
    ReadyWhen::of(contract, &checks, &|_| None)
}

/// A server that answers with these statuses, one after the other, and goes on with the last.
fn answering_in_turn(statuses: &[u16]) -> (Server, Arc<Mutex<Vec<String>>>) {
    let (statuses, asked) = (statuses.to_vec(), Arc::<Mutex<Vec<String>>>::default());
    let heard = Arc::clone(&asked);
    let server = Server::start(move |mut stream| {
        while let Some(head) = request(&mut stream) {
            let mut heard = heard.lock().unwrap();
            let status = statuses[heard.len().min(statuses.len() - 1)];
            heard.push(head);
            stream.write_all(response(&format!("{status} -"), "", "").as_bytes()).unwrap();
        }
    });
    (server, asked)
}

#[test]
fn a_service_is_ready_when_the_first_check_that_changes_nothing_has_its_status() {
    let (server, asked) = answering_in_turn(&[503, 404, 200, 201]);
    let contract = contract("");
    let clock = SystemClock::start();
    let target = target(settings(&server.url()));
    let waited = wait_until_ready(&target, &ready_when(&contract), LONG, &clock, &|| false);
    assert_eq!(waited.unwrap(), Awaited::Ready);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    for head in asked.iter() {
        assert!(head.starts_with("GET /list HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("accept: text/plain\r\n"), "{head}");
    }
}

#[test]
fn a_status_that_stays_another_is_measured_and_one_that_says_not_yet_is_waited_for() {
    let contract = contract("");
    let waits = |status: u16, deadline: Nanos| {
        let (server, _) = answering_in_turn(&[status]);
        let clock = SteppingClock::by_ms(500);
        let target = target(settings(&server.url()));
        let waited = wait_until_ready(&target, &ready_when(&contract), deadline, &clock, &|| false);
        (waited.unwrap(), clock.elapsed())
    };
    let (deadline, patience) = (Nanos::new(20_000_000_000), Nanos::new(5_000_000_000));
    let (awaited, took) = waits(500, deadline);
    assert_eq!(awaited, Awaited::Otherwise);
    assert!(took >= patience && took < deadline, "{took}");
    let (awaited, took) = waits(503, deadline);
    assert_eq!(awaited, Awaited::Otherwise);
    assert!(took >= deadline, "{took}");
}

#[test]
fn patience_begins_where_a_service_says_something_else_than_not_yet() {
    let contract = contract("");
    let (server, asked) = answering_in_turn(&[[503; 30].as_slice(), &[404, 201]].concat());
    let clock = SteppingClock::by_ms(100);
    let target = target(settings(&server.url()));
    let deadline = Nanos::new(200_000_000_000);
    let wait = |when: &ReadyWhen| wait_until_ready(&target, when, deadline, &clock, &|| false);
    assert_eq!(wait(&ready_when(&contract)).unwrap(), Awaited::Ready);
    assert_eq!(asked.lock().unwrap().len(), 32);
    // Also where any other status will do.
    let (server, asked) = answering_in_turn(&[503, 502, 404]);
    let target = self::target(settings(&server.url()));
    let any = ready_when(&contract).with_any_status();
    let ready = wait_until_ready(&target, &any, deadline, &clock, &|| false);
    assert_eq!(ready.unwrap(), Awaited::Ready);
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn what_the_contract_calls_ready_is_waited_for_and_nothing_else_will_do() {
    let contract = contract("ready = { path = \"/ready?deep=1\", status = 204 }");
    let when = ready_when(&contract);
    let clock = SystemClock::start();
    let (server, asked) = answering_in_turn(&[200, 204]);
    let ready = wait_until_ready(&target(settings(&server.url())), &when, LONG, &clock, &|| false);
    assert_eq!(ready.unwrap(), Awaited::Ready);
    assert!(asked.lock().unwrap()[0].starts_with("GET /ready?deep=1 HTTP/1.1\r\n"));
    let (server, _) = answering_in_turn(&[200]);
    let target = target(settings(&server.url()));
    let never = wait_until_ready(&target, &when, SHORT, &clock, &|| false);
    let said = "it is not ready: GET /ready?deep=1 answers 200 instead of 204";
    assert_unreachable(never, said);
    let any = when.with_any_status();
    assert_unreachable(wait_until_ready(&target, &any, SHORT, &clock, &|| false), said);
}
