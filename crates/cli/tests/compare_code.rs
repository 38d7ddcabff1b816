//! Operations of two builds side by side, by the program itself, with this program as the worker of
//! both: real workloads that take longer, allocate more, are wrong, crash or never return.
//!
//! A build is a script that starts this program with a variable that says what it is to be. Nothing
//! here depends on how fast the machine is: code that is slower does its work three times.

#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    env, fs,
    hint::black_box,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use axum::{Router, routing::get};
use libtest_mimic::Arguments;
use perf_passport::{
    allocation::CountingAllocator,
    claim::{Reason, Verdict},
    clock::{Clock as _, SystemClock},
    contract::ClaimKind,
    harness::{Code, Harness},
    operation::FailureKind,
    passport::{CaseResult, Passport, verify},
    units::Nanos,
    worker,
};
use perf_passport_test_support::test;

#[path = "../../../benches/workloads/causal.rs"]
#[expect(dead_code, reason = "a part of the workloads is enough")]
mod causal;
#[path = "../../../benches/workloads/optics.rs"]
#[expect(dead_code, reason = "a part of the workloads is enough")]
mod optics;

use causal::{Environment, accuracy};
use optics::{Lens, Traversal, company, phones, zip};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const BUILD_VARIABLE: &str = "PASSPORT_COMPARE_CODE_BUILD";

const CONTRACT: &str = r#"
schema_version = 1
name = "code"
[sampling]
samples = 20
seconds_max = 0.2
[[operation]]
name = "lens-get"
budgets = { allocations_max = 1 }
[[operation]]
name = "traversal"
sizes = [10, 1000]
budgets = { heap_bytes_max = 1_000_000 }
tolerance = { latency_percent = 10 }
[[operation]]
name = "intervene"
sizes = [50]
deadline_seconds = 5
quality = { accuracy_min = 0.95 }
"#;

/// A page of rows, of which a part is drawn. Nothing is drawn of rows that nobody has.
const PAGE: &str = r#"
schema_version = 1
name = "page"
[sampling]
samples = 20
seconds_max = 0.2
[[operation]]
name = "page"
tolerance = { latency_percent = 30, render_percent = 15, interaction_percent = 15 }
"#;

const SEED: u64 = 7;

/// What tells two builds apart that are the same code otherwise.
static MARK: [u8; 32] = *b"a build of the workloads: first ";

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    black_box(&MARK);
    if env::args_os().skip(1).eq([worker::FLAG]) {
        return harness(&env::var(BUILD_VARIABLE).unwrap_or_default()).run();
    }
    let tests = vec![
        test("the_same_code_is_never_slower", same_code),
        test("three_times_the_work_at_one_size_is_slower", slower),
        test("a_nanosecond_that_becomes_three_is_slower", slower_nanosecond),
        test("a_part_that_takes_longer_is_found_in_a_whole_that_may", slower_part),
        test("a_part_that_one_side_does_not_tell_is_not_compared", untold_part),
        test("three_times_less_work_is_no_failure", faster),
        test("one_allocation_more_is_a_failure", one_allocation),
        test("what_is_wrong_fails_however_fast_it_is", wrong),
        test("code_that_panics_fails_and_the_rest_is_compared", panics),
        test("code_that_crashes_fails_and_the_rest_is_compared", crashes),
        test("code_that_never_returns_fails_and_the_rest_is_compared", hangs),
        test("small_steps_are_held_against_the_anchor", anchor),
        test("what_one_side_lacks_is_listed", lacking),
        test("operations_are_selected_by_name_and_size", selected),
        test("sessions_of_before_are_evidence", known_sessions),
        test("a_comparison_of_code_cannot_be_edited", edited),
        test("check_measures_operations_by_a_harness", checked),
        test("check_measures_a_service_by_a_harness", served),
        test("check_says_which_operations_it_did_not_measure", not_measured),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// A target with a service, which allocates more in one of its builds.
fn service(build: &str) -> Harness {
    let more = usize::from(build == "served-allocation");
    Harness::new("", move |fixture: String| {
        let text = move || {
            drop(black_box(vec![String::from("more"); more]));
            std::future::ready(fixture.clone())
        };
        std::future::ready(Ok::<_, String>(Router::new().route("/state", get(text))))
    })
    .operation("nothing", |_| || ())
}

/// The target as this build has it: the workloads, and what was done to one of them.
fn harness(build: &str) -> Harness {
    let times = |slow: &str| if build == slow { 3 } else { 1 };
    let (gets, walks) = (times("slower-nanosecond"), times("slower"));
    let (more, is_wrong) = (build == "allocation", build == "wrong");
    let (build, fails) = (build.to_owned(), ["panics", "crashes", "hangs"].contains(&build));
    if build.starts_with("served") {
        return service(&build);
    }
    if build.starts_with("page") {
        return page(&build);
    }
    let harness = Harness::operations("")
        .operation("lens-get", move |_| {
            let company = company(10);
            move || (0..gets).fold(0, |sum, _| sum ^ *zip().get(black_box(&company)))
        })
        .operation("traversal", move |size| {
            let company = company(size);
            let walks = if size == 1000 { walks } else { 1 };
            move || {
                if more && size == 10 {
                    drop(black_box(Box::new(size)));
                }
                let walk = |_| phones().collect(black_box(&company)).len();
                (0..black_box(walks)).map(walk).sum::<usize>()
            }
        });
    if build == "lacking" {
        return harness;
    }
    let intervene = Code::new("intervene", move |nodes| {
        let environment = Environment::random(nodes, SEED);
        let build = build.clone();
        move || {
            if fails {
                fail(&build);
            }
            let held = environment.intervene(0, black_box(20.0));
            let means = if is_wrong { vec![0.0; held.nodes()] } else { held.means() };
            (held, means)
        }
    });
    harness.code(
        intervene.quality("accuracy", |(held, means)| {
            accuracy(&held.sample(1000, SEED).beliefs(), means)
        }),
    )
}

/// A page that tells how long its rows took to draw, and how long it took to answer a click. One build draws half
/// as many rows more, which is a small part of the whole. Another one tells that in steps of 20 us.
fn page(build: &str) -> Harness {
    let rows = if build == "page-slower" { 60 } else { 40 };
    let sum = |walks: usize| {
        let company = company(100);
        move || {
            let clock = SystemClock::start();
            let walk = |_| phones().collect(black_box(&company)).len();
            black_box((0..black_box(walks)).map(walk).sum::<usize>());
            Duration::from_nanos(clock.elapsed().get())
        }
    };
    let code = Code::new("page", move |_| {
        let (load, draw, click) = (sum(400), sum(rows), sum(40));
        move || {
            load();
            [draw(), click()]
        }
    });
    let step = if build == "page-coarse" { 20_000 } else { 1 };
    let code = code.part("render", move |[drawn, _]: &[Duration; 2]| {
        Duration::from_nanos(Nanos::from_duration(*drawn).get() / step * step)
    });
    let tells_all = build != "page-mute";
    Harness::operations("").code(if tells_all {
        code.part("interaction", |[_, clicked]: &[Duration; 2]| *clicked)
    } else {
        code
    })
}

fn fail(build: &str) {
    match build {
        "panics" => panic!("no intervention\n today"),
        "crashes" => std::process::abort(),
        _ => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
    }
}

/// A place with the contract, where builds are made and compared.
struct Workspace(tempfile::TempDir);

/// What the program said and wrote.
struct Compared {
    code: Option<i32>,
    printed: String,
    bytes: Vec<u8>,
    passport: Passport,
}

impl Workspace {
    fn new() -> Self {
        Self::with_contract(CONTRACT)
    }

    fn with_contract(contract: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("passport.toml"), contract).expect("written");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// An executable that is this program as that build.
    fn build(&self, build: &str) -> PathBuf {
        let this = env::current_exe().expect("this program");
        let this = this.to_str().expect("a path");
        let path = self.path().join(format!("build-{build}"));
        let script = format!("#!/bin/sh\n{BUILD_VARIABLE}={build} exec '{this}' \"$@\"\n");
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    /// An executable that does the same and is another.
    fn other_build(&self, build: &Path) -> PathBuf {
        let mut bytes = fs::read(build).expect("the program");
        let at = bytes.windows(MARK.len()).position(|it| it == MARK).expect("its mark");
        bytes[at..][..MARK.len()].copy_from_slice(b"a build of the workloads: second");
        let path = self.path().join("other-build");
        fs::write(&path, bytes).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    /// The exit code of the program and what it printed.
    fn program(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_passport"))
            .args(arguments)
            .current_dir(self.path())
            .output()
            .expect("ran");
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code(), printed)
    }

    fn run(&self, baseline: &str, current: &str, more: &[&str]) -> (Option<i32>, String) {
        self.run_files([&self.build(baseline), &self.build(current)], more)
    }

    fn run_files(&self, [baseline, current]: [&Path; 2], more: &[&str]) -> (Option<i32>, String) {
        let sides = ["--baseline-exe", shown(baseline), "--current-exe", shown(current)];
        let how = ["compare", "--ci", "--time-budget", "120"];
        self.program(&[&how, &sides, more].concat())
    }

    fn compare(&self, baseline: &str, current: &str, more: &[&str]) -> Compared {
        self.compared(self.run(baseline, current, more))
    }

    fn compared(&self, (code, printed): (Option<i32>, String)) -> Compared {
        let line = printed.lines().find_map(|line| line.strip_prefix("passport artifacts"));
        let path = line.unwrap_or_else(|| panic!("no passport:\n{printed}"));
        let bytes = fs::read(self.path().join(format!("artifacts{path}"))).expect("a passport");
        let passport = verify(&bytes).expect("a sound passport");
        Compared { code, printed, bytes, passport }
    }
}

fn compare(baseline: &str, current: &str) -> Compared {
    Workspace::new().compare(baseline, current, &[])
}

impl Compared {
    fn case(&self, name: &str) -> &CaseResult {
        self.passport.operation_case(name).unwrap_or_else(|| panic!("{name}:\n{}", self.printed))
    }

    fn claim(&self, name: &str, kind: ClaimKind) -> (Verdict, Reason) {
        let claim = self.case(name).claims.iter().find(|claim| claim.kind == kind);
        let claim = claim.unwrap_or_else(|| panic!("{name}: {kind}:\n{}", self.printed));
        (claim.verdict, claim.reason)
    }

    /// The names of the cases of which a claim of this kind failed.
    fn failed(&self, kind: ClaimKind) -> Vec<&str> {
        let fails = |case: &&CaseResult| {
            case.claims.iter().any(|it| it.kind == kind && it.verdict == Verdict::Fail)
        };
        self.passport.operation_cases().filter(fails).map(|case| case.name.as_str()).collect()
    }

    fn says(&self, text: &str) {
        assert!(self.printed.contains(text), "{text}\n{}", self.printed);
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path")
}

const NONE: [&str; 0] = [];

fn same_code() {
    let same = compare("same", "again");
    assert!(matches!(same.code, Some(0 | 4)), "{:?}\n{}", same.code, same.printed);
    let names: Vec<&str> = same.passport.operation_cases().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["lens-get", "traversal/10", "traversal/1000", "intervene/50"]);
    for name in names {
        for kind in [ClaimKind::AllocationsChange, ClaimKind::HeapChange] {
            assert_eq!(same.claim(name, kind).0, Verdict::Pass, "{}", same.printed);
        }
        assert_ne!(same.claim(name, ClaimKind::LatencyChange).0, Verdict::Fail);
        let paired = same.case(name).paired.as_ref().expect("turns");
        assert!(!paired.sessions.is_empty(), "{}", same.printed);
    }
    assert_eq!(same.claim("intervene/50", ClaimKind::Quality).0, Verdict::Pass);
}

fn slower() {
    let slower = compare("same", "slower");
    assert_eq!(slower.code, Some(1), "{}", slower.printed);
    assert_eq!(slower.failed(ClaimKind::LatencyChange), ["traversal/1000"]);
    assert_eq!(slower.failed(ClaimKind::AllocationsChange), ["traversal/1000"]);
    slower.says("FAIL     traversal/1000: latency-change +");
    slower.says("; at most +10.00 %): worse than the baseline, and not within the tolerance");
}

fn slower_nanosecond() {
    let more = ["--operation", "lens-get"];
    let slower = Workspace::new().compare("same", "slower-nanosecond", &more);
    assert_eq!(slower.code, Some(1), "{}", slower.printed);
    assert_eq!(slower.failed(ClaimKind::LatencyChange), ["lens-get"]);
    assert_eq!(slower.failed(ClaimKind::AllocationsChange), NONE);
    let paired = slower.case("lens-get").paired.as_ref().expect("turns");
    let iterations = |it: &perf_passport::paired::Session| it.iterations.expect("of code").get();
    assert!(paired.sessions.iter().all(|it| iterations(it) > 100), "{}", slower.printed);
}

fn slower_part() {
    let workspace = Workspace::with_contract(PAGE);
    let slower = workspace.compare("page", "page-slower", &[]);
    assert_eq!(slower.code, Some(1), "{}", slower.printed);
    assert_eq!(slower.failed(ClaimKind::RenderChange), ["page"]);
    for kind in [ClaimKind::LatencyChange, ClaimKind::InteractionChange] {
        assert_eq!(slower.failed(kind), NONE, "{}", slower.printed);
    }
    let lines: Vec<&str> =
        slower.printed.lines().filter(|it| it.contains("page: render-change +")).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("FAIL "), "{}", slower.printed);
    assert!(
        lines[0].contains(" (between +") && lines[0].contains("at most +15.00 %"),
        "{}",
        lines[0]
    );
    // What decided is in the passport, and can be decided again.
    let parts = &slower.case("page").paired_parts;
    let sessions: BTreeMap<&str, usize> =
        parts.iter().map(|(name, it)| (name.as_str(), it.sessions.len())).collect();
    assert!(sessions.len() == 2 && sessions["render"] >= 10, "{sessions:?}");
    let mut document: serde_json::Value = serde_json::from_slice(&slower.bytes).expect("JSON");
    let mut fewer = document.clone();
    fewer["comparison"]["policy"]["checks"] = 2.into();
    let edited = serde_json::to_vec_pretty(&fewer).expect("JSON");
    let error = verify(&edited).expect_err("edited").to_string();
    assert!(error.contains("comparison.policy.checks"), "{error}");
    let parts = &mut document["operations"][0]["cases"][0]["paired_parts"];
    let drawn = parts.as_object_mut().expect("parts").remove("render").expect("turns");
    parts.as_object_mut().expect("parts").insert("paint".to_owned(), drawn);
    let edited = serde_json::to_vec_pretty(&document).expect("JSON");
    let error = verify(&edited).expect_err("edited").to_string();
    assert!(error.contains("operations.0.cases.0.paired_parts"), "{error}");

    // The anchor takes no turns of parts.
    let anchor = workspace.build("page");
    let more = ["--operation", "page", "--anchor-exe", shown(&anchor)];
    let again = workspace.compare("page", "page-again", &more);
    for kind in [ClaimKind::RenderChange, ClaimKind::InteractionChange] {
        assert_eq!(again.failed(kind), NONE, "{}", again.printed);
        assert_ne!(again.claim("page", kind).1, Reason::StoredLatency, "{}", again.printed);
    }
}

fn untold_part() {
    let workspace = Workspace::with_contract(PAGE);
    let compared = workspace.compare("page", "page-mute", &[]);
    assert_eq!(compared.code, Some(4), "{}", compared.printed);
    let told = compared.claim("page", ClaimKind::InteractionChange);
    assert_eq!(told, (Verdict::Abstain, Reason::NotTold), "{}", compared.printed);
    let parts: Vec<&str> = compared.case("page").paired_parts.keys().map(String::as_str).collect();
    assert_eq!(parts, ["render"], "{}", compared.printed);
    // What only the current side tells is new.
    let compared = workspace.compare("page-mute", "page", &[]);
    let claim = compared.claim("page", ClaimKind::InteractionChange);
    assert_eq!(claim, (Verdict::Abstain, Reason::NotInBaseline));
    let mut claims = compared.case("page").claims.iter();
    let claim = claims.find(|it| it.kind == ClaimKind::InteractionChange).expect("a claim");
    assert!(!claim.required, "{}", compared.printed);
    let coarse = workspace.compare("page", "page-coarse", &[]);
    assert_eq!(coarse.code, Some(4), "{}", coarse.printed);
    let claim = coarse.claim("page", ClaimKind::RenderChange);
    assert_eq!(claim, (Verdict::Abstain, Reason::ToldCoarsely), "{}", coarse.printed);
    assert!(!coarse.case("page").paired_parts.contains_key("render"), "{}", coarse.printed);
    coarse
        .says("the code tells it in steps that may hide a change: let it tell that in nanoseconds");
}

fn faster() {
    let faster = compare("slower", "same");
    assert_eq!(faster.failed(ClaimKind::LatencyChange), NONE, "{}", faster.printed);
    assert_eq!(faster.failed(ClaimKind::AllocationsChange), NONE);
    assert!(matches!(faster.code, Some(0 | 4)), "{}", faster.printed);
}

fn one_allocation() {
    let more = ["--operation", "traversal"];
    let compared = Workspace::new().compare("same", "allocation", &more);
    assert_eq!(compared.code, Some(1), "{}", compared.printed);
    assert_eq!(compared.failed(ClaimKind::AllocationsChange), ["traversal/10"]);
    compared.says("FAIL     traversal/10: allocations-change 2 -> 3");
}

fn wrong() {
    let more = ["--operation", "intervene"];
    let wrong = Workspace::new().compare("same", "wrong", &more);
    assert_eq!(wrong.code, Some(1), "{}", wrong.printed);
    assert_eq!(wrong.failed(ClaimKind::Quality), ["intervene/50"]);
    wrong.says("intervene/50: quality accuracy");
}

/// One operation failed in this way, and others have their turns.
fn fails_alone(build: &str, kind: FailureKind, told: &str) {
    let failed = compare("same", build);
    assert_eq!(failed.code, Some(1), "{}", failed.printed);
    assert_eq!(failed.failed(ClaimKind::Completed), ["intervene/50"]);
    let failure = failed.case("intervene/50").evidence.failure.as_ref().expect("a failure");
    assert_eq!(failure.kind, kind, "{}", failed.printed);
    failed.says(told);
    let time = failed.claim("intervene/50", ClaimKind::LatencyChange);
    assert_eq!(time, (Verdict::Abstain, Reason::NoSample));
    assert!(failed.case("intervene/50").paired.is_none());
    assert!(failed.case("traversal/10").paired.is_some());
}

fn panics() {
    let told = "it panicked: no intervention\\n today, at crates/cli/tests/compare_code.rs:";
    fails_alone("panics", FailureKind::Panicked, told);
}

fn crashes() {
    let told = "it panicked: its process ended early: signal: 6";
    fails_alone("crashes", FailureKind::Panicked, told);
}

fn hangs() {
    let told = "it was not done by its deadline: ended after 5.00 s";
    fails_alone("hangs", FailureKind::Deadline, told);
}

fn anchor() {
    let workspace = Workspace::new();
    let anchor = workspace.build("same");
    let more = ["--operation", "traversal/1000", "--anchor-exe", shown(&anchor)];
    let drifted = workspace.compare("slower", "slower", &more);
    assert_eq!(drifted.code, Some(1), "{}", drifted.printed);
    assert_eq!(drifted.failed(ClaimKind::LatencyChange), NONE);
    assert_eq!(drifted.failed(ClaimKind::LatencyDrift), ["traversal/1000"]);
}

fn lacking() {
    let more = ["--operation", "lens-get"];
    let compared = Workspace::new().compare("same", "lacking", &more);
    compared.says("not both sides have it and measure the same: operation::intervene/50");
    let comparison = compared.passport.comparison.expect("a comparison");
    assert_eq!(comparison.checks_not_compared, ["operation::intervene/50"]);
    assert!(compared.passport.operations_left_out.contains(&"intervene/50".to_owned()));
}

fn selected() {
    let workspace = Workspace::new();
    let one = workspace.compare("same", "again", &["--operation", "traversal/10"]);
    let names: Vec<&str> = one.passport.operation_cases().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["traversal/10"]);
    let (code, printed) = workspace.run("same", "again", &["--operation", "traversal/11"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("no operation that both sides have is named `traversal/11`"));
}

fn known_sessions() {
    let workspace = Workspace::new();
    // No script, of which no session is kept.
    let this = env::current_exe().expect("this program");
    let other = workspace.other_build(&this);
    let sessions = || {
        let run = workspace.run_files([&this, &other], &["--operation", "lens-get"]);
        let compared = workspace.compared(run);
        compared.case("lens-get").paired.clone().expect("turns").sessions
    };
    let (first, again) = (sessions(), sessions());
    assert!(!first.is_empty());
    assert!(again.starts_with(&first));
}

fn edited() {
    let more = ["--operation", "lens-get"];
    let compared = Workspace::new().compare("same", "slower-nanosecond", &more);
    let text = String::from_utf8(compared.bytes).expect("text");
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        verify(text.replacen(from, to, 1).as_bytes()).expect_err("edited").to_string()
    };
    let error = refused("\"rebuild_floor_ppm\": 60000", "\"rebuild_floor_ppm\": 99000");
    assert!(error.contains("comparison.policy"), "{error}");
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let sessions = &mut document["operations"][0]["cases"][0]["paired"]["sessions"];
    sessions[0].as_object_mut().expect("a session").remove("iterations").expect("of code");
    let edited = serde_json::to_vec_pretty(&document).expect("JSON");
    let error = verify(&edited).expect_err("edited").to_string();
    assert!(error.contains("operations.0.cases.0.paired"), "{error}");
    let pairs = text.split("\"current\": \"").nth(1).and_then(|it| it.split('"').next());
    let pairs = pairs.expect("pairs").to_owned();
    let none = vec!["0"; pairs.split(' ').count()].join(" ");
    let error = refused(&pairs, &none);
    assert!(error.starts_with("edited: "), "{error}");
}

fn checked() {
    let workspace = Workspace::new();
    let run = |build: &str, arguments: &[&str]| {
        let build = workspace.build(build);
        workspace.program(&[arguments, &["--ci", "--harness-exe", shown(&build)]].concat())
    };
    let (code, printed) = run("same", &["baseline", "--output", "baseline.json"]);
    assert_eq!(code, Some(0), "{printed}");
    let check = ["check", "--baseline", "baseline.json"];
    let (code, printed) = run("same", &check);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("3 operations: 3 passed, 0 failed, 0 abstained"), "{printed}");
    assert!(printed.contains("baseline hash equal"), "{printed}");
    let (code, printed) = run("allocation", &check);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("FAIL     traversal/10: allocations-change "), "{printed}");
    let (code, printed) = run("lacking", &check);
    assert_eq!(code, Some(4), "{printed}");
    assert!(printed.contains("operation `intervene` is not declared by the target"), "{printed}");
    assert!(printed.contains("operations were not measured: intervene/50. "), "{printed}");
}

/// Checks and operations by one target, as the contract has no other.
fn served() {
    let workspace = Workspace::new();
    let contract = "schema_version = 1\nname = \"state\"\n[sampling]\nsamples = 300\n\
        [budgets]\nlatency_ms_max = 1000\nlatency_quantile = \"p50\"\n[[endpoint]]\nname = \"state\"\n\
        path = \"/state\"\n[[endpoint.variant]]\nname = \"a\"\nfixture = \"a\"\n\
        [[endpoint.variant]]\nname = \"b\"\nfixture = \"b\"\n\
        [[operation]]\nname = \"nothing\"\nbudgets = { allocations_max = 1 }\n";
    fs::write(workspace.path().join("passport.toml"), contract).expect("written");
    let (code, printed) = workspace.program(&["check", "--ci"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("or --harness NAME for a test target of yours"), "{printed}");
    let run = |build: &str, arguments: &[&str]| {
        let build = workspace.build(build);
        workspace.program(&[arguments, &["--ci", "--harness-exe", shown(&build)]].concat())
    };
    let (code, printed) = run("served", &["baseline", "--output", "baseline.json"]);
    assert_eq!(code, Some(0), "{printed}");
    let check = ["check", "--baseline", "baseline.json"];
    let (code, printed) = run("served", &check);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("2 checks: 2 passed, 0 failed, 0 abstained"), "{printed}");
    assert!(printed.contains("measured state/b: "), "{printed}");
    assert!(printed.contains("baseline hash equal"), "{printed}");
    let (code, printed) = run("served-allocation", &check);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("FAIL     state/a: allocations-change "), "{printed}");
    let (code, printed) = run("same", &check);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("the target has no service"), "{printed}");
}

fn not_measured() {
    let workspace = Workspace::new();
    let (code, printed) = workspace.program(&["check", "--ci"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("operations alone: give --harness NAME"), "{printed}");
    let service = "required = [\"status\", \"allocations\"]\n\
                   [target]\nservice = \"ledger\"\n[sampling]\n";
    let endpoint = "[[endpoint]]\nname = \"health\"\npath = \"/health\"\nfixture = \"normal\"\n";
    let both = CONTRACT.replace("[sampling]\n", service) + endpoint;
    fs::write(workspace.path().join("passport.toml"), both).expect("written");
    let (code, printed) = workspace.program(&["check", "--ci"]);
    assert_eq!(code, Some(4), "{printed}");
    let told = "the contract's operations were not measured: lens-get, traversal/10, traversal/1000, \
                intervene/50. They are code of yours: give --harness NAME";
    assert!(printed.contains(told), "{printed}");
    assert!(printed.contains("ABSTAIN: a required claim is not proved (4 operations left out"));
    let (code, printed) = workspace.program(&["check", "--ci", "--endpoint", "health"]);
    assert_eq!(code, Some(0), "{printed}");
    let build = workspace.build("same");
    let (code, printed) = workspace.program(&["check", "--ci", "--harness-exe", shown(&build)]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("3 operations: 3 passed, 0 failed, 0 abstained"), "{printed}");
}
