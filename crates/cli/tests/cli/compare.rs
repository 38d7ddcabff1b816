//! What `passport compare` builds and refuses, before anything is measured.

use std::process::Command;

use perf_passport_test_support::program::{Workspace, assert_says};

const CONTRACT: &str = "\
schema_version = 1
name = \"tiny\"

[[endpoint]]
name = \"root\"
path = \"/\"
";

#[test]
fn commands_that_are_none_are_wrong_usage() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    for (command, why) in [
        ("", "the command is empty"),
        ("server 'a", "a quote or a backslash in the command is not closed"),
    ] {
        let run = workspace.run(&["compare", "--baseline-cmd", "a", "--current-cmd", command]);
        let expected = format!("cannot start the server of current: {why}");
        assert_eq!(run.refused(2), expected);
    }
    let secret =
        CONTRACT.replace("path = \"/\"", "path = \"/\"\nheaders = { x-key = \"${NOBODY}\" }");
    let workspace = Workspace::with_contract(crate::PASSPORT, &secret);
    let run = workspace.run(&["compare", "--baseline-cmd", "a", "--current-cmd", "b"]);
    assert_says(&run.refused(2), "needs the environment variable NOBODY");
}

/// A repository of a package whose test target builds in a moment, and is no worker.
fn repository() -> Workspace {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let manifest = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                    [[test]]\nname = \"perf_sanity\"\npath = \"gate.rs\"\nharness = false\n\
                    [workspace]\n";
    workspace.write("Cargo.toml", manifest);
    workspace.write("lib.rs", "");
    workspace
        .write("gate.rs", "fn main() { std::process::exit(if cfg!(flagged) { 7 } else { 0 }) }\n");
    workspace.write(".gitignore", "target\nartifacts\nCargo.lock\n");
    git(&workspace, &["init", "--quiet", "--initial-branch", "main"]);
    git(&workspace, &["add", "--all"]);
    git(&workspace, &["commit", "--quiet", "--message", "all"]);
    workspace
}

fn git(workspace: &Workspace, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=b", "-c", "commit.gpgSign=false"]);
    assert!(command.args(arguments).current_dir(workspace.path("")).status().unwrap().success());
}

#[test]
fn what_is_compared_is_said_in_exactly_one_way() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let sentence = workspace.run(&["compare"]).refused(2);
    assert_says(
        &sentence,
        "say what to compare with: --baseline-branch REF, or --baseline-exe FILE",
    );
    let wrong: [&[&str]; 19] = [
        &["--baseline-branch", "a", "--baseline-exe", "b"],
        &["--baseline-branch", "a", "--current-exe", "b"],
        &["--baseline-exe", "a"],
        &["--current-exe", "a"],
        &["--current-branch", "a"],
        &["--anchor", "a"],
        &["--merge-base"],
        &["--baseline-exe", "a", "--current-exe", "b", "--anchor", "c"],
        &["--baseline-exe", "a", "--current-exe", "b", "--harness", "c"],
        &["--baseline-cmd", "a"],
        &["--current-url", "a"],
        &["--anchor-cmd", "a"],
        &["--baseline-cmd", "a", "--current-url", "b"],
        &["--baseline-cmd", "a", "--current-cmd", "b", "--baseline-branch", "c"],
        &["--baseline-cmd", "a", "--current-cmd", "b", "--anchor-url", "c"],
        &["--baseline-cmd", "a", "--current-cmd", "b", "--harness", "c"],
        &["--baseline-url", "a", "--current-url", "b", "--anchor-exe", "c"],
        &["--baseline-exe", "a", "--current-exe", "b", "--wait-timeout", "1"],
        &["--wait-timeout", "1"],
    ];
    for arguments in wrong {
        let run = workspace.run(&[&["compare"], arguments].concat()).exits(2);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
}

#[test]
fn refs_that_are_named_wrongly_exit_2_and_those_that_do_not_build_3() {
    let workspace = repository();
    let refusal = |arguments: &[&str], code: i32| {
        workspace.run(&[&["compare", "--baseline-branch"], arguments].concat()).exits(code)
    };
    let said = refusal(&["nowhere\u{e9}"], 2).sentence();
    assert_eq!(said, "`nowhere\\u{e9}` is no branch, tag or commit here");
    assert_says(&refusal(&["main", "--harness", "other"], 2).sentence(), "no test target `other`");
    let said = refusal(&["main", "--contract", "other.toml"], 2).sentence();
    assert_eq!(said, "`main` has no contract `other.toml`");
    workspace.write("gate.rs", "fn main() { caf\u{e9} }\n");
    let run = refusal(&["main"], 3);
    assert_says(&run.stderr, "   Compiling tiny v0.1.0");
    assert_says(&run.sentence(), "`working tree` does not build: error");
    assert_says(&run.sentence(), "caf\\u{e9}");
    let outside = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let run = outside.run(&["compare", "--baseline-branch", "main"]).exits(2);
    assert_says(&run.sentence(), "`.` is in no git repository");
}

#[test]
fn variables_of_hooks_and_of_cargo_do_not_lead_elsewhere() {
    let workspace = repository();
    let run = |flags: &str| {
        let mut command = workspace.command(&["compare", "--baseline-branch", "main"]);
        // Where .ci/run has everything built, which is not below this workspace.
        command.env_remove("CARGO_TARGET_DIR");
        command.env("GIT_DIR", "/nowhere/.git").env("GIT_INDEX_FILE", "/nowhere/index");
        command.env("CARGO_INCREMENTAL", "1").env("RUSTFLAGS", flags);
        perf_passport_test_support::program::finish(&mut command).exits(3)
    };
    // The target is no worker: it was built and started, and ends at once.
    assert_says(&run("").sentence(), "the worker of main died: exit status: 0");
    // Flags make another executable of the same source.
    assert_says(&run("--cfg flagged").sentence(), "died: exit status: 7");
    let [place] = workspace.places().try_into().unwrap();
    assert_eq!(std::fs::read_dir(place.join("builds")).unwrap().count(), 2);
}

#[test]
fn a_calibration_is_asked_for_sensibly_and_adds_only_to_its_own() {
    let workspace = repository();
    let refusal = |arguments: &[&str], code: i32| {
        workspace.run(&[&["calibrate"], arguments].concat()).exits(code)
    };
    let said = refusal(&["--slower", "101"], 2).sentence();
    assert_eq!(said, "--slower is a percentage from 0 to 100");
    assert_says(&refusal(&["--slower", "NaN"], 2).sentence(), "--slower is a percentage");
    assert_says(&refusal(&["--harness", "other"], 2).sentence(), "no test target `other`");
    assert_says(&refusal(&["--endpoint", "other"], 2).sentence(), "other");
    // It builds, and is no worker.
    let run = refusal(&["--rebuilds", "0"], 3);
    assert_says(&run.sentence(), "the worker of ");
    workspace.write("calibration.json", "{}");
    let sentence = refusal(&["--output-dir", "."], 2).sentence();
    assert_says(&sentence, "cannot add to the calibration `./calibration.json`");
}
