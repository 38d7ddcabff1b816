//! A check's latency against its budgets: one claim for each quantile that has one.

use super::{latency_rule_1, latency_rule_2, reason::Reason, statement::Claim};
use crate::{
    contract::{Check, ClaimKind, LatencyBudget, Quantile},
    evidence::Evidence,
    rules::LatencyRule,
    statistics::quantile,
    units::{Count, Nanos},
};

/// The claim on the budget of a check, and those on budgets of further quantiles, which name them.
pub(super) fn claims(rule: LatencyRule, check: &Check, evidence: &Evidence) -> Vec<Claim> {
    let main = claim(rule, check.budgets.latency(), evidence);
    let further = check.budgets.further_latency.iter().map(|budget| Claim {
        metric: Some(budget.quantile.to_string()),
        ..claim(rule, *budget, evidence)
    });
    std::iter::once(main).chain(further).collect()
}

/// Whether the samples taken so far leave a latency budget undecided that so many could decide, by the
/// latest rule.
pub fn latency_can_be_decided(check: &Check, evidence: &Evidence, most: Count) -> bool {
    let rule = LatencyRule::LATEST;
    budgets(check).any(|budget| {
        let needed = latency_samples_needed(rule, budget.quantile, Count::ZERO);
        needed.is_some_and(|it| it <= most)
            && claim(rule, budget, evidence).reason == Reason::Undecided
    })
}

/// So many samples show that all latency budgets of a check are kept, where no sample comes near one, by the
/// latest rule; `None` where that would be more than anybody takes.
pub fn latency_samples_enough(check: &Check) -> Option<Count> {
    let needed = |budget: LatencyBudget| {
        latency_samples_needed(LatencyRule::LATEST, budget.quantile, Count::ZERO)
    };
    budgets(check).try_fold(Count::ZERO, |most, budget| Some(most.max(needed(budget)?)))
}

fn budgets(check: &Check) -> impl Iterator<Item = LatencyBudget> {
    let further = check.budgets.further_latency.iter().copied();
    std::iter::once(check.budgets.latency()).chain(further)
}

/// The fewest samples that can show a budget of this quantile to be kept, of which so many are not below
/// it; `None` where that would be more than anybody takes. The first rule asks for as many in any case.
pub fn latency_samples_needed(
    rule: LatencyRule,
    quantile: Quantile,
    beyond: Count,
) -> Option<Count> {
    match rule {
        LatencyRule::One => Some(latency_rule_1::samples_min(quantile)),
        LatencyRule::Two => latency_rule_2::samples_needed(quantile, beyond),
        #[cfg(test)]
        LatencyRule::Trial => None,
    }
}

fn claim(rule: LatencyRule, budget: LatencyBudget, evidence: &Evidence) -> Claim {
    let reason = match rule {
        LatencyRule::One => latency_rule_1::reason(budget, evidence),
        LatencyRule::Two => latency_rule_2::reason(budget, evidence),
        #[cfg(test)]
        LatencyRule::Trial => Reason::Undecided,
    };
    // What is known of a part of the rows that were to be timed shows nothing of the rest.
    let reason = match reason {
        Reason::WithinBudget if evidence.rows.is_some_and(|it| it.is_cut_short()) => {
            Reason::RowsNotCovered
        }
        reason => reason,
    };
    // With too few samples for the quantile the largest one is the honest figure to show.
    let observed = quantile(&evidence.latency, budget.quantile)
        .or_else(|| (!evidence.latency.is_empty()).then(|| evidence.latency.max()));
    Claim::new(ClaimKind::Latency, reason)
        .figures(observed.map(Nanos::get), Some(budget.latency_ns_max.get()))
}
