//! The harness as a library user has it: a test target of its own, with the plain counting allocator.
//!
//! Each test runs this program again, told by a variable which contract it is to be the target of.

use std::{
    env, fs,
    path::Path,
    process::Command,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, routing::get};
use libtest_mimic::Arguments;
use perf_passport::{allocation::CountingAllocator, harness::Harness};
use perf_passport_test_support::test;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const CONTRACT_VARIABLE: &str = "PASSPORT_HARNESS_CONTRACT";

const CONTRACT: &str = r#"
schema_version = 1
name = "hello"
[sampling]
samples = 50
[budgets]
latency_quantile = "p50"
latency_ms_max = 1000
[[endpoint]]
name = "hello"
path = "/hello"
"#;

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if let Ok(contract) = env::var(CONTRACT_VARIABLE) {
        let router = || {
            let next = Arc::new(AtomicU64::new(0));
            let id = move || async move { next.fetch_add(1, Ordering::Relaxed).to_string() };
            Router::new().route("/hello", get(|| async { "hello" })).route("/id", get(id))
        };
        return Harness::new(contract, move |_| async move { Ok::<_, String>(router()) }).run();
    }
    let tests = vec![
        test("a_good_contract_passes_with_the_plain_allocator", good_contract),
        test("a_budget_that_is_exceeded_fails", exceeded_budget),
        test("a_response_that_differs_each_time_fails", random_response),
        test("a_broken_contract_fails_whatever_is_selected", broken_contract),
        test("arguments_of_libtest_and_criterion_are_no_errors", arguments),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// `cargo test` and `cargo bench` give every target the same arguments.
fn arguments() {
    for given in [&["--no-capture"][..], &["--bench", "--save-baseline", "a"], &["--baseline=a"]] {
        let (code, printed) = run(CONTRACT, given);
        assert_eq!(code, Some(0), "{given:?}: {printed}");
    }
    let (code, printed) = run(CONTRACT, &["--version"]);
    assert_eq!(code, Some(101), "{printed}");
    assert_eq!(printed, "error: Unrecognized option: 'version'\n");
}

/// Runs the target with this contract; its exit code and what it printed.
fn run(contract: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("passport.toml");
    fs::write(&path, contract).expect("written");
    run_at(&path, arguments)
}

fn run_at(contract: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let own = env::current_exe().expect("this program");
    let mut command = Command::new(own);
    let output = command.args(arguments).env(CONTRACT_VARIABLE, contract).output().expect("ran");
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), printed)
}

/// With the feature `oracle` dhat is in the program, and not in its allocator.
fn good_contract() {
    let (code, printed) = run(CONTRACT, &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("test hello::default ... ok"), "{printed}");
}

fn exceeded_budget() {
    let contract = CONTRACT.replace("[budgets]", "[budgets]\nallocations_max = 1");
    let (code, printed) = run(&contract, &["hello"]);
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("hello/default: allocations"), "{printed}");
}

/// By a contract that says nothing of a share.
fn random_response() {
    let (code, printed) = run(&CONTRACT.replace("/hello", "/id"), &[]);
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("FAIL     hello/default: deterministic in 1 of "), "{printed}");
}

fn broken_contract() {
    for arguments in [&[][..], &["hello"], &["hello::default", "--exact"], &["--skip", "contract"]]
    {
        let (code, printed) = run("schema_version = 1\nnmae = \"hello\"\n", arguments);
        assert_eq!(code, Some(101), "{arguments:?}: {printed}");
        assert!(printed.contains("cannot read contract"), "{arguments:?}: {printed}");
        assert!(printed.contains("nmae"), "{arguments:?}: {printed}");
    }
    let (code, printed) = run_at(Path::new("/nowhere/passport.toml"), &["hello"]);
    assert_eq!(code, Some(101), "{printed}");
    let (code, printed) = run("", &["--list"]);
    assert_eq!((code, printed.trim()), (Some(0), "contract: test"));
}
