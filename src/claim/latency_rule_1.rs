//! The first rule of latencies. Passports are decided again by it for as long as there are any, so all of
//! it, and [`interval`], stay as they are.

use super::{busy::over_budget, reason::Reason};
use crate::{
    contract::{LatencyBudget, Quantile},
    evidence::Evidence,
    statistics::{interval, samples_bounding},
    units::{Count, Ppm},
};

/// Times that a latency budget could be looked at while samples were added; the error probability is
/// shared out among them, so that looking again does not make a false verdict likelier
/// (Bonferroni; Jennison and Turnbull 1999, chapter 2, for better boundaries).
const LOOKS_MAX: u64 = 5;

/// The probability, of all looks together, that a latency bound is on the wrong side.
const ERROR: Ppm = Ppm::new(1_000);

/// That of one look.
const ERROR_OF_A_LOOK: Ppm = Ppm::new(ERROR.get() / LOOKS_MAX);

/// A confidence interval of the quantile lies on one side of the budget, or on both.
pub(super) fn reason(budget: LatencyBudget, evidence: &Evidence) -> Reason {
    let limit = budget.latency_ns_max;
    match interval(&evidence.latency, budget.quantile, ERROR_OF_A_LOOK) {
        None => Reason::NoSample,
        Some(bounds) if bounds.lower >= limit => over_budget(limit, evidence),
        Some(bounds) if bounds.upper.is_some_and(|upper| upper < limit) => Reason::WithinBudget,
        Some(_) => Reason::Undecided,
    }
}

/// The fewest samples that could show a budget of this quantile to be kept.
pub(super) fn samples_min(quantile: Quantile) -> Count {
    samples_bounding(quantile, ERROR_OF_A_LOOK)
}
