//! `passport compare` with servers: the real program, with this one as the servers.
//!
//! Nothing here depends on how fast the machine is: a server that is slower does its work three
//! times, and how long anything takes is not asserted.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod flows;
mod going_wrong;
mod helper;
mod other_peoples;
mod same_program;

use std::{
    env, fs,
    net::TcpListener,
    process::{Child, Command, ExitCode, Stdio},
};

use helper::HELPER;
use libtest_mimic::Arguments;
use perf_passport_test_support::processes::{eventually, is_alive, lines};
use perf_passport_test_support::program::{Finished, Workspace, assert_says, end};
use perf_passport_test_support::test;
use serde_json::Value;

/// The program that is tested.
const PASSPORT: &str = env!("CARGO_BIN_EXE_passport");

/// A contract that is observed with some forty requests.
const CONTRACT: &str = r#"
schema_version = 1
name = "work"
required = ["status", "deterministic", "behaviour"]

[sampling]
samples = 20
warmup_max = 40
timeout_seconds = 1

[budgets]
latency_ms_max = 1000
latency_quantile = "p50"

[[endpoint]]
name = "work"
path = "/work"
"#;

/// The checks of the reference service that these tests ask for.
const LEDGER: &str = r#"
schema_version = 1
name = "ledger"

[sampling]
samples = 20

[budgets]
latency_ms_max = 1000
latency_quantile = "p50"

[[endpoint]]
name = "latest"
path = "/blocks/latest"
"#;

/// More requests than a server is observed with or warmed up by, and fewer than it gets in a session.
const IN_A_SESSION: &str = "50";

/// Fewer requests than a server is observed with.
const WHILE_OBSERVED: &str = "30";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(HELPER) {
        return helper::serve(arguments);
    }
    let tests = vec![
        test("the_same_server_twice_is_never_slower", same),
        test("three_times_the_time_that_servers_tell_is_slower", slower_as_told),
        test("three_times_the_work_is_slower_than_the_floor_shows", slower_above_the_floor),
        test("work_that_is_not_told_does_not_pass", untold),
        test("times_that_are_told_coarsely_are_not_relied_on", told_coarsely),
        test("a_server_that_closes_its_connections_is_compared", other_peoples::closing),
        test("servers_that_fork_and_close_are_compared", other_peoples::forking),
        test(
            "a_server_that_answers_with_its_own_address_answers_alike_on_each_port",
            other_peoples::own_address,
        ),
        test("a_server_that_is_not_ready_is_waited_for", other_peoples::unready),
        test("times_in_another_unit_are_said_and_not_relied_on", other_peoples::other_unit),
        test("code_that_is_not_warm_is_not_decided_on", same_program::not_warm),
        test("servers_of_one_program_have_no_layouts_that_differ", same_program::one_program),
        test("each_session_takes_one_of_several_builds", same_program::builds),
        test("another_response_is_changed_work", changed_work),
        test("what_has_the_wrong_status_ends_no_session", going_wrong::wrong_status),
        test("what_is_accepted_is_held_against_as_well", anchor),
        test("a_command_that_cannot_be_started_is_not_measured", going_wrong::not_started),
        test("a_server_that_ends_early_says_why", going_wrong::ends_early),
        test("a_server_that_never_listens_is_not_waited_for_for_ever", going_wrong::deaf),
        test("a_port_that_is_taken_is_said_to_be", going_wrong::port_taken),
        test("a_server_that_never_answers_is_not_measured", going_wrong::mute),
        test(
            "a_baseline_that_dies_while_it_is_observed_leaves_nothing_to_compare",
            going_wrong::baseline_dies,
        ),
        test("what_was_observed_before_a_server_died_is_kept", going_wrong::current_dies),
        test("a_server_that_dies_half_way_is_not_measured", going_wrong::dies_half_way),
        test("a_server_that_breaks_off_half_way_is_not_measured", going_wrong::breaks_half_way),
        test("a_server_that_hangs_half_way_is_not_measured", going_wrong::hangs_half_way),
        test(
            "a_server_that_answers_something_else_half_way_is_not_measured",
            going_wrong::changes_half_way,
        ),
        test("a_server_that_stops_telling_its_time_is_not_measured", going_wrong::hushes_half_way),
        test("flows_keep_their_state_in_sessions", flows::same),
        test("a_changed_field_is_found_in_its_step", flows::changed_field),
        test("a_slower_step_is_found_by_name", flows::slower_step),
        test("servers_that_run_already_are_shown_and_not_decided_on", running),
        test("servers_in_python_are_compared_one_connection_at_a_time", other_peoples::python),
        test("a_url_where_nobody_listens_is_not_measured", nobody),
        test("a_comparison_of_servers_cannot_be_edited", edited),
        test("secrets_of_commands_and_urls_are_kept", secrets),
        test("a_server_in_one_state_is_not_asked_for_several", fixtures),
        test("nothing_outlives_a_comparison_that_is_killed", killed),
        test("nothing_outlives_a_comparison_that_is_interrupted", interrupted),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// The command of a helper that is told its port.
fn helper(manner: &str) -> String {
    let me = env::current_exe().unwrap();
    format!("'{}' {HELPER} port={{port}} {manner}", me.display())
}

/// The command of the reference service.
fn ledger(fixture: &str) -> String {
    let program = crate::PASSPORT;
    format!("'{program}' serve --listen 127.0.0.1:{{port}} --fixture {fixture}")
}

/// Compares two commands for so many seconds.
fn compare(workspace: &Workspace, baseline: &str, current: &str, more: &[&str]) -> Finished {
    let arguments = ["compare", "--baseline-cmd", baseline, "--current-cmd", current];
    workspace.run(&[&arguments[..], more].concat())
}

/// The passport that was written, which verifies.
fn passport(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.filed_passport()).unwrap()
}

/// The verdict and the reason of a claim on the only check.
fn claim(passport: &Value, kind: &str) -> (String, String) {
    let claims = passport["test_results"][0]["claims"].as_array().unwrap();
    let claim = claims.iter().find(|claim| claim["kind"] == kind).unwrap();
    let text = |field: &str| claim[field].as_str().unwrap().to_owned();
    (text("verdict"), text("reason"))
}

fn is(verdict: &str, reason: &str) -> (String, String) {
    (verdict.to_owned(), reason.to_owned())
}

/// The sessions of the only check.
fn sessions(passport: &Value) -> &Vec<Value> {
    passport["test_results"][0]["paired"]["sessions"].as_array().unwrap()
}

fn same() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    let command = ledger("normal");
    let run = compare(&workspace, &command, &command, &["--time-budget", "6"]);
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    let passport = passport(&workspace);
    assert_eq!(passport["provenance"]["probe"], "http");
    let build = &passport["comparison"]["current"];
    assert_eq!(build["command"], "passport (5 arguments)");
    assert_eq!((&build["commit"], build.get("executable_sha256")), (&Value::Null, None));
    for exact in ["behaviour", "allocations-change", "heap-change"] {
        assert_eq!(claim(&passport, exact).0, "PASS", "{exact}");
    }
    assert_ne!(claim(&passport, "latency-change").0, "FAIL");
    assert_eq!(sessions(&passport)[0]["http"]["time"], "service");
    assert_says(&run.stdout, "latency is the time that the services tell");
}

fn slower_as_told() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (quick, slow) = (helper("rounds=20000 tells=finely"), helper("rounds=60000 tells=finely"));
    let run = compare(&workspace, &quick, &slow, &["--time-budget", "60"]).exits(1);
    let passport = passport(&workspace);
    assert_eq!(claim(&passport, "latency-change"), is("FAIL", "beyond-tolerance"));
    assert!(sessions(&passport).iter().all(|it| it["http"]["time"] == "service"));
    assert!(sessions(&passport)[0]["http"]["floor_ns"].is_null());
    assert_says(&run.stdout, "FAIL     work/default");
}

fn slower_above_the_floor() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (quick, slow) = (helper("rounds=100000"), helper("rounds=300000"));
    let run = compare(&workspace, &quick, &slow, &["--time-budget", "60"]).exits(1);
    let passport = passport(&workspace);
    assert_eq!(claim(&passport, "latency-change"), is("FAIL", "beyond-tolerance"));
    for session in sessions(&passport) {
        assert_eq!(session["http"]["time"], "above-floor");
        assert!(session["http"]["floor_ns"].as_u64().unwrap() > 0, "{}", session["http"]);
    }
    assert_says(&run.stdout, "beyond one to a server that only answers the same");
}

fn untold() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (all, half) =
        (helper("rounds=60000 tells=finely"), helper("rounds=60000 untold=60000 tells=finely"));
    let run = compare(&workspace, &all, &half, &["--time-budget", "60"]).exits(4);
    let passport = passport(&workspace);
    let (verdict, reason) = claim(&passport, "latency-change");
    // As busy as the machine may be, it is never a pass.
    assert_eq!(verdict, "ABSTAIN", "{reason}");
    assert_eq!(reason, "not-all-told");
    assert_says(&run.stdout, "the round trip got longer by more than the service tells");
}

fn told_coarsely() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let told = helper("rounds=20000 tells=coarsely");
    compare(&workspace, &told, &told, &["--time-budget", "1"]);
    assert_eq!(sessions(&passport(&workspace))[0]["http"]["time"], "above-floor");
    // What only one side tells is not compared with what the other does not.
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (told, not) = (helper("rounds=20000 tells=finely"), helper("rounds=20000"));
    compare(&workspace, &told, &not, &["--time-budget", "1"]);
    assert_eq!(sessions(&passport(&workspace))[0]["http"]["time"], "above-floor");
}

#[expect(clippy::print_stdout, reason = "says what is missing")]
fn is_missing(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        println!("MISSING: {program}");
    }
    missing
}

fn changed_work() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    let run = compare(&workspace, &ledger("normal"), &ledger("zeros"), &["--time-budget", "1"]);
    let run = run.exits(1);
    let passport = passport(&workspace);
    assert_eq!(claim(&passport, "behaviour"), is("FAIL", "changed-work"));
    assert_eq!(claim(&passport, "latency-change"), is("ABSTAIN", "changed-work"));
    assert_says(&run.stdout, "changed work: the response is not the baseline's");
}

fn anchor() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (quick, slow) = (helper("rounds=20000 tells=finely"), helper("rounds=60000 tells=finely"));
    let anchor = ["--anchor-cmd", &quick, "--time-budget", "60"];
    compare(&workspace, &slow, &slow, &anchor).exits(1);
    let passport = passport(&workspace);
    assert_ne!(claim(&passport, "latency-change").0, "FAIL");
    assert_eq!(claim(&passport, "latency-drift"), is("FAIL", "beyond-tolerance"));
    assert!(passport["comparison"]["anchor"]["command"].is_string());
}

/// A helper that runs already, ended with the test.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(manner: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(HELPER).arg(format!("port={port}")).args(manner.split_whitespace());
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn compare_urls(workspace: &Workspace, baseline: &str, current: &str, more: &[&str]) -> Finished {
    let arguments = ["compare", "--baseline-url", baseline, "--current-url", current];
    workspace.run(&[&arguments[..], more].concat())
}

fn running() {
    for manner in ["rounds=20000 tells=finely", "rounds=20000"] {
        let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
        let (before, after) = (Running::start(manner), Running::start(manner));
        let run = compare_urls(&workspace, &before.url, &after.url, &["--time-budget", "60"]);
        let run = run.exits(4);
        let passport = passport(&workspace);
        assert_eq!(claim(&passport, "behaviour").0, "PASS");
        assert_eq!(claim(&passport, "latency-change"), is("ABSTAIN", "same-processes"));
        assert_eq!(passport["test_results"][0]["paired"]["same_processes"], true);
        assert_eq!(passport["provenance"]["target"], after.url);
        assert_eq!(passport["comparison"]["baseline"]["url"], before.url);
        let time = if manner.contains("tells") { "service" } else { "round-trip" };
        // The first look is as much as can be known.
        assert_eq!(sessions(&passport).len(), 10);
        assert!(sessions(&passport).iter().all(|it| it["http"]["time"] == time));
        assert_says(&run.stdout, "the servers were running already and were not restarted");
        assert_says(&run.stdout, "let --baseline-cmd and --current-cmd start the servers");
    }
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (before, after) = (Running::start(""), Running::start("answer=other"));
    compare_urls(&workspace, &before.url, &after.url, &["--time-budget", "0"]).exits(1);
    assert_eq!(claim(&passport(&workspace), "behaviour"), is("FAIL", "changed-work"));
}

fn nobody() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let before = Running::start("");
    let nobody = "http://127.0.0.1:1";
    let run = compare_urls(&workspace, &before.url, nobody, &["--wait-timeout", "1"]).exits(3);
    let said = run.sentence();
    assert_says(&said, "the server of current does not answer within 1.00 s: ");
    assert_says(&said, "refused");
}

fn edited() {
    let manner = "rounds=20000 tells=finely";
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (before, after) = (Running::start(manner), Running::start(manner));
    compare_urls(&workspace, &before.url, &after.url, &["--time-budget", "1"]);
    let text = workspace.filed_passport();
    for (from, to, field) in [
        ("\"same_processes\": true", "\"same_processes\": false", "paired.same_processes"),
        ("\"url\":", "\"command\":", "paired.same_processes"),
        ("\"time\": \"service\"", "\"time\": \"above-floor\"", "http.floor_ns"),
        ("\"url\": \"http", "\"url\": \"http://user:pw@a", "what is known of"),
        ("\"probe\": \"http\"", "\"probe\": \"in-process\"", "provenance.build"),
    ] {
        assert!(text.contains(from), "{from}");
        workspace.write("edited.json", text.replace(from, to));
        let said = workspace.run(&["verify", "edited.json"]).exits(1).sentence();
        assert_says(&said, field);
    }
}

fn secrets() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let command = format!("env API_TOKEN=hunter2 DB=db://u:hunter2@h/x {}", helper(""));
    let run = compare(&workspace, &command, &command, &["--time-budget", "0"]);
    run.keeps_to_itself("hunter2");
    let shown = &passport(&workspace)["comparison"]["baseline"]["command"];
    assert_eq!(shown, "env (5 arguments)");
    // However a program takes its password, also as the whole of a script.
    for command in [
        format!(
            "sh -c 'exec {} answer=hunter2' -phunter2 -p hunter2",
            helper("").replace('\'', "\"")
        ),
        helper("answer=hunter2"),
    ] {
        let run = compare(&workspace, &command, &command, &["--time-budget", "0"]);
        run.keeps_to_itself("hunter2");
    }
    for url in ["http://user:hunter2@127.0.0.1:1", "http://127.0.0.1:1/?key=hunter2"] {
        let run = compare_urls(&workspace, url, "http://127.0.0.1:1", &[]);
        run.keeps_to_itself("hunter2");
        assert_says(&run.refused(2), "baseline: cannot make a request: the base URL ");
    }
    assert!(workspace.files().iter().all(|(_, text)| !text.contains("hunter2")));
}

fn fixtures() {
    let contract =
        format!("{CONTRACT}[[endpoint]]\nname = \"b\"\npath = \"/b\"\nfixture = \"b\"\n");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let good = helper("");
    let said = compare(&workspace, &good, &good, &[]).refused(2);
    assert_says(&said, "has checks on default, b: say which with --fixture");
    let said = compare(&workspace, &good, &good, &["--fixture", "c"]).refused(2);
    assert_says(&said, "no check is on fixture `c`");
    let none = ["--fixture", "b", "--endpoint", "work"];
    assert_says(&compare(&workspace, &good, &good, &none).refused(2), "no check is left");
    let empty = Workspace::with_contract(
        crate::PASSPORT,
        "schema_version = 1\nname = \"empty\"\n[[operation]]\nname = \"a\"\n[operation.budgets]\nmean_ms_max = 1\n",
    );
    let said = compare(&empty, &good, &good, &[]).refused(2);
    assert_eq!(said, "the contract has no check that servers are asked for");
    let one = ["--fixture", "b", "--time-budget", "0"];
    compare(&workspace, &good, &good, &one);
    let passport = passport(&workspace);
    assert_eq!(passport["test_results"][0]["test_name"], "b/default");
    assert_eq!(passport["checks_left_out"][0], "work/default");
}

/// Starts a comparison, sends it a signal once servers of a session run, and returns how it ended.
fn signalled(signal: &str) -> Finished {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let file = workspace.path("processes");
    let command = helper(&format!("rounds=1000000 starts={}", file.display()));
    let arguments =
        ["compare", "--baseline-cmd", &command, "--current-cmd", &command, "--time-budget", "600"];
    let mut comparison = workspace.command(&arguments);
    comparison.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let comparison = comparison.spawn().unwrap();
    // Two are observed; the next ones are those of a session.
    eventually("no session begins", || lines(&file) >= 4);
    let id = comparison.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    let finished = end(comparison);
    let text = fs::read_to_string(&file).unwrap();
    let processes: Vec<&str> = text.split_whitespace().collect();
    assert!(processes.len() >= 12, "{text}");
    for process in processes {
        eventually(&format!("{process} lives on"), || !is_alive(process));
    }
    finished
}

fn killed() {
    assert_eq!(signalled("KILL").code, None);
}

fn interrupted() {
    signalled("INT").exits(130);
}
