//! Collecting the exchanges of one check into its evidence.

use super::responses::Responses;
use crate::{
    contract::Check,
    evidence::{Counts, Evidence, OracleCounts, Range},
    probe::{Cost, Exchange, Pass, ProbeError},
    statistics::Histogram,
    text::printable,
    units::{Count, Nanos},
};

/// Failures after which a check is not sampled any further.
const FAILURES_MAX: u64 = 3;

/// Samples with a wrong answer after which a check is not sampled any further: each of them fails
/// it, and none of them counts.
const WRONG_MAX: u64 = 20;

/// Collects the samples of one check.
pub(super) struct Sampler<'a> {
    responses: Responses<'a>,
    counts: Option<Counts>,
    oracle: Option<OracleCounts>,
    latencies: Vec<Nanos>,
    server_latencies: Vec<Nanos>,
    cpu_wait: Option<Nanos>,
    cpu_wait_kept: u64,
    /// Samples begun, and how many of them only warmed up.
    begun: u64,
    warmup: u64,
    failures: u64,
    wrong: u64,
    timed_out: bool,
    first_failure: Option<String>,
    sample: SampleSoFar,
}

/// The sample being taken.
struct SampleSoFar {
    pass: Pass,
    as_expected: bool,
    latency: Nanos,
    /// What the service says of all requests so far; `None` once it said nothing of one.
    server_latency: Option<Nanos>,
    cpu_wait: Option<Nanos>,
    /// Whether a wait could not be told apart from the latency of a request, and stayed in.
    cpu_wait_kept: bool,
    cost: Option<Cost>,
    counted_requests: u64,
    requests: u64,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(check: &'a Check) -> Self {
        Self {
            responses: Responses::new(check),
            counts: None,
            oracle: None,
            latencies: Vec::new(),
            server_latencies: Vec::new(),
            cpu_wait: None,
            cpu_wait_kept: 0,
            begun: 0,
            warmup: 0,
            failures: 0,
            wrong: 0,
            timed_out: false,
            first_failure: None,
            sample: SampleSoFar::new(Pass::Timed),
        }
    }

    pub(super) fn begin(&mut self, pass: Pass) {
        self.begun += 1;
        self.sample = SampleSoFar::new(pass);
    }

    /// Adds the response to the request of this number.
    pub(super) fn add(&mut self, request: usize, mut exchange: Exchange) {
        let body = std::mem::take(&mut exchange.body);
        let expected = self.responses.judge(request, &exchange, body);
        let sample = &mut self.sample;
        sample.as_expected &= expected;
        let (latency, cpu_wait) = without_wait(&exchange);
        sample.latency = sample.latency.saturating_add(latency);
        let told = sample.server_latency.zip(exchange.server_latency);
        sample.server_latency = told.map(|(sum, it)| sum.saturating_add(it));
        sample.cpu_wait = add(sample.cpu_wait, cpu_wait);
        sample.cpu_wait_kept |= exchange.cpu_wait != cpu_wait;
        sample.requests += 1;
        if let Some(cost) = exchange.cost {
            sample.counted_requests += 1;
            sample.cost = Some(match sample.cost {
                None => cost,
                Some(sum) => add_costs(sum, cost),
            });
        }
        // One request of a sample is enough to hold the count against dhat.
        self.oracle = exchange.oracle.or(self.oracle);
    }

    /// Ends a sample of which every request was answered.
    pub(super) fn end(&mut self) {
        // A wrong answer is a failed measurement, not a fast one.
        if !self.sample.as_expected {
            self.wrong += 1;
            return;
        }
        if self.sample.pass == Pass::Timed {
            self.latencies.push(self.sample.latency);
            self.server_latencies.extend(self.sample.server_latency);
            self.cpu_wait = add(self.cpu_wait, self.sample.cpu_wait);
            self.cpu_wait_kept += u64::from(self.sample.cpu_wait_kept);
        }
        let Some(cost) = self.sample_cost() else { return };
        let range = |seen: Option<Range>, value: u64| {
            seen.map_or_else(|| Range::of(value), |seen| seen.with(value))
        };
        let before = self.counts.take();
        let seen = before.as_ref();
        let unattributed =
            cost.process_allocations.map(|process| process.saturating_sub(cost.allocations).get());
        self.counts = Some(Counts {
            source: cost.source,
            samples: Count::new(seen.map_or(0, |it| it.samples.get()) + 1),
            allocations: range(seen.map(|it| it.allocations), cost.allocations.get()),
            allocated_bytes: cost
                .allocated_bytes
                .map(|it| range(seen.and_then(|it| it.allocated_bytes), it.get())),
            heap_peak_bytes: cost
                .heap_peak
                .map(|it| range(seen.and_then(|it| it.heap_peak_bytes), it.get())),
            unattributed_allocations: unattributed
                .map(|it| range(seen.and_then(|it| it.unattributed_allocations), it)),
            several_threads: cost.several_threads,
        });
    }

    /// Ends a sample of which a request was not answered.
    pub(super) fn fail(&mut self, error: &ProbeError) {
        self.failures += 1;
        let message = || printable(error.to_string().as_bytes(), 300);
        self.first_failure.get_or_insert_with(message);
        // A request that was given up took at least this long: leaving it out would flatter.
        if let ProbeError::Timeout { after, .. } = error {
            self.timed_out = true;
            if self.sample.pass == Pass::Timed {
                self.latencies.push(self.sample.latency.saturating_add(*after));
            }
        }
    }

    /// Whether so much failed that more samples would show nothing new, only cost time.
    pub(super) fn gives_up(&self) -> bool {
        self.timed_out || self.failures >= FAILURES_MAX || self.wrong >= WRONG_MAX
    }

    /// Drops what was counted so far, and declares all samples so far to be warm-up; the behaviour
    /// seen in them counts.
    pub(super) fn end_warmup(&mut self) {
        self.counts = None;
        self.warmup = self.begun;
        self.drop_latencies();
    }

    /// Declares the latencies so far to be warm-up.
    pub(super) fn forget_latency(&mut self) {
        self.warmup += self.timed();
        self.drop_latencies();
    }

    fn drop_latencies(&mut self) {
        self.latencies.clear();
        self.server_latencies.clear();
        self.cpu_wait = None;
        self.cpu_wait_kept = 0;
    }

    /// Allocations of the latest sample, where they were counted.
    pub(super) fn last_allocations(&self) -> Option<Count> {
        self.sample_cost().map(|cost| cost.allocations)
    }

    pub(super) fn oracle_agrees(&self) -> bool {
        self.oracle.is_none_or(|it| it.agree())
    }

    /// Number of timed samples.
    pub(super) fn timed(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// The evidence so far.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            behaviour: self.responses.behaviour(),
            counts: self.counts.clone(),
            heap_growth: None,
            oracle: self.oracle,
            latency: Histogram::from_samples(&self.latencies),
            server_latency: (!self.server_latencies.is_empty())
                .then(|| Histogram::from_samples(&self.server_latencies)),
            cpu_wait_ns: self.cpu_wait,
            cpu_wait_kept_samples: Count::new(self.cpu_wait_kept),
            cpu_pressure_ppm: None,
            process: None,
            warmup_samples: Count::new(self.warmup),
            failed_samples: Count::new(self.failures),
            first_failure: self.first_failure.clone(),
            bodies: self.responses.bodies().clone(),
        }
    }

    /// The cost of the sample, when every request of it was counted.
    fn sample_cost(&self) -> Option<Cost> {
        self.sample.cost.filter(|_| self.sample.counted_requests == self.sample.requests)
    }
}

impl SampleSoFar {
    const fn new(pass: Pass) -> Self {
        Self {
            pass,
            as_expected: true,
            latency: Nanos::ZERO,
            server_latency: Some(Nanos::ZERO),
            cpu_wait: None,
            cpu_wait_kept: false,
            cost: None,
            counted_requests: 0,
            requests: 0,
        }
    }
}

/// The latency of an exchange without the wait for a processor, and what was left out.
///
/// The wait is read before the clock starts and after it stops. One that is no shorter than the
/// request lay beside it at least in part, and nobody knows which: the latency stays as it is.
pub(super) fn without_wait(exchange: &Exchange) -> (Nanos, Option<Nanos>) {
    match exchange.cpu_wait {
        Some(wait) if wait < exchange.latency => {
            (exchange.latency.saturating_sub(wait), Some(wait))
        }
        known => (exchange.latency, known.map(|_| Nanos::ZERO)),
    }
}

/// The sum of what is known.
fn add(a: Option<Nanos>, b: Option<Nanos>) -> Option<Nanos> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (known, None) | (None, known) => known,
    }
}

/// The cost of two requests one after the other: counts add up, the larger peak remains.
fn add_costs(a: Cost, b: Cost) -> Cost {
    Cost {
        source: a.source,
        allocations: a.allocations.saturating_add(b.allocations),
        allocated_bytes: a.allocated_bytes.zip(b.allocated_bytes).map(|(a, b)| a.saturating_add(b)),
        heap_peak: a.heap_peak.zip(b.heap_peak).map(|(a, b)| a.max(b)),
        process_allocations: a
            .process_allocations
            .zip(b.process_allocations)
            .map(|(a, b)| a.saturating_add(b)),
        several_threads: a.several_threads || b.several_threads,
    }
}
