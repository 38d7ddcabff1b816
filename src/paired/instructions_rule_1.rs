//! The first rule of instructions: what is whole, the bounds of a change, and the verdict.
//!
//! [`super::decide_instructions`] says why samples are paired and why two of three pairs decide.
//!
//! NOTE: passports are decided again by this rule for as long as there are any. So it stays as it is:
//! a better rule is another file beside it, with a number of its own ([`InstructionsRule`]).
//!
//! [`InstructionsRule`]: crate::rules::InstructionsRule

use super::{
    decision::{Outcome, Spread},
    evidence::Effect,
    instruction_counts::{CountedPair, InstructionCounts, InstructionDecision},
    policy::Policy,
};
use crate::units::Ppm;

/// Samples of a check that a process counts among others: so many that with 20 checks the third from
/// either end bounds the median.
pub const SAMPLES_AMONG_OTHERS: u32 = 21;

/// Samples that a process counts of the one check that it counts: with 20 checks the ninth from either
/// end bounds the median. A digit less of a time, as one sample in ten has, moves no bound then.
pub const SAMPLES_ALONE: u32 = 41;

/// Pairs of processes that count nothing but one check, when the first two do not say the same; two
/// otherwise.
pub const PAIRS_ALONE_MAX: usize = 3;

/// As many of them decide.
pub(super) const PAIRS_DECIDING: usize = 2;

/// How much processes that answered other checks before may differ without a change.
const ROOM_AMONG_OTHERS: Effect = 30_000;

/// Whether there is as much as may be decided on, and each process has all its samples.
pub(super) fn is_whole(counts: &InstructionCounts) -> bool {
    let enough = match counts.alone.len() {
        0 => counts.among_others.is_some(),
        pairs => (PAIRS_DECIDING..=PAIRS_ALONE_MAX).contains(&pairs),
    };
    let has = |pair: &CountedPair, samples: u32| {
        [&pair.baseline, &pair.current].iter().all(|it| it.len() == samples as usize)
    };
    enough
        && counts.among_others.iter().all(|it| has(it, SAMPLES_AMONG_OTHERS))
        && counts.alone.iter().all(|it| has(it, SAMPLES_ALONE))
}

/// Decides whether the change of instructions is within the tolerance; `None` where not all was
/// counted, or too few samples were for so many checks.
pub(super) fn decide(
    policy: &Policy,
    tolerance: Ppm,
    counts: &InstructionCounts,
) -> Option<InstructionDecision> {
    if !is_whole(counts) {
        return None;
    }
    let is_alone = !counts.alone.is_empty();
    let pairs = if is_alone { counts.alone.as_slice() } else { counts.among_others.as_slice() };
    let spreads = pairs.iter().map(|pair| spread(pair, policy));
    let spreads = spreads.collect::<Option<Vec<Spread>>>()?;
    let sorted = |get: fn(&Spread) -> Effect| {
        let mut sorted: Vec<Effect> = spreads.iter().map(get).collect();
        sorted.sort_unstable();
        sorted
    };
    // What two of three are above, and below: one of them that is led astray is outside.
    let outside = spreads.len().saturating_sub(PAIRS_DECIDING);
    let (lower, upper) = (sorted(|it| it.lower), sorted(|it| it.upper));
    let medians = sorted(|it| it.median);
    let change = Spread {
        lower: *lower.get(outside)?,
        median: *medians.get((medians.len() - 1) / 2)?,
        upper: *upper.get(upper.len() - 1 - outside)?,
    };
    let tolerance = i64::try_from(tolerance.get()).unwrap_or(i64::MAX);
    let room = if is_alone { 0 } else { ROOM_AMONG_OTHERS };
    let outcome = if change.upper.saturating_add(room) <= tolerance {
        Outcome::Within
    } else if change.lower > tolerance && is_alone {
        Outcome::Beyond
    } else {
        Outcome::Undecided
    };
    Some(InstructionDecision { outcome, change })
}

/// The median of its pairs of samples, and what bounds it.
fn spread(pair: &CountedPair, policy: &Policy) -> Option<Spread> {
    let rank = rank(policy, pair.baseline.len())?;
    let sorted = |divide: fn(i128, i128) -> i128| {
        let pairs = pair.baseline.0.iter().zip(&pair.current.0);
        let changes = pairs.map(|(before, after)| change(*before, *after, divide));
        let mut changes = changes.collect::<Option<Vec<Effect>>>()?;
        changes.sort_unstable();
        Some(changes)
    };
    let (down, nearest, up) = (sorted(i128::div_euclid)?, sorted(rounded)?, sorted(rounded_up)?);
    Some(Spread {
        lower: *down.get(rank - 1)?,
        median: *nearest.get(nearest.len().checked_sub(1)? / 2)?,
        upper: *up.get(up.len().checked_sub(rank)?)?,
    })
}

/// The rank from either end whose change, among those of so many pairs of samples, bounds the
/// median of all pairs that could have been; `None` when not even the least does surely enough.
///
/// All pairs of processes share the error of a check.
pub(super) fn rank(policy: &Policy, samples: usize) -> Option<usize> {
    shared_rank(policy, samples as u64, 1 + PAIRS_ALONE_MAX as u128)
}

/// The largest rank whose error is small enough when each check has so many shares of it.
fn shared_rank(policy: &Policy, tosses: u64, shares: u128) -> Option<usize> {
    // P(fewer than rank heads) = cumulated / 2^tosses, and
    // the error allowed        = suite_error / (10^6 * checks * shares).
    let checks = u128::from(policy.checks.get().min(1 << 20));
    let scale = 1_000_000 * checks * shares;
    let allowed = u128::from(policy.suite_error_ppm.get())
        .checked_mul(1_u128.checked_shl(u32::try_from(tosses).ok()?)?)?;
    let (mut cumulated, mut ways, mut rank) = (0_u128, 1_u128, 0_u64);
    while rank < tosses / 2 {
        cumulated += ways;
        // What does not fit is larger.
        if cumulated.checked_mul(scale).is_none_or(|error| error > allowed) {
            break;
        }
        ways = ways * u128::from(tosses - rank) / u128::from(rank + 1);
        rank += 1;
    }
    (rank > 0).then(|| usize::try_from(rank).ok())?
}

/// How much more `after` is than `before`, in ppm of it; `None` where that was nothing.
fn change(before: u64, after: u64, divide: fn(i128, i128) -> i128) -> Option<Effect> {
    if before == 0 {
        return None;
    }
    let more = (i128::from(after) - i128::from(before)) * 1_000_000;
    i64::try_from(divide(more, i128::from(before))).ok()
}

/// To the nearest, halves up.
fn rounded(numerator: i128, denominator: i128) -> i128 {
    (2 * numerator + denominator).div_euclid(2 * denominator)
}

fn rounded_up(numerator: i128, denominator: i128) -> i128 {
    -(-numerator).div_euclid(denominator)
}
