//! The second rule of production: the first, with what it did not know. Passports are decided again by it for
//! as long as there are any, so all of it stays as it is.
//!
//! - Requests that were counted in this time or before it: the upper bound takes the bad ones among them for
//!   bad, and leaves out the good ones; the lower bound has all of them for good.
//! - Requests that the counter has and the histogram lacks, or the reverse. The upper bound takes each for
//!   bad, the lower bound for good.
//! - Requests that had begun and not ended: likewise.
//! - A route that falls silent when one begins that is not under contract: it may have another name now, and
//!   no claim on it is decided.
//! - Counts that are not those of single processes, or a histogram that contradicts itself: no claim on them
//!   is decided.
//!
//! These are bounds of the worst case (Manski 1989, "Anatomy of the selection problem"): nothing is assumed
//! of requests that nobody knows.

use super::{
    CounterDoubt, ProductionEvidence, rule_1,
    tally::{Besides, Bracket},
};
use crate::{
    claim::Reason,
    units::{Count, Ppm},
};

/// How the share lies to what is allowed.
pub(super) fn reason(evidence: &ProductionEvidence, bracket: &Bracket, allowed: Ppm) -> Reason {
    // The counter of requests is another metric than the histogram.
    let of_it = |it: &CounterDoubt| bracket.limit.is_some() || *it != CounterDoubt::HistogramBroken;
    if let Some(doubt) = evidence.doubts.iter().copied().find(of_it) {
        return match doubt {
            CounterDoubt::SeveralProcesses => Reason::SeveralProcesses,
            CounterDoubt::CountersFell => Reason::CountersFell,
            CounterDoubt::HistogramBroken => Reason::HistogramBroken,
        };
    }
    if bracket.besides.replaced {
        return Reason::RoutesChanged;
    }
    let limit = rule_1::share(allowed);
    let first = rule_1::reason(evidence, bracket, allowed);
    match first {
        Reason::WithinBudget if at_most(bracket) >= limit => weakened(bracket, limit),
        Reason::OverBudget if at_least(bracket) <= limit => weakened(bracket, limit),
        Reason::TooLittleTraffic | Reason::TooFewWindows | Reason::EdgeMissing
            if uncounted_share(bracket) >= limit =>
        {
            Reason::CountsDisagree
        }
        _ => first,
    }
}

/// The largest share of bad requests that is compatible with all that is known.
pub(super) fn at_most(bracket: &Bracket) -> f64 {
    let bound = bracket.at_most.at_most(rule_1::ERROR_OF_PASS);
    let Besides { unsure_bad, uncounted, unfinished, .. } = bracket.besides;
    let bad = unsure_bad.saturating_add(uncounted).saturating_add(unfinished);
    if bad == Count::ZERO {
        return bound;
    }
    let (trials, bad) = (float(bracket.at_most.trials), float(bad));
    (bound * trials + bad) / (trials + bad)
}

/// The smallest one.
pub(super) fn at_least(bracket: &Bracket) -> f64 {
    let bound = bracket.at_least.at_least(rule_1::ERROR_OF_FAIL);
    let Besides { unsure, uncounted, unfinished, .. } = bracket.besides;
    let more = unsure.saturating_add(uncounted).saturating_add(unfinished);
    if more == Count::ZERO {
        return bound;
    }
    let (trials, more) = (float(bracket.at_least.trials), float(more));
    bound * trials / (trials + more)
}

/// Why what the windows show is not shown of all requests.
fn weakened(bracket: &Bracket, limit: f64) -> Reason {
    let is_decided = |it: &Bracket| at_most(it) < limit || at_least(it) > limit;
    let mut sure = bracket.clone();
    sure.besides.unfinished = Count::ZERO;
    if is_decided(&sure) {
        return Reason::Unfinished;
    }
    (sure.besides.unsure, sure.besides.unsure_bad) = (Count::ZERO, Count::ZERO);
    if is_decided(&sure) { Reason::UnsureCounts } else { Reason::CountsDisagree }
}

/// The share of all requests that this metric lacks.
fn uncounted_share(bracket: &Bracket) -> f64 {
    let besides = &bracket.besides;
    let counted = bracket.at_most.trials.saturating_add(besides.unsure);
    let all = counted.saturating_add(besides.uncounted);
    if all == Count::ZERO { 0.0 } else { float(besides.uncounted) / float(all) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a passport are at most 2^53")]
fn float(count: Count) -> f64 {
    count.get() as f64
}
