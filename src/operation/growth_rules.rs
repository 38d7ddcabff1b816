//! The growth of an operation by the rule that its passport names.

use super::{growth::Growth, growth_rule_1, samples::Samples};
use crate::{claim::Verdict, contract::Complexity, rules::GrowthRule};

impl Growth {
    /// The growth by this rule over cases with their samples; `None` below three sizes that took any
    /// time.
    pub fn of<'a>(
        rule: GrowthRule,
        cases: impl IntoIterator<Item = (u64, &'a Samples)>,
    ) -> Option<Self> {
        match rule {
            GrowthRule::One => growth_rule_1::growth(cases),
            #[cfg(test)]
            GrowthRule::Trial => growth_rule_1::growth(cases)
                .map(|it| Self { exponent_ppm: it.exponent_ppm + 1, ..it }),
        }
    }
}

/// Whether times grow at most as this class, by this rule.
pub(super) fn at_most<'a>(
    rule: GrowthRule,
    limit: Complexity,
    cases: impl IntoIterator<Item = (u64, &'a Samples)>,
) -> Verdict {
    match rule {
        GrowthRule::One => growth_rule_1::at_most(limit, cases),
        #[cfg(test)]
        GrowthRule::Trial => Verdict::Abstain,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::growth_rule_1::function, *};
    use crate::operation::Sample;

    const SIZES: [u64; 5] = [64, 256, 1024, 4096, 16384];

    /// Samples at each size: a call of 20 ns, a class, and noise that only ever adds.
    fn cases(class: Complexity, unit: f64, noise: &[f64]) -> Vec<(u64, Samples)> {
        let of = |(place, size): (usize, u64)| {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let ns = 20.0 + unit * function(class, size as f64);
            let ns = ns * (1.0 + noise[place % noise.len()]);
            let samples = [1.0, 1.7, 1.2].map(|slow| Sample {
                iterations: 1000,
                ns: super::super::samples::whole(ns * slow * 1000.0),
            });
            (size, Samples::new(samples.to_vec()).unwrap())
        };
        SIZES.into_iter().enumerate().map(of).collect()
    }

    fn refer(cases: &[(u64, Samples)]) -> impl Iterator<Item = (u64, &Samples)> {
        cases.iter().map(|(size, samples)| (*size, samples))
    }

    /// By hand: times 3, 12, 48 at sizes 1, 2, 4 are a square.
    #[test]
    fn an_exact_power_has_its_exponent_and_no_width() {
        let of = |ns| Samples::new(vec![Sample { iterations: 1, ns }]).unwrap();
        let cases = [(1, of(3)), (2, of(12)), (4, of(48))];
        let growth = Growth::of(GrowthRule::One, refer(&cases)).unwrap();
        assert_eq!(growth.exponent_ppm, 2_000_000);
        assert_eq!((growth.exponent_lower_ppm, growth.exponent_upper_ppm), (2_000_000, 2_000_000));
        assert_eq!(growth.class, Complexity::Quadratic);
        assert_eq!(Growth::of(GrowthRule::One, refer(&cases[..2])), None);
    }

    #[test]
    fn a_claim_passes_and_fails_a_class_away() {
        for (class, unit) in [
            (Complexity::Constant, 1.0),
            (Complexity::Linear, 1.0),
            (Complexity::Linearithmic, 1.0),
            (Complexity::Quadratic, 1.0),
        ] {
            let cases = cases(class, unit, &[0.0, 0.03, 0.01]);
            assert_eq!(at_most(GrowthRule::One, class, refer(&cases)), Verdict::Pass, "{class}");
        }
        let quadratic = cases(Complexity::Quadratic, 1.0, &[0.0]);
        for limit in [Complexity::Constant, Complexity::Linear, Complexity::Linearithmic] {
            assert_eq!(
                at_most(GrowthRule::One, limit, refer(&quadratic)),
                Verdict::Fail,
                "{limit}"
            );
        }
        assert_eq!(at_most(GrowthRule::One, Complexity::Cubic, refer(&quadratic)), Verdict::Pass);
        // A call that costs as much as the smaller sizes bends the line through the logarithms.
        let bent = cases(Complexity::Quadratic, 1e-4, &[0.0, 0.02]);
        assert_eq!(at_most(GrowthRule::One, Complexity::Linear, refer(&bent)), Verdict::Fail);
        assert_eq!(at_most(GrowthRule::One, Complexity::Quadratic, refer(&bent)), Verdict::Pass);
        let erratic = cases(Complexity::Linear, 1.0, &[0.0, 30.0, 3.0, 0.5]);
        assert_eq!(at_most(GrowthRule::One, Complexity::Linear, refer(&erratic)), Verdict::Abstain);
    }

    proptest! {
        /// Three percent of the time are more than two runs of a least time differ by.
        #[test]
        fn the_class_is_told_through_noise(
            noise in prop::collection::vec(0.0_f64..0.03, 5),
            class in prop::sample::select(&[
                Complexity::Constant,
                Complexity::Linear,
                Complexity::Linearithmic,
                Complexity::Quadratic,
                Complexity::Cubic,
            ]),
        ) {
            let cases = cases(class, 1.0, &noise);
            prop_assert_eq!(Growth::of(GrowthRule::One, refer(&cases)).unwrap().class, class);
        }
    }
}
