//! The thresholds of a comparison, and how its error probability is shared out.

use serde::{Deserialize, Serialize};

use super::instruction_counts::PAIRS_ALONE_MAX;
use crate::units::{Count, Nanos, Ppm};

/// After how many sessions a check is looked at: at first when one unlucky process in ten no longer
/// decides, then each time after about a quarter more.
const LOOKS: [u32; 12] = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, LOOKS_END];

/// The last look.
const LOOKS_END: u32 = 128;

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
    /// The bound needs no distribution, only sessions that are drawn alike: whether each lies below
    /// the median is the toss of a coin (David and Nagaraja 2003, section 7.1), and a look errs when
    /// fewer than `rank` of its sessions do. Each check has an equal share of `suite_error` on either
    /// side (Bonferroni's inequality). That share is for all its looks together: until the n-th
    /// session, as much of it may be spent as the root of n in those of the last look (Lan and
    /// `DeMets` 1983), and how much a look spends is the probability of the tosses that lead there
    /// and to no error at any look before (Armitage, `McPherson` and Rowe 1969), which is counted
    /// exactly. Where not even the smallest effect bounds the median surely enough there is no look.
    pub fn looks(&self) -> Vec<Bound> {
        let checks = u32::try_from(self.checks.get()).unwrap_or(u32::MAX).max(1);
        let suite = u32::try_from(self.suite_error_ppm.get()).unwrap_or(u32::MAX);
        let share = f64::from(suite) / 1e6 / f64::from(checks);
        let mut tosses = Tosses::none();
        let (mut looks, mut spent) = (Vec::new(), 0.0);
        for sessions in LOOKS {
            tosses.toss_until(sessions);
            // What adds and halves, and takes a root, comes to the same bits on every machine.
            let allowed = share * (f64::from(sessions) / f64::from(LOOKS_END)).sqrt();
            let mut rank = 0;
            for chance in &mut tosses.chances {
                if spent + *chance > allowed {
                    break;
                }
                spent += std::mem::take(chance);
                rank += 1;
            }
            if rank > 0 {
                looks.push(Bound { sessions: sessions as usize, rank });
            }
        }
        looks
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

/// A coin that is tossed again and again.
struct Tosses {
    tossed: u32,
    /// For each number of heads, the probability of so many without an error at any look.
    chances: Vec<f64>,
}

impl Tosses {
    fn none() -> Self {
        Self { tossed: 0, chances: vec![1.0] }
    }

    fn toss_until(&mut self, tosses: u32) {
        for _ in self.tossed..tosses {
            // From the last: each is half of itself and half of the one below.
            self.chances.push(0.0);
            for heads in (0..self.chances.len()).rev() {
                let below = heads.checked_sub(1).map_or(0.0, |it| self.chances[it]);
                self.chances[heads] = f64::midpoint(self.chances[heads], below);
            }
        }
        self.tossed = tosses;
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "small numbers, and powers of two"
)]
mod tests {
    use super::*;

    /// The probability that fewer than `rank` of a look's sessions are heads, of any look: by all paths
    /// of heads, each on its own.
    fn error(looks: &[Bound]) -> f64 {
        fn err(looks: &[Bound], (tossed, heads): (usize, usize), seen: &mut Memory) -> f64 {
            let Some((next, later)) = looks.split_first() else { return 0.0 };
            if tossed == next.sessions {
                return if heads < next.rank { 1.0 } else { err(later, (tossed, heads), seen) };
            }
            let key = (looks.len(), tossed, heads);
            if let Some(known) = seen.get(&key) {
                return *known;
            }
            let tails = err(looks, (tossed + 1, heads), seen);
            let probability = f64::midpoint(tails, err(looks, (tossed + 1, heads + 1), seen));
            seen.insert(key, probability);
            probability
        }
        type Memory = std::collections::BTreeMap<(usize, usize, usize), f64>;
        err(looks, (0, 0), &mut Memory::new())
    }

    #[test]
    fn all_looks_of_all_checks_err_less_than_the_suite_may_and_not_much_less() {
        for checks in [1, 2, 7, 20, 100, 1_000] {
            let looks = Policy::for_suite(checks, true).looks();
            assert!(looks.len() >= 2, "{checks} checks: {looks:?}");
            let total = error(&looks) * checks as f64;
            assert!((0.006..=0.01).contains(&total), "{checks} checks: {total}");
        }
    }

    #[test]
    fn a_look_alone_errs_as_coins_do() {
        // 1 in 2^10, and 1 + 10 in 2^10.
        assert_eq!(error(&[Bound { sessions: 10, rank: 1 }]), 1.0 / 1_024.0);
        assert_eq!(error(&[Bound { sessions: 10, rank: 2 }]), 11.0 / 1_024.0);
        // Whoever has none of 2 has less than 2 of 3 as well: HHT, HTH and THH and HHH do not err.
        let looks = [Bound { sessions: 2, rank: 1 }, Bound { sessions: 3, rank: 2 }];
        assert_eq!(error(&looks), 0.5);
    }

    #[test]
    fn a_rank_is_the_largest_that_may_be() {
        let share = 0.01 / 20.0;
        let looks = Policy::for_suite(20, true).looks();
        for (number, bound) in looks.iter().enumerate() {
            let until = |rank: usize| {
                let mut looks = looks[..=number].to_vec();
                looks[number].rank = rank;
                error(&looks)
            };
            let allowed = share * (bound.sessions as f64 / 128.0).sqrt();
            assert!(until(bound.rank) <= allowed * (1.0 + 1e-9), "{bound:?}");
            assert!(until(bound.rank + 1) > allowed, "{bound:?}");
        }
    }

    #[test]
    fn twenty_checks_are_first_looked_at_after_sixteen_sessions() {
        assert_eq!(Policy::for_suite(20, true).looks()[0], Bound { sessions: 16, rank: 1 });
        assert_eq!(Policy::for_suite(1, true).looks()[0].sessions, 10);
    }
}
