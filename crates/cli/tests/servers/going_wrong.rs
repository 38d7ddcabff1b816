//! Servers that cannot be started, end, hang, or answer otherwise half way.

use std::net::TcpListener;

use super::{
    CONTRACT, IN_A_SESSION, WHILE_OBSERVED, claim, compare, helper, is, passport, sessions,
};
use perf_passport_test_support::program::{Workspace, assert_says, finish};

/// Compares a good server with one that is not; the sentence, after which there is no passport.
pub(crate) fn refused(current: &str) -> String {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let run = compare(&workspace, &helper(""), current, &["--wait-timeout", "2"]).exits(3);
    assert_eq!(workspace.files().len(), 1, "only the contract");
    run.sentence()
}

pub(crate) fn not_started() {
    let said = refused("/nonexistent/server --port {port}");
    let expected = "the server of current cannot be started: No such file or directory";
    assert!(said.starts_with(expected), "{said}");
}

pub(crate) fn ends_early() {
    let said = refused(&helper("exits=5"));
    assert_says(&said, "the server of current ended before it listened on port ");
    assert_says(&said, "exit status: 5; cannot open the caf\\xc3\\xa9");
    assert_says(&refused("true"), "exit status: 0");
}

pub(crate) fn deaf() {
    let said = refused(&helper("deaf"));
    assert_says(&said, "the server of current does not listen on 127.0.0.1:");
    assert_says(&said, " within 2.00 s: it is told the port by the variable PORT");
}

pub(crate) fn port_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = refused(&helper(&format!("port={port}")));
    assert_says(&said, &format!("exit status: 7; port {port}: Address already in use"));
}

pub(crate) fn mute() {
    let said = refused(&helper("hangs=1"));
    assert_says(&said, "the server of current does not answer within 2.00 s: no complete response");
}

pub(crate) fn baseline_dies() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let dying = helper(&format!("dies={WHILE_OBSERVED}"));
    let run = compare(&workspace, &dying, &helper(""), &[]).exits(3);
    assert_says(&run.sentence(), "the server of baseline died: signal: 9");
    assert_eq!(workspace.files().len(), 1, "only the contract");
}

pub(crate) fn current_dies() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let dying = helper(&format!("dies={WHILE_OBSERVED}"));
    let run = compare(&workspace, &helper(""), &dying, &[]).exits(3);
    assert_says(&run.sentence(), "the server of current died: signal: 9");
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], false);
    assert_eq!(claim(&passport, "behaviour").0, "PASS");
    assert_ne!(claim(&passport, "latency-change").0, "PASS");
}

/// Compares a good server with one that goes wrong in its sessions; the sentence.
pub(crate) fn goes_wrong(manner: &str) -> String {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let bad = helper(&format!("tells=finely {manner}={IN_A_SESSION}"));
    let good = helper("tells=finely");
    let mut command =
        workspace.command(&["compare", "--baseline-cmd", &good, "--current-cmd", &bad]);
    let run = finish(command.env("HELPER_TOKEN", "hunter2")).exits(3);
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], false);
    assert_ne!(passport["summary"]["overall_status"], "PASS");
    assert_eq!(claim(&passport, "behaviour"), is("PASS", "as-expected"));
    let paired = &passport["test_results"][0]["paired"];
    assert_eq!(paired["failed_sessions"], 3);
    assert_eq!(paired["first_failure"], run.sentence());
    assert_says(&run.stdout, "BROKEN   work/default: 3 of its sessions could not be held");
    if manner == "dies" {
        // They are told, and not recorded.
        assert_says(&run.stderr, "session failed: the server of current died: signal: 9");
        assert_says(&run.stderr, "; last words of ${HELPER_TOKEN}");
        assert!(!run.stderr.contains("hunter2"), "a secret by its name: {}", run.stderr);
    }
    assert!(workspace.files().iter().all(|(_, text)| !text.contains("hunter2")));
    run.sentence()
}

pub(crate) fn dies_half_way() {
    assert_eq!(goes_wrong("dies"), "the server of current died: signal: 9 (SIGKILL)");
}

pub(crate) fn breaks_half_way() {
    let said = goes_wrong("breaks");
    assert!(said.starts_with("the server of current broke off: broken response: "), "{said}");
}

pub(crate) fn hangs_half_way() {
    let said = goes_wrong("hangs");
    assert!(said.starts_with("the server of current did not answer within 1."), "{said}");
}

pub(crate) fn changes_half_way() {
    let expected =
        "current answered something else half way: a response was not like the first one";
    assert_eq!(goes_wrong("changes"), expected);
}

pub(crate) fn hushes_half_way() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let work = "rounds=20000 tells=finely";
    let bad = helper(&format!("{work} hushes={IN_A_SESSION}"));
    let run = compare(&workspace, &helper(work), &bad, &[]).exits(3);
    let expected = "the server of current told its own time, and does not any more";
    assert_eq!(run.sentence(), expected);
    assert_eq!(passport(&workspace)["complete"], false);
}

/// A check that fails by its status is left out of the sessions of the others.
pub(crate) fn wrong_status() {
    let wrong = "[[endpoint]]\nname = \"gone\"\npath = \"/gone\"\nstatus = 404\n";
    let workspace = Workspace::with_contract(crate::PASSPORT, &format!("{CONTRACT}{wrong}"));
    let run = compare(&workspace, &helper(""), &helper(""), &["--time-budget", "2"]).exits(1);
    assert!(!run.stderr.contains("session failed"), "{}", run.stderr);
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], true);
    assert!(!sessions(&passport).is_empty());
    let gone = &passport["test_results"][1];
    assert_eq!((&gone["test_name"], &gone["status"]), (&"gone/default".into(), &"FAIL".into()));
    assert!(gone["paired"]["sessions"].as_array().is_none_or(Vec::is_empty), "{gone}");
}
