//! Instructions of requests, counted by callgrind: the same again, and small differences found.
//!
//! Each test runs this program again as a worker; a variable tells it which build it is to be.
//! Where valgrind is missing, each test prints a line that starts with `MISSING:`.

#![cfg(unix)]
#![expect(clippy::print_stdout, reason = "a test whose component is missing says so")]

use std::{
    env,
    hint::black_box,
    process::{Command, ExitCode},
    sync::atomic::{AtomicU32, Ordering},
};

use axum::{Router, routing::get};
use libtest_mimic::{Arguments, Failed, Trial};
use perf_passport::{
    allocation::CountingAllocator,
    clock::SystemClock,
    compare::{Executed, InstructionsError, Side, count_instructions},
    contract::Contract,
    harness::Harness,
    paired::{change_ppm, grown},
    worker,
};

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

/// Rounds of work of a request, so that a thousandth of it is some rounds.
const ROUNDS: u64 = 100_000;

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if env::args_os().skip(1).eq([worker::FLAG]) {
        let build = env::var(BUILD_VARIABLE).unwrap_or_default();
        let harness = Harness::new("", move |_| {
            let router = router(&build);
            async move { Ok::<_, String>(router) }
        });
        return harness.run();
    }
    let tests = vec![
        test("the_same_build_executes_the_same", same_build),
        test("one_allocation_more_is_seen", one_allocation),
        test("a_thousandth_more_is_seen_and_named", a_thousandth),
        test("tasks_of_a_request_are_counted", tasks_are_counted),
        test("what_is_not_the_expected_work_is_not_counted", unexpected_work),
        test("a_worker_that_fails_has_no_count", failing_worker),
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
    let side = Side {
        label: build.to_owned(),
        executable: env::current_exe().expect("this program"),
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![(BUILD_VARIABLE.into(), build.into())],
        directory: env::temp_dir(),
        contract: CONTRACT.to_owned(),
    };
    let contract = Contract::parse(CONTRACT).expect("a contract");
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
