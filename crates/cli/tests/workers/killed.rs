//! Signals in the middle of sessions.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{COMPARE, WORK, incomplete, workspace, write_executables};
use perf_passport_test_support::{
    processes::{eventually, is_alive, lines},
    program::{Finished, Workspace, end, finish},
};

/// Starts a comparison whose temporary files are in `temporary`, sends it a signal once the workers of
/// a session run, and waits until they are gone with what they started.
fn signalled(signal: &str) -> (Workspace, Finished) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("processes");
    let manner = format!("rounds=1000000 starts={}", file.display());
    let workspace = workspace(&manner, &manner);
    fs::create_dir(workspace.path("temporary")).unwrap();
    let more = ["--time-budget", "600", "--no-instructions"];
    let mut command = workspace.command(&[&COMPARE[..], &more].concat());
    command.env("TMPDIR", workspace.path("temporary"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let comparison = command.spawn().unwrap();
    // Two make their databases and two are observed; the six of the first round follow, which is over
    // when there is one more.
    eventually("no session begins", || lines(&file) >= 11);
    let id = comparison.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    let finished = end(comparison);
    let text = fs::read_to_string(&file).unwrap();
    let processes: Vec<&str> = text.split_whitespace().collect();
    assert!(processes.len() >= 18, "{text}");
    for process in processes {
        eventually(&format!("{process} lives on"), || !is_alive(process));
    }
    (workspace, finished)
}

fn left(workspace: &Workspace) -> usize {
    fs::read_dir(workspace.path("temporary")).unwrap().count()
}

pub(crate) fn interrupted() {
    let (workspace, run) = signalled("INT");
    run.exits(130);
    let passport = incomplete(&workspace);
    let sessions = passport["test_results"][0]["paired"]["sessions"].as_array().unwrap();
    assert!(!sessions.is_empty());
    assert_eq!(left(&workspace), 0);
}

pub(crate) fn killed() {
    let (workspace, run) = signalled("KILL");
    assert_eq!(run.code, None);
    assert!(!workspace.path("artifacts").exists());
    // Nobody was left to remove them.
    assert!(left(&workspace) > 0);
    write_executables(&workspace, WORK, WORK);
    let mut command = workspace.command(&[&COMPARE[..], &["--time-budget", "0"]].concat());
    finish(command.env("TMPDIR", workspace.path("temporary"))).exits(4);
    assert_eq!(left(&workspace), 0);
}
