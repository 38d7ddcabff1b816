//! Arguments: help, version, and what is none of the program's.

use crate::program::{Workspace, assert_says};

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    let workspace = Workspace::new();
    let version = workspace.run(&["--version"]).exits(0);
    assert_eq!(version.stdout, concat!("passport ", env!("CARGO_PKG_VERSION"), "\n"));
    for command in [
        "check", "generate", "baseline", "validate", "verify", "show", "diff", "format", "import",
        "schema", "serve",
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
    let workspace = Workspace::new();
    let wrong: [&[&str]; 19] = [
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
        &["check", "--pid", "1"],
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
