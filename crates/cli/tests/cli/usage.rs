//! Arguments: help, version, and what is none of the program's.

use crate::contracts::{ledger, running};
use perf_passport_test_support::program::{Workspace, assert_says};

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    let workspace = Workspace::new(crate::PASSPORT);
    let version = workspace.run(&["--version"]).exits(0);
    assert_eq!(version.stdout, concat!("passport ", env!("CARGO_PKG_VERSION"), "\n"));
    for command in [
        "check", "generate", "baseline", "validate", "verify", "show", "diff", "format", "import",
        "contract", "schema", "serve",
    ] {
        let help = workspace.run(&[command, "--help"]).exits(0);
        assert_says(&help.stdout, &format!("Usage: passport {command}"));
        assert_eq!(help.stderr, "");
        assert_says(&workspace.run(&["--help"]).exits(0).stdout, &format!("\n  {command} "));
    }
    assert_says(&workspace.run(&["--help"]).exits(0).stdout, "Exit codes: 0 pass; 1 ");
}

#[test]
fn wrong_usage_is_told_on_standard_error_with_2() {
    let workspace = Workspace::new(crate::PASSPORT);
    let wrong: [&[&str]; 18] = [
        &[],
        &["nonsense"],
        &["ch\u{e9}ck\u{1b}[31m"],
        &["check", "--bogus"],
        &["check", "--bog\u{e9}s\n"],
        &["check", "extra"],
        &["check", "--iterations", "0"],
        &["check", "--iterations", "many"],
        &["check", "--iterations", "-1"],
        &["check", "--wait-timeout", "-1"],
        &["check", "--ci", "--ci"],
        &["verify"],
        &["diff", "one.json"],
        &["format"],
        &["format", "--test-data", "a", "--api-url", "b"],
        &["format", "--test-data", "a", "--benchmark", "0"],
        &["schema", "nothing"],
        &["serve", "--listen", "nowhere"],
    ];
    for arguments in wrong {
        let run = workspace.run(arguments).exits(2);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(workspace.files(), []);
}

#[test]
fn durations_take_units_and_bare_numbers_are_seconds() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &running("http://127.0.0.1:1"));
    for wait in ["0", "0s", "1ms"] {
        let said = workspace.run(&["check", "--wait-timeout", wait]).refused(3);
        assert_says(&said, "cannot reach");
    }
    let durations = [
        ("check", "--wait-timeout"),
        ("compare", "--wait-timeout"),
        ("compare", "--time-budget"),
        ("calibrate", "--time-budget"),
    ];
    for (command, option) in durations {
        let run = workspace.run(&[command, option, "2 parsecs"]).exits(2);
        assert_says(&run.stderr, "write 20s, 2m, or seconds");
        let run = workspace.run(&[command, option, "1m 5s", "--contract", "none.toml"]).exits(2);
        assert!(!run.stderr.contains("write 20s"), "{run:#?}");
    }
}

#[test]
fn results_of_a_tool_that_is_not_read_are_refused_by_name() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("jmh.json", "[{\"benchmark\": \"a\"}]");
    let said = workspace.run(&["import", "asv", "jmh.json"]).refused(2);
    assert_says(&said, "results of `asv` are not read");
    assert_says(&said, "criterion, cargo-criterion, hyperfine");
    let said = workspace.run(&["import", "jmh.json"]).refused(2);
    assert_says(&said, "criterion, Go, JMH, pytest-benchmark and other tools are read by");
}

#[test]
fn what_would_not_be_heeded_is_refused() {
    let in_process = Workspace::with_contract(crate::PASSPORT, &ledger());
    let running = Workspace::with_contract(crate::PASSPORT, &running("http://127.0.0.1:1"));
    let url = "--api-url=http://127.0.0.1:1";
    let database = "--database=postgres://127.0.0.1/x";
    let refused = |workspace: &Workspace, command: &str, arguments: &[&str], said: &str| {
        let run = workspace.run(&[&[command], arguments].concat());
        assert_says(&run.refused(2), said);
    };
    for command in ["check", "generate", "baseline", "validate"] {
        let running = "is for a running service";
        refused(&in_process, command, &["--pid=1"], &format!("--pid {running}"));
        refused(&in_process, command, &["--ca-file=a"], &format!("--ca-file {running}"));
        refused(&in_process, command, &["--wait-timeout=5"], &format!("--wait-timeout {running}"));
        let both = [url, database, "--fixture=normal"];
        refused(&in_process, command, &both, "--database is for a service that is built");
    }
    refused(&running, "check", &[database], "--database is for a service that is built");
    in_process.write("metrics.json", "{}");
    for (arguments, said) in [
        (
            &["format", "--test-data=metrics.json", "--endpoint=/x"][..],
            "--endpoint is for a service",
        ),
        (&["serve", "--listen=127.0.0.1:0", "--seed=7"], "--seed is that of a fixture"),
    ] {
        assert_says(&in_process.run(arguments).refused(2), said);
    }
}
