//! Requests of 1, 3, 10 and 30 ms under contracts that say nothing but their latency budget.
//!
//! What lies far below its budget passes by default, and what is above it never does. One run of the two
//! fastest, on this machine as it is, is a test like any other. With `PASSPORT_ENDPOINTS_RUNS=N` there are
//! N runs of all of them, in process and over HTTP, alone and beside two busy threads, and each verdict is
//! a line: `.ci/campaign endpoints` makes a table of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "each verdict is a line")]
#![expect(clippy::disallowed_methods, reason = "work is made as long as it is said to be")]

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    io::{self, BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use axum::{Router, routing::get};
use libtest_mimic::{Arguments, Trial};
use perf_passport::{
    allocation::CountingAllocator,
    clock::SystemClock,
    contract::Contract,
    passport::{Gate, ProbeKind},
    pipeline::{self, Circumstances, RunContext},
    probe::InProcessTarget,
};
use perf_passport_test_support::{test, work::hash_rounds};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const PASSPORT: &str = env!("CARGO_BIN_EXE_passport");

/// What makes this program the server, and how many rounds a millisecond takes.
const SERVE: &str = "PASSPORT_ENDPOINTS_SERVE";

/// How many runs there are of all.
const RUNS: &str = "PASSPORT_ENDPOINTS_RUNS";

/// Milliseconds that the requests take.
const COSTS: [u64; 4] = [1, 3, 10, 30];

fn main() -> ExitCode {
    if let Ok(rounds) = std::env::var(SERVE) {
        return serve(rounds.parse().unwrap());
    }
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = vec![test("what_lies_far_below_its_budget_passes_by_default", || {
        match std::env::var(RUNS) {
            Ok(runs) => all(runs.parse().unwrap()),
            Err(_) => few(),
        }
    })];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Who is asked, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    InProcess,
    OverHttp,
}

/// The fastest two, once: whatever else this machine does, none that is far below its budget fails, and
/// none that is above passes.
fn few() {
    let rounds = rounds_of_a_millisecond();
    let server = Server::start(rounds);
    for (way, ms) in [(Way::InProcess, 1), (Way::InProcess, 3), (Way::OverHttp, 3)] {
        let below = gate(way, ms, 10.0, rounds, &server);
        assert!(matches!(below, Gate::Pass | Gate::Abstain), "{way:?}, {ms} ms: {below:?}");
        let above = gate(way, ms, 0.7, rounds, &server);
        assert_ne!(above, Gate::Pass, "{way:?}, {ms} ms");
    }
}

/// All of them, so many times; each verdict is a line.
fn all(runs: u32) {
    let mut wrong = String::new();
    for run in 1..=runs {
        let rounds = rounds_of_a_millisecond();
        let server = Server::start(rounds);
        for busy in [0, 2] {
            let hogs = Hogs::start(busy);
            for way in [Way::InProcess, Way::OverHttp] {
                for ms in COSTS {
                    for share in [10.0, 0.7] {
                        let verdict = gate(way, ms, share, rounds, &server);
                        let line = format!("{way:?} {busy} {ms} {share} {verdict:?}");
                        eprintln!("run {run}: {line}");
                        let is_wrong = if share > 1.0 { Gate::Fail } else { Gate::Pass };
                        if verdict == is_wrong {
                            let _ = writeln!(wrong, "{line}");
                        }
                    }
                }
            }
            drop(hogs);
        }
    }
    assert!(wrong.is_empty(), "these verdicts are wrong:\n{wrong}");
}

fn contract(ms: u64, share: f64) -> String {
    format!(
        "schema_version = 1\nname = \"endpoints\"\n[budgets]\nlatency_ms_max = {}\n[[endpoint]]\n\
         name = \"work\"\npath = \"/{ms}\"\n",
        f64::from(u32::try_from(ms).unwrap()) * share
    )
}

fn gate(way: Way, ms: u64, share: f64, rounds: u64, server: &Server) -> Gate {
    let contract = contract(ms, share);
    match way {
        Way::InProcess => gate_in_process(&contract, rounds),
        Way::OverHttp => gate_over_http(&contract, &server.url),
    }
}

fn gate_in_process(contract: &str, rounds: u64) -> Gate {
    let contract = Contract::parse(contract).unwrap();
    let factory = move |_| async move { Ok::<_, String>(router(rounds)) };
    let mut target = InProcessTarget::new(contract.sampling, factory);
    let mut context = RunContext {
        target: &mut target,
        clock: &SystemClock::start(),
        environment: &|_| None,
        stop: &|| false,
        progress: &mut |_| {},
    };
    let run = pipeline::measure(&contract, &mut context, &|_| true).unwrap();
    let around = Circumstances::current(ProbeKind::InProcess, "endpoints", Path::new("."));
    pipeline::passport(&contract, run, around, None).unwrap().gate()
}

/// As the program itself decides.
fn gate_over_http(contract: &str, url: &str) -> Gate {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("passport.toml"), contract).unwrap();
    let ended = Command::new(PASSPORT)
        .args(["check", "--ci", "--api-url", url])
        .current_dir(directory.path())
        .output()
        .unwrap();
    match ended.status.code() {
        Some(0) => Gate::Pass,
        Some(1) => Gate::Fail,
        Some(4) => Gate::Abstain,
        _ => panic!("{}", String::from_utf8_lossy(&ended.stderr)),
    }
}

/// A service whose requests take as long as their path says.
fn router(rounds: u64) -> Router {
    COSTS.into_iter().fold(Router::new(), |router, ms| {
        router.route(
            &format!("/{ms}"),
            get(move || async move {
                black_box(hash_rounds(ms * rounds));
                "done"
            }),
        )
    })
}

/// How many rounds take a millisecond here, at the best of several tries.
fn rounds_of_a_millisecond() -> u64 {
    const ROUNDS: u64 = 1_000_000;
    let took = |_| {
        let started = Instant::now();
        black_box(hash_rounds(ROUNDS));
        started.elapsed().as_nanos()
    };
    let least = (0..50).map(took).min().unwrap().max(1);
    u64::try_from(u128::from(ROUNDS) * 1_000_000 / least).unwrap()
}

/// The service in a process of its own, ended with this.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(rounds: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(SERVE, rounds.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, url: format!("http://{}", address.trim()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(rounds: u64) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        io::stdout().flush().unwrap();
        axum::serve(listener, router(rounds)).await.unwrap();
    });
    ExitCode::SUCCESS
}

/// Threads that never rest, ended with this.
struct Hogs {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Hogs {
    fn start(number: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let hog = |_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    black_box(hash_rounds(10_000));
                }
            })
        };
        Self { threads: (0..number).map(hog).collect(), stop }
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
