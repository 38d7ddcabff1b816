//! What `passport compare` survives: workers that go wrong, a user who interrupts, a kill, a disk that
//! is full, one processor. The real program, with this one as its workers.
//!
//! Nothing here depends on how fast the machine is: a worker that is slower does its work three times,
//! and how long anything takes is not asserted.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod worker;

mod full_disk;
mod half_way;
mod killed;
mod refs;

use std::{env, fs, os::unix::fs::PermissionsExt, process::ExitCode};

use libtest_mimic::Arguments;
use perf_passport::allocation::CountingAllocator;
use perf_passport_test_support::test;
use serde_json::Value;

use perf_passport_test_support::program::{Finished, Workspace, assert_says};
use worker::MANNER;

/// The program that is tested.
const PASSPORT: &str = env!("CARGO_BIN_EXE_passport");

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// A contract that is observed with fewer than 80 requests, and asks for more in a session.
const CONTRACT: &str = r#"
schema_version = 1
name = "work"

[sampling]
samples = 20
warmup_max = 10
timeout_seconds = 1

[budgets]
latency_ms_max = 1000
latency_quantile = "p50"

[[endpoint]]
name = "work"
path = "/work"
"#;

/// The check that [`CONTRACT`] has not.
const OTHER: &str = "\n[[endpoint]]\nname = \"other\"\npath = \"/other\"\n";

/// Work of some microseconds, less, and much more of it.
const WORK: &str = "rounds=20000";
const LITTLE_WORK: &str = "rounds=2000";
const MORE_WORK: &str = "rounds=60000";

fn main() -> ExitCode {
    if env::args_os().skip(1).eq([perf_passport::worker::FLAG]) {
        return worker::serve();
    }
    let tests = vec![
        test("a_worker_that_dies_half_way_is_not_measured", half_way::dies),
        test("a_worker_that_panics_half_way_is_not_measured", half_way::panics),
        test("a_worker_that_hangs_half_way_is_not_measured", half_way::hangs),
        test("a_worker_that_hangs_to_the_end_is_not_measured", half_way::hangs_to_the_end),
        test("an_executable_that_is_replaced_is_compared_as_it_was", half_way::replaced),
        test("a_worker_that_answers_something_else_half_way_is_not_measured", half_way::changes),
        test("what_was_observed_before_a_worker_died_is_kept", half_way::dies_while_observed),
        test("changed_work_gets_no_sessions", half_way::changed_work),
        test("without_a_baseline_nothing_is_said", half_way::baseline_dies),
        test("one_processor_is_enough", half_way::one_processor),
        test("without_valgrind_the_cause_is_said_to_be_unknown", half_way::no_valgrind),
        test(
            "an_interrupted_comparison_keeps_what_it_knows_and_leaves_nothing",
            killed::interrupted,
        ),
        test("nothing_outlives_a_comparison_that_is_killed", killed::killed),
        test("a_full_temporary_directory_is_not_measured", full_disk::temporary),
        test("a_disk_that_gets_full_leaves_what_was_decided", full_disk::half_way),
        test("a_passport_that_cannot_be_written_is_shown", full_disk::artifacts),
        test(
            "where_nothing_can_be_written_nothing_is_measured",
            full_disk::artifacts_from_the_start,
        ),
        test("checks_that_only_one_side_has_are_listed", refs::other_checks),
        test("what_the_anchor_has_not_is_compared_without_it", refs::anchor),
        test("what_the_anchor_answers_otherwise_is_compared_without_it", half_way::anchor_answers),
        test("an_interrupted_comparison_of_refs_can_be_repeated", refs::interrupted),
        test("a_change_of_documents_and_comments_is_the_same_code", refs::same_code),
        test("sessions_of_other_files_are_no_evidence", refs::other_files),
        test("a_check_alone_has_no_larger_share_of_the_error", refs::share),
        test("a_check_that_varies_ends_no_comparison", half_way::varies),
        test("sessions_of_a_script_are_not_kept", half_way::scripts),
        test("no_build_outlives_a_comparison_that_is_killed", refs::killed_while_building),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// The arguments that compare the two executables of a workspace.
const COMPARE: [&str; 5] = ["compare", "--baseline-exe", "baseline", "--current-exe", "current"];

/// A workspace with two executables that are workers of these manners.
fn workspace(baseline: &str, current: &str) -> Workspace {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    write_executables(&workspace, baseline, current);
    workspace
}

/// Writes them, or writes them again.
fn write_executables(workspace: &Workspace, baseline: &str, current: &str) {
    write_executable(workspace, "baseline", baseline);
    write_executable(workspace, "current", current);
}

/// One that is a worker of this manner.
fn write_executable(workspace: &Workspace, name: &str, manner: &str) {
    let script = format!("#!/bin/sh\n{MANNER}='{manner}' exec '{}' \"$@\"\n", executable());
    write_program(workspace, name, &script);
}

fn write_program(workspace: &Workspace, name: &str, script: &str) {
    workspace.write(name, script);
    fs::set_permissions(workspace.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// This program.
fn executable() -> String {
    env::current_exe().unwrap().to_str().unwrap().to_owned()
}

fn compare(workspace: &Workspace, more: &[&str]) -> Finished {
    workspace.run(&[&COMPARE[..], more].concat())
}

fn passport(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.filed_passport()).unwrap()
}

/// A passport of a comparison that was not brought to its end: it gates nothing, and holds what was
/// decided before.
fn incomplete(workspace: &Workspace) -> Value {
    let passport = passport(workspace);
    assert_eq!(passport["complete"], false);
    assert_ne!(passport["summary"]["overall_status"], "PASS");
    assert_eq!(claim(&passport, "behaviour"), "PASS");
    assert_eq!(claim(&passport, "allocations-change"), "PASS");
    assert_ne!(claim(&passport, "latency-change"), "PASS");
    passport
}

/// The verdict of a claim on the first check.
fn claim(passport: &Value, kind: &str) -> String {
    let claims = passport["test_results"][0]["claims"].as_array().unwrap();
    let claim = claims.iter().find(|claim| claim["kind"] == kind).unwrap();
    claim["verdict"].as_str().unwrap().to_owned()
}
