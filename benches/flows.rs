//! What a flow's machinery costs a request: filling values in, capturing them, and leaving them out of what
//! is compared. None of it is timed or counted.
//!
//! `cargo bench --bench flows`
//!
//! Two contracts send the same three requests to a service that costs next to nothing: one has them fixed, the
//! other captures an id and a token and uses them. They take turns; each round gives one difference and one
//! ratio, and the medians are shown with the middle half.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use perf_passport::{
    clock::SystemClock,
    contract::{Check, Contract},
    evidence::CountSource,
    pipeline::{self, RunContext},
    probe::{Cost, Exchange, Pass, PreparedRequest, Probe, ProbeError, Target},
    units::{Bytes, Count, Nanos},
};

const HEAD: &str = "schema_version = 1\nname = \"orders\"\n[sampling]\nsamples = 5000\nseconds_max = 60\n\
                    [target]\nurl = \"http://127.0.0.1:1\"\n";

const FIXED: &str = r#"
[[endpoint]]
name = "create"
path = "/orders"
method = "POST"
body = '{"item":"tea","quantity":3}'
[[endpoint]]
name = "read"
path = "/orders/1"
headers = { x-order = "t1" }
[[endpoint]]
name = "remove"
path = "/orders/1"
method = "DELETE"
headers = { x-order = "t1" }
[[scenario]]
name = "orders"
rounds = 1
steps = ["create/default", "read/default", "remove/default"]
"#;

const FLOW: &str = r#"
[[flow]]
name = "orders"
[[flow.step]]
name = "create"
path = "/orders"
method = "POST"
body = '{"item":"tea","quantity":3}'
capture = { id = { json = "/id" }, token = { json = "/token" } }
[[flow.step]]
name = "read"
path = "/orders/{id}"
headers = { x-order = "{token}" }
[[flow.step]]
name = "remove"
path = "/orders/{id}"
method = "DELETE"
headers = { x-order = "{token}" }
"#;

/// Answers each request with an order, and counts them.
#[derive(Default)]
struct Orders {
    sent: u64,
}

struct OrdersProbe<'a>(&'a mut Orders);

impl Target for Orders {
    fn probe(&mut self, _: &Check) -> Result<Box<dyn Probe + '_>, ProbeError> {
        Ok(Box::new(OrdersProbe(self)))
    }
}

impl Probe for OrdersProbe<'_> {
    fn send(&mut self, request: &PreparedRequest, _: Pass) -> Result<Exchange, ProbeError> {
        self.0.sent += 1;
        black_box(request);
        Ok(Exchange {
            status: 200,
            content_type: Some(b"application/json".to_vec()),
            headers: Vec::new(),
            body: br#"{"id":"1","token":"t1","item":"tea","quantity":3}"#.to_vec(),
            latency: Nanos::new(50_000),
            cpu_wait: None,
            server_latency: None,
            cost: Some(Cost {
                source: CountSource::ServerTiming,
                allocations: Count::new(42),
                allocated_bytes: Some(Bytes::new(8_192)),
                heap_peak: Some(Bytes::new(4_096)),
                process_allocations: None,
                several_threads: false,
            }),
            oracle: None,
        })
    }

    fn process_memory(&mut self) -> Option<perf_passport::process_memory::ProcessMemory> {
        None
    }

    fn cpu_pressure(&mut self) -> Option<Nanos> {
        None
    }

    fn counts_apart(&self) -> bool {
        false
    }
}

/// Time for one request of the check, in nanoseconds.
fn for_a_request(contract: &Contract, check: &str) -> f64 {
    let mut target = Orders::default();
    let clock = SystemClock::start();
    let context = &mut RunContext {
        target: &mut target,
        clock: &clock,
        environment: &|_| None,
        stop: &|| false,
        progress: &mut |_| {},
    };
    let start = now();
    let run = pipeline::measure(contract, context, &|it| it.has_id(check)).expect("measured");
    let elapsed = start.elapsed();
    assert_eq!(run.measured.len(), 1, "{check} is not in the contract");
    assert!(target.sent > 5_000, "{check} sent {} requests", target.sent);
    nanoseconds(elapsed) / f64::from(u32::try_from(target.sent).expect("some thousands"))
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn main() {
    let parsed = |text: &str| Contract::parse(&format!("{HEAD}{text}")).expect("a contract");
    let (fixed, flow) = (parsed(FIXED), parsed(FLOW));
    let fixed_check = fixed.checks.last().expect("a scenario").id().clone();
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rounds = if is_bench { 31 } else { 1 };
    for check in ["orders/all", "orders/read"] {
        let pairs: Vec<(f64, f64)> = (0..rounds)
            .map(|_| (for_a_request(&fixed, &fixed_check), for_a_request(&flow, check)))
            .collect();
        let base = quantiles(pairs.iter().map(|(fixed, _)| *fixed));
        let more = quantiles(pairs.iter().map(|(fixed, flow)| flow - fixed));
        let ratio = quantiles(pairs.iter().map(|(fixed, flow)| flow / fixed));
        if is_bench {
            println!(
                "{check}: fixed {:.0} ns a request; flow {:+.0} ns ({:+.0} to {:+.0}), x {:.2} ({:.2} to {:.2})",
                base[1], more[1], more[0], more[2], ratio[1], ratio[0], ratio[2]
            );
        }
    }
}

/// A quarter, the half, three quarters.
fn quantiles(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
