//! Instructions of requests, counted by callgrind: the same again, and small differences found.
//!
//! Each test runs this program again as a worker; a variable tells it which build it is to be.
//! Where valgrind is missing, each test prints a line that starts with `MISSING:`.

#![cfg(unix)]
#![expect(clippy::print_stdout, reason = "a test whose component is missing says so")]

#[path = "../examples/memory_bound/service.rs"]
mod service;
#[path = "../examples/memory_bound/tables.rs"]
mod tables;

use std::{
    env,
    ffi::OsString,
    fs,
    hint::black_box,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, middleware::map_request, routing::get};
use libtest_mimic::{Arguments, Failed, Trial};
use perf_passport::{
    allocation::CountingAllocator,
    clock::{Clock, SystemClock},
    compare::{Executed, InstructionsError, Side, count_instructions},
    contract::Contract,
    harness::Harness,
    paired::{change_ppm, grown},
    pipeline::{Work, WorkKind},
    worker,
};
use tower::ServiceExt;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// What of the service is different in this build.
const BUILD_VARIABLE: &str = "PASSPORT_INSTRUCTIONS_BUILD";

const CONTRACT: &str = r#"
schema_version = 1
name = "hello"
[[endpoint]]
name = "hello"
path = "/hello"
[[endpoint]]
name = "task"
path = "/task"
[[endpoint]]
name = "gone"
path = "/nowhere"
[[endpoint]]
name = "changing"
path = "/changing"
"#;

/// How a build is called that is the memory-bound service with so many loads more to each request.
const MEMORY: &str = "memory";

/// The contract of that service.
const MEMORY_CONTRACT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/examples/memory_bound/passport.toml");

/// Rounds of work of a request, so that a thousandth of it is some rounds.
const ROUNDS: u64 = 100_000;

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if env::args_os().skip(1).eq([worker::FLAG]) {
        let build = env::var(BUILD_VARIABLE).unwrap_or_default();
        let loads = build.strip_prefix(MEMORY).and_then(|it| it.parse().ok());
        let harness = Harness::new("", move |_| {
            let router = loads.map_or_else(|| router(&build), memory_bound);
            async move { Ok::<_, String>(router) }
        });
        return harness.run();
    }
    let tests = vec![
        test("the_same_build_executes_the_same", same_build),
        test("one_allocation_more_is_seen", one_allocation),
        test("a_thousandth_more_is_seen_and_named", a_thousandth),
        test("a_twentieth_more_time_that_waits_for_memory_is_hardly_seen", a_twentieth_of_waiting),
        test("tasks_of_a_request_are_counted", tasks_are_counted),
        test("what_is_not_the_expected_work_is_not_counted", unexpected_work),
        test("a_worker_that_fails_has_no_count", failing_worker),
        test("a_worker_under_valgrind_ends_with_the_comparison", orphan),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn test(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}

fn router(build: &str) -> Router {
    let allocations = u32::from(build == "allocation");
    let rounds = if build == "work" { ROUNDS + ROUNDS / 1_000 } else { ROUNDS };
    let hello = move || async move {
        for _ in 0..allocations {
            drop(black_box(Box::new([0_u8; 64])));
        }
        black_box(hash_rounds(rounds));
        "hello"
    };
    let task = move || async move {
        let done = tokio::spawn(async move { black_box(hash_rounds(rounds)) });
        done.await.map(|_| "done").unwrap_or_default()
    };
    let changing = || async { ASKED.fetch_add(1, Ordering::Relaxed).to_string() };
    Router::new()
        .route("/hello", get(hello))
        .route("/task", get(task))
        .route("/changing", get(changing))
}

/// The memory-bound service, of which each request waits for so many loads more.
fn memory_bound(loads: u64) -> Router {
    let work = if loads == 0 { Work::default() } else { Work::new(WorkKind::Memory) };
    let work = Arc::new(Mutex::new(work));
    service::router().layer(map_request(move |request: Request| {
        let work = Arc::clone(&work);
        async move {
            if let Ok(mut work) = work.lock() {
                work.rounds(loads);
            }
            request
        }
    }))
}

/// How often the page was asked for that is another each time.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// Some instructions for each round.
#[inline(never)]
fn hash_rounds(rounds: u64) -> u64 {
    (0..black_box(rounds)).fold(7, |hash, round| black_box(hash ^ round).rotate_left(5))
}

fn is_missing() -> bool {
    let found = Command::new("valgrind").arg("--version").output();
    if found.is_err() {
        println!("MISSING: valgrind");
    }
    found.is_err()
}

/// The outcome of one check in this build.
fn count(build: &str, check: &str) -> Result<Executed, InstructionsError> {
    count_of(CONTRACT, build, check)
}

/// The outcome of one check of this contract.
fn count_of(contract: &str, build: &str, check: &str) -> Result<Executed, InstructionsError> {
    let side = Side {
        label: build.to_owned(),
        executable: env::current_exe().expect("this program"),
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![(BUILD_VARIABLE.into(), build.into())],
        directory: env::temp_dir(),
        contract: contract.to_owned(),
    };
    let contract = Contract::parse(contract).expect("a contract");
    let check = contract.check(check).expect("a check");
    let clock = SystemClock::start();
    let outcomes = count_instructions(&side, &[check], (&clock, &|| false), &mut |_| {});
    outcomes?.remove(&check.id()).expect("the outcome of the check")
}

fn counted(build: &str, check: &str) -> Executed {
    count(build, check).expect("a count")
}

fn same_build() {
    if is_missing() {
        return;
    }
    let first = counted("same", "hello/default");
    let again = counted("same", "hello/default");
    // Not always equal: 20 runs gave two totals, 24 instructions of 14.5 million apart.
    let change = change_ppm(&first.instructions, &again.instructions).expect("a change");
    assert!(change.abs() <= 100, "{change} ppm");
    assert_eq!(first.response, again.response);
    let total: u64 = first.instructions.functions.values().map(|it| it.own).sum();
    assert_eq!(total, first.instructions.total);
    let names: Vec<&String> = first.instructions.functions.keys().collect();
    assert!(names.iter().any(|name| name.ends_with("::hash_rounds")), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("17h")), "no hashes: {names:?}");
    // Three instructions for each round at least, and little beside.
    let per_sample = first.instructions.per_sample();
    assert!((3 * ROUNDS..20 * ROUNDS).contains(&per_sample), "{per_sample}");
}

fn one_allocation() {
    if is_missing() {
        return;
    }
    let before = counted("same", "hello/default");
    let after = counted("allocation", "hello/default");
    let more = after.instructions.per_sample() - before.instructions.per_sample();
    assert!((10..1_000).contains(&more), "{more} instructions for an allocation");
    let grown = grown(&before.instructions, &after.instructions);
    assert!(grown.iter().any(|it| it.function.contains("alloc")), "{grown:?}");
}

fn a_thousandth() {
    if is_missing() {
        return;
    }
    let before = counted("same", "hello/default");
    let after = counted("work", "hello/default");
    let change = change_ppm(&before.instructions, &after.instructions).expect("a change");
    assert!((700..=1_300).contains(&change), "{change} ppm");
    let grown = grown(&before.instructions, &after.instructions);
    assert!(grown[0].function.ends_with("::hash_rounds"), "{grown:?}");
}

/// What `passport calibrate --work memory` adds to the memory-bound service is 5 % of its time and
/// less than a thousandth of its instructions, which is what a count of them can tell from none.
fn a_twentieth_of_waiting() {
    if is_missing() {
        return;
    }
    let contract = fs::read_to_string(MEMORY_CONTRACT).expect("the contract");
    // Where a record costs the least time, and where it costs the most.
    for check in ["by-id/few", "by-rank/few"] {
        let path = Contract::parse(&contract).expect("a contract");
        let path = path.check(check).expect("a check").requests[0].path.clone();
        let loads = loads_of_a_twentieth(&path);
        let counted = |loads: u64| {
            count_of(&contract, &format!("{MEMORY}{loads}"), check).expect("a count").instructions
        };
        let (before, after) = (counted(0), counted(loads));
        let change = change_ppm(&before, &after).expect("a change");
        println!(
            "{check}: {loads} loads of 5 % of its time are {change} ppm of {} instructions",
            before.per_sample()
        );
        // Equal builds may differ by more than what was added, also downwards.
        assert!(change.abs() < 1_000, "{change} ppm");
    }
}

/// How many loads take a twentieth of a request's time here, as a comparison finds it out.
fn loads_of_a_twentieth(path: &str) -> u64 {
    const UNIT: u64 = 50;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (router, clock) = (service::router(), SystemClock::start());
    let mut work = Work::new(WorkKind::Memory);
    let (mut requests, mut units) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let before = clock.elapsed();
        let response = runtime.block_on(router.clone().oneshot(request));
        let between = clock.elapsed();
        work.rounds(UNIT);
        units.push(clock.elapsed().saturating_sub(between).get());
        requests.push(between.saturating_sub(before).get());
        assert!(response.is_ok_and(|it| it.status().is_success()));
    }
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let loads = median(&mut requests) * UNIT / median(&mut units).max(1) / 20;
    assert!(loads > 0, "a request of {path} waits for less than twenty loads");
    loads
}

fn tasks_are_counted() {
    if is_missing() {
        return;
    }
    let before = counted("same", "task/default");
    let after = counted("work", "task/default");
    let change = change_ppm(&before.instructions, &after.instructions).expect("a change");
    assert!((700..=1_300).contains(&change), "{change} ppm");
}

fn unexpected_work() {
    if is_missing() {
        return;
    }
    let gone = count("same", "gone/default").expect_err("no such page").to_string();
    assert!(gone.contains("status 404 instead of 200"), "{gone}");
    let changing = count("same", "changing/default").expect_err("never the same").to_string();
    assert!(changing.contains("not like the first one"), "{changing}");
}

/// The other end of its socket is closed by the system, however the comparison ends.
fn orphan() {
    if is_missing() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let mut out = OsString::from("--callgrind-out-file=");
    out.push(directory.path().join("out"));
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(out)
        .arg(env::current_exe().expect("this program"))
        .arg(worker::FLAG)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()
        .expect("valgrind");
    drop(ours);
    for _ in 0..6_000 {
        if child.try_wait().expect("a child").is_some() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child");
    panic!("the worker outlives the comparison");
}

fn failing_worker() {
    if is_missing() {
        return;
    }
    let side = Side {
        label: "no worker".to_owned(),
        executable: "/bin/false".into(),
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: env::temp_dir(),
        contract: CONTRACT.to_owned(),
    };
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let clock = SystemClock::start();
    let checks = [&contract.checks[0]];
    let outcomes = count_instructions(&side, &checks, (&clock, &|| false), &mut |_| {});
    let outcome = outcomes.expect("valgrind is there").remove("hello/default");
    let error = outcome.expect("an outcome").expect_err("no worker").to_string();
    assert!(error.contains("no worker died"), "{error}");
}
