//! The first rule of production. Passports are decided again by it for as long as there are any, so all of
//! it, and [`crate::statistics::SpreadShare`], stay as they are.
//!
//! A share is kept where its upper bound at 95 % is below what is allowed, and not kept where its lower
//! bound at 99.5 % is above. Who holds a service at its limit fails it by mistake at most once in 200 times.

use super::{ProductionEvidence, tally::Bracket};
use crate::{
    claim::Reason,
    units::{Count, Ppm},
};

/// The probability that a share which is not kept passes: that of all intervals here, 95 %.
pub(super) const ERROR_OF_PASS: f64 = 0.05;

/// The probability that a share which is kept fails. An objective has two claims, and together they fail by
/// mistake at most once in 100 times (Bonferroni).
pub(super) const ERROR_OF_FAIL: f64 = 0.005;

/// The share of time in gaps from which on nothing is decided. What was counted in a gap is in the window in
/// which it ends. A tenth of 60 windows is six of them: fewer than the ten that are taken as one, so that the
/// spread between these still holds.
const GAPS_MAX: Ppm = Ppm::new(100_000);

/// How the share lies to what is allowed.
pub(super) fn reason(evidence: &ProductionEvidence, bracket: &Bracket, allowed: Ppm) -> Reason {
    let limit = share(allowed);
    if evidence.is_mixed() {
        return Reason::SeveralBudgets;
    }
    if evidence.gap_ppm > GAPS_MAX {
        return Reason::CountersMissing;
    }
    if bracket.at_most.trials == Count::ZERO {
        return Reason::TooLittleTraffic;
    }
    if !bracket.at_most.is_known() {
        return Reason::TooFewWindows;
    }
    if bracket.at_least.at_least(ERROR_OF_FAIL) > limit {
        Reason::OverBudget
    } else if bracket.at_most.at_most(ERROR_OF_PASS) < limit {
        Reason::WithinBudget
    } else if bracket.is_open() {
        Reason::EdgeMissing
    } else {
        Reason::TooLittleTraffic
    }
}

/// Requests that would decide it, if their share and spread stay as they are; `None` where no number does,
/// or another thing must be mended first.
pub(super) fn requests_needed(reason: Reason, bracket: &Bracket, allowed: Ppm) -> Option<Count> {
    if !matches!(reason, Reason::TooLittleTraffic | Reason::TooFewWindows) {
        return None;
    }
    let (limit, seen) = (share(allowed), &bracket.at_most);
    let kept = seen.trials_showing_less(limit, ERROR_OF_PASS);
    kept.or_else(|| seen.trials_showing_more(limit, ERROR_OF_FAIL))
}

#[expect(clippy::cast_precision_loss, reason = "at most a million")]
pub(super) fn share(ppm: Ppm) -> f64 {
    ppm.get() as f64 / 1e6
}
