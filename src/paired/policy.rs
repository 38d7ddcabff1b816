//! The thresholds of a comparison, and how its error probability is shared out.

use serde::{Deserialize, Serialize};

use super::instruction_counts::PAIRS_ALONE_MAX;
use crate::units::{Count, Nanos, Ppm};

/// After how many sessions a check is looked at: at first when one unlucky process in ten no longer
/// decides, then each time after about half as many more. Ranks are exact in 128 bits up to the last.
const LOOKS: [u64; 6] = [10, 16, 24, 40, 64, 96];

/// Executables of a build that is linked again, of which each session takes one: enough that none of
/// them decides, few enough to be linked in seconds.
pub const LINKS: u64 = 24;

/// What rebuilding unchanged code does at most where each session has its code elsewhere.
const RELINKED_FLOOR: Ppm = Ppm::new(25_000);

/// The same where it is always at the same place.
const FLOOR: Ppm = Ppm::new(60_000);

/// How a comparison decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The probability that any check of the suite gets a FAIL that its sessions do not bear out,
    /// and likewise a PASS, all looks together. For each kind of claim: latency, drift against the
    /// anchor, and instructions have one each.
    pub suite_error_ppm: Ppm,
    /// Checks that share this probability.
    pub checks: Count,
    /// What rebuilding unchanged code does to the time on a machine like this, at most. An effect
    /// is real when it is shown to be above.
    pub rebuild_floor_ppm: Ppm,
    /// How much a build may be favoured by where the linker placed its code. A PASS needs this much
    /// room below the tolerance.
    pub layout_margin_ppm: Ppm,
    /// The slowdown that each session injects into a copy of the baseline, to show that it would
    /// have been found.
    pub injected_ppm: Ppm,
    /// Time of one session that a check's pairs of the two builds take.
    pub pair_time_ns: Nanos,
}

/// A rank from below and the same rank from above, in the sorted effects of some sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Sessions looked at.
    pub sessions: usize,
    /// The rank, from 1.
    pub rank: usize,
}

impl Policy {
    /// The policy for a suite of this many checks, whose builds are `relinked` or not.
    ///
    /// Floor and margin are above what rebuilds of unchanged code were measured to do: 1.2 % where
    /// code is at other addresses in each session, and 6 % where it is always at the same. `passport
    /// calibrate` measures it again on the machine at hand.
    pub fn for_suite(checks: u64, relinked: bool) -> Self {
        Self {
            suite_error_ppm: Ppm::new(10_000),
            checks: Count::new(checks.max(1)),
            rebuild_floor_ppm: if relinked { RELINKED_FLOOR } else { FLOOR },
            layout_margin_ppm: Ppm::new(if relinked { 7_500 } else { 15_000 }),
            injected_ppm: Ppm::new(50_000),
            pair_time_ns: Nanos::new(12_000_000),
        }
    }

    /// The policy for a suite of this many checks of servers over HTTP. Nobody can link those again,
    /// and to start them takes so long that a session asks for more.
    pub fn for_servers(checks: u64) -> Self {
        Self { pair_time_ns: Nanos::new(40_000_000), ..Self::for_suite(checks, false) }
    }

    /// The effect that sessions must be able to tell from none: the rebuild floor, but never more
    /// than that of builds that are linked again.
    pub fn resolved_ppm(&self) -> Ppm {
        self.rebuild_floor_ppm.min(RELINKED_FLOOR)
    }

    /// The looks, in order: after how many sessions a check is looked at, and the rank whose effect
    /// bounds the median over all sessions that could have been.
    ///
    /// Each look may err with a sixth of `suite_error / checks` on either side, so all looks and all
    /// checks together stay below `suite_error` (Bonferroni's inequality; a share of the error for
    /// each look: Lan and `DeMets` 1983). The bound needs no distribution, only sessions that are
    /// drawn alike: of n sessions, fewer than `rank` lie on one side of the median with the
    /// probability of so few heads in n tosses (David and Nagaraja 2003, section 7.1). Where not
    /// even the smallest effect bounds the median surely enough there is no look.
    pub fn looks(&self) -> Vec<Bound> {
        LOOKS.iter().filter_map(|sessions| self.rank(*sessions)).collect()
    }

    /// The largest rank whose error at this look is small enough; `None` when not even the smallest
    /// effect bounds the median surely enough.
    fn rank(&self, sessions: u64) -> Option<Bound> {
        let rank = self.shared_rank(sessions, LOOKS.len() as u128)?;
        Some(Bound { sessions: usize::try_from(sessions).ok()?, rank })
    }

    /// The rank from either end whose change, among those of so many pairs of samples, bounds the
    /// median of all pairs that could have been; `None` when not even the least does surely enough.
    ///
    /// All pairs of processes share the error of a check, as above.
    pub(super) fn instruction_rank(&self, samples: usize) -> Option<usize> {
        self.shared_rank(samples as u64, 1 + PAIRS_ALONE_MAX as u128)
    }

    /// The largest rank whose error is small enough when each check has so many shares of it.
    fn shared_rank(&self, tosses: u64, shares: u128) -> Option<usize> {
        // P(fewer than rank heads) = cumulated / 2^tosses, and
        // the error allowed        = suite_error / (10^6 * checks * shares).
        let checks = u128::from(self.checks.get().min(1 << 20));
        let scale = 1_000_000 * checks * shares;
        let allowed = u128::from(self.suite_error_ppm.get())
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
}

#[cfg(test)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small numbers"
)]
mod tests {
    use super::*;

    /// P(fewer than `rank` heads in `sessions` tosses), by the definition.
    fn error(bound: Bound) -> f64 {
        let choose = |k: usize| {
            (0..k).fold(1.0, |ways, i| ways * (bound.sessions - i) as f64 / (i + 1) as f64)
        };
        (0..bound.rank).map(choose).sum::<f64>() / 2_f64.powi(bound.sessions as i32)
    }

    #[test]
    fn all_looks_of_all_checks_err_less_than_the_suite_may() {
        for checks in [1, 2, 7, 20, 100, 1_000] {
            let looks = Policy::for_suite(checks, true).looks();
            assert!(looks.len() >= 2, "{checks} checks: {looks:?}");
            let total: f64 = looks.iter().map(|bound| error(*bound)).sum::<f64>() * checks as f64;
            assert!(total <= 0.01, "{checks} checks: {total}");
        }
    }

    #[test]
    fn a_rank_is_the_largest_that_may_be() {
        let policy = Policy::for_suite(20, true);
        for bound in policy.looks() {
            let allowed = 0.01 / 20.0 / 6.0;
            assert!(error(bound) <= allowed);
            assert!(error(Bound { rank: bound.rank + 1, ..bound }) > allowed, "{bound:?}");
        }
    }

    #[test]
    fn twenty_checks_are_first_looked_at_after_sixteen_sessions() {
        assert_eq!(Policy::for_suite(20, true).looks()[0], Bound { sessions: 16, rank: 1 });
        assert_eq!(Policy::for_suite(1, true).looks()[0].sessions, 10);
    }
}
