//! Two builds side by side, with this program as the worker of both: what is faster, slower, other,
//! and what is no worker any more.
//!
//! A variable tells each process which build it is to be. Nothing here depends on how fast the
//! machine is: a build that is slower does its work three times.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeMap,
    env,
    hint::black_box,
    io::Read,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use libtest_mimic::Arguments;
use perf_passport::{
    allocation::CountingAllocator,
    claim::{Reason, Verdict},
    clock::{Clock, SystemClock},
    contract::{Check, CheckSelection, ClaimKind, Contract, SelectionError},
    harness::Harness,
    paired::{Outcome, Paired, Policy},
    passport::{ComparedBuild, Comparison, Passport, ProbeKind, verify},
    pipeline::{self, Circumstances, Run},
    report::{self, Format, Report, Scope, Style},
    units::{Count, Nanos, Ppm},
    worker,
};
use perf_passport_compare::{
    self as compare, BuildSource, CheckObservations, ComparisonError, ComparisonProgress,
    ComparisonRequest, Item, ItemSelection, SessionProgress, SessionTask, Side, Sides, Subjects,
    Watch, WorkerError,
    calibrate::{self, Calibration, CalibrationBuilds, RebuiltSide, TrialSetting, run_trial},
    hold_sessions,
};
use perf_passport_test_support::{test, work::hash_rounds};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const BUILD_VARIABLE: &str = "PASSPORT_COMPARE_BUILD";

const CONTRACT: &str = r#"
schema_version = 1
name = "work"
[sampling]
samples = 20
[[endpoint]]
name = "work"
path = "/work"
"#;

const ROUNDS: u64 = 20_000;

/// Requests that a dying worker answers: it dies in the middle of its first turns.
const LAST_WORDS: u32 = 61;

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if env::args_os().skip(1).eq([worker::FLAG]) {
        let build = env::var(BUILD_VARIABLE).unwrap_or_default();
        let harness = Harness::new("", move |_| {
            let router = router(build.clone());
            async move { Ok::<_, String>(router) }
        });
        return harness.run();
    }
    let tests = vec![
        test("the_same_build_is_never_slower", same_build),
        test("three_times_the_work_is_slower", slower),
        test("one_allocation_more_is_a_failure", one_allocation),
        test("another_response_is_neither_faster_nor_slower", changed_work),
        test("small_steps_are_held_against_the_anchor", anchor),
        test("an_anchor_takes_no_turns_of_what_it_has_not", not_anchored),
        test("drift_cannot_be_left_out", drift_left_out),
        test("a_worker_that_dies_proves_nothing", dying),
        test("a_refusal_is_no_fast_answer", refusing),
        test("a_worker_that_never_answers_is_not_waited_for_for_ever", stuck),
        test("a_program_that_is_no_worker_is_said_to_be_none", no_worker),
        test("a_worker_ends_with_the_comparison", orphan),
        test("sessions_of_before_are_evidence", known_sessions),
        test("a_comparison_cannot_be_edited", edited),
        test("a_calibration_finds_work_that_was_added", calibration),
        test("a_harness_that_cannot_tell_its_sites_says_so", no_sites),
        test("verdicts_are_told_before_causes_are_sought", verdicts_first),
        test("what_the_sides_do_not_have_is_not_compared", nothing_to_compare),
        test("whoever_asks_for_shorter_sessions_gets_them_and_no_proof", shorter_sessions),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn router(build: String) -> Router {
    let work = move || async move {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        if build == "stuck" && asked > LAST_WORDS {
            // Not even the worker's own timeout comes to its turn.
            std::thread::sleep(Duration::from_secs(600));
        }
        assert!(build != "dying" || asked < LAST_WORDS || kill_myself(), "it cannot die");
        let times = if build == "slower" { 3 } else { 1 };
        black_box(hash_rounds(ROUNDS * times));
        if build == "allocation" {
            drop(black_box(Box::new([0_u8; 64])));
        }
        let body = if build == "changed" { "other" } else { "done" };
        (if build == "refusing" { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK }, body)
    };
    Router::new().route("/work", get(work))
}

fn kill_myself() -> bool {
    let id = std::process::id().to_string();
    Command::new("kill").args(["-KILL", &id]).status().is_ok()
}

fn side(build: &str) -> Side {
    Side {
        label: build.to_owned(),
        executable: env::current_exe().unwrap(),
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![(BUILD_VARIABLE.into(), build.into())],
        kept_cache: None,
        directory: env::temp_dir(),
        contract: CONTRACT.to_owned(),
        files: ".".into(),
    }
}

fn sides(baseline: &str, current: &str) -> Sides {
    Sides { baseline: side(baseline), current: side(current), anchor: None }
}

/// Compares for at most some seconds, starting from these sessions.
fn sessions(
    sides: &Sides,
    known: BTreeMap<String, Paired>,
) -> Result<BTreeMap<String, Paired>, WorkerError> {
    sessions_without(&[], sides, known)
}

/// The same, in which the anchor takes no turns of some.
fn sessions_without(
    not_anchored: &[String],
    sides: &Sides,
    known: BTreeMap<String, Paired>,
) -> Result<BTreeMap<String, Paired>, WorkerError> {
    let contract = Contract::parse(CONTRACT).unwrap();
    let clock = SystemClock::start();
    hold_sessions(&mut SessionTask {
        contract: &contract,
        items: contract.checks.iter().map(Item::from).collect(),
        not_anchored,
        subjects: &Subjects::Workers(Box::new(sides.clone())),
        policy: Policy::for_suite(1, false),
        time_max: Nanos::new(60_000_000_000),
        known,
        slower: Ppm::new(0),
        seed: 7,
        watch: Watch { clock: &clock, stop: &|| false },
        progress: &mut |_| {},
    })
}

/// The whole of it: observing both, taking turns, deciding.
fn passport(sides: &Sides) -> Passport {
    let request = request(sides);
    let decided = AtomicBool::new(false);
    // Nobody wants to know the causes.
    let stop = || decided.load(Ordering::Relaxed);
    let clock = SystemClock::start();
    let outcome = request.run(Watch { clock: &clock, stop: &stop }, &mut |progress| {
        if let ComparisonProgress::Decided { .. } = progress {
            decided.store(true, Ordering::Relaxed);
        }
    });
    let outcome = outcome.unwrap();
    assert_eq!((outcome.fault, outcome.causes), (None, Vec::new()));
    outcome.passport
}

/// A comparison that holds sessions for at most a minute, and counts no instructions.
fn request(sides: &Sides) -> ComparisonRequest<'static> {
    ComparisonRequest {
        contract_path: Path::new("nowhere/passport.toml"),
        time_max: Nanos::new(60_000_000_000),
        counts_instructions: false,
        ..ComparisonRequest::of(BuildSource::Executables(Box::new(sides.clone())))
    }
}

/// The passport of a comparison that says that this is the anchor, whoever took turns.
fn passport_naming(anchor: &Side, sides: &Sides) -> Passport {
    let contract = Contract::parse(CONTRACT).unwrap();
    let checks: Vec<&Check> = contract.checks.iter().collect();
    let clock = SystemClock::start();
    let watch = Watch { clock: &clock, stop: &|| false };
    let observe = |side| compare::observe(side, &checks, &|_| 20, watch, &mut |_| {}).unwrap();
    let (before, mut after) = (observe(&sides.baseline), observe(&sides.current));
    let sessions = sessions(sides, BTreeMap::new()).unwrap();
    for measured in &mut after.measured {
        measured.paired = sessions.get(&measured.check).cloned();
    }
    let circumstances = || Circumstances::current(ProbeKind::InProcess, "work", &env::temp_dir());
    let run = |observed: CheckObservations| Run {
        timestamp: observed.timestamp,
        measured: observed.measured,
        operations: Vec::new(),
        complete: true,
    };
    let baseline = pipeline::passport(&contract, run(before), circumstances(), None).unwrap();
    let build = |side: &Side| ComparedBuild {
        label: side.label.clone(),
        executable_sha256: Some("0".repeat(64)),
        ..ComparedBuild::default()
    };
    let mut around = circumstances();
    around.comparison = Some(Comparison {
        policy: Policy::for_suite(1, false),
        baseline: build(&sides.baseline),
        current: build(&sides.current),
        anchor: Some(build(anchor)),
        checks_not_compared: Vec::new(),
        checks_not_in_anchor: Vec::new(),
        same_code: None,
        mapped_code: None,
    });
    pipeline::passport(&contract, run(after), around, Some(&baseline)).unwrap()
}

/// Half as much work again is found in one trial and no work at all is not, on the same executable.
fn calibration() {
    let contract = Contract::parse(CONTRACT).unwrap();
    let checks: Vec<&Check> = contract.checks.iter().collect();
    let mut known = Calibration::new(&contract, &checks, false).unwrap();
    let clock = SystemClock::start();
    let setting = TrialSetting {
        contract: &contract,
        checks: &checks,
        policy: known.policy,
        time_max: Nanos::new(60_000_000_000),
        watch: Watch { clock: &clock, stop: &|| false },
    };
    let rebuilt = vec![RebuiltSide { seed: 9, side: side("same") }];
    let builds = CalibrationBuilds { baseline: side("same"), rebuilt };
    for slower in [0, 500_000] {
        let arm = calibrate::Arm {
            slower_ppm: Ppm::new(slower),
            work: pipeline::WorkKind::Arithmetic,
            busy: 1,
        };
        known.trials.push(run_trial(&setting, &builds, arm, 0, &mut |_| {}).unwrap());
    }
    let outcomes: Vec<_> = known.trials.iter().map(|trial| trial.decisions[0].outcome).collect();
    assert_ne!(outcomes[0], Outcome::Beyond);
    assert_eq!(outcomes[1], Outcome::Beyond);
    assert!(known.trials.iter().all(|trial| trial.rebuilt == Some(9)));
    let text = report::render(&calibrate::report(&known), Format::Markdown, Style::Plain).unwrap();
    assert!(text.contains("| `50.00 %` | 1 | 1 | 1 | 0 | 1 | 0 |"), "{text}");
}

fn claim(passport: &Passport, kind: ClaimKind) -> (Verdict, Reason) {
    let claims = &passport.test_results[0].claims;
    let claim = claims.iter().find(|claim| claim.kind == kind).unwrap();
    (claim.verdict, claim.reason)
}

fn same_build() {
    let passport = passport(&sides("same", "same"));
    assert_eq!(claim(&passport, ClaimKind::Behaviour).0, Verdict::Pass);
    assert_eq!(claim(&passport, ClaimKind::AllocationsChange).0, Verdict::Pass);
    assert_ne!(claim(&passport, ClaimKind::LatencyChange).0, Verdict::Fail);
    verify(&passport.to_bytes().unwrap()).unwrap();
    // So few samples are taken of the baseline that it proves nothing of its own latency.
    assert_eq!(passport.baseline.as_ref().unwrap().overall_status, Verdict::Abstain);
    let says_so = |passport: &Passport| {
        report::render(&Report::of_passport(passport, Scope::Measured), Format::Text, Style::Plain)
            .unwrap()
            .contains("the baseline is itself ABSTAIN")
    };
    assert!(!says_so(&passport));
    assert!(says_so(&Passport { comparison: None, ..passport }));
}

fn slower() {
    let passport = passport(&sides("same", "slower"));
    let latency = claim(&passport, ClaimKind::LatencyChange);
    assert_eq!(latency, (Verdict::Fail, Reason::BeyondTolerance));
    assert_eq!(passport.summary.overall_status, Verdict::Fail);
    assert_eq!(claim(&passport, ClaimKind::AllocationsChange).0, Verdict::Pass);
    verify(&passport.to_bytes().unwrap()).unwrap();
}

fn one_allocation() {
    let passport = passport(&sides("same", "allocation"));
    let allocations = claim(&passport, ClaimKind::AllocationsChange);
    assert_eq!(allocations, (Verdict::Fail, Reason::BeyondTolerance));
}

fn changed_work() {
    let passport = passport(&sides("same", "changed"));
    assert_eq!(claim(&passport, ClaimKind::Behaviour).0, Verdict::Fail);
    let latency = claim(&passport, ClaimKind::LatencyChange);
    assert_eq!(latency, (Verdict::Abstain, Reason::ChangedWork));
}

fn anchor() {
    let mut sides = sides("slower", "slower");
    sides.anchor = Some(side("same"));
    let passport = passport(&sides);
    assert_ne!(claim(&passport, ClaimKind::LatencyChange).0, Verdict::Fail);
    assert_eq!(claim(&passport, ClaimKind::LatencyDrift).0, Verdict::Fail);
}

fn not_anchored() {
    let mut sides = sides("same", "same");
    sides.anchor = Some(side("refusing"));
    let none = ["work/default".to_owned()];
    let seen = sessions_without(&none, &sides, BTreeMap::new()).unwrap();
    let paired = &seen["work/default"];
    assert_eq!(paired.first_failure, None);
    assert!(!paired.sessions.is_empty());
    assert!(paired.sessions.iter().all(|session| session.anchor.is_none()));
}

fn drift_left_out() {
    let anchor = side("same");
    let passport = passport_naming(&anchor, &sides("same", "same"));
    let error = verify(&passport.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("work/default: paired.sessions: anchor"), "{error}");
}

fn refusing() {
    let seen = sessions(&sides("same", "refusing"), BTreeMap::new()).unwrap();
    let paired = &seen["work/default"];
    assert!(paired.sessions.is_empty());
    let message = paired.first_failure.as_deref().unwrap();
    let expected = "refusing answers work/default with status 429 instead of 200 while it is timed";
    assert_eq!(message, expected);
}

fn dying() {
    let seen = sessions(&sides("same", "dying"), BTreeMap::new()).unwrap();
    let paired = &seen["work/default"];
    assert!(paired.sessions.is_empty());
    assert_eq!(paired.failed_sessions, 3);
    let message = paired.first_failure.as_deref().unwrap();
    assert!(message.contains("the worker of dying died: signal: 9"), "{message}");
}

/// A clock on which nobody has to wait for long.
struct Hasty(SystemClock);

impl Clock for Hasty {
    fn now(&self) -> std::time::SystemTime {
        self.0.now()
    }

    fn elapsed(&self) -> Nanos {
        Nanos::new(self.0.elapsed().get() * 5)
    }
}

fn stuck() {
    let contract = CONTRACT.replace("samples = 20", "samples = 20\ntimeout_seconds = 0.1");
    let contract = Contract::parse(&contract).unwrap();
    let clock = Hasty(SystemClock::start());
    let mut failures = Vec::new();
    let sides = sides("same", "stuck");
    let seen = hold_sessions(&mut SessionTask {
        contract: &contract,
        items: contract.checks.iter().map(Item::from).collect(),
        not_anchored: &[],
        subjects: &Subjects::Workers(Box::new(sides)),
        policy: Policy::for_suite(1, false),
        time_max: Nanos::new(600_000_000_000),
        known: BTreeMap::new(),
        slower: Ppm::new(0),
        seed: 7,
        watch: Watch { clock: &clock, stop: &|| false },
        progress: &mut |progress| {
            if let SessionProgress::Failed(error) = progress {
                failures.push(error.clone());
            }
        },
    });
    let seen = seen.unwrap();
    let paired = &seen["work/default"];
    assert!(paired.sessions.is_empty());
    assert_eq!(paired.failed_sessions, 3);
    let message = paired.first_failure.as_deref().unwrap();
    assert!(message.starts_with("the worker of stuck did not answer within "), "{message}");
    assert_eq!(failures.len(), 3);
    assert!(failures.iter().all(|it| matches!(it, WorkerError::Hangs { .. })), "{failures:?}");
}

fn no_worker() {
    let mut sides = sides("same", "same");
    sides.current.executable = "/bin/true".into();
    let error = sessions(&sides, BTreeMap::new()).unwrap_err();
    assert!(matches!(error, WorkerError::Died { .. }), "{error}");
    sides.current.executable = "/nonexistent".into();
    let error = sessions(&sides, BTreeMap::new()).unwrap_err();
    assert!(matches!(error, WorkerError::NotStarted { .. }), "{error}");
}

/// However the comparison ends, the other end of the socket is closed by the system.
fn orphan() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .arg(worker::FLAG)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(ours);
    let mut said = String::new();
    // Returns once the worker is gone, and with it its standard error.
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    for _ in 0..500 {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the worker outlives the comparison: {said}");
}

/// dhat sees nothing of this program's allocator.
fn no_sites() {
    let contract = Contract::parse(CONTRACT).unwrap();
    let suspect = compare::Suspect {
        plan: compare::CountPlan::of_check(&contract.checks[0]),
        instructions: false,
    };
    let clock = SystemClock::start();
    let found = compare::causes(
        &sides("same", "allocation"),
        &[suspect],
        Watch { clock: &clock, stop: &|| false },
    );
    let compare::CausePart::Unknown(reason) = &found[0].allocations else { panic!("{found:?}") };
    assert!(reason.starts_with("allocation sites are not known: "), "{reason}");
    assert!(reason.contains("declare `Counting"), "{reason}");
}

fn known_sessions() {
    let sides = sides("same", "slower");
    let first = sessions(&sides, BTreeMap::new()).unwrap();
    assert!(!first["work/default"].sessions.is_empty());
    // It is decided, so not even a build that is no worker any more is asked.
    let mut gone = sides;
    gone.current.executable = "/bin/true".into();
    assert_eq!(sessions(&gone, first.clone()).unwrap(), first);
}

fn edited() {
    let bytes = passport(&sides("same", "same")).to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\"rebuild_floor_ppm\": 60000"));
    let weaker = text.replace("\"rebuild_floor_ppm\": 60000", "\"rebuild_floor_ppm\": 99000");
    let error = verify(weaker.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("comparison.policy"), "{error}");
}

fn verdicts_first() {
    let request =
        ComparisonRequest { time_max: Nanos::ZERO, ..request(&sides("same", "allocation")) };
    let clock = SystemClock::start();
    let mut told = Vec::new();
    let outcome = request.run(Watch { clock: &clock, stop: &|| false }, &mut |progress| {
        told.push(match progress {
            ComparisonProgress::Observing { checks: 1, operations: 0 } => "observing",
            ComparisonProgress::Decided { passport, .. } => {
                assert_eq!(claim(passport, ClaimKind::AllocationsChange).0, Verdict::Fail);
                "decided"
            }
            ComparisonProgress::SeekingCauses { items: 1, left_out: 0 } => "causes",
            _ => "other",
        });
    });
    assert_eq!(told, ["observing", "decided", "causes"]);
    let outcome = outcome.unwrap();
    let checks: Vec<&str> = outcome.causes.iter().map(|it| it.check.as_str()).collect();
    assert_eq!(checks, ["work/default"]);
    assert_eq!(
        outcome.baseline.test_results[0].evidence.counts.as_ref().unwrap().allocations.max,
        outcome.passport.test_results[0].evidence.counts.as_ref().unwrap().allocations.max - 1
    );
}

fn nothing_to_compare() {
    let clock = SystemClock::start();
    let error = |request: ComparisonRequest<'_>| {
        let watch = Watch { clock: &clock, stop: &|| false };
        request.run(watch, &mut |_| {}).unwrap_err()
    };
    let names = ["nowhere".to_owned()];
    let checks = CheckSelection { names: &names, fixture: None };
    let selection = ItemSelection { checks, ..ItemSelection::default() };
    let unknown = error(ComparisonRequest { selection, ..request(&sides("same", "same")) });
    let expected = SelectionError::UnknownName { name: names[0].clone() };
    assert!(matches!(&unknown, ComparisonError::Selection(it) if *it == expected), "{unknown}");
    let operations = ItemSelection { operations: &names, ..ItemSelection::default() };
    let request_of = |sides: &Sides| ComparisonRequest { selection: operations, ..request(sides) };
    let unknown = error(request_of(&sides("same", "same")));
    assert!(matches!(unknown, ComparisonError::UnknownOperation { .. }), "{unknown}");
    let mut apart = sides("same", "same");
    apart.baseline.contract = CONTRACT.replace("/work", "/other");
    let nothing = error(request(&apart));
    assert!(matches!(nothing, ComparisonError::NothingInCommon), "{nothing}");
    let percent = ComparisonRequest { regression_percent: Some(-1.0), ..request(&apart) };
    assert!(matches!(error(percent), ComparisonError::Tolerance(_)));
}

/// The policy is in the passport, and [`verify`] knows that it is not this version's.
fn shorter_sessions() {
    let ours = Policy::for_suite(1, false);
    let short = Policy { pair_time_ns: Nanos::new(1_000_000), ..ours };
    let request = ComparisonRequest {
        policy: Some(Policy { checks: Count::new(99), ..short }),
        time_max: Nanos::new(1),
        ..request(&sides("same", "same"))
    };
    let clock = SystemClock::start();
    let outcome = request.run(Watch { clock: &clock, stop: &|| false }, &mut |_| {}).unwrap();
    let comparison = outcome.passport.comparison.as_ref().unwrap();
    // How many checks there are is not for whoever asks to say.
    assert_eq!(comparison.policy, short);
    let error = verify(&outcome.passport.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("comparison.policy"), "{error}");
}
