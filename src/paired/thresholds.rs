//! The thresholds and looks of a policy, which its rule sets.

use super::{
    policy::{Bound, ComparedBuilds, PairThresholds, Policy},
    rule_1, rule_2,
};
use crate::{
    rules::{ComparisonRule, InstructionsRule},
    units::Count,
};

impl Policy {
    /// The policy of the latest rules for a suite of this many checks, whose builds are `relinked` or not.
    pub fn for_suite(checks: u64, relinked: bool) -> Self {
        let builds = if relinked { ComparedBuilds::Relinked } else { ComparedBuilds::Fixed };
        Self::latest(checks, builds)
    }

    /// The policy of the latest rules for a suite of this many checks of such servers over HTTP.
    pub fn for_servers(checks: u64, servers: ComparedBuilds) -> Self {
        Self::latest(checks, servers)
    }

    /// The looks by its rule, in order: after how many sessions a check is looked at, and the rank whose
    /// effect bounds the median over all sessions that could have been.
    pub fn looks(&self) -> Vec<Bound> {
        match self.rule {
            ComparisonRule::One => rule_1::looks(self),
            ComparisonRule::Two => rule_2::looks(self),
            // The first look is left out.
            #[cfg(test)]
            ComparisonRule::Trial => rule_1::looks(self).into_iter().skip(1).collect(),
        }
    }

    /// Whether its thresholds are those that its rule has for such builds, so that nobody proves by
    /// weaker ones.
    pub fn is_of_its_rule(&self, builds: ComparedBuilds) -> bool {
        let of_rule = thresholds(self.rule, builds);
        let numbers = (self.rule, self.instructions_rule);
        of_rule.is_some_and(|it| *self == Self::of(numbers, self.checks.get(), it))
    }

    fn latest(checks: u64, builds: ComparedBuilds) -> Self {
        let rule = latest_rule(builds);
        let thresholds = thresholds(rule, builds).unwrap_or(rule_1::thresholds(builds));
        Self::of((rule, InstructionsRule::LATEST), checks, thresholds)
    }

    fn of(
        (rule, instructions_rule): (ComparisonRule, InstructionsRule),
        checks: u64,
        thresholds: PairThresholds,
    ) -> Self {
        Self {
            rule,
            instructions_rule,
            suite_error_ppm: thresholds.suite_error_ppm,
            checks: Count::new(checks.max(1)),
            rebuild_floor_ppm: thresholds.rebuild_floor_ppm,
            layout_margin_ppm: thresholds.layout_margin_ppm,
            injected_ppm: thresholds.injected_ppm,
            pair_time_ns: thresholds.pair_time_ns,
        }
    }
}

/// The rule by which new sessions of such builds are decided on. What is measured of workers, and how, has
/// not changed since the first one, whose error rates were measured.
const fn latest_rule(builds: ComparedBuilds) -> ComparisonRule {
    match builds {
        ComparedBuilds::Relinked | ComparedBuilds::Fixed => ComparisonRule::One,
        ComparedBuilds::Served
        | ComparedBuilds::ServedByOneProgram
        | ComparedBuilds::ServedByBuilds(_) => ComparisonRule::Two,
    }
}

/// The thresholds of a rule; `None` where it knows no such builds.
fn thresholds(rule: ComparisonRule, builds: ComparedBuilds) -> Option<PairThresholds> {
    match rule {
        ComparisonRule::One => match builds {
            ComparedBuilds::ServedByOneProgram | ComparedBuilds::ServedByBuilds(_) => None,
            known => Some(rule_1::thresholds(known)),
        },
        ComparisonRule::Two => rule_2::thresholds(builds),
        // A margin that leaves no room for a PASS.
        #[cfg(test)]
        ComparisonRule::Trial => {
            let mut thresholds = rule_1::thresholds(builds);
            thresholds.layout_margin_ppm = crate::units::Ppm::new(1_000_000);
            Some(thresholds)
        }
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

    #[test]
    fn looks_of_servers_go_on_for_longer_and_err_no_more() {
        for checks in [1, 2, 7, 20, 100, 1_000] {
            let looks = Policy::for_servers(checks, ComparedBuilds::Served).looks();
            let total = error(&looks) * checks as f64;
            assert!((0.006..=0.01).contains(&total), "{checks} checks: {total}");
            assert_eq!(looks.last().unwrap().sessions, 512);
        }
        assert_eq!(
            Policy::for_servers(1, ComparedBuilds::Served).looks()[0],
            Bound { sessions: 10, rank: 1 }
        );
        assert_eq!(Policy::for_suite(1, true).looks().last().unwrap().sessions, 128);
    }

    #[test]
    fn a_rule_is_of_the_builds_that_it_was_made_for() {
        let alike = Policy::for_servers(3, ComparedBuilds::ServedByOneProgram);
        let served = Policy::for_servers(3, ComparedBuilds::Served);
        let workers = Policy::for_suite(3, false);
        assert!(alike.is_of_its_rule(ComparedBuilds::ServedByOneProgram));
        assert!(!alike.is_of_its_rule(ComparedBuilds::Served));
        assert!(served.is_of_its_rule(ComparedBuilds::Served));
        assert!(!served.is_of_its_rule(ComparedBuilds::ServedByOneProgram));
        assert!(!served.is_of_its_rule(ComparedBuilds::Fixed));
        assert!(workers.is_of_its_rule(ComparedBuilds::Fixed));
        // What was made of servers before is decided on as it was.
        let first = Policy { rule: ComparisonRule::One, ..served };
        assert!(first.is_of_its_rule(ComparedBuilds::Served));
        let unfit = Policy { rule: ComparisonRule::One, ..alike };
        assert!(!unfit.is_of_its_rule(ComparedBuilds::ServedByOneProgram));
        let other = Policy { rule: ComparisonRule::Two, ..workers };
        assert!(!other.is_of_its_rule(ComparedBuilds::Fixed));
    }
}
