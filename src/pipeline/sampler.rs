//! Collecting the exchanges of one check into its evidence.

use std::collections::BTreeMap;

use super::responses::{Asked, Responses};
use crate::{
    contract::Check,
    evidence::{Counts, Evidence, OracleCounts, Range},
    probe::{Answered, Continue, Cost, Exchange, Pass, ProbeError},
    statistics::Histogram,
    text::printable,
    units::{Bytes, Count, Nanos},
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
    /// The pass in which the service is to tell what it spends, and samples of it in which it did not.
    counted_in: Pass,
    untold: u64,
    oracle: Option<OracleCounts>,
    latencies: Vec<Nanos>,
    /// How many rows, from the first on, were timed.
    rows_timed: u64,
    server_latencies: Vec<Nanos>,
    /// Samples of which the service told more time than the round trip took.
    told_above: u64,
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
    row: u64,
    latency: Nanos,
    /// What the service says of all requests so far; `None` once it said nothing of one.
    server_latency: Option<Nanos>,
    told_above: bool,
    cpu_wait: Option<Nanos>,
    /// Whether a wait could not be told apart from the latency of a request, and stayed in.
    cpu_wait_kept: bool,
    cost: Option<Cost>,
    counted_requests: u64,
    requests: u64,
}

impl<'a> Sampler<'a> {
    /// A sampler of a service that tells what it spends in this pass, if it does; of so many rows the
    /// responses are compared.
    pub(super) fn new(check: &'a Check, rows: u64, counted_in: Pass) -> Self {
        Self {
            responses: Responses::new(check, rows),
            counts: None,
            counted_in,
            untold: 0,
            oracle: None,
            latencies: Vec::new(),
            rows_timed: 0,
            server_latencies: Vec::new(),
            told_above: 0,
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

    /// Adds a response; whether the sample goes on.
    pub(super) fn add(&mut self, answered: Answered<'_>) -> Continue {
        let Answered { request, mut exchange, values, row } = answered;
        let body = std::mem::take(&mut exchange.body);
        let expected = self.responses.judge(Asked { request, row, values }, &exchange, body);
        let sample = &mut self.sample;
        sample.as_expected &= expected;
        sample.row = row;
        let (latency, cpu_wait) = without_wait(&exchange);
        sample.latency = sample.latency.saturating_add(latency);
        // A part is no longer than the whole.
        sample.told_above |= exchange.server_latency.is_some_and(|it| it > exchange.latency);
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
        if expected { Continue::Yes } else { Continue::No }
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
            self.rows_timed = self.rows_timed.max(self.sample.row + 1);
            self.server_latencies.extend(self.sample.server_latency);
            self.told_above += u64::from(self.sample.told_above);
            self.cpu_wait = add(self.cpu_wait, self.sample.cpu_wait);
            self.cpu_wait_kept += u64::from(self.sample.cpu_wait_kept);
        }
        match self.sample_cost() {
            Some(cost) => self.count(cost),
            None => self.untold += u64::from(self.sample.pass == self.counted_in),
        }
    }

    /// Adds the cost of a sample.
    fn count(&mut self, cost: Cost) {
        let range = |seen: Option<Range>, value: u64| {
            seen.map_or_else(|| Range::of(value), |seen| seen.with(value))
        };
        let before = self.counts.take();
        let seen = before.as_ref();
        let samples = seen.map_or(0, |it| it.samples.get());
        // What was not told of each sample is not known.
        let of_each = |seen: Option<Range>, now: Option<u64>| {
            now.filter(|_| samples == 0 || seen.is_some()).map(|now| range(seen, now))
        };
        let unattributed =
            cost.process_allocations.map(|process| process.saturating_sub(cost.allocations).get());
        // But a heap above its budget that was told once is above it.
        let heap_seen = seen.and_then(|it| it.heap_peak_bytes);
        let heap = cost.heap_peak.map(|it| range(heap_seen, it.get())).or(heap_seen);
        let heap_told = seen.map_or(0, Counts::heap_told);
        let heap_told = heap_told + u64::from(cost.heap_peak.is_some());
        let heap_untold = if heap_told == 0 { 0 } else { samples + 1 - heap_told };
        self.counts = Some(Counts {
            source: cost.source,
            samples: Count::new(samples + 1),
            allocations: range(seen.map(|it| it.allocations), cost.allocations.get()),
            allocated_bytes: of_each(
                seen.and_then(|it| it.allocated_bytes),
                cost.allocated_bytes.map(Bytes::get),
            ),
            heap_peak_bytes: heap,
            unattributed_allocations: of_each(
                seen.and_then(|it| it.unattributed_allocations),
                unattributed,
            ),
            untold_samples: Count::ZERO,
            heap_untold_samples: Count::new(heap_untold),
            several_threads: cost.several_threads,
        });
    }

    /// Notes what went wrong beside the samples.
    pub(super) fn fail_beside(&mut self, error: &ProbeError) {
        self.failures += 1;
        let message = || printable(error.to_string().as_bytes(), 300);
        self.first_failure.get_or_insert_with(message);
    }

    /// Ends a sample of which a request was not answered.
    pub(super) fn fail(&mut self, error: &ProbeError) {
        self.fail_beside(error);
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
        self.untold = 0;
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
        self.rows_timed = 0;
        self.server_latencies.clear();
        self.told_above = 0;
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

    /// Number of rows that were timed.
    pub(super) fn rows_timed(&self) -> u64 {
        self.rows_timed
    }

    /// The evidence so far.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            behaviour: self.responses.behaviour(),
            counts: self
                .counts
                .clone()
                .map(|counts| Counts { untold_samples: Count::new(self.untold), ..counts }),
            inputs: BTreeMap::new(),
            heap_growth: None,
            rows: None,
            oracle: self.oracle,
            latency: Histogram::from_samples(&self.latencies),
            server_latency: (self.told_above == 0 && !self.server_latencies.is_empty())
                .then(|| Histogram::from_samples(&self.server_latencies)),
            told_above_round_trip_samples: Count::new(self.told_above),
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
            row: 0,
            latency: Nanos::ZERO,
            server_latency: Some(Nanos::ZERO),
            told_above: false,
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
