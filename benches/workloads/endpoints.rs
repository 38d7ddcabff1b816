//! Every check of the contract as a benchmark, in process and over TCP.
//!
//! `cargo bench --bench endpoints`, with a filter after `--` such as `metrics` or `tcp/health`.
//!
//! `in_process/ENDPOINT/VARIANT` calls the router of the reference service on this thread;
//! `tcp/ENDPOINT/VARIANT` asks the same router, served on a thread of its own, over one loopback
//! connection that is kept. A latency ends with the last byte of the body; a scenario is the sum of
//! its requests. Counting is off. A fixture is loaded when the first benchmark that needs it runs,
//! so the large one takes its time only when it is selected.
//!
//! After criterion's report comes a table of the quantiles of all samples, warm-up included.

use std::{
    cell::RefCell, collections::BTreeMap, net::Ipv4Addr, path::Path, rc::Rc, time::Duration,
};

use axum::Router;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use perf_passport::{
    allocation::{CountingAllocator, set_counting},
    contract::{Check, Contract, Quantile, Sampling},
    probe::{
        HttpSettings, HttpTarget, InProcessTarget, Pass, PreparedRequest, Probe, ProbeError,
        SamplePlan, Target,
    },
    statistics::{Histogram, quantile},
    units::Nanos,
};
use perf_passport_ledger as ledger;
use tokio::{net::TcpListener, runtime};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const WARM_UP: Duration = Duration::from_millis(500);
const MEASUREMENT: Duration = Duration::from_secs(1);

fn main() {
    set_counting(false);
    let contract = Contract::parse(include_str!("../../passport.toml")).expect("a contract");
    let services = Rc::new(Services::new(contract.document.target.seed));
    let routers = Rc::clone(&services);
    let mut in_process = InProcessTarget::new(contract.sampling, move |fixture: String| {
        std::future::ready(Ok::<_, String>(routers.router(&fixture)))
    });
    let mut tcp = Loopback { services, sampling: contract.sampling, servers: BTreeMap::new() };
    let mut criterion = Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .configure_from_args();
    let mut table = Table::default();
    let targets: [(&str, &mut dyn Target); 2] =
        [("in_process", &mut in_process), ("tcp", &mut tcp)];
    for (name, target) in targets {
        let mut group = criterion.benchmark_group(name);
        for check in &contract.checks {
            let latencies = bench(&mut group, check, target);
            table.entry(check.id()).or_default().push(latencies);
        }
        group.finish();
    }
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--bench") {
        print(&table);
    }
}

/// One check as a benchmark; the latencies of all its samples.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    check: &Check,
    target: &mut dyn Target,
) -> Histogram {
    let mut latencies = Vec::new();
    let mut target = Some(target);
    let mut probe = None;
    group.throughput(Throughput::Elements(check.requests_per_sample()));
    group.bench_function(BenchmarkId::new(&check.endpoint, &check.variant), |bencher| {
        let probe: &mut Asking<'_> = probe.get_or_insert_with(|| {
            let target = target.take().expect("it is taken once");
            Asking::new(check, target.probe(check).expect("a service"))
        });
        bencher.iter_custom(|samples| {
            let start = latencies.len();
            latencies.extend((0..samples).map(|_| probe.sample()));
            latencies[start..].iter().map(|latency| latency.to_duration()).sum()
        });
    });
    Histogram::from_samples(&latencies)
}

/// A probe with what it is to ask.
struct Asking<'a> {
    check: &'a Check,
    requests: Vec<PreparedRequest>,
    probe: Box<dyn Probe + 'a>,
}

impl<'a> Asking<'a> {
    /// Sends one sample, so that nothing is timed that is not as the contract expects.
    fn new(check: &'a Check, probe: Box<dyn Probe + 'a>) -> Self {
        let plan = SamplePlan::new(check, Path::new("."), &|_| None);
        let plan = plan.expect("neither a secret nor a file is needed");
        let requests = plan.fixed_requests().cloned().collect();
        let mut asking = Self { check, requests, probe };
        asking.sample();
        asking
    }

    /// The latency of one sample.
    fn sample(&mut self) -> Nanos {
        let mut latency = Nanos::ZERO;
        for _ in 0..self.check.rounds {
            for (request, expected) in self.requests.iter().zip(&self.check.requests) {
                let exchange = self.probe.send(request, Pass::Timed).expect("an answer");
                assert_eq!(exchange.status, expected.status, "{} {}", request.method, request.path);
                if let Some(media_type) = &expected.content_type {
                    let received = exchange.content_type.as_deref().unwrap_or_default();
                    assert!(received.starts_with(media_type.as_bytes()), "{}", request.path);
                }
                latency = latency.saturating_add(exchange.latency);
            }
        }
        latency
    }
}

/// The reference service in each state that was asked for, made once.
struct Services {
    seed: u64,
    runtime: runtime::Runtime,
    routers: RefCell<BTreeMap<String, Router>>,
}

impl Services {
    fn new(seed: u64) -> Self {
        Self { seed, runtime: runtime(), routers: RefCell::default() }
    }

    fn router(&self, fixture: &str) -> Router {
        let mut routers = self.routers.borrow_mut();
        let router = routers.entry(fixture.to_owned()).or_insert_with(|| {
            let made = ledger::service_for_fixture(fixture, self.seed, None);
            self.runtime.block_on(made).expect("a fixture of the reference service")
        });
        router.clone()
    }
}

/// The services on a port each.
struct Loopback {
    services: Rc<Services>,
    sampling: Sampling,
    /// Base URLs by fixture. The threads behind them end with the process.
    servers: BTreeMap<String, String>,
}

impl Target for Loopback {
    fn probe(&mut self, check: &Check) -> Result<Box<dyn Probe + '_>, ProbeError> {
        let fixture = &check.fixture;
        let start = || serve(self.services.router(fixture));
        let base_url = self.servers.entry(fixture.to_owned()).or_insert_with(start).clone();
        let Sampling { timeout, body_max, .. } = self.sampling;
        let target = HttpTarget::new(HttpSettings {
            base_url,
            timeout,
            body_max,
            pid: None,
            ca_file: None,
        })?;
        Ok(Box::new(target.http_probe()?))
    }
}

/// Serves on a thread of its own, and returns the base URL.
fn serve(router: Router) -> String {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        runtime.block_on(ledger::serve(listener, router, std::future::pending()))
    });
    format!("http://{address}")
}

fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The latencies of each check, in process and over TCP.
type Table = BTreeMap<String, Vec<Histogram>>;

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn print(table: &Table) {
    println!("microseconds for one sample");
    println!("{:>26}  {:^23}  {:^23}  {:>8}", "", "in process", "tcp", "added");
    println!("{:>26}  {:>11} {:>11}  {:>11} {:>11}  {:>8}", "", "p50", "p99", "p50", "p99", "p50");
    for (check, latencies) in table {
        let of = |index: usize, share| quantile(&latencies[index], share);
        let (in_process, tcp) = (of(0, Quantile::P50), of(1, Quantile::P50));
        if in_process.or(tcp).is_none() {
            continue;
        }
        let added = in_process.zip(tcp).map(|(in_process, tcp)| tcp.saturating_sub(in_process));
        println!(
            "{check:>26}  {:>11} {:>11}  {:>11} {:>11}  {:>8}",
            micros(in_process),
            micros(of(0, Quantile::P99)),
            micros(tcp),
            micros(of(1, Quantile::P99)),
            micros(added)
        );
    }
}

fn micros(time: Option<Nanos>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", time.to_ms() * 1e3))
}
