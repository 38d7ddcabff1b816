//! Claims on operations against their budgets, decided on evidence alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    CaseEvidence, FailureKind, OperationClaimKind, OperationReason, OperationUnit, Samples, growth,
    growth::Growth, samples,
};
use crate::{
    claim::Verdict,
    contract::{Operation, OperationBudgets},
    evidence::Range,
    units::{Bytes, Count, Millihertz, Nanos, Picos},
};

/// The probability that a bound of a mean time is on the wrong side.
const MEAN_ERROR: f64 = 0.001;

/// One statement about an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperationClaim {
    /// What is claimed.
    pub kind: OperationClaimKind,
    /// Of a quality the metric; of growth the class that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The outcome.
    pub verdict: Verdict,
    /// Why.
    pub reason: OperationReason,
    /// Whether the gate depends on it.
    pub required: bool,
    /// The unit of the figures below.
    pub unit: OperationUnit,
    /// What was observed: of a time the mean, of a count the most, of a quality the least, of growth
    /// the exponent; where two builds took turns, how many times the other's time.
    pub observed: Option<i64>,
    /// What it is held against.
    pub limit: Option<i64>,
}

impl OperationClaim {
    pub(super) fn new(
        kind: OperationClaimKind,
        unit: OperationUnit,
        reason: OperationReason,
    ) -> Self {
        let required = !matches!(
            kind,
            OperationClaimKind::TimeChange
                | OperationClaimKind::RenderChange
                | OperationClaimKind::InteractionChange
        );
        let verdict = reason.verdict();
        Self { kind, subject: None, verdict, reason, required, unit, observed: None, limit: None }
    }

    pub(super) fn figures(mut self, observed: Option<u64>, limit: Option<u64>) -> Self {
        self.observed = observed.map(signed);
        self.limit = limit.map(signed);
        self
    }

    /// The observed figure with its unit; `-` when there is none.
    pub fn show_observed(&self) -> String {
        self.show(self.observed)
    }

    /// The limit with its unit; `-` when there is none.
    pub fn show_limit(&self) -> String {
        self.show(self.limit)
    }

    #[expect(clippy::cast_precision_loss, reason = "display")]
    fn show(&self, value: Option<i64>) -> String {
        let Some(value) = value else { return "-".to_owned() };
        let whole = u64::try_from(value).unwrap_or_default();
        match self.unit {
            OperationUnit::Ps => Picos::new(whole).to_string(),
            OperationUnit::Ns => Nanos::new(whole).to_string(),
            OperationUnit::Millihertz => Millihertz::new(whole).to_string(),
            OperationUnit::Bytes => Bytes::new(whole).to_string(),
            OperationUnit::Count => whole.to_string(),
            // As the difference from 1.
            OperationUnit::Ppm if self.kind.is_change() => {
                format!("{:+.2} %", (value as f64 - 1e6) / 1e4)
            }
            OperationUnit::Ppm => format!("{:.4}", value as f64 / 1e6),
        }
    }

    /// How much of the budget is used: 1 is all of it. `None` where that makes no sense.
    #[expect(clippy::cast_precision_loss, reason = "display")]
    pub fn closeness(&self) -> Option<f64> {
        let budget = !self.kind.is_change() && self.kind != OperationClaimKind::Growth;
        let (observed, limit) = self.observed.zip(self.limit).filter(|_| budget)?;
        let (part, whole) =
            if self.kind.is_floor() { (limit, observed) } else { (observed, limit) };
        match (part, whole) {
            (0, 0) => Some(1.0),
            (_, 0) => Some(f64::INFINITY),
            (part, whole) => Some(part as f64 / whole as f64),
        }
    }
}

/// Every figure is at most 2^53.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What a baseline says of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CaseFigures {
    /// Whether the baseline's counts may be compared.
    pub same_build: bool,
    /// The most allocations of an iteration.
    pub allocations: Option<Count>,
    /// The largest peak heap of an iteration.
    pub heap_peak_bytes: Option<Bytes>,
    /// The mean time; shown, never compared.
    pub mean_ps: Option<Picos>,
    /// The mean times of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts_ps: BTreeMap<String, Picos>,
}

impl CaseFigures {
    /// What this evidence says to those who compare with it later.
    pub fn of(evidence: &CaseEvidence, same_build: bool) -> Self {
        let parts = evidence.parts.iter();
        let parts = parts.filter_map(|(name, part)| Some((name.clone(), mean(part)?)));
        Self {
            same_build,
            allocations: most(evidence.allocations).map(Count::new),
            heap_peak_bytes: most(evidence.heap_peak_bytes).map(Bytes::new),
            mean_ps: mean(&evidence.samples),
            parts_ps: parts.collect(),
        }
    }
}

pub(super) fn mean(samples: &Samples) -> Option<Picos> {
    samples.mean_ns(MEAN_ERROR).map(|(mean, _)| samples::picos(mean))
}

pub(super) fn most(range: Option<Range>) -> Option<u64> {
    range.map(|it| it.max)
}

/// Holds one case against its budgets: whether it completed, then one claim for each budget.
pub fn case_claims(operation: &Operation, evidence: &CaseEvidence) -> Vec<OperationClaim> {
    let budgets = &operation.budgets;
    let mut claims = vec![completed(evidence)];
    claims.extend(times(operation, budgets, &evidence.samples));
    let memory = budgets.memory_bytes_max.map(|budget| {
        let kind = (OperationClaimKind::Memory, OperationUnit::Bytes);
        count_at_most(kind, evidence.heap_peak_bytes, budget.get())
    });
    let allocations = budgets.allocations_max.map(|budget| {
        let kind = (OperationClaimKind::Allocations, OperationUnit::Count);
        count_at_most(kind, evidence.allocations, budget.get())
    });
    claims.extend(memory.into_iter().chain(allocations));
    let floors = operation.quality_min.iter();
    claims.extend(floors.map(|(metric, floor)| quality(metric, *floor, evidence)));
    claims
}

fn completed(evidence: &CaseEvidence) -> OperationClaim {
    let reason = match evidence.failure.as_ref().map(|failure| failure.kind) {
        None => OperationReason::AsExpected,
        Some(FailureKind::Panicked) => OperationReason::Panicked,
        Some(FailureKind::Deadline) => OperationReason::DeadlineExceeded,
        Some(FailureKind::Unusable) => OperationReason::Unusable,
    };
    OperationClaim::new(OperationClaimKind::Completed, OperationUnit::Count, reason)
}

/// Mean, total and throughput are one figure, the mean, in three units.
#[expect(clippy::cast_precision_loss, reason = "figures are below 2^53")]
fn times(
    operation: &Operation,
    budgets: &OperationBudgets,
    samples: &Samples,
) -> Vec<OperationClaim> {
    let interval = samples.mean_ns(MEAN_ERROR);
    let mean = interval.map(|(mean, _)| mean);
    let iterations = operation.iterations.get() as f64;
    let claim = |kind, unit, mean_ns_max: f64, observed: Option<u64>, limit: u64| {
        OperationClaim::new(kind, unit, at_most(interval, mean_ns_max))
            .figures(observed, Some(limit))
    };
    let mut claims = Vec::new();
    if let Some(budget) = budgets.mean_max {
        let observed = mean.map(|ns| samples::picos(ns).get());
        let limit = budget.get() as f64 / 1e3;
        claims.push(claim(
            OperationClaimKind::Mean,
            OperationUnit::Ps,
            limit,
            observed,
            budget.get(),
        ));
    }
    if let Some(budget) = budgets.total_ns_max {
        let observed = mean.map(|ns| samples::whole(ns * iterations));
        let limit = budget.get() as f64 / iterations;
        claims.push(claim(
            OperationClaimKind::Total,
            OperationUnit::Ns,
            limit,
            observed,
            budget.get(),
        ));
    }
    if let Some(budget) = budgets.throughput_min {
        let observed = mean.map(|ns| samples::millihertz(ns).get());
        let limit = 1e12 / budget.get() as f64;
        let (kind, unit) = (OperationClaimKind::Throughput, OperationUnit::Millihertz);
        claims.push(claim(kind, unit, limit, observed, budget.get()));
    }
    claims
}

/// Whether a mean with its distance is shown to be at most the limit.
fn at_most(interval: Option<(f64, f64)>, limit: f64) -> OperationReason {
    match interval {
        None => OperationReason::NoSample,
        Some((_, distance)) if distance.is_infinite() => OperationReason::TooFewSamples,
        Some((mean, distance)) if mean + distance <= limit => OperationReason::WithinBudget,
        Some((mean, distance)) if mean - distance > limit => OperationReason::OverBudget,
        Some(_) => OperationReason::Undecided,
    }
}

fn count_at_most(
    (kind, unit): (OperationClaimKind, OperationUnit),
    observed: Option<Range>,
    limit: u64,
) -> OperationClaim {
    let observed = most(observed);
    let reason = match observed {
        None => OperationReason::NotObserved,
        Some(most) if most <= limit => OperationReason::WithinBudget,
        Some(_) => OperationReason::OverBudget,
    };
    OperationClaim::new(kind, unit, reason).figures(observed, Some(limit))
}

fn quality(metric: &str, floor: i64, evidence: &CaseEvidence) -> OperationClaim {
    let told = evidence.quality.get(metric);
    let reason = match told {
        None => OperationReason::NotObserved,
        Some(None) => OperationReason::NotANumber,
        Some(Some(value)) if *value >= floor => OperationReason::WithinBudget,
        Some(Some(_)) => OperationReason::BelowFloor,
    };
    let claim = OperationClaim::new(OperationClaimKind::Quality, OperationUnit::Ppm, reason);
    OperationClaim {
        subject: Some(metric.to_owned()),
        observed: told.copied().flatten(),
        limit: Some(floor),
        ..claim
    }
}

/// Claims on an operation as a whole, over its cases: how its time grows.
pub fn operation_claims<'a>(
    operation: &Operation,
    cases: impl IntoIterator<Item = (u64, &'a Samples)> + Clone,
) -> Vec<OperationClaim> {
    let Some(limit) = operation.budgets.complexity_max else { return Vec::new() };
    let growth = Growth::of(cases.clone());
    let reason = match (growth, growth::at_most(limit, cases)) {
        (None, _) => OperationReason::TooFewSamples,
        (_, Verdict::Pass) => OperationReason::WithinBudget,
        (_, Verdict::Fail) => OperationReason::GrowsFaster,
        (_, Verdict::Abstain) => OperationReason::Undecided,
    };
    let claim = OperationClaim::new(OperationClaimKind::Growth, OperationUnit::Ppm, reason);
    let observed = growth.map(|it| it.exponent_ppm);
    vec![OperationClaim { subject: Some(limit.to_string()), observed, ..claim }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::Contract,
        operation::{Sample, case_changes},
    };

    const CONTRACT: &str = r#"
        schema_version = 1
        name = "a"
        [[operation]]
        name = "o"
        iterations = 1000
        budgets = { mean_ms_max = 1, total_ms_max = 1000, throughput_min = 1000, memory_bytes_max = 100, allocations_max = 3 }
        quality = { accuracy_min = 0.95 }
        regression = { render = 1.15 }
    "#;

    fn operation() -> Operation {
        Contract::parse(CONTRACT).unwrap().operations.remove(0)
    }

    fn samples(times: &[u64]) -> Samples {
        Samples::new(times.iter().map(|ns| Sample { iterations: 1, ns: *ns }).collect()).unwrap()
    }

    fn good() -> CaseEvidence {
        CaseEvidence {
            samples: samples(&[999_000, 999_001, 999_002, 998_999]),
            counted: Count::new(2),
            allocations: Some(Range::of(3)),
            allocated_bytes: None,
            heap_peak_bytes: Some(Range::of(100)),
            quality: [("accuracy".to_owned(), Some(950_000))].into(),
            ..CaseEvidence::default()
        }
    }

    fn reasons(claims: &[OperationClaim]) -> Vec<(OperationClaimKind, OperationReason)> {
        claims.iter().map(|claim| (claim.kind, claim.reason)).collect()
    }

    #[test]
    fn what_is_just_within_its_budgets_passes() {
        let claims = case_claims(&operation(), &good());
        assert_eq!(claims.len(), 7);
        for claim in &claims {
            assert_eq!(claim.verdict, Verdict::Pass, "{claim:?}");
        }
    }

    #[test]
    fn each_budget_fails_alone() {
        use OperationClaimKind as Kind;
        use OperationReason as Reason;
        let failing = |change: fn(&mut CaseEvidence)| {
            let mut evidence = good();
            change(&mut evidence);
            let mut claims = case_claims(&operation(), &evidence);
            claims.retain(|claim| claim.verdict != Verdict::Pass);
            reasons(&claims)
        };
        assert_eq!(
            failing(|it| it.allocations = Some(Range { min: 3, max: 4 })),
            [(Kind::Allocations, Reason::OverBudget)]
        );
        assert_eq!(
            failing(|it| it.heap_peak_bytes = Some(Range::of(101))),
            [(Kind::Memory, Reason::OverBudget)]
        );
        assert_eq!(failing(|it| it.heap_peak_bytes = None), [(Kind::Memory, Reason::NotObserved)]);
        assert_eq!(
            failing(|it| it.quality = [("accuracy".to_owned(), Some(949_999))].into()),
            [(Kind::Quality, Reason::BelowFloor)]
        );
        assert_eq!(
            failing(|it| it.quality = [("accuracy".to_owned(), None)].into()),
            [(Kind::Quality, Reason::NotANumber)]
        );
        assert_eq!(failing(|it| it.quality.clear()), [(Kind::Quality, Reason::NotObserved)]);
        let times = [Kind::Mean, Kind::Total, Kind::Throughput];
        let slow = failing(|it| it.samples = samples(&[1_001_000, 1_001_001, 1_001_002]));
        assert_eq!(slow, times.map(|kind| (kind, Reason::OverBudget)));
        let wide = failing(|it| it.samples = samples(&[1_000_000, 900_000, 1_100_000]));
        assert_eq!(wide, times.map(|kind| (kind, Reason::Undecided)));
        let one = failing(|it| it.samples = samples(&[10]));
        assert_eq!(one, times.map(|kind| (kind, Reason::TooFewSamples)));
        let none = failing(|it| it.samples = Samples::default());
        assert_eq!(none, times.map(|kind| (kind, Reason::NoSample)));
    }

    #[test]
    fn a_failure_is_told_by_its_kind() {
        for (kind, verdict) in [
            (FailureKind::Panicked, Verdict::Fail),
            (FailureKind::Deadline, Verdict::Fail),
            (FailureKind::Unusable, Verdict::Abstain),
        ] {
            let claims = case_claims(&operation(), &CaseEvidence::failed(kind, "no"));
            assert_eq!(claims[0].verdict, verdict);
            assert!(claims[1..].iter().all(|claim| claim.verdict == Verdict::Abstain));
        }
    }

    #[test]
    fn one_allocation_more_than_the_baseline_fails_and_a_time_abstains() {
        use OperationReason as Reason;
        let before = CaseFigures::of(&good(), true);
        let changes = |evidence: &CaseEvidence, baseline: Option<&CaseFigures>| {
            let claims = case_changes(&operation(), evidence, baseline, None);
            claims.iter().map(|claim| claim.reason).collect::<Vec<_>>()
        };
        let none = Reason::NoSample;
        let same = [Reason::WithinTolerance, Reason::WithinTolerance, Reason::StoredTime, none];
        assert_eq!(changes(&good(), Some(&before)), same);
        let mut more = good();
        more.allocations = Some(Range::of(4));
        more.heap_peak_bytes = Some(Range::of(105));
        more.parts = [("render".to_owned(), samples(&[5]))].into();
        let expected = [
            Reason::BeyondTolerance,
            Reason::WithinTolerance,
            Reason::StoredTime,
            Reason::NotInBaseline,
        ];
        assert_eq!(changes(&more, Some(&before)), expected);
        more.heap_peak_bytes = Some(Range::of(106));
        assert_eq!(changes(&more, Some(&before))[1], Reason::BeyondTolerance);
        let other = CaseFigures { same_build: false, ..before };
        assert_eq!(changes(&good(), Some(&other))[0], Reason::IncomparableBuild);
        assert_eq!(changes(&good(), None)[0], Reason::NotInBaseline);
        assert!(!case_changes(&operation(), &good(), None, None)[2].required);
    }

    #[test]
    fn closeness_is_the_part_of_the_budget_that_is_used() {
        let claims = case_claims(&operation(), &good());
        let closeness: Vec<Option<f64>> = claims.iter().map(OperationClaim::closeness).collect();
        assert_eq!(closeness[0], None);
        assert!((closeness[1].unwrap() - 0.999).abs() < 1e-3);
        assert!((closeness[3].unwrap() - 0.999).abs() < 1e-3);
        assert_eq!(closeness[5], Some(1.0));
    }
}
