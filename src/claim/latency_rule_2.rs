//! The second rule of latencies: how many samples are not below the budget shows how large their share is.
//!
//! The first rule may be looked at five times, and each look needs 848 samples for a p99. A request of
//! 30 ms has as many after 25 seconds. The second may be looked at after each sample. It tells the two
//! errors apart: a budget that is exactly met passes once in a hundred times, and a budget that is kept
//! fails once in a thousand. So what lies far below its budget passes with 477 samples.

use super::{busy::over_budget_2, reason::Reason};
use crate::{
    contract::{LatencyBudget, Quantile},
    evidence::Evidence,
    statistics::{SplitCounts, samples_showing_less, shows_less_beyond, shows_more_beyond},
    units::{Count, Ppm},
};

/// The probability that a budget which is not kept passes, however often it is looked at.
const ERROR_OF_PASS: Ppm = Ppm::new(10_000);

/// The probability that a budget which is kept fails, however often it is looked at.
const ERROR_OF_FAIL: Ppm = Ppm::new(1_000);

/// The share of requests that is not below the budget is shown to be smaller than the quantile allows, or
/// larger, or neither.
pub(super) fn reason(budget: LatencyBudget, evidence: &Evidence) -> Reason {
    let (limit, latency) = (budget.latency_ns_max, &evidence.latency);
    if latency.is_empty() {
        return Reason::NoSample;
    }
    let split =
        |beyond: Count| SplitCounts { within: latency.samples().saturating_sub(beyond), beyond };
    // A bucket that the budget cuts counts against whoever would prove something.
    let at_least = split(latency.at_or_above_at_least(limit));
    let at_most = split(latency.at_or_above_at_most(limit));
    let allowed = share_beyond(budget.quantile);
    if shows_more_beyond(at_least, allowed, ERROR_OF_FAIL) {
        over_budget_2(limit, evidence)
    } else if shows_less_beyond(at_most, allowed, ERROR_OF_PASS) {
        Reason::WithinBudget
    } else {
        Reason::Undecided
    }
}

/// The fewest samples that can show a budget of this quantile to be kept, of which so many are not below
/// it; `None` where that would be more than anybody takes.
pub(super) fn samples_needed(quantile: Quantile, beyond: Count) -> Option<Count> {
    samples_showing_less(beyond, share_beyond(quantile), ERROR_OF_PASS)
}

/// The share of requests that may lie beyond a quantile.
fn share_beyond(quantile: Quantile) -> Ppm {
    Ppm::new(1_000_000 - quantile.share().get())
}
