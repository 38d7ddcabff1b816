//! Instructions of requests, counted by callgrind: the same again, and small differences found, and
//! what `passport compare` claims of them.
//!
//! Each test runs this program again as a worker; a variable tells it which build it is to be.
//! Where valgrind is missing, each test prints a line that starts with `MISSING:`.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test whose component is missing says so")]

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    hint::black_box,
    ops::Range,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use axum::{Router, extract::Path, routing::get};
use libtest_mimic::Arguments;
use perf_passport::{
    allocation::CountingAllocator,
    claim::{Claim, Reason, Verdict},
    clock::SystemClock,
    contract::{Check, ClaimKind, Contract},
    harness::Harness,
    paired::{InstructionCounts, Outcome, Policy, Spread, change_ppm, decide_instructions, grown},
    passport::{ComparedBuild, Comparison, Passport, ProbeKind, verify},
    pipeline::{self, Circumstances, Run},
    report::{self, Format, Report, Style},
    worker,
};
use perf_passport_compare::{
    self as compare, CheckObservations, CountPlan, ExecutedInstructions, InstructionsError, Side,
    Sides, Watch, count_instructions, count_samples,
};
use perf_passport_test_support::{memory_bound, test, work::hash_rounds};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// What of the service is different in this build.
const BUILD_VARIABLE: &str = "PASSPORT_INSTRUCTIONS_BUILD";

const CONTRACT: &str = r#"
schema_version = 1
name = "hello"
[[endpoint]]
name = "hello"
path = "/hello"
[[endpoint]]
name = "task"
path = "/task"
[[endpoint]]
name = "gone"
path = "/nowhere"
[[endpoint]]
name = "changing"
path = "/changing"
"#;

/// How a build is called that is the memory-bound service with so many loads more to each request.
const MEMORY: &str = "memory";

/// Rounds of work of a request, so that a thousandth of it is some rounds.
const ROUNDS: u64 = 100_000;

/// Checks of a trial, each with work of its own.
const WORKS: usize = 20;

/// Those of them that are counted where nobody asks for all, as each takes many seconds: the ones whose
/// counts differ from process to process.
const WORKS_OF_A_QUICK_TRIAL: Range<usize> = 2..4;

/// How often a build is compared with itself: once, so that the test does not take long, or as this
/// variable says. Ten times are 200 decisions.
const TRIALS_VARIABLE: &str = "PASSPORT_INSTRUCTIONS_TRIALS";

fn text_of(passport: &Passport) -> String {
    report::render(&Report::of_comparison(passport, ""), Format::Text, Style::Plain)
        .unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
fn main() -> ExitCode {
    if env::args_os().skip(1).eq([worker::FLAG]) {
        let build = env::var(BUILD_VARIABLE).unwrap_or_default();
        let loads = build.strip_prefix(MEMORY).and_then(|it| it.parse().ok());
        let harness = Harness::new("", move |_| {
            let router = loads.map_or_else(|| router(&build), memory_bound::router);
            async move { Ok::<_, String>(router) }
        });
        return harness.run();
    }
    let tests = vec![
        test("the_same_build_executes_the_same", same_build),
        test("one_allocation_more_is_seen", one_allocation),
        test("a_thousandth_more_is_seen_and_named", a_thousandth),
        test("a_twentieth_more_time_that_waits_for_memory_is_hardly_seen", a_twentieth_of_waiting),
        test("tasks_of_a_request_are_counted", tasks_are_counted),
        test("what_is_not_the_expected_work_is_not_counted", unexpected_work),
        test("a_worker_that_fails_has_no_count", failing_worker),
        test("a_worker_under_valgrind_ends_with_the_comparison", orphan),
        test("a_thousandth_is_found_each_time_and_no_change_never", trial),
        test("a_change_is_claimed_and_decided_again", claimed),
        test("what_was_not_counted_abstains_and_says_why", not_counted),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn router(build: &str) -> Router {
    let allocations = u32::from(build == "allocation");
    let rounds = if build == "work" { ROUNDS + ROUNDS / 1_000 } else { ROUNDS };
    let hello = move || async move {
        for _ in 0..allocations {
            drop(black_box(Box::new([0_u8; 64])));
        }
        black_box(hash_rounds(rounds));
        "hello"
    };
    let task = move || async move {
        // So much that how often the request is woken does not matter beside it.
        let done = tokio::spawn(async move { black_box(hash_rounds(5 * rounds)) });
        done.await.map(|_| "done").unwrap_or_default()
    };
    let changing = || async { ASKED.fetch_add(1, Ordering::Relaxed).to_string() };
    let more = u64::from(build == "work");
    let work = move |Path(number): Path<usize>| async move {
        let rounds = WORK_ROUNDS * (1 + number as u64 % 3);
        black_box(hash_rounds(rounds + more * rounds / 1_000));
        other_work(number).await;
        "done"
    };
    Router::new()
        .route("/hello", get(hello))
        .route("/task", get(task))
        .route("/changing", get(changing))
        .route("/work/{number}", get(work))
}

/// Rounds of the smallest work of a trial.
const WORK_ROUNDS: u64 = 30_000;

/// What services do beside work that is always the same, and what makes counts differ.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what services do")]
async fn other_work(number: usize) {
    match number % 5 {
        // A time, with more digits or fewer.
        0 => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            drop(black_box(format!("{:?}", now.unwrap_or_default())));
        }
        // Blocks of several sizes, which stay for some requests.
        1 => {
            let blocks: Vec<Vec<u8>> = (1..40).map(|size| vec![0; size * number]).collect();
            drop(black_box(blocks));
        }
        // A map that is seeded anew each time.
        2 => {
            let map: std::collections::HashMap<u64, u64> = (0..4).map(|it| (it, it)).collect();
            black_box(map.get(&3).copied());
        }
        // Another task.
        3 => {
            let done = tokio::spawn(async move { black_box(hash_rounds(100)) });
            black_box(done.await.is_ok());
        }
        _ => {}
    }
}

/// How often the page was asked for that is another each time.
static ASKED: AtomicU32 = AtomicU32::new(0);

fn is_missing() -> bool {
    let found = Command::new("valgrind").arg("--version").output();
    if found.is_err() {
        println!("MISSING: valgrind");
    }
    found.is_err()
}

fn side(build: &str, contract: &str) -> Side {
    Side {
        label: build.to_owned(),
        executable: env::current_exe().expect("this program"),
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![(BUILD_VARIABLE.into(), build.into())],
        kept_cache: None,
        directory: env::temp_dir(),
        contract: contract.to_owned(),
        files: ".".into(),
    }
}

/// The outcome of one check in this build.
fn count(build: &str, check: &str) -> Result<ExecutedInstructions, InstructionsError> {
    count_of(CONTRACT, build, check)
}

/// The outcome of one check of this contract.
fn count_of(
    contract: &str,
    build: &str,
    check: &str,
) -> Result<ExecutedInstructions, InstructionsError> {
    let side = side(build, contract);
    let contract = Contract::parse(contract).expect("a contract");
    let check = contract.check(check).expect("a check");
    let clock = SystemClock::start();
    let outcomes = count_instructions(
        &side,
        &[CountPlan::of_check(check)],
        Watch { clock: &clock, stop: &|| false },
        &mut |_| {},
    );
    outcomes?.remove(&check.id()).expect("the outcome of the check")
}

fn counted(build: &str, check: &str) -> ExecutedInstructions {
    count(build, check).expect("a count")
}

fn same_build() {
    if is_missing() {
        return;
    }
    let first = counted("same", "hello/default");
    let again = counted("same", "hello/default");
    // Not always equal: 20 runs gave two totals, 24 instructions of 14.5 million apart.
    let change = change_ppm(&first.instructions, &again.instructions).expect("a change");
    assert!(change.abs() <= 100, "{change} ppm");
    assert_eq!(first.response, again.response);
    let total: u64 = first.instructions.functions.values().map(|it| it.own).sum();
    assert_eq!(total, first.instructions.total);
    let names: Vec<&String> = first.instructions.functions.keys().collect();
    assert!(names.iter().any(|name| name.ends_with("::hash_rounds")), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("17h")), "no hashes: {names:?}");
    // Three instructions for each round at least, and little beside.
    let per_sample = first.instructions.per_sample();
    assert!((3 * ROUNDS..20 * ROUNDS).contains(&per_sample), "{per_sample}");
}

fn one_allocation() {
    if is_missing() {
        return;
    }
    let before = counted("same", "hello/default");
    let after = counted("allocation", "hello/default");
    let more = after.instructions.per_sample() - before.instructions.per_sample();
    assert!((10..1_000).contains(&more), "{more} instructions for an allocation");
    let grown = grown(&before.instructions, &after.instructions);
    assert!(grown.iter().any(|it| it.function.contains("alloc")), "{grown:?}");
}

fn a_thousandth() {
    if is_missing() {
        return;
    }
    let change = change("hello/default");
    assert!(change.lower >= 900 && change.upper <= 1_100, "{change:?}");
    let before = counted("same", "hello/default");
    let after = counted("work", "hello/default");
    let grown = grown(&before.instructions, &after.instructions);
    assert!(grown[0].function.ends_with("::hash_rounds"), "{grown:?}");
}

/// What `passport calibrate --work memory` adds to the memory-bound service is 5 % of its time and
/// less than a thousandth of its instructions, which is what a count of them can tell from none.
fn a_twentieth_of_waiting() {
    if is_missing() {
        return;
    }
    let contract = fs::read_to_string(memory_bound::CONTRACT).expect("the contract");
    // Where a record costs the least time, and where it costs the most.
    for check in ["by-id/few", "by-rank/few"] {
        let path = Contract::parse(&contract).expect("a contract");
        let path = path.check(check).expect("a check").requests[0].path.clone();
        let loads = memory_bound::loads_of_a_twentieth(&path);
        let counted = |loads: u64| {
            count_of(&contract, &format!("{MEMORY}{loads}"), check).expect("a count").instructions
        };
        let (before, after) = (counted(0), counted(loads));
        let change = change_ppm(&before, &after).expect("a change");
        println!(
            "{check}: {loads} loads of 5 % of its time are {change} ppm of {} instructions",
            before.per_sample()
        );
        // Equal builds may differ by more than what was added, also downwards.
        assert!(change.abs() < 1_000, "{change} ppm");
    }
}

fn tasks_are_counted() {
    if is_missing() {
        return;
    }
    let change = change("task/default");
    assert!(change.lower >= 900 && change.upper <= 1_100, "{change:?}");
}

fn unexpected_work() {
    if is_missing() {
        return;
    }
    let gone = count("same", "gone/default").expect_err("no such page").to_string();
    assert!(gone.contains("status 404 instead of 200"), "{gone}");
    let changing = count("same", "changing/default").expect_err("never the same").to_string();
    assert!(changing.contains("not like the first one"), "{changing}");
}

/// The other end of its socket is closed by the system, however the comparison ends.
fn orphan() {
    if is_missing() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let mut out = OsString::from("--callgrind-out-file=");
    out.push(directory.path().join("out"));
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(out)
        .arg(env::current_exe().expect("this program"))
        .arg(worker::FLAG)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()
        .expect("valgrind");
    drop(ours);
    for _ in 0..6_000 {
        if child.try_wait().expect("a child").is_some() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child");
    panic!("the worker outlives the comparison");
}

fn failing_worker() {
    if is_missing() {
        return;
    }
    let side = Side { executable: "/bin/false".into(), ..side("no worker", CONTRACT) };
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let clock = SystemClock::start();
    let checks = [CountPlan::of_check(&contract.checks[0])];
    let outcomes =
        count_instructions(&side, &checks, Watch { clock: &clock, stop: &|| false }, &mut |_| {});
    let outcome = outcomes.expect("valgrind is there").remove("hello/default");
    let error = outcome.expect("an outcome").expect_err("no worker").to_string();
    assert!(error.contains("no worker died"), "{error}");
}

/// A contract of nothing but works, with a tolerance of half a thousandth.
fn works() -> String {
    let mut contract = "schema_version = 1\nname = \"works\"\n[sampling]\nsamples = 20\n\
                        [tolerance]\ninstructions_percent = 0.05\n"
        .to_owned();
    for number in 0..WORKS {
        let _ =
            write!(contract, "[[endpoint]]\nname = \"work-{number}\"\npath = \"/work/{number}\"\n");
    }
    contract
}

fn policy(checks: &[&Check]) -> Policy {
    Policy::for_suite(checks.len() as u64, false)
}

fn counts(sides: &Sides, checks: &[&Check]) -> BTreeMap<String, InstructionCounts> {
    let clock = SystemClock::start();
    let plans: Vec<CountPlan<'_>> = checks.iter().map(|it| CountPlan::of_check(it)).collect();
    count_samples(
        sides,
        &plans,
        &policy(checks),
        Watch { clock: &clock, stop: &|| false },
        &mut |_| {},
    )
}

/// By how much a thousandth more work changes a check, with bounds.
fn change(check: &str) -> Spread {
    let tight = "\n[tolerance]\ninstructions_percent = 0.05\n[[endpoint]]\n";
    let text = CONTRACT.replacen("\n[[endpoint]]\n", tight, 1);
    let contract = Contract::parse(&text).expect("a contract");
    let check = contract.check(check).expect("a check");
    let sides = Sides { baseline: side("same", &text), current: side("work", &text), anchor: None };
    let counts = &counts(&sides, &[check])[&check.id()];
    let tolerance = check.tolerance.of_instructions();
    decide_instructions(&policy(&[check]), tolerance, counts).expect("a decision").change
}

fn trial() {
    if is_missing() {
        return;
    }
    let text = works();
    let contract = Contract::parse(&text).expect("a contract");
    let trials: Option<u32> = env::var_os(TRIALS_VARIABLE).and_then(|it| it.to_str()?.parse().ok());
    let works = if trials.is_some() { 0..WORKS } else { WORKS_OF_A_QUICK_TRIAL };
    let checks: Vec<&Check> = contract.checks[works].iter().collect();
    let policy = policy(&checks);
    let outcomes = |current: &str| -> Vec<Outcome> {
        let sides =
            Sides { baseline: side("same", &text), current: side(current, &text), anchor: None };
        let counts = counts(&sides, &checks);
        let decide = |check: &&Check| {
            let counts = &counts[&check.id()];
            assert_eq!(counts.uncounted, None, "{}", check.id());
            let decision = decide_instructions(&policy, check.tolerance.of_instructions(), counts);
            let decision = decision.expect("a decision");
            println!("{} {current}: {decision:?}", check.id());
            decision.outcome
        };
        checks.iter().map(decide).collect()
    };
    let found = outcomes("work");
    assert_eq!(found, vec![Outcome::Beyond; checks.len()]);
    for _ in 0..trials.unwrap_or(1) {
        let same = outcomes("same");
        assert_eq!(same, vec![Outcome::Within; checks.len()]);
    }
}

/// The passport of a comparison without sessions.
fn passport(sides: &Sides, counts: &BTreeMap<String, InstructionCounts>) -> Passport {
    let contract = Contract::parse(&sides.current.contract).expect("a contract");
    let checks: Vec<&Check> =
        contract.checks.iter().filter(|it| counts.contains_key(&it.id())).collect();
    let clock = SystemClock::start();
    let observe = |side| {
        compare::observe(
            side,
            &checks,
            &|_| 20,
            Watch { clock: &clock, stop: &|| false },
            &mut |_| {},
        )
        .expect("a worker")
    };
    let (before, mut after) = (observe(&sides.baseline), observe(&sides.current));
    for measured in &mut after.measured {
        measured.instructions = counts.get(&measured.check).cloned();
    }
    let circumstances = || Circumstances::current(ProbeKind::InProcess, "hello", &env::temp_dir());
    let run = |observed: CheckObservations| Run {
        timestamp: observed.timestamp,
        measured: observed.measured,
        operations: Vec::new(),
        complete: true,
    };
    let baseline = pipeline::passport(&contract, run(before), circumstances(), None);
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
        anchor: None,
        checks_not_compared: Vec::new(),
        checks_not_in_anchor: Vec::new(),
        same_code: None,
        mapped_code: None,
    });
    let baseline = baseline.expect("a passport");
    pipeline::passport(&contract, run(after), around, Some(&baseline)).expect("a passport")
}

fn claim(passport: &Passport) -> &Claim {
    let claims = &passport.test_results[0].claims;
    claims.iter().find(|it| it.kind == ClaimKind::InstructionsChange).expect("the claim")
}

fn claimed() {
    if is_missing() {
        return;
    }
    let tight = format!("{CONTRACT}tolerance = {{ instructions_percent = 0.05 }}\n");
    let decided = |contract: &str, current: &str| {
        let sides = Sides {
            baseline: side("same", contract),
            current: side(current, contract),
            anchor: None,
        };
        let contract = Contract::parse(contract).expect("a contract");
        let counts = counts(&sides, &[contract.checks.last().expect("a check")]);
        passport(&sides, &counts)
    };
    // Half a thousandth more is accepted: with a thousandth it fails, and without it passes.
    // Of the works the one that is the most of its request.
    let last = tight.replace("path = \"/changing\"", "path = \"/work/2\"");
    let (same, more) = (decided(&last, "same"), decided(&last, "work"));
    let of = |passport: &Passport| {
        let claim = claim(passport);
        (claim.verdict, claim.reason, claim.required)
    };
    assert_eq!(of(&same), (Verdict::Pass, Reason::WithinTolerance, true));
    assert_eq!(of(&more), (Verdict::Fail, Reason::BeyondTolerance, true));
    assert_eq!(more.summary.overall_status, Verdict::Fail);
    assert!(more.test_results[0].regression);
    let table = text_of(&more);
    assert!(table.contains("+0.10 %") || table.contains("+0.09 %"), "{table}");
    // By default as much is accepted as of latency.
    let default = last.replace("instructions_percent", "regression_percent").replace("0.05", "5");
    let accepted = decided(&default, "work");
    assert_eq!(of(&accepted), (Verdict::Pass, Reason::WithinTolerance, true));

    let bytes = more.to_bytes().expect("bytes");
    verify(&bytes).expect("what was measured");
    let text = String::from_utf8(bytes).expect("text");
    let counts = more.test_results[0].instructions.as_ref().expect("counts");
    let samples = serde_json::to_string(&counts.alone[0].current).expect("text");
    // One sample less, and one of another process in its place: neither can have been counted so.
    let fewer = format!("{}\"", &samples[..samples.rfind(' ').expect("several")]);
    let error =
        verify(text.replacen(&samples, &fewer, 1).as_bytes()).expect_err("a sample is gone");
    assert!(error.to_string().contains("instructions"), "{error}");
    let baseline = serde_json::to_string(&counts.alone[0].baseline).expect("text");
    let forged = text.replace(&samples, &baseline);
    assert_ne!(forged, text);
    let error = verify(forged.as_bytes()).expect_err("another count").to_string();
    assert!(error.contains("edited: "), "{error}");
}

fn not_counted() {
    let sides = Sides {
        baseline: side("same", CONTRACT),
        current: Side { executable: "/bin/false".into(), ..side("no worker", CONTRACT) },
        anchor: None,
    };
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let counts = counts(&sides, &[&contract.checks[0]]);
    let uncounted = counts["hello/default"].uncounted.as_ref().expect("no count");
    let expected = if is_missing() { "valgrind is not installed" } else { "no worker died" };
    assert!(uncounted.message.contains(expected), "{}", uncounted.message);
    // It abstains, and nothing depends on it but where that is asked for.
    let same = Sides { current: sides.baseline.clone(), ..sides };
    let alone = passport(&same, &counts);
    let reason = if is_missing() { Reason::ValgrindMissing } else { Reason::NotCounted };
    assert_eq!((claim(&alone).verdict, claim(&alone).reason), (Verdict::Abstain, reason));
    assert!(!claim(&alone).required);
    assert!(text_of(&alone).contains(expected));
    verify(&alone.to_bytes().expect("bytes")).expect("what was measured");
    let asked = CONTRACT.replace(
        "name = \"hello\"\n[[",
        "name = \"hello\"\nrequired = [\"instructions-change\"]\n[[",
    );
    let side = side("same", &asked);
    let asked = passport(&Sides { baseline: side.clone(), current: side, anchor: None }, &counts);
    assert!(claim(&asked).required);
    assert_eq!(asked.test_results[0].status, Verdict::Abstain);
}
