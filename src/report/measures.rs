//! The figures of a passport as measures of subjects, for the formats that other programs chart.

use crate::{
    contract::ClaimKind,
    evidence::Range,
    passport::{CaseResult, Passport, SubjectResult, TestResult},
    production::WindowResult,
    units::{Nanos, Picos},
};

/// One figure of one subject.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measure<'a> {
    /// `check`, `operation` or `window`.
    pub(super) sort: &'static str,
    /// The subject's name, as the passport has it.
    pub(super) subject: &'a str,
    /// What was measured: lower-case words, joined by hyphens.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: f64,
    /// The least and the largest that were seen, or what another tool says of its value.
    pub(super) bounds: Option<(f64, f64)>,
}

/// Every figure that is known: of each subject its mean time first. All are the better the smaller.
pub(super) fn of(passport: &Passport) -> Vec<Measure<'_>> {
    let of_subject = |subject| match subject {
        SubjectResult::Check(result) => of_check(result),
        SubjectResult::Case(case) => of_case(case),
        SubjectResult::Operation(_) => Vec::new(),
        SubjectResult::Window(window) => of_window(window),
    };
    passport.subjects().flat_map(of_subject).collect()
}

/// The measures of one subject while they are put together.
struct Measures<'a> {
    sort: &'static str,
    subject: &'a str,
    found: Vec<Measure<'a>>,
}

impl Measures<'_> {
    fn add(
        &mut self,
        name: &'static str,
        unit: &'static str,
        value: Option<f64>,
        bounds: Option<(f64, f64)>,
    ) {
        let (sort, subject) = (self.sort, self.subject);
        let measure = value.map(|value| Measure { sort, subject, name, unit, value, bounds });
        self.found.extend(measure);
    }

    /// The most that was counted, between the least and the most.
    fn add_range(&mut self, name: &'static str, unit: &'static str, range: Option<Range>) {
        let bounds = range.map(|it| (float(it.min), float(it.max)));
        self.add(name, unit, range.map(|it| float(it.max)), bounds);
    }
}

fn of_check(result: &TestResult) -> Vec<Measure<'_>> {
    let mut measures = Measures { sort: "check", subject: &result.test_name, found: Vec::new() };
    let latency = result.latency.as_ref();
    let ns = |it: Nanos| float(it.get());
    let bounds = latency.map(|it| (ns(it.min_ns), ns(it.max_ns)));
    measures.add("latency", "ns", latency.map(|it| ns(it.mean_ns)), bounds);
    measures.add("latency-p50", "ns", latency.and_then(|it| it.p50_ns).map(ns), None);
    measures.add("latency-p95", "ns", latency.and_then(|it| it.p95_ns).map(ns), None);
    measures.add("latency-p99", "ns", latency.and_then(|it| it.p99_ns).map(ns), None);
    let counts = result.evidence.counts.as_ref();
    measures.add_range("allocations", "allocations", counts.map(|it| it.allocations));
    measures.add_range("allocated-bytes", "bytes", counts.and_then(|it| it.allocated_bytes));
    measures.add_range("heap-peak", "bytes", counts.and_then(|it| it.heap_peak_bytes));
    let memory = result.evidence.process.as_ref().map(|it| float(it.rss_after_bytes.get()));
    measures.add("process-memory", "bytes", memory, None);
    measures.found
}

fn of_case(case: &CaseResult) -> Vec<Measure<'_>> {
    let mut measures = Measures { sort: "operation", subject: &case.name, found: Vec::new() };
    let ns = |it: Picos| float(it.get()) / 1e3;
    let (time, told) = (case.latency.as_ref(), case.evidence.told.unwrap_or_default());
    let mean = time.map(|it| it.mean_ps).or(told.mean_ps).map(ns);
    let seen = time.map(|it| (it.min_ps, it.max_ps));
    let of_mean = told.mean_lower_ps.zip(told.mean_upper_ps);
    let bounds = seen.or(of_mean).or(told.min_ps.zip(told.max_ps));
    measures.add("latency", "ns", mean, bounds.map(|(least, most)| (ns(least), ns(most))));
    let p50 = time.and_then(|it| it.p50_ps).or(told.p50_ps);
    measures.add("latency-p50", "ns", p50.map(ns), None);
    let p95 = time.and_then(|it| it.p95_ps).or(told.p95_ps);
    measures.add("latency-p95", "ns", p95.map(ns), None);
    measures.add("latency-p99", "ns", time.and_then(|it| it.p99_ps).map(ns), None);
    let evidence = &case.evidence;
    measures.add_range("allocations", "allocations", evidence.allocations);
    measures.add_range("allocated-bytes", "bytes", evidence.allocated_bytes);
    measures.add_range("heap-peak", "bytes", evidence.heap_peak_bytes);
    let instructions = told.instructions.map(|it| float(it.get()));
    measures.add("instructions", "instructions", instructions, None);
    measures.found
}

/// Shares in parts per million, between their bounds.
fn of_window(window: &WindowResult) -> Vec<Measure<'_>> {
    let mut measures = Measures { sort: "window", subject: &window.name, found: Vec::new() };
    for (claim, share) in window.claims.iter().zip(&window.shares) {
        let name = match (claim.kind, claim.metric.as_deref()) {
            (ClaimKind::ProductionErrors, _) => "errors",
            (_, Some(metric)) if metric.starts_with("p50") => "slow-p50",
            (_, Some(metric)) if metric.starts_with("p95") => "slow-p95",
            (_, Some(metric)) if metric.starts_with("p99") => "slow-p99",
            _ => "slow",
        };
        let bounds = (float(share.lower_ppm.get()), float(share.upper_ppm.get()));
        let value = claim.observed.and_then(|it| u64::try_from(it).ok()).map(float);
        measures.add(name, "ppm", value, Some(bounds));
    }
    measures.found
}

#[expect(clippy::cast_precision_loss, reason = "no figure of a passport is above 2^53")]
fn float(figure: u64) -> f64 {
    figure as f64
}
