//! Operations in the harness, as a library user's target: this program runs itself again as one.

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use libtest_mimic::Arguments;
use perf_passport::{
    allocation::CountingAllocator,
    harness::{Code, Harness},
    passport::verify,
    store,
    units::{Bytes, Count},
};
use perf_passport_test_support::test;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const CONTRACT_VARIABLE: &str = "PASSPORT_HARNESS_CONTRACT";
const OUTPUT_VARIABLE: &str = "PASSPORT_HARNESS_OUTPUT";

const GOOD: &str = r#"
schema_version = 1
name = "code"
[sampling]
samples = 20
seconds_max = 0.2
[[operation]]
name = "copy"
sizes = [10, 100]
iterations = 100
budgets = { mean_ms_max = 1000, total_ms_max = 1e6, throughput_min = 0.1, allocations_max = 2, heap_bytes_max = 101 }
quality = { accuracy_min = 0.95 }
tolerance = { render_percent = 15 }
[[operation]]
name = "panics"
sizes = [1, 2]
deadline_seconds = 30
budgets = { allocations_max = 5 }
[[operation]]
name = "hangs"
deadline_seconds = 0.7
budgets = { allocations_max = 5 }
[[operation]]
name = "exits"
budgets = { allocations_max = 5 }
[[operation]]
name = "no-number"
quality = { accuracy_min = 0.95 }
"#;

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if let Ok(contract) = env::var(CONTRACT_VARIABLE) {
        return harness(&contract, env::var(OUTPUT_VARIABLE).ok()).run();
    }
    let tests = vec![
        test("each_operation_is_a_test_and_fails_alone", each_fails_alone),
        test("it_is_listed_and_selected_as_tests_are", listed_and_selected),
        test("cargo_bench_gets_benchmarks", benchmarks),
        test("the_passport_has_the_results_of_all", the_passport_has_all),
        test("contract_and_target_must_name_the_same", names_must_agree),
        test("a_budget_that_is_exceeded_fails", exceeded_budget),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn harness(contract: &str, output: Option<String>) -> Harness {
    let harness = Harness::operations(contract)
        .code(
            Code::new("copy", |size| {
                let bytes = vec![1_u8; usize::try_from(size).unwrap_or(0)];
                move || bytes.clone()
            })
            .quality("accuracy", |copy| if copy.iter().all(|it| *it == 1) { 1.0 } else { 0.0 })
            .part("render", |_| Duration::from_micros(3)),
        )
        .operation("panics", |size| move || assert!(size != 2, "no copy\n of {size}"))
        .operation("hangs", |_| {
            || loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        })
        .operation("exits", |_| || leave())
        .code(Code::new("no-number", |_| || 1).quality("accuracy", |_| f64::NAN));
    match output {
        Some(output) => harness.inspect("written", move |passport| {
            store::write(Path::new(&output), passport).expect("written");
        }),
        None => harness,
    }
}

#[expect(clippy::exit, reason = "what code under measurement may do")]
fn leave() {
    std::process::exit(7);
}

/// Runs the target with this contract; its exit code and what it printed.
fn run(contract: &str, arguments: &[&str]) -> (Option<i32>, String) {
    run_and_write(contract, arguments, None)
}

fn run_and_write(
    contract: &str,
    arguments: &[&str],
    output: Option<&Path>,
) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("passport.toml");
    fs::write(&path, contract).expect("written");
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(arguments).env(CONTRACT_VARIABLE, path);
    if let Some(output) = output {
        command.env(OUTPUT_VARIABLE, output);
    }
    let output = command.output().expect("ran");
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), printed)
}

fn each_fails_alone() {
    let (code, printed) = run(GOOD, &[]);
    assert_eq!(code, Some(101), "{printed}");
    for told in [
        "test operation::copy      ... ok",
        "test operation::panics    ... FAILED",
        "FAIL     panics/2: completed: it panicked: no copy\\n of 2, at tests/operations.rs:",
        "FAIL     hangs: completed: it was not done by its deadline: ended after 700 ms",
        "FAIL     exits: completed: it panicked: its process ended early: exit status: 7",
        "FAIL     no-number: quality accuracy (limit 0.9500): the operation told a value that is no",
    ] {
        assert!(printed.contains(told), "{told}\n{printed}");
    }
    assert!(!printed.contains("panics/1: completed"), "{printed}");
}

fn listed_and_selected() {
    let (code, printed) = run(GOOD, &["--list"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("operation::copy: test\n"), "{printed}");
    let (code, printed) = run(GOOD, &["copy"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
    let (code, printed) = run(GOOD, &["operation::cop", "--exact"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("0 passed"), "{printed}");
    let slow = GOOD.replace("name = \"copy\"", "name = \"copy\"\nslow = true");
    let (_, printed) = run(&slow, &["--list", "--format", "terse"]);
    assert!(printed.contains("slow::operation::copy: test\n"), "{printed}");
}

fn benchmarks() {
    let (_, printed) = run(GOOD, &["--list", "--bench"]);
    assert!(printed.contains("operation::copy: bench"), "{printed}");
    let (code, printed) = run(GOOD, &["--bench", "copy"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("test operation::copy ... bench:"), "{printed}");
    assert!(printed.contains("ns/iter"), "{printed}");
}

fn the_passport_has_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("passport.json");
    let (code, printed) = run_and_write(GOOD, &["written"], Some(&output));
    assert_eq!(code, Some(0), "{printed}");
    let passport = verify(&fs::read(&output).expect("written")).expect("a sound passport");
    let names: Vec<&str> = passport.operation_cases().map(|case| case.name.as_str()).collect();
    let expected = ["copy/10", "copy/100", "panics/1", "panics/2", "hangs", "exits", "no-number"];
    assert_eq!(names, expected);
    let copy = passport.operation_case("copy/100").expect("measured");
    assert_eq!(copy.allocations.map(Count::get), Some(1));
    assert_eq!(copy.heap_peak_bytes.map(Bytes::get), Some(100));
    assert_eq!(copy.evidence.quality["accuracy"], Some(1_000_000));
    assert!(copy.latency.is_some_and(|it| it.iterations.get() >= 100));
    assert!(copy.evidence.parts.contains_key("render"));
    assert_eq!(passport.checks_left_out, Vec::<String>::new());
}

fn names_must_agree() {
    let more =
        format!("{GOOD}[[operation]]\nname = \"copyy\"\nbudgets = {{ allocations_max = 1 }}\n");
    let (code, printed) = run(&more, &["cop"]);
    assert_eq!(code, Some(101), "{printed}");
    let told =
        "names operation `copyy`, and this target declares none of that name, did you mean `copy`?";
    assert!(printed.contains(told), "{printed}");
    assert!(printed.contains("test operation::copy  ... ok"), "{printed}");
    let less = GOOD.split("[[operation]]\nname = \"no-number\"").next().unwrap_or_default();
    let (code, printed) = run(less, &["o"]);
    assert_eq!(code, Some(101), "{printed}");
    assert!(printed.contains("`no-number` is declared, and not in the contract"), "{printed}");
}

fn exceeded_budget() {
    let strict = GOOD.replace("heap_bytes_max = 101", "heap_bytes_max = 100");
    let (code, printed) = run(&strict, &["copy"]);
    assert_eq!(code, Some(101), "{printed}");
    let told = "copy/100: heap 100 B (budget 100 B): not below the budget";
    assert!(printed.contains(told), "{printed}");
}
