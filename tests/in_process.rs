//! What a check costs does not depend on the checks before it: services are made for each of them, or
//! for each of their samples, and what brings one into a state is not counted.
//!
//! Counts are those of the process, so these tests run one after the other.

use std::{
    collections::BTreeMap,
    env,
    hint::black_box,
    io::BufReader,
    net::SocketAddr,
    num::NonZero,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, ExitCode},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::{ConnectInfo, Path, State, connect_info::MockConnectInfo},
    http::StatusCode,
    routing::{get, post},
};
use libtest_mimic::Arguments;
use perf_passport::{
    allocation::CountingAllocator,
    claim::{Claim, Reason, Verdict, claims},
    clock::SystemClock,
    contract::{ClaimKind, Contract},
    evidence::{Counts, Evidence, Range},
    harness::Harness,
    instrument,
    pipeline::{self, RunContext},
    probe::InProcessTarget,
    rules::LatencyRule,
    units::{Nanos, Ppm},
    worker::{
        self,
        protocol::{self, Answer, Question, Seen},
    },
};
use perf_passport_test_support::test;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// Names the check that a process of its own is to measure.
const CHECK_VARIABLE: &str = "PASSPORT_TEST_CHECK";

/// Orders in which the checks are measured, each with other checks left out.
const SHUFFLES: u64 = 100;

const CONTRACT: &str = r#"
schema_version = 1
name = "items"
[sampling]
samples = 20
counted = 6
warmup_max = 30
[budgets]
latency_quantile = "p50"
latency_ms_max = 1000
[[endpoint]]
name = "create"
path = "/items"
method = "POST"
body = "an item"
status = 201
compare_headers = []
[[endpoint]]
name = "list"
path = "/items"
[[endpoint]]
name = "count"
path = "/count"
[[endpoint]]
name = "number"
path = "/number"
[[endpoint]]
name = "remove"
path = "/items/2"
method = "DELETE"
status = 204
fresh = "sample"
[[endpoint]]
name = "remove-created"
path = "/items/0"
method = "DELETE"
status = 204
fixture = "empty"
setup = [{ path = "/items", method = "POST", body = "an item", status = 201 }]
[[endpoint]]
name = "list-few"
path = "/items"
fixture = "few"
[[scenario]]
name = "life"
rounds = 2
steps = ["create/default", "list/default", "count/default"]
"#;

/// Items by their place; one that was removed leaves a gap.
type Items = Arc<Mutex<Vec<Option<String>>>>;

fn service(fixture: &str) -> Router {
    let few = match fixture {
        "empty" => 0,
        "few" => 7,
        _ => 3,
    };
    let items: Items = Arc::new(Mutex::new((0..few).map(|n| Some(format!("item {n}"))).collect()));
    Router::new()
        .route("/items", post(create).get(list))
        .route("/items/{id}", get(one).delete(remove))
        .route("/count", get(count))
        .route("/number", get(number))
        .with_state(items)
}

async fn create(State(items): State<Items>, body: String) -> StatusCode {
    let mut items = items.lock().expect("no panic");
    match items.iter().position(Option::is_none) {
        Some(gap) => items[gap] = Some(body),
        None => items.push(Some(body)),
    }
    StatusCode::CREATED
}

/// Allocates once for each item.
async fn list(State(items): State<Items>) -> String {
    let items = items.lock().expect("no panic");
    let lines: Vec<String> = items.iter().flatten().map(|it| format!("{it}\n")).collect();
    // The number alone: what is listed may differ, and the counts then do.
    drop(lines);
    "listed".to_owned()
}

async fn count(State(items): State<Items>) -> &'static str {
    let items = items.lock().expect("no panic");
    if items.is_empty() { "none" } else { "some" }
}

async fn number(State(items): State<Items>) -> String {
    items.lock().expect("no panic").len().to_string()
}

async fn one(State(items): State<Items>, Path(id): Path<usize>) -> Result<String, StatusCode> {
    let items = items.lock().expect("no panic");
    items.get(id).cloned().flatten().ok_or(StatusCode::NOT_FOUND)
}

async fn remove(State(items): State<Items>, Path(id): Path<usize>) -> StatusCode {
    let mut items = items.lock().expect("no panic");
    match items.get_mut(id).and_then(Option::take) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

#[expect(clippy::disallowed_methods, reason = "the second process is told its part by a variable")]
#[expect(clippy::print_stdout, reason = "that is how it answers")]
fn main() -> ExitCode {
    if env::args_os().skip(1).eq([worker::FLAG]) {
        let make = |fixture: String| async move { Ok::<_, String>(service(&fixture)) };
        return Harness::new("not read", make).run();
    }
    if let Ok(check) = env::var(CHECK_VARIABLE) {
        let contract = contract(CONTRACT);
        let evidence = measure(&contract, &[check.as_str()]).remove(&check).expect("measured");
        println!("{}", serde_json::to_string(&counts(&evidence)).expect("written"));
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests = vec![
        test("counts_alone_and_among_others_are_equal_in_any_order", any_order),
        test("a_shared_service_keeps_what_checks_leave_behind", shared),
        test("a_service_is_made_as_often_as_the_contract_says", made),
        test("so_it_is_in_a_worker_whatever_it_is_asked", worker),
        test("what_works_once_is_sampled_many_times", works_once),
        test("setup_is_neither_counted_nor_timed", setup_is_free),
        test("setup_that_fails_is_told_and_no_sample", setup_fails),
        test("tasks_end_with_the_service_that_started_them", tasks_end),
        test("a_service_that_cannot_be_made_again_fails_its_samples", not_made_again),
        test("a_leak_of_64_bytes_in_a_request_is_found_to_the_byte", leak),
        test("what_is_full_soon_is_no_leak", cache),
        test("who_does_not_ask_is_not_told_of_growth", growth_is_asked_for),
        test("what_blocks_in_place_works_on_several_threads", blocking),
        test("what_other_threads_allocate_is_not_claimed", other_threads),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn contract(text: &str) -> Contract {
    Contract::parse(text).expect("a contract")
}

/// Measures these checks in the order of the contract.
fn measure(contract: &Contract, ids: &[&str]) -> BTreeMap<String, Evidence> {
    measure_with(contract, ids, |fixture| Ok(service(&fixture)))
}

fn measure_with(
    contract: &Contract,
    ids: &[&str],
    mut make: impl FnMut(String) -> Result<Router, String>,
) -> BTreeMap<String, Evidence> {
    let factory = move |fixture| std::future::ready(make(fixture));
    let mut target = InProcessTarget::new(contract.sampling, factory);
    let mut context = RunContext {
        target: &mut target,
        clock: &SystemClock::start(),
        environment: &|_| None,
        stop: &|| false,
        progress: &mut |_| {},
    };
    let selected = |check: &perf_passport::contract::Check| ids.contains(&check.id().as_str());
    let run = pipeline::measure(contract, &mut context, &selected).expect("no variables");
    run.measured.into_iter().map(|it| (it.check, it.evidence)).collect()
}

fn counts(evidence: &Evidence) -> Counts {
    assert_eq!(evidence.first_failure, None);
    let behaviour = evidence.behaviour.as_ref().expect("responses");
    assert_eq!(behaviour.status_unexpected, None, "{behaviour:?}");
    evidence.counts.clone().expect("counted")
}

/// In a process in which nothing else was measured.
fn counts_alone(check: &str) -> Counts {
    let own = env::current_exe().expect("this program");
    let output = Command::new(own).env(CHECK_VARIABLE, check).output().expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("counts")
}

fn any_order() {
    let mut contract = contract(CONTRACT);
    let ids: Vec<String> = contract.checks.iter().map(perf_passport::contract::Check::id).collect();
    let alone: BTreeMap<&str, Counts> =
        ids.iter().map(|id| (id.as_str(), counts_alone(id))).collect();
    let list = &alone["list/default"];
    assert!(list.allocations.exact().is_some_and(|it| it > 3), "{list:?}");
    assert_ne!(list.allocations, alone["list-few/default"].allocations);

    let mut random = ChaCha8Rng::seed_from_u64(20);
    let mut compared = 0;
    for _ in 0..SHUFFLES {
        // Fisher and Yates.
        for last in (1..contract.checks.len()).rev() {
            let bound = last as u64 + 1;
            let other = usize::try_from(random.next_u64() % bound).expect("a place");
            contract.checks.swap(last, other);
        }
        let chosen = random.next_u64();
        let some: Vec<&str> = ids
            .iter()
            .enumerate()
            .filter(|(place, _)| chosen >> place & 1 == 1)
            .map(|(_, id)| id.as_str())
            .collect();
        for (id, evidence) in measure(&contract, &some) {
            assert_eq!(counts(&evidence), alone[id.as_str()], "{id} among {some:?}");
            compared += 1;
        }
    }
    assert!(compared > 3 * SHUFFLES, "{compared}");
}

/// So the test above can fail.
fn shared() {
    let shared = contract(&format!("{CONTRACT}\n[[fixture]]\nname = \"default\"\nshared = true\n"));
    let among_others = measure(&shared, &["create/default", "list/default"]);
    let alone = measure(&shared, &["list/default"]);
    let of_list = |run: &BTreeMap<String, Evidence>| counts(&run["list/default"]).allocations;
    assert!(of_list(&among_others).min > of_list(&alone).max + 20, "{among_others:?}");
}

fn made() {
    let fixture = |shared: &str| format!("{CONTRACT}\n[[fixture]]\nname = \"default\"\n{shared}\n");
    let several = ["create/default", "list/default", "count/default"];
    for (shared, expected) in [("shared = false", 3), ("shared = true", 1)] {
        let times = AtomicUsize::new(0);
        measure_with(&contract(&fixture(shared)), &several, |fixture| {
            times.fetch_add(1, Ordering::Relaxed);
            Ok(service(&fixture))
        });
        assert_eq!(times.into_inner(), expected, "{shared}");
    }
    // What a check says for itself goes before what its fixture says for all.
    let own =
        fixture("shared = true").replace("name = \"list\"", "name = \"list\"\nfresh = \"check\"");
    let times = AtomicUsize::new(0);
    measure_with(&contract(&own), &several, |fixture| {
        times.fetch_add(1, Ordering::Relaxed);
        Ok(service(&fixture))
    });
    assert_eq!(times.into_inner(), 2);
}

/// Turns, instructions and allocation sites are asked for by questions of their own.
fn worker() {
    let create = Question::Observe { check: "create/default".to_owned(), samples: 20 };
    let number = || "number/default".to_owned();
    let prepare = Question::Prepare { check: number(), samples: 20, time: Nanos::new(1_000_000) };
    let batch = Question::Batch { samples: 3, slower_ppm: Ppm::ZERO };
    let instructions = Question::Instructions { check: number(), warmup: 2, samples: 2 };
    let alone = answers(&[prepare.clone(), batch.clone(), instructions.clone()]);
    assert_eq!(alone.iter().map(seen).collect::<Vec<_>>(), vec![seen(&alone[0]); 3]);
    let among_others =
        answers(&[create.clone(), prepare, create.clone(), instructions, create, batch]);
    for place in [1, 3] {
        assert_eq!(seen(&among_others[place]), seen(&alone[0]), "{among_others:?}");
    }
    assert!(matches!(among_others[5], Answer::Failed(_)), "{among_others:?}");
}

fn seen(answer: &Answer) -> Option<&Seen> {
    match answer {
        Answer::Prepared { response, .. } => Some(response),
        Answer::Samples { response, .. } | Answer::Executed { response } => response.as_ref(),
        _ => None,
    }
}

/// What a worker of this program says to these questions.
fn answers(questions: &[Question]) -> Vec<Answer> {
    let (mut ours, theirs) = UnixStream::pair().expect("a socket");
    let own = env::current_exe().expect("this program");
    let mut worker =
        Command::new(own).arg(worker::FLAG).stdin(OwnedFd::from(theirs)).spawn().expect("started");
    let mut answered = BufReader::new(ours.try_clone().expect("the socket again"));
    let mut ask = |question: &Question| {
        protocol::write(&mut ours, question).expect("written");
        protocol::read::<Answer>(&mut answered).expect("read").expect("an answer")
    };
    let hello = Question::Hello {
        version: protocol::VERSION,
        contract: CONTRACT.to_owned(),
        directory: None,
    };
    assert!(matches!(ask(&hello), Answer::Ready { .. }));
    let said = questions.iter().map(&mut ask).collect();
    drop(answered);
    drop(ours);
    assert!(worker.wait().expect("ended").success());
    said
}

fn works_once() {
    let all = contract(CONTRACT);
    for id in ["remove/default", "remove-created/default"] {
        let evidence = measure(&all, &[id]).remove(id).expect("measured");
        assert!(counts(&evidence).allocations.exact().is_some(), "{evidence:?}");
        assert_eq!(evidence.latency.samples().get(), 20, "{id}");
    }
    let without = CONTRACT.replace("fresh = \"sample\"\n", "");
    let evidence = measure(&contract(&without), &["remove/default"]);
    let behaviour = evidence["remove/default"].behaviour.as_ref().expect("responses");
    assert_eq!(behaviour.status_unexpected, Some(404));
}

/// What it leaves behind is there; what it takes is not.
fn setup_is_free() {
    let setup =
        "setup = [{ path = \"/items\", method = \"POST\", body = \"an item\", status = 201 }]";
    let with = CONTRACT.replace("path = \"/count\"", &format!("path = \"/count\"\n{setup}"));
    let (plain, with) = (contract(CONTRACT), contract(&with));
    let id = "count/default";
    let (plain, with) = (measure(&plain, &[id]), measure(&with, &[id]));
    assert_eq!(counts(&plain[id]).allocations, counts(&with[id]).allocations);
    assert_eq!(counts(&plain[id]).heap_peak_bytes, counts(&with[id]).heap_peak_bytes);
    assert_eq!(with[id].latency.samples().get(), 20);
}

fn setup_fails() {
    let wrong = CONTRACT
        .replace("body = \"an item\", status = 201 }", "body = \"an item\", status = 200 }");
    let id = "remove-created/default";
    let evidence = measure(&contract(&wrong), &[id]).remove(id).expect("measured");
    let expected = "the setup request `POST /items` failed: status 201 and not 200";
    assert_eq!(evidence.first_failure.as_deref(), Some(expected));
    assert_eq!(evidence.behaviour, None);
    assert!(evidence.latency.is_empty());
}

/// Also one that holds the state of the service for ever.
fn tasks_end() {
    let alive = Arc::new(());
    let id = "list/default";
    let held = Arc::clone(&alive);
    let factory = move |fixture: String| {
        let held = Arc::clone(&held);
        async move {
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
            Ok::<_, String>(service(&fixture))
        }
    };
    let contract = contract(CONTRACT);
    let mut target = InProcessTarget::new(contract.sampling, factory);
    let mut context = RunContext {
        target: &mut target,
        clock: &SystemClock::start(),
        environment: &|_| None,
        stop: &|| false,
        progress: &mut |_| {},
    };
    let run = pipeline::measure(&contract, &mut context, &|check| check.has_id(id));
    assert_eq!(run.expect("no variables").measured.len(), 1);
    // This one's and the factory's.
    assert_eq!(Arc::strong_count(&alive), 2);
}

fn not_made_again() {
    let mut left = 5;
    let id = "remove/default";
    let evidence = measure_with(&contract(CONTRACT), &[id], |fixture| {
        left -= 1;
        if left > 0 { Ok(service(&fixture)) } else { Err("the disk is full".to_owned()) }
    });
    let failure = evidence[id].first_failure.as_deref();
    assert_eq!(failure, Some("cannot start the service: the disk is full"));
}

/// One endpoint, asked on two more threads.
fn measure_on_threads(router: Router) -> (Evidence, Vec<Claim>) {
    let contract = contract(
        "schema_version = 1\nname = \"threads\"\n[sampling]\nsamples = 20\n[budgets]\n\
         latency_ms_max = 1000\nlatency_quantile = \"p50\"\nallocations_max = 1000\n[[endpoint]]\n\
         name = \"root\"\npath = \"/\"\n",
    );
    let factory = move |_| std::future::ready(Ok::<_, String>(router.clone()));
    let threads = NonZero::new(2).expect("not 0");
    let mut target = InProcessTarget::new(contract.sampling, factory).multi_thread(threads);
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
    (evidence, claims)
}

fn reason(claims: &[Claim], kind: ClaimKind) -> Reason {
    claims.iter().find(|it| it.kind == kind).expect("claimed").reason
}

/// With the peer that only a socket knows.
fn blocking() {
    let handler = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
        tokio::task::block_in_place(|| peer.to_string())
    };
    let peer = MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4000)));
    let router = || Router::new().route("/", get(handler)).layer(peer);
    // On a busy machine a thread that is no request's allocates a block in 1 measurement of 150: that abstains.
    let measured = (0..5).map(|_| measure_on_threads(router())).find(|(evidence, claims)| {
        let is_whole = counts(evidence).is_whole();
        let due = if is_whole { Reason::WithinBudget } else { Reason::OtherThreads };
        assert_eq!(reason(claims, ClaimKind::Allocations), due, "{evidence:?}");
        is_whole
    });
    let (evidence, claims) = measured.expect("nothing is left over in one of five");
    let exact = counts(&evidence).allocations.exact().expect("equal counts");
    assert_eq!(counts(&evidence).unattributed_allocations, Some(Range::of(0)));
    assert_eq!(reason(&claims, ClaimKind::Allocations), Reason::WithinBudget);
    assert_eq!(reason(&claims, ClaimKind::Heap), Reason::WithinBudget);
    assert_eq!(evidence.cpu_wait_ns, None);
    assert!(exact > 0, "{evidence:?}");
    let one = "schema_version = 1\nname = \"one\"\n[[endpoint]]\nname = \"root\"\npath = \"/\"\n";
    let run = measure_with(&contract(one), &["root/default"], |_| Ok(router()));
    let failure = run["root/default"].first_failure.as_deref().expect("a panic");
    assert!(failure.contains("the service panicked: "), "{failure}");
}

fn other_threads() {
    let work = || black_box(vec![1_u8; 100]).len().to_string();
    let raw = move || async move { tokio::spawn(async move { work() }).await.expect("no panic") };
    let (evidence, claims) = measure_on_threads(Router::new().route("/", get(raw)));
    assert!(!counts(&evidence).is_whole(), "{evidence:?}");
    for kind in [ClaimKind::Allocations, ClaimKind::Heap] {
        assert_eq!(reason(&claims, kind), Reason::OtherThreads);
    }
    // Over the budget by themselves, and then whatever others do.
    let many = move || async move {
        let many: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
        tokio::spawn(async move { many.len().to_string() }).await.expect("no panic")
    };
    let (_, claims) = measure_on_threads(Router::new().route("/", get(many)));
    assert_eq!(reason(&claims, ClaimKind::Allocations), Reason::OverBudget);
    // What is handed over by the book is counted; its peak is not.
    let wrapped =
        move || async move { instrument::spawn(async move { work() }).await.expect("no panic") };
    let (evidence, claims) = measure_on_threads(Router::new().route("/", get(wrapped)));
    let counted = counts(&evidence);
    assert!(counted.allocations.exact().is_some(), "{counted:?}");
    // The runtime may allocate a block on its own threads meanwhile. Then nobody knows whose it is.
    assert!(counted.unattributed_allocations.is_some_and(|it| it.max <= 2), "{counted:?}");
    let expected = if counted.is_whole() { Reason::WithinBudget } else { Reason::OtherThreads };
    assert_eq!(reason(&claims, ClaimKind::Allocations), expected);
    assert_eq!(reason(&claims, ClaimKind::Heap), Reason::OtherThreads);
}

/// The claim on growth, by this contract, of services that each keep something of their requests.
fn growth<Keep>(more: &str, keeper: impl Fn() -> Keep) -> (Evidence, Vec<Claim>)
where
    Keep: Fn(u64) + Clone + Send + Sync + 'static,
{
    let text = format!(
        "schema_version = 1\nname = \"growth\"\n{more}\n[[endpoint]]\nname = \"root\"\npath = \"/\"\n"
    );
    let contract = contract(&text);
    let make = move |_: String| {
        let (keep, next) = (keeper(), Arc::new(AtomicU64::new(0)));
        let handler = move || {
            keep(next.fetch_add(1, Ordering::Relaxed));
            std::future::ready("done")
        };
        Ok(Router::new().route("/", get(handler)))
    };
    let evidence = measure_with(&contract, &["root/default"], make).remove("root/default");
    let evidence = evidence.expect("measured");
    assert_eq!(evidence.first_failure, None);
    let claims = claims(&contract, &contract.checks[0], &evidence, LatencyRule::LATEST);
    (evidence, claims)
}

const SHORT: &str = "samples = 20\nheap_growth_samples = 300\n";

fn asking(sampling: &str, budget: u64) -> String {
    format!("[sampling]\n{sampling}[budgets]\nheap_growth_bytes_max = {budget}\n")
}

fn leak() {
    let leak = || {
        |_| {
            black_box(Box::leak(Box::new([black_box(1_u8); 64])));
        }
    };
    let (evidence, claims) = growth(&asking(SHORT, 1), leak);
    let grown = evidence.heap_growth.expect("counted");
    assert_eq!((grown.samples.get(), grown.growth().get()), (300, 300 * 64));
    assert_eq!(reason(&claims, ClaimKind::HeapGrowth), Reason::OverBudget);
    // To the byte.
    for (budget, expected) in [(19_200, Reason::OverBudget), (19_201, Reason::WithinBudget)] {
        let (_, claims) = growth(&asking(SHORT, budget), leak);
        assert_eq!(reason(&claims, ClaimKind::HeapGrowth), expected, "{budget}");
    }
    // In a container that doubles, whatever is left of its capacity.
    for samples in [1, 7, 100, 128, 129, 255, 1000] {
        let list = || {
            let kept: Arc<Mutex<Vec<u64>>> = Arc::default();
            move |number| kept.lock().expect("no panic").push(number)
        };
        let sampling = format!("samples = 20\nheap_growth_samples = {samples}\n");
        let (evidence, claims) = growth(&asking(&sampling, 1), list);
        let expected = if samples == 1 { Reason::WithinBudget } else { Reason::OverBudget };
        assert_eq!(reason(&claims, ClaimKind::HeapGrowth), expected, "{samples}: {evidence:?}");
    }
}

fn cache() {
    // Of 250 entries, which are exchanged for ever.
    let cache = |size: u64| {
        move || {
            let kept: Arc<Mutex<BTreeMap<u64, Box<[u8; 64]>>>> = Arc::default();
            move |number: u64| {
                let entry = Box::new([1; 64]);
                drop(kept.lock().expect("no panic").insert(number % size, entry));
            }
        }
    };
    let (evidence, claims) = growth(&asking(SHORT, 1), cache(250));
    assert_eq!(reason(&claims, ClaimKind::HeapGrowth), Reason::WithinBudget, "{evidence:?}");
    let grown = evidence.heap_growth.expect("counted");
    assert_eq!(grown.growth().get(), 0);
    assert!(grown.first_bytes.get() > 250 * 64, "{grown:?}");
    // One that is not full yet, and one that gets the time.
    let (_, claims) = growth(&asking(SHORT, 1), cache(400));
    assert_eq!(reason(&claims, ClaimKind::HeapGrowth), Reason::OverBudget);
    let longer = SHORT.replace("300", "500");
    let (_, claims) = growth(&asking(&longer, 1), cache(400));
    assert_eq!(reason(&claims, ClaimKind::HeapGrowth), Reason::WithinBudget);
}

fn growth_is_asked_for() {
    let kinds = |more: &str| {
        let (evidence, claims) = growth(more, || |_| ());
        let claim = claims.into_iter().find(|it| it.kind == ClaimKind::HeapGrowth);
        assert_eq!(evidence.heap_growth.is_some(), claim.is_some());
        claim.map(|it| (it.limit, it.verdict))
    };
    let sampling = format!("[sampling]\n{SHORT}");
    assert_eq!(kinds(&sampling), None);
    let required = format!("required = [\"status\", \"heap-growth\"]\n{sampling}");
    assert_eq!(kinds(&required), Some((Some(1), Verdict::Pass)));
    assert_eq!(kinds(&asking(SHORT, 500)), Some((Some(500), Verdict::Pass)));
}
