//! Whether one build executes more instructions than another, decided on the counts of samples.
//!
//! A count is not always the same: a time has now more digits and now fewer, a map is seeded anew in each
//! process, and above all the allocator finds now this and now that block free, which it searches
//! longer for or less long. The last is a matter of what was allocated before, so two processes that do
//! the same from their start on find the same, sample by sample. Therefore samples are **paired**: the
//! first of the one build with the first of the other, and so on. Where a build changed nothing, the
//! pairs are equal though the samples of each process are not; where it does a little more, each pair
//! shows that, and where it allocates otherwise, they scatter.
//!
//! The figure of a pair of processes is the **median** of its pairs, which what is done now and then does
//! not move, and around it stand the order statistics that bound the median of all pairs that could have
//! been (David and Nagaraja 2003, section 7.1; no distribution is assumed, only that pairs are drawn
//! alike). What stays with a process for its life these do not show: now and then one of two that did the
//! same finds other free blocks from the first sample on, which was worth up to 0.2 % of a request of
//! 200,000 instructions, and up to 3 % where both had answered checks of several fixtures before.
//!
//! So the pair that goes through all checks is only taken for a proof where there is as much room as that
//! below the tolerance. All else is counted again by pairs of processes that do nothing else, and **two
//! of three** of these decide: the third is asked when the first two do not say the same. That one of
//! three is led astray decides nothing.
//!
//! A change is within the tolerance when the whole interval is, beyond it when none of the interval is,
//! and otherwise undecided. What is done in less than half of the samples moves no median: more of it
//! is no change here.

use super::{
    decision::Outcome,
    instruction_counts::{InstructionCounts, InstructionDecision},
    instructions_rule_1::{self, PAIRS_ALONE_MAX, PAIRS_DECIDING},
    policy::Policy,
};
use crate::{rules::InstructionsRule, units::Ppm};

/// Decides by the policy's rule whether the change of instructions is within the tolerance; `None` where
/// not all was counted, or too few samples were for so many checks.
pub fn decide_instructions(
    policy: &Policy,
    tolerance: Ppm,
    counts: &InstructionCounts,
) -> Option<InstructionDecision> {
    match policy.instructions_rule {
        InstructionsRule::One => instructions_rule_1::decide(policy, tolerance, counts),
        // Whatever is counted is too much.
        #[cfg(test)]
        InstructionsRule::Trial => instructions_rule_1::decide(policy, tolerance, counts)
            .map(|decision| InstructionDecision { outcome: Outcome::Beyond, ..decision }),
    }
}

impl InstructionCounts {
    /// Whether there is as much as this rule decides on, and each process has all its samples.
    pub fn is_whole(&self, rule: InstructionsRule) -> bool {
        match rule {
            InstructionsRule::One => instructions_rule_1::is_whole(self),
            #[cfg(test)]
            InstructionsRule::Trial => instructions_rule_1::is_whole(self),
        }
    }

    /// Whether one more pair of processes, which does nothing else, could decide something.
    pub fn needs_a_pair(&self, policy: &Policy, tolerance: Ppm) -> bool {
        let undecided = || {
            let decision = decide_instructions(policy, tolerance, self);
            decision.is_some_and(|it| it.outcome == Outcome::Undecided)
        };
        match self.alone.len() {
            0 => undecided(),
            pairs if pairs < PAIRS_DECIDING => true,
            pairs => pairs < PAIRS_ALONE_MAX && undecided(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::{CountedPair, SampleCounts, Spread};

    const TOLERANCE: Ppm = Ppm::new(500);

    fn process(counts: impl IntoIterator<Item = u64>) -> SampleCounts {
        counts.into_iter().collect()
    }

    /// The same counts in each sample.
    fn exact(baseline: u64, current: u64) -> CountedPair {
        CountedPair { baseline: process([baseline; 41]), current: process([current; 41]) }
    }

    fn among_others(mut pair: CountedPair) -> InstructionCounts {
        pair.baseline.0.truncate(21);
        pair.current.0.truncate(21);
        InstructionCounts { among_others: Some(pair), ..InstructionCounts::default() }
    }

    fn alone(pairs: [CountedPair; 2]) -> InstructionCounts {
        InstructionCounts { alone: pairs.into(), ..among_others(exact(1, 9)) }
    }

    fn decide(counts: &InstructionCounts) -> InstructionDecision {
        decide_instructions(&Policy::for_suite(20, true), TOLERANCE, counts).unwrap()
    }

    fn spread(lower: i64, median: i64, upper: i64) -> Spread {
        Spread { lower, median, upper }
    }

    #[test]
    fn counts_that_do_not_vary_are_held_against_the_tolerance_to_the_last_one() {
        let of = |after: u64| {
            let pair = exact(2_000_000, after);
            decide(&alone([pair.clone(), pair]))
        };
        assert_eq!(of(2_000_000).change, spread(0, 0, 0));
        assert_eq!(of(2_000_000).outcome, Outcome::Within);
        // 1,000 of 2 million are 500 ppm; one more is between two, and the next beyond.
        assert_eq!(of(2_001_000).outcome, Outcome::Within);
        assert_eq!(of(2_001_001).outcome, Outcome::Undecided);
        assert_eq!(of(2_001_001).change, spread(500, 501, 501));
        assert_eq!(of(2_001_002).outcome, Outcome::Beyond);
        assert_eq!(of(1_999_999).change, spread(-1, 0, 0));
        assert_eq!(of(1).outcome, Outcome::Within);
        assert_eq!(of(2_002_000).detectable(TOLERANCE), 500);
    }

    #[test]
    fn a_pair_among_others_passes_with_room_and_never_fails() {
        let of = |after| {
            let counts = among_others(exact(1_000_000, after));
            decide_instructions(&Policy::for_suite(20, true), Ppm::new(50_000), &counts).unwrap()
        };
        assert_eq!(of(1_020_000).outcome, Outcome::Within);
        assert_eq!(of(1_020_001).outcome, Outcome::Undecided);
        assert_eq!(of(2_000_000).outcome, Outcome::Undecided);
        assert_eq!(of(2_000_000).change, spread(1_000_000, 1_000_000, 1_000_000));
        // No room at all.
        assert_eq!(decide(&among_others(exact(5, 5))).outcome, Outcome::Undecided);
    }

    #[test]
    fn samples_that_vary_alike_in_both_builds_are_no_change() {
        let varying = |more: u64| process((0..41).map(|it| 1_000_000 + it * it * 97 + more));
        let pair = |more| CountedPair { baseline: varying(0), current: varying(more) };
        assert_eq!(decide(&alone([pair(0), pair(0)])).change, spread(0, 0, 0));
        let more = decide(&alone([pair(1_000), pair(1_000)]));
        assert_eq!(more.outcome, Outcome::Beyond);
        assert!(more.change.lower >= 700 && more.change.upper <= 1_000, "{more:?}");
    }

    #[test]
    fn eight_odd_samples_at_either_end_matter_to_nothing() {
        let odd = |low: usize, high: usize| {
            let usual = std::iter::repeat_n(1_000_000, 41 - low - high);
            let low = std::iter::repeat_n(1, low);
            let current = process(usual.chain(low).chain(std::iter::repeat_n(9_000_000, high)));
            let pair = CountedPair { current, ..exact(1_000_000, 1) };
            decide(&alone([pair.clone(), pair]))
        };
        assert_eq!(odd(8, 8).change, spread(0, 0, 0));
        assert_eq!(odd(0, 9).outcome, Outcome::Undecided);
        assert_eq!(odd(9, 0).outcome, Outcome::Within);
        assert_eq!(odd(9, 0).change, spread(-999_999, 0, 0));
    }

    #[test]
    fn two_of_three_pairs_decide_and_the_third_is_asked_only_when_two_differ() {
        let policy = Policy::for_suite(20, true);
        let of = |changes: &[u64]| {
            let pairs = changes.iter().map(|more| exact(1_000_000, 1_000_000 + more));
            InstructionCounts { alone: pairs.collect(), ..among_others(exact(1, 9)) }
        };
        let outcome = |changes: &[u64]| decide(&of(changes)).outcome;
        let asks = |changes: &[u64]| of(changes).needs_a_pair(&policy, TOLERANCE);
        assert!(asks(&[]) && asks(&[0]) && asks(&[900]));
        assert!(!asks(&[0, 300]) && !asks(&[900, 600]));
        assert_eq!((outcome(&[0, 300]), outcome(&[900, 600])), (Outcome::Within, Outcome::Beyond));
        assert_eq!(decide(&of(&[0, 900])).change, spread(0, 0, 900));
        assert!(asks(&[0, 900]) && asks(&[900, 0]));
        assert_eq!(outcome(&[0, 900]), Outcome::Undecided);
        assert_eq!(outcome(&[0, 900, 100]), Outcome::Within);
        assert_eq!(outcome(&[0, 900, 800]), Outcome::Beyond);
        assert_eq!(decide(&of(&[0, 900, 800])).change, spread(800, 800, 800));
        assert_eq!(decide(&of(&[0, 900, 800])).detectable(TOLERANCE), 500);
        assert!(!asks(&[0, 900, 100]) && !of(&[0, 900, 100, 100]).is_whole(InstructionsRule::One));
    }

    #[test]
    fn half_of_what_is_needed_decides_nothing() {
        let policy = Policy::for_suite(20, true);
        let none = |counts: &InstructionCounts| {
            assert!(!counts.is_whole(InstructionsRule::One));
            assert_eq!(decide_instructions(&policy, TOLERANCE, counts), None);
        };
        none(&InstructionCounts::default());
        none(&among_others(CountedPair { current: process([5; 20]), ..exact(5, 5) }));
        let mut half = alone([exact(5, 5), exact(5, 5)]);
        assert!(half.is_whole(InstructionsRule::One));
        half.alone.pop();
        none(&half);
        // With a thousand checks each has a smaller share of the error, and a lower rank.
        let of_many = Policy::for_suite(1_000, true);
        assert_eq!(instructions_rule_1::rank(&policy, 21), Some(3));
        assert_eq!(instructions_rule_1::rank(&policy, 41), Some(9));
        assert_eq!(instructions_rule_1::rank(&of_many, 21), Some(1));
        assert_eq!(instructions_rule_1::rank(&of_many, 10), None);
    }

    proptest::proptest! {
        /// What one build has more than the other is between the bounds, and less the other way round.
        #[test]
        fn a_change_lies_between_its_bounds(
            base in proptest::collection::vec(1_000_u64..1 << 40, 82),
            more in proptest::collection::vec(0_u64..1 << 40, 82),
        ) {
            let grown = base.iter().zip(&more).map(|(base, more)| base + more);
            let grown: Vec<u64> = grown.collect();
            let halves = |of: &[u64]| [process(of[..41].to_vec()), process(of[41..].to_vec())];
            let pairs = |before: &[u64], after: &[u64]| {
                let [a, b] = halves(before);
                let [c, d] = halves(after);
                alone([
                    CountedPair { baseline: a, current: c },
                    CountedPair { baseline: b, current: d },
                ])
            };
            let up = decide(&pairs(&base, &grown)).change;
            proptest::prop_assert!(up.lower <= up.median && up.median <= up.upper);
            proptest::prop_assert!(up.median >= 0);
            let down = decide(&pairs(&grown, &base));
            proptest::prop_assert!(down.change.median <= 0);
            proptest::prop_assert_ne!(down.outcome, Outcome::Beyond);
            let same = decide(&pairs(&base, &base));
            proptest::prop_assert_eq!(same.change, spread(0, 0, 0));
        }
    }
}
