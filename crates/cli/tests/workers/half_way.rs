//! Workers that go wrong, and machines that lack something.

use std::process::Stdio;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{
    COMPARE, CONTRACT, LITTLE_WORK, MORE_WORK, OTHER, WORK, assert_says, claim, compare,
    incomplete, passport, workspace, write_executable, write_program,
};
use perf_passport_test_support::{
    processes::{eventually, lines},
    program::{CONTRACT as FILE, end, finish},
};

/// More requests than a worker is observed with or warmed up by, and fewer than it gets in a session.
const IN_A_SESSION: &str = "80";

/// Compares a good worker with one that goes wrong in its sessions; the sentence.
fn goes_wrong(manner: &str) -> String {
    // So little work that a session asks for it often, also on a slow machine.
    let workspace = workspace(WORK, &format!("{LITTLE_WORK} {manner}={IN_A_SESSION}"));
    let run = compare(&workspace, &[]).exits(3);
    let passport = incomplete(&workspace);
    let paired = &passport["test_results"][0]["paired"];
    assert_eq!(paired["failed_sessions"], 3);
    assert_eq!(paired["first_failure"], run.sentence());
    assert_says(&run.stdout, "BROKEN   work/default: 3 of its sessions could not be held");
    if manner == "dies" {
        // They are told, and not recorded.
        assert_says(&run.stderr, "session failed: the worker of current died: signal: 9");
        assert_says(&run.stderr, "; last words of hunter2");
    }
    assert!(workspace.files().iter().all(|(_, text)| !text.contains("hunter2")));
    run.sentence()
}

pub(crate) fn dies() {
    assert_eq!(goes_wrong("dies"), "the worker of current died: signal: 9 (SIGKILL)");
}

pub(crate) fn panics() {
    let said = goes_wrong("panics");
    assert!(said.starts_with("the worker of current says: "), "{said}");
    assert_says(&said, "the service panicked: out of order");
}

pub(crate) fn hangs() {
    let said = goes_wrong("hangs");
    let expected = "the worker of current says: no complete response within 1.00 s";
    assert!(said.starts_with(expected), "{said}");
}

/// Also where there is no time for as many sessions as are tried otherwise.
pub(crate) fn hangs_to_the_end() {
    let workspace = workspace(WORK, &format!("{LITTLE_WORK} hangs={IN_A_SESSION}"));
    let run = compare(&workspace, &["--time-budget", "1", "--no-instructions"]).exits(3);
    let passport = incomplete(&workspace);
    let paired = &passport["test_results"][0]["paired"];
    assert!(paired["sessions"].as_array().unwrap().is_empty(), "{paired}");
    assert!(paired["failed_sessions"].as_u64().unwrap() < 3, "{paired}");
    assert_eq!(paired["first_failure"], run.sentence());
}

/// What is built anew meanwhile is another program.
pub(crate) fn replaced() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("processes");
    let manner = format!("{WORK} starts={}", file.display());
    let workspace = workspace(&manner, &manner);
    let more = ["--time-budget", "1", "--no-instructions"];
    let mut command = workspace.command(&[&COMPARE[..], &more].concat());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let comparison = command.spawn().unwrap();
    eventually("no worker starts", || lines(&file) >= 1);
    for name in ["baseline", "current"] {
        write_program(&workspace, name, "#!/bin/sh\nexit 1\n");
    }
    let run = end(comparison);
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    let paired = &passport(&workspace)["test_results"][0]["paired"];
    assert!(!paired["sessions"].as_array().unwrap().is_empty(), "{paired}");
    assert_eq!(paired["failed_sessions"], 0);
}

pub(crate) fn changes() {
    let expected =
        "current answered something else half way: a response was not like the first one";
    assert_eq!(goes_wrong("changes"), expected);
}

/// It is told by itself, and what else is compared is decided.
pub(crate) fn varies() {
    // Which claims are required says what it is to the whole.
    let few =
        CONTRACT.replacen("name = \"work\"\n", "name = \"work\"\nrequired = [\"status\"]\n", 1);
    varies_by(CONTRACT, 1);
    varies_by(&few, 4);
}

fn varies_by(contract: &str, code: i32) {
    let manner = format!("{WORK} varies");
    let workspace = workspace(&manner, &manner);
    workspace.write(FILE, [contract, OTHER].concat());
    let run = compare(&workspace, &["--time-budget", "1", "--no-instructions"]).exits(code);
    assert!(!run.stdout.contains("BROKEN"), "{run:#?}");
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], true);
    let results = passport["test_results"].as_array().unwrap();
    let of = |name: &str| results.iter().find(|it| it["test_name"] == name).unwrap();
    let claims = of("work/default")["claims"].as_array().unwrap();
    for kind in ["behaviour", "latency-change"] {
        let claim = claims.iter().find(|it| it["kind"] == kind).unwrap();
        assert_eq!(claim["reason"], "not-deterministic", "{claim}");
    }
    assert_eq!(of("work/default")["paired"], serde_json::Value::Null);
    let sessions = of("other/default")["paired"]["sessions"].as_array().unwrap();
    assert!(!sessions.is_empty());
}

/// What they start may be another program the next time.
pub(crate) fn scripts() {
    let workspace = workspace(WORK, WORK);
    let run = compare(&workspace, &["--time-budget", "1", "--no-instructions"]);
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    let sessions = &passport(&workspace)["test_results"][0]["paired"]["sessions"];
    assert!(!sessions.as_array().unwrap().is_empty());
    assert!(!workspace.path("artifacts/performance/sessions").exists());
}

pub(crate) fn anchor_answers() {
    anchor_answers_by("changes=1");
    // After it was warmed up, so that its first response is like the others'.
    anchor_answers_by("changes=50");
}

fn anchor_answers_by(manner: &str) {
    let workspace = workspace(WORK, WORK);
    write_executable(&workspace, "anchor", &format!("{WORK} {manner}"));
    let more = ["--anchor-exe", "anchor", "--time-budget", "1", "--no-instructions"];
    let run = compare(&workspace, &more);
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    assert_says(&run.stdout, "or asks or answers otherwise: work/default\n");
    let passport = passport(&workspace);
    assert_eq!(passport["comparison"]["checks_not_in_anchor"][0], "work/default");
    let claims = passport["test_results"][0]["claims"].as_array().unwrap();
    assert!(claims.iter().all(|claim| claim["kind"] != "latency-drift"), "{claims:?}");
}

/// No time can be told of it. What is not changed gets them all the same, and so does what an anchor
/// answers alike.
pub(crate) fn changed_work() {
    let workspace = workspace(WORK, &format!("{WORK} changes=1"));
    workspace.write(FILE, [CONTRACT, OTHER].concat());
    let sessions = |more: &[&str]| {
        // What the comparison before filed.
        let _ = std::fs::remove_dir_all(workspace.path("artifacts"));
        let run = compare(&workspace, more).exits(1);
        let passport = passport(&workspace);
        assert_eq!(passport["complete"], true, "{run:#?}");
        ["work/default", "other/default"].map(|name| {
            let results = passport["test_results"].as_array().unwrap();
            let result = results.iter().find(|it| it["test_name"] == name).unwrap();
            let claims = result["claims"].as_array().unwrap();
            let latency = claims.iter().find(|it| it["kind"] == "latency-change").unwrap();
            let changed = latency["reason"] == "changed-work";
            assert_eq!(changed, name == "work/default", "{latency}");
            result["paired"]["sessions"].as_array().map_or(0, Vec::len)
        })
    };
    let [changed, same] = sessions(&["--time-budget", "1", "--no-instructions"]);
    assert!(changed == 0 && same > 0, "{changed} and {same}");
    write_executable(&workspace, "anchor", &format!("{WORK} changes=1"));
    let anchored = ["--anchor-exe", "anchor", "--time-budget", "1", "--no-instructions"];
    let [changed, same] = sessions(&anchored);
    assert!(changed > 0 && same > 0, "{changed} and {same}");
}

pub(crate) fn dies_while_observed() {
    let workspace = workspace(WORK, &format!("{WORK} other-dies"));
    workspace.write(FILE, [CONTRACT, OTHER].concat());
    let run = compare(&workspace, &[]).exits(3);
    assert_says(&run.sentence(), "the worker of current died: signal: 9");
    let passport = incomplete(&workspace);
    assert_eq!(passport["test_results"].as_array().unwrap().len(), 1);
    assert_eq!(passport["checks_left_out"][0], "other/default");
    assert_eq!(passport["test_results"][0]["paired"], serde_json::Value::Null);
}

pub(crate) fn baseline_dies() {
    for (baseline, current) in [("other-dies", WORK), (WORK, "dies=1"), ("dies=1", WORK)] {
        let workspace = workspace(baseline, current);
        workspace.write(FILE, [CONTRACT, OTHER].concat());
        let run = compare(&workspace, &[]).exits(3);
        assert_says(&run.sentence(), "died: signal: 9");
        assert!(!workspace.path("artifacts").exists());
    }
}

pub(crate) fn one_processor() {
    let before = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| before.is_set(*cpu)).unwrap();
    let mut one = CpuSet::new();
    one.set(first);
    // What this thread starts inherits it.
    sched_setaffinity(None, &one).unwrap();
    let workspace = workspace(WORK, MORE_WORK);
    let run = compare(&workspace, &["--time-budget", "60"]);
    sched_setaffinity(None, &before).unwrap();
    run.exits(1);
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], true);
    assert_eq!(claim(&passport, "latency-change"), "FAIL");
}

pub(crate) fn no_valgrind() {
    let workspace = workspace(WORK, MORE_WORK);
    std::fs::create_dir(workspace.path("bin")).unwrap();
    let run = || {
        let mut command = workspace.command(&crate::COMPARE);
        let run = finish(command.env("PATH", workspace.path("bin"))).exits(1);
        assert_says(&run.stdout, "FAIL     work/default");
        run.stdout
    };
    assert_says(&run(), "work/default: instructions are not known: valgrind is not installed\n");
    write_program(&workspace, "bin/valgrind", "#!/bin/sh\nexit 1\n");
    // The sessions of before are evidence enough.
    assert_says(&run(), "not known: `valgrind --version` fails: exit status: 1\n");
}
