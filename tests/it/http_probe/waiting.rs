//! Waiting for a service to come up.

use std::{
    cell::Cell,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use perf_passport::{
    clock::{Clock, SystemClock},
    probe::{HttpTarget, ProbeError, wait_until_up},
    units::Nanos,
};

use super::{
    LONG, NOBODY, SHORT,
    server::{Server, hang, request, response},
    settings, target,
};

/// A clock that goes on by 20 ms whenever it is read.
struct SteppingClock(AtomicU64);

impl Clock for SteppingClock {
    fn elapsed(&self) -> Nanos {
        Nanos::new(self.0.fetch_add(20_000_000, Ordering::SeqCst))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn nobody() -> HttpTarget {
    target(settings(NOBODY))
}

#[track_caller]
fn assert_unreachable(result: Result<(), ProbeError>, said: &str) {
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
        wait_until_up(&target(settings(&server.url())), "/", LONG, &clock, &|| false).unwrap();
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
    wait_until_up(&target, "/", LONG, &SystemClock::start(), &never).unwrap();
    assert!(server.connections() >= 2 && asked.get() >= 5);
}

#[test]
fn the_deadline_is_kept_by_the_given_clock_when_nobody_answers() {
    let clock = SteppingClock(AtomicU64::new(0));
    let deadline = Nanos::new(1_000_000_000);
    assert_unreachable(wait_until_up(&nobody(), "/", deadline, &clock, &|| false), "refused");
    // The clock is read a few times more than the deadline has steps, and not once per attempt.
    let ended = clock.elapsed();
    assert!(ended >= deadline && ended <= Nanos::new(1_200_000_000), "{ended}");
}

#[test]
fn the_deadline_is_kept_when_the_service_accepts_and_says_nothing_or_rubbish() {
    let clock = SystemClock::start();
    let silent = target(settings(&Server::start(hang).url()));
    assert_unreachable(wait_until_up(&silent, "/", SHORT, &clock, &|| false), "headers");
    assert!(clock.elapsed() >= SHORT);

    let rubbish = target(settings(&Server::closing("rubbish\r\n\r\n").url()));
    assert_unreachable(wait_until_up(&rubbish, "/", SHORT, &clock, &|| false), "broken");

    assert_unreachable(wait_until_up(&rubbish, "/", Nanos::ZERO, &clock, &|| false), "no time");
    assert!(matches!(
        wait_until_up(&rubbish, "no slash", LONG, &clock, &|| false),
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
    let result = wait_until_up(&target(settings(&silent.url())), "/", LONG, &clock, &third);
    assert_unreachable(result, "interrupted");
    assert_eq!(silent.connections(), 1);
}
