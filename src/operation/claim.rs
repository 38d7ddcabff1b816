//! Claims on operations against their budgets, decided on evidence alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CaseEvidence, FailureKind, Samples, growth::Growth, growth_rules, samples};
use crate::{
    claim::{Claim, Reason, Verdict, count_below},
    contract::{ClaimKind, Direction, Operation, OperationBudgets},
    evidence::Range,
    rules::{GrowthRule, MeanRule},
    units::{Bytes, Count, Picos},
};

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
    /// Those parts that it tells in steps which may hide a change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts_coarse: BTreeSet<String>,
}

impl CaseFigures {
    /// What this evidence says to those who compare with it later.
    pub fn of(evidence: &CaseEvidence, same_build: bool) -> Self {
        let parts = evidence.parts.iter();
        let parts = parts.filter_map(|(name, part)| Some((name.clone(), mean(part)?)));
        let coarse = evidence.parts.keys().filter(|it| evidence.tells_finely(it) == Some(false));
        Self {
            same_build,
            allocations: most(evidence.allocations).map(Count::new),
            heap_peak_bytes: most(evidence.heap_peak_bytes).map(Bytes::new),
            mean_ps: shown_mean(evidence),
            parts_ps: parts.collect(),
            parts_coarse: coarse.cloned().collect(),
        }
    }
}

pub(super) fn mean(samples: &Samples) -> Option<Picos> {
    samples.mean_ns().map(samples::picos)
}

/// The mean of the samples, or else the one that a tool told without any.
pub(super) fn shown_mean(evidence: &CaseEvidence) -> Option<Picos> {
    mean(&evidence.samples).or_else(|| evidence.told?.mean_ps)
}

pub(super) fn most(range: Option<Range>) -> Option<u64> {
    range.map(|it| it.max)
}

/// Holds one case against its budgets: whether it completed, then one claim for each budget. The rule
/// is that of mean times.
pub fn case_claims(operation: &Operation, evidence: &CaseEvidence, rule: MeanRule) -> Vec<Claim> {
    let budgets = &operation.budgets;
    let mut claims = vec![completed(evidence)];
    claims.extend(times(operation, budgets, evidence, rule));
    let heap = budgets.heap_bytes_max;
    claims.extend(heap.map(|it| count_below(ClaimKind::Heap, evidence.heap_peak_bytes, it.get())));
    let allocations = budgets.allocations_max;
    claims.extend(
        allocations.map(|it| count_below(ClaimKind::Allocations, evidence.allocations, it.get())),
    );
    let instructions = evidence.told.and_then(|it| it.instructions).map(|it| Range::of(it.get()));
    let budget = budgets.instructions_max;
    claims.extend(budget.map(|it| count_below(ClaimKind::Instructions, instructions, it.get())));
    let floors = operation.quality_min.iter();
    claims.extend(floors.map(|(metric, floor)| quality(metric, *floor, evidence)));
    claims
}

fn completed(evidence: &CaseEvidence) -> Claim {
    let reason = match evidence.failure.as_ref().map(|failure| failure.kind) {
        None => Reason::AsExpected,
        Some(FailureKind::Panicked) => Reason::Panicked,
        Some(FailureKind::Deadline) => Reason::DeadlineExceeded,
        Some(FailureKind::Unusable) => Reason::Unusable,
    };
    Claim::new(ClaimKind::Completed, reason)
}

/// Mean, total and throughput are one figure, the mean, in three units.
#[expect(clippy::cast_precision_loss, reason = "figures are below 2^53")]
fn times(
    operation: &Operation,
    budgets: &OperationBudgets,
    evidence: &CaseEvidence,
    rule: MeanRule,
) -> Vec<Claim> {
    let samples = &evidence.samples;
    let interval = samples.mean_ns().zip(samples.mean_distance_ns(rule));
    let told = evidence.told.and_then(|it| it.mean_ps).map(|it| it.get() as f64 / 1e3);
    let mean = interval.map(|(mean, _)| mean).or(told);
    let iterations = operation.iterations.get() as f64;
    let claim = |kind, mean_ns_max: f64, observed: Option<u64>, limit: u64| {
        let reason = match evidence.told {
            Some(_) => Reason::NoSamplesKept,
            None => held(kind, interval, mean_ns_max),
        };
        Claim::new(kind, reason).figures(observed, Some(limit))
    };
    let mut claims = Vec::new();
    if let Some(budget) = budgets.mean_max {
        let observed = mean.map(|ns| samples::picos(ns).get());
        let limit = budget.get() as f64 / 1e3;
        claims.push(claim(ClaimKind::Mean, limit, observed, budget.get()));
    }
    if let Some(budget) = budgets.total_ns_max {
        let observed = mean.map(|ns| samples::whole(ns * iterations));
        let limit = budget.get() as f64 / iterations;
        claims.push(claim(ClaimKind::Total, limit, observed, budget.get()));
    }
    if let Some(budget) = budgets.throughput_min {
        let observed = mean.map(|ns| samples::millihertz(ns).get());
        let limit = 1e12 / budget.get() as f64;
        claims.push(claim(ClaimKind::Throughput, limit, observed, budget.get()));
    }
    claims
}

/// Whether a mean with its distance is shown to be on the right side of the longest mean: below it,
/// or where the budget is a floor of what is done in the time, at most it.
fn held(kind: ClaimKind, interval: Option<(f64, f64)>, longest: f64) -> Reason {
    let Some((mean, distance)) = interval else { return Reason::NoSample };
    if distance.is_infinite() {
        return Reason::TooFewSamples;
    }
    let (least, most) = (mean - distance, mean + distance);
    let is_floor = kind.direction() == Direction::AtLeast;
    if most < longest || (is_floor && most <= longest) {
        Reason::WithinBudget
    } else if is_floor && least > longest {
        Reason::BelowFloor
    } else if !is_floor && least >= longest {
        Reason::OverBudget
    } else {
        Reason::Undecided
    }
}

fn quality(metric: &str, floor: i64, evidence: &CaseEvidence) -> Claim {
    let told = evidence.quality.get(metric);
    let reason = match told {
        None => Reason::NotObserved,
        Some(None) => Reason::NotANumber,
        Some(Some(value)) if *value >= floor => Reason::WithinBudget,
        Some(Some(_)) => Reason::BelowFloor,
    };
    let claim = Claim::new(ClaimKind::Quality, reason);
    Claim {
        metric: Some(metric.to_owned()),
        observed: told.copied().flatten(),
        limit: Some(floor),
        ..claim
    }
}

/// Claims on an operation as a whole, over its cases: how its time grows.
pub fn operation_claims<'a>(
    operation: &Operation,
    cases: impl IntoIterator<Item = (u64, &'a Samples)> + Clone,
    rule: GrowthRule,
) -> Vec<Claim> {
    let Some(limit) = operation.budgets.complexity_max else { return Vec::new() };
    let growth = Growth::of(rule, cases.clone());
    let reason = match (growth, growth_rules::at_most(rule, limit, cases)) {
        (None, _) => Reason::TooFewSamples,
        (_, Verdict::Pass) => Reason::WithinBudget,
        (_, Verdict::Fail) => Reason::GrowsFaster,
        (_, Verdict::Abstain) => Reason::Undecided,
    };
    let claim = Claim::new(ClaimKind::Growth, reason);
    let observed = growth.map(|it| it.exponent_ppm);
    vec![Claim { metric: Some(limit.to_string()), observed, ..claim }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::Contract,
        operation::{Sample, ToldFigures, case_changes},
    };

    const CONTRACT: &str = r#"
        schema_version = 1
        name = "a"
        [[operation]]
        name = "o"
        iterations = 1000
        budgets = { mean_ms_max = 1, total_ms_max = 1000, throughput_min = 1000, heap_bytes_max = 101, allocations_max = 4 }
        quality = { accuracy_min = 0.95 }
        tolerance = { render_percent = 15 }
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

    fn reasons(claims: &[Claim]) -> Vec<(ClaimKind, Reason)> {
        claims.iter().map(|claim| (claim.kind, claim.reason)).collect()
    }

    #[test]
    fn what_is_just_within_its_budgets_passes() {
        let claims = case_claims(&operation(), &good(), MeanRule::One);
        assert_eq!(claims.len(), 7);
        for claim in &claims {
            assert_eq!(claim.verdict, Verdict::Pass, "{claim:?}");
        }
    }

    #[test]
    fn each_budget_fails_alone() {
        use ClaimKind as Kind;
        let failing = |change: fn(&mut CaseEvidence)| {
            let mut evidence = good();
            change(&mut evidence);
            let mut claims = case_claims(&operation(), &evidence, MeanRule::One);
            claims.retain(|claim| claim.verdict != Verdict::Pass);
            reasons(&claims)
        };
        assert_eq!(
            failing(|it| it.allocations = Some(Range { min: 3, max: 4 })),
            [(Kind::Allocations, Reason::OverBudget)]
        );
        assert_eq!(
            failing(|it| it.heap_peak_bytes = Some(Range::of(101))),
            [(Kind::Heap, Reason::OverBudget)]
        );
        assert_eq!(failing(|it| it.heap_peak_bytes = None), [(Kind::Heap, Reason::NotObserved)]);
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
        let over = [Reason::OverBudget, Reason::OverBudget, Reason::BelowFloor];
        assert_eq!(slow, [0, 1, 2].map(|it| (times[it], over[it])));
        let wide = failing(|it| it.samples = samples(&[1_000_000, 900_000, 1_100_000]));
        assert_eq!(wide, times.map(|kind| (kind, Reason::Undecided)));
        let one = failing(|it| it.samples = samples(&[10]));
        assert_eq!(one, times.map(|kind| (kind, Reason::TooFewSamples)));
        let none = failing(|it| it.samples = Samples::default());
        assert_eq!(none, times.map(|kind| (kind, Reason::NoSample)));
    }

    #[test]
    fn a_maximum_that_is_met_exactly_is_not_kept_and_a_floor_is() {
        use ClaimKind::{Allocations, Completed, Heap, Mean, Quality, Throughput, Total};
        let mut evidence = good();
        evidence.samples = samples(&[1_000_000, 1_000_000, 1_000_000]);
        evidence.allocations = Some(Range::of(4));
        evidence.heap_peak_bytes = Some(Range::of(101));
        let claims = case_claims(&operation(), &evidence, MeanRule::One);
        let passed = claims.iter().filter(|it| it.verdict == Verdict::Pass).map(|it| it.kind);
        assert_eq!(passed.collect::<Vec<_>>(), [Completed, Throughput, Quality]);
        let failed = claims.iter().filter(|it| it.reason == Reason::OverBudget).map(|it| it.kind);
        assert_eq!(failed.collect::<Vec<_>>(), [Mean, Total, Heap, Allocations]);
    }

    #[test]
    fn what_a_tool_tells_without_samples_is_shown_and_proves_nothing() {
        let told = ToldFigures { mean_ps: Some(Picos::new(5_000)), ..ToldFigures::default() };
        let evidence = CaseEvidence { samples: Samples::default(), told: Some(told), ..good() };
        let claims = case_claims(&operation(), &evidence, MeanRule::One);
        assert_eq!(claims[1].reason, Reason::NoSamplesKept);
        assert_eq!(claims[1].observed, Some(5_000));
        let abstained = claims.iter().filter(|it| it.verdict == Verdict::Abstain).count();
        // Counts need no samples.
        assert_eq!(
            (abstained, claims[4].verdict, claims[5].verdict),
            (3, Verdict::Pass, Verdict::Pass)
        );
        let before = CaseFigures::of(&good(), true);
        let changes = case_changes(&operation(), &evidence, Some(&before), None);
        assert_eq!(changes[2].reason, Reason::StoredLatency);
        assert_eq!(CaseFigures::of(&evidence, true).mean_ps, told.mean_ps);
    }

    #[test]
    fn instructions_are_exact_where_a_tool_told_them() {
        let text = CONTRACT.replace("heap_bytes_max = 101", "instructions_max = 158");
        let operation = Contract::parse(&text).unwrap().operations.remove(0);
        let reason = |instructions: Option<u64>| {
            let instructions = instructions.map(Count::new);
            let told = ToldFigures { instructions, ..ToldFigures::default() };
            let evidence = CaseEvidence { told: Some(told), ..CaseEvidence::default() };
            let claims = case_claims(&operation, &evidence, MeanRule::One);
            claims.iter().find(|it| it.kind == ClaimKind::Instructions).unwrap().reason
        };
        assert_eq!(reason(Some(157)), Reason::WithinBudget);
        assert_eq!(reason(Some(158)), Reason::OverBudget);
        assert_eq!(reason(None), Reason::NotObserved);
    }

    #[test]
    fn a_failure_is_told_by_its_kind() {
        for (kind, verdict) in [
            (FailureKind::Panicked, Verdict::Fail),
            (FailureKind::Deadline, Verdict::Fail),
            (FailureKind::Unusable, Verdict::Abstain),
        ] {
            let claims =
                case_claims(&operation(), &CaseEvidence::failed(kind, "no"), MeanRule::One);
            assert_eq!(claims[0].verdict, verdict);
            assert!(claims[1..].iter().all(|claim| claim.verdict == Verdict::Abstain));
        }
    }

    #[test]
    fn one_allocation_more_than_the_baseline_fails_and_a_time_abstains() {
        let before = CaseFigures::of(&good(), true);
        let changes = |evidence: &CaseEvidence, baseline: Option<&CaseFigures>| {
            let claims = case_changes(&operation(), evidence, baseline, None);
            claims.iter().map(|claim| claim.reason).collect::<Vec<_>>()
        };
        let none = Reason::NoSample;
        let same = [Reason::WithinTolerance, Reason::WithinTolerance, Reason::StoredLatency, none];
        assert_eq!(changes(&good(), Some(&before)), same);
        let mut more = good();
        more.allocations = Some(Range::of(4));
        more.heap_peak_bytes = Some(Range::of(105));
        more.parts = [("render".to_owned(), samples(&[5]))].into();
        let expected = [
            Reason::BeyondTolerance,
            Reason::WithinTolerance,
            Reason::StoredLatency,
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
        let claims = case_claims(&operation(), &good(), MeanRule::One);
        let closeness: Vec<Option<f64>> = claims.iter().map(Claim::closeness).collect();
        assert_eq!(closeness[0], None);
        assert!((closeness[1].unwrap() - 0.999).abs() < 1e-3);
        assert!((closeness[3].unwrap() - 0.999).abs() < 1e-3);
        assert_eq!(closeness[5], Some(0.75));
    }
}
