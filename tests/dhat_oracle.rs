//! The counting allocator agrees with dhat to the block and the byte.
//!
//! dhat counts the whole process, so these tests have one to themselves and run one at a time.

use std::{collections::BTreeMap, hint::black_box, process::ExitCode, thread};

use axum::{Router, routing::get};
use libtest_mimic::{Arguments, Trial};
use perf_passport::{
    allocation::{
        CountingAllocator, OracleAllocator, OracleCost, OracleError, ProcessWatch, count_with_dhat,
        measure,
    },
    claim::{Claim, Reason, claims},
    clock::SystemClock,
    contract::{ClaimKind, Contract},
    evidence::Evidence,
    pipeline::{self, RunContext},
    probe::InProcessTarget,
    rules::LatencyRule,
    units::Count,
};
use perf_passport_test_support::test;

#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut tests: Vec<Trial> = WORKLOADS
        .iter()
        .map(|&(name, work)| test(format!("agrees_on_{name}"), move || agrees(work)))
        .collect();
    tests.push(test("agrees_on_another_thread".to_owned(), agrees_on_another_thread));
    tests.push(test("one_pass_at_a_time".to_owned(), one_pass_at_a_time));
    tests.push(test("a_panic_ends_its_pass".to_owned(), a_panic_ends_its_pass));
    tests.push(test("a_blocking_task_agrees".to_owned(), a_blocking_task_agrees));
    tests.push(test("the_budget_is_the_requests".to_owned(), the_budget_is_the_requests));
    libtest_mimic::run(&arguments, tests).exit_code()
}

const WORKLOADS: &[(&str, fn())] = &[
    ("nothing", || {}),
    ("vec_growth", || drop(black_box((0..10_000_u32).fold(Vec::new(), push)))),
    ("string", || drop(black_box((0..999).map(|n| n.to_string()).collect::<String>()))),
    ("boxes", || drop(black_box((0..100_u64).map(Box::new).collect::<Vec<_>>()))),
    ("tree", || drop(black_box((0..1000_u32).map(|n| (n, n)).collect::<BTreeMap<_, _>>()))),
    ("shrinking", shrink),
    ("zeroed", || drop(black_box(vec![0_u64; 4096]))),
    ("falling_and_rising", fall_and_rise),
];

fn push(mut list: Vec<u32>, next: u32) -> Vec<u32> {
    list.push(next);
    black_box(list)
}

fn shrink() {
    let mut list: Vec<u64> = black_box(Vec::with_capacity(1000));
    list.extend(0..10);
    list.shrink_to_fit();
    black_box(&mut list).reserve(5000);
    black_box(&list);
}

fn fall_and_rise() {
    for size in [10_usize, 5000, 70, 4999, 1] {
        let held: Vec<u8> = black_box(Vec::with_capacity(size));
        drop(black_box(vec![1_u8; size / 2]));
        drop(held);
    }
}

fn agrees(work: fn()) {
    let alone = measure(work).1;
    let (counted, oracle) = count_with_dhat(|| measure(work).1).expect("the oracle is installed");
    assert_eq!(counted, alone, "being watched by dhat changes nothing");
    let ours = OracleCost {
        blocks: counted.allocations,
        bytes: counted.bytes,
        heap_peak: counted.heap_peak,
    };
    assert_eq!(ours, oracle);
}

fn agrees_on_another_thread() {
    let (process, oracle) = count_with_dhat(|| {
        let watch = ProcessWatch::start().expect("no other watch runs");
        let worker = thread::spawn(|| drop(black_box(vec![0_u8; 1000])));
        worker.join().expect("the thread does not panic");
        watch.stop()
    })
    .expect("the oracle is installed");
    assert!(oracle.blocks > Count::new(1));
    assert_eq!((process.allocations, process.bytes), (oracle.blocks, oracle.bytes));
}

fn one_pass_at_a_time() {
    let (inner, _) = count_with_dhat(|| count_with_dhat(|| ())).expect("the oracle is installed");
    assert_eq!(inner, Err(OracleError::Busy));
    assert!(count_with_dhat(|| ()).is_ok(), "a refused pass does not end the other's");
}

fn a_panic_ends_its_pass() {
    let panicked =
        std::panic::catch_unwind(|| count_with_dhat(|| std::panic::resume_unwind(Box::new(()))));
    assert!(panicked.is_err());
    agrees(shrink);
}

/// Measures one request to `/` with a budget of `allocations_max`: what was seen, and the claim.
fn ask_oracle(router: Router, allocations_max: u64) -> (Evidence, Claim) {
    let contract = Contract::parse(&format!(
        r#"
        schema_version = 1
        name = "oracle"
        [sampling]
        samples = 20
        [budgets]
        allocations_max = {allocations_max}
        [[endpoint]]
        name = "root"
        path = "/"
        "#
    ))
    .expect("a contract");
    let made = move |_| {
        let router = router.clone();
        async { Ok::<_, String>(router) }
    };
    let mut target = InProcessTarget::new(contract.sampling, made);
    let mut context = RunContext {
        target: &mut target,
        clock: &SystemClock::start(),
        environment: &|_| None,
        stop: &|| false,
        progress: &mut |_| {},
    };
    let run = pipeline::measure(&contract, &mut context, &|_| true).expect("no variables");
    let evidence = run.measured[0].evidence.clone();
    assert_eq!(evidence.first_failure, None);
    let claims = claims(&contract, &contract.checks[0], &evidence, LatencyRule::LATEST);
    let claim = claims.into_iter().find(|claim| claim.kind == ClaimKind::Oracle);
    (evidence, claim.expect("dhat was asked"))
}

/// What a handler hands to another thread is in dhat's figures, and in the count beside them.
fn a_blocking_task_agrees() {
    let work = || (0..50_u32).map(|n| black_box(vec![n; 100])).collect::<Vec<_>>().len();
    let handler = move || async move {
        tokio::task::spawn_blocking(work).await.expect("no panic").to_string()
    };
    let (evidence, claim) = ask_oracle(Router::new().route("/", get(handler)), 1000);
    assert_eq!(claim.reason, Reason::AsExpected, "{evidence:?}");
    let (oracle, counts) = (evidence.oracle.expect("asked"), evidence.counts.expect("counted"));
    assert!(oracle.agree(), "{oracle:?}");
    let unattributed = counts.unattributed_allocations.expect("watched");
    assert!(unattributed.min > 50, "{counts:?}");
    // The request and what it handed over, to the block.
    let all = counts.allocations.min + unattributed.min;
    assert_eq!(oracle.request_allocations, Count::new(all), "{oracle:?} {counts:?}");
}

/// The probe's own allocations do not count against the budget.
fn the_budget_is_the_requests() {
    let router = || Router::new().route("/", get(|| async { "hello" }));
    let (evidence, _) = ask_oracle(router(), 1000);
    let exact = evidence.counts.and_then(|it| it.allocations.exact()).expect("equal counts");
    assert_eq!(evidence.oracle.expect("asked").request_allocations, Count::new(exact));
    assert_eq!(ask_oracle(router(), exact + 1).1.reason, Reason::AsExpected);
    assert_eq!(ask_oracle(router(), exact).1.reason, Reason::OverBudget);
}
