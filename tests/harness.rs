//! The harness as a library user has it: a test target of its own, with the plain counting allocator.
//!
//! Each test runs this program again, told by a variable which contract it is to be the target of.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use libtest_mimic::Arguments;
use perf_passport::{allocation::CountingAllocator, harness::Harness, store};
use perf_passport_test_support::test;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const CONTRACT_VARIABLE: &str = "PASSPORT_HARNESS_CONTRACT";

/// A key that the service of this target takes.
const KEY: &str = "open-sesame";

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
            Router::new()
                .route("/hello", get(|| async { "hello" }))
                .route("/id", get(id))
                .route("/private", get(private))
        };
        return Harness::new(contract, move |_| async move { Ok::<_, String>(router()) })
            .variable("HARNESS_TEST_KEY", KEY)
            .run();
    }
    let tests = vec![
        test("a_good_contract_passes_with_the_plain_allocator", good_contract),
        test("a_budget_that_is_exceeded_fails", exceeded_budget),
        test("a_response_that_differs_each_time_fails", random_response),
        test("a_broken_contract_fails_whatever_is_selected", broken_contract),
        test("a_variable_of_the_target_fills_a_header_and_is_in_no_passport", own_variable),
        test("figures_are_shown_where_output_is_not_captured", figures),
        test("what_was_measured_is_filed_and_a_part_does_not_replace_the_whole", filed),
        test("arguments_of_libtest_and_criterion_are_no_errors", arguments),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

async fn private(headers: HeaderMap) -> StatusCode {
    let expected = format!("Bearer {KEY}");
    let is_allowed =
        headers.get("authorization").is_some_and(|it| it.as_bytes() == expected.as_bytes());
    if is_allowed { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

fn own_variable() {
    let private = |value: &str| {
        let headers = format!("path = \"/private\"\nheaders = {{ Authorization = \"{value}\" }}");
        CONTRACT.replace("path = \"/hello\"", &headers)
    };
    let (code, printed) = run(&private("Bearer ${HARNESS_TEST_KEY}"), &[]);
    assert_eq!(code, Some(0), "{printed}");
    let filed = fs::read_to_string(filed_at(&printed)).expect("filed");
    assert!(!filed.contains(KEY), "{filed}");
    let (code, printed) = run(&private("Bearer letmein"), &[]);
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("sets it by `Harness::variable(\"NAME\", value)`"), "{printed}");
    let (code, printed) = run(&private("Bearer ${HARNESS_TEST_OTHER}"), &[]);
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("give it by `Harness::variable`"), "{printed}");
}

fn figures() {
    let (_, printed) = run(CONTRACT, &["--nocapture"]);
    let line =
        printed.lines().find(|it| it.starts_with("PASS     hello/default: ")).expect("a line");
    for figure in ["status 200", "allocations 1", "peak heap ", "p50 ", "samples 50"] {
        assert!(line.contains(figure), "{printed}");
    }
    let (_, printed) = run(CONTRACT, &[]);
    assert!(!printed.contains("allocations"), "{printed}");
}

fn filed() {
    let (_, printed) = run(CONTRACT, &[]);
    let whole = filed_at(&printed);
    assert!(whole.ends_with("perf-passport/harness.json"), "{printed}");
    let passport = store::read(&whole).expect("a passport that verifies");
    assert_eq!(passport.contract.expect("a contract").document.name, "hello");
    let two = format!("{CONTRACT}[[endpoint]]\nname = \"other\"\npath = \"/hello\"\n");
    let (_, printed) = run(&two, &["other"]);
    let part = filed_at(&printed);
    assert!(part.ends_with("perf-passport/harness.part.json"), "{printed}");
    let passport = store::read(&part).expect("a passport that verifies");
    assert_eq!(passport.checks_left_out, ["hello/default"]);
    let (_, printed) = run(CONTRACT, &["--list"]);
    assert!(!printed.contains("passport "), "{printed}");
}

/// Where the target says that it filed its passport.
fn filed_at(printed: &str) -> PathBuf {
    let place = printed.lines().find_map(|line| line.strip_prefix("passport "));
    PathBuf::from(place.unwrap_or_else(|| panic!("no place: {printed}")))
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
