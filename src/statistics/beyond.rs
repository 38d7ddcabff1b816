//! How often something lies beyond a limit, shown by counts that may be looked at again and again.
//!
//! Counts of samples within and beyond a limit speak against a share by the likelihood ratio: how many
//! times likelier they are where the share is another one. A mixture of such ratios over shares below (or
//! above) the one in question exceeds `1 / error` with a probability of at most `error` where that share
//! is the true one or further off, *however often it is looked at while samples are added* (Ville 1939;
//! Robbins 1970, "Statistical methods related to the law of the iterated logarithm", section 2; Ramdas,
//! Gruenwald, Vovk and Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference"). So
//! sampling may end as soon as a share is shown.
//!
//! It assumes independent samples of one distribution, and nothing about its shape.
//!
//! NOTE: the second rule of latencies ([`crate::rules`]) depends on each bit of it. Better evidence is
//! another function.

use crate::units::{Count, Ppm};

/// How much of the mixture stands for "none at all lies beyond": what lies far below a limit is shown with
/// few samples by that.
const WEIGHT_OF_NONE: f64 = 0.8;

/// Shares below the one in question, as parts of it; they have the rest of the weight in equal parts.
const PARTS_BELOW: [f64; 6] = [0.125, 0.25, 0.5, 0.75, 0.875, 0.9375];

/// Shares above the one in question: by how often what is left up to all is halved. Equal weights.
const HALVINGS_ABOVE: [i32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// More samples than these are not counted on.
const SAMPLES_MAX: u64 = 1 << 24;

/// Samples on both sides of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitCounts {
    /// Below it.
    pub within: Count,
    /// At it or above.
    pub beyond: Count,
}

/// Whether the counts show that a smaller share than this lies beyond; wrong with a probability of at most
/// `error`.
#[expect(clippy::cast_precision_loss, reason = "six")]
pub fn shows_less_beyond(counts: SplitCounts, share: Ppm, error: Ppm) -> bool {
    let share = ratio(share);
    let rest = (1.0 - WEIGHT_OF_NONE) / PARTS_BELOW.len() as f64;
    let others = PARTS_BELOW.map(|part| rest * likelier(counts, part * share, share));
    let sum = WEIGHT_OF_NONE * likelier(counts, 0.0, share) + others.iter().sum::<f64>();
    sum >= 1.0 / ratio(error)
}

/// Whether the counts show that a larger share than this lies beyond; wrong with a probability of at most
/// `error`.
#[expect(clippy::cast_precision_loss, reason = "ten")]
pub fn shows_more_beyond(counts: SplitCounts, share: Ppm, error: Ppm) -> bool {
    let share = ratio(share);
    let weight = 1.0 / HALVINGS_ABOVE.len() as f64;
    let above = HALVINGS_ABOVE.map(|halvings| share + (1.0 - share) * 0.5_f64.powi(halvings));
    let sum: f64 = above.iter().map(|other| weight * likelier(counts, *other, share)).sum();
    sum >= 1.0 / ratio(error)
}

/// The fewest samples by which [`shows_less_beyond`] holds where so many of them lie beyond; `None` where
/// that would be more than anybody takes.
pub fn samples_showing_less(beyond: Count, share: Ppm, error: Ppm) -> Option<Count> {
    let shows = |within: u64| {
        shows_less_beyond(SplitCounts { within: Count::new(within), beyond }, share, error)
    };
    // The more lie within, the more it is shown.
    let mut high = 1;
    while !shows(high) {
        high *= 2;
        if high > SAMPLES_MAX {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if shows(middle) { high = middle } else { low = middle }
    }
    Some(beyond.saturating_add(Count::new(high)))
}

/// How many times likelier the counts are where the share beyond is `other` instead of `share`.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn likelier(counts: SplitCounts, other: f64, share: f64) -> f64 {
    // What did not happen says nothing, also where it could not.
    let part = |count: Count, ratio: f64| match count {
        Count::ZERO => 0.0,
        count => count.get() as f64 * ratio.ln(),
    };
    let within = part(counts.within, (1.0 - other) / (1.0 - share));
    (within + part(counts.beyond, other / share)).exp()
}

#[expect(clippy::cast_precision_loss, reason = "at most a million")]
fn ratio(share: Ppm) -> f64 {
    share.get() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HUNDREDTH: Ppm = Ppm::new(10_000);
    const THOUSANDTH: Ppm = Ppm::new(1_000);

    fn counts(within: u64, beyond: u64) -> SplitCounts {
        SplitCounts { within: Count::new(within), beyond: Count::new(beyond) }
    }

    /// By hand: 0.8 * 0.99^-n alone reaches 100 at n = 480.4, and the others add a little. All were
    /// computed apart from this code, with sixty decimal digits.
    #[test]
    fn so_many_samples_show_a_share_to_be_smaller() {
        let needed = |beyond, share| {
            samples_showing_less(Count::new(beyond), Ppm::new(share), HUNDREDTH).map(Count::get)
        };
        assert_eq!(needed(0, 10_000), Some(477));
        assert_eq!(needed(1, 10_000), Some(1_096));
        assert_eq!(needed(5, 10_000), Some(1_920));
        assert_eq!(needed(0, 50_000), Some(94));
        assert_eq!(needed(0, 500_000), Some(7));
        assert_eq!(needed(10_000_000, 10_000), None);
    }

    #[test]
    fn a_few_samples_beyond_show_a_share_to_be_larger_and_none_shows_nothing() {
        assert!(shows_more_beyond(counts(0, 3), HUNDREDTH, THOUSANDTH));
        assert!(!shows_more_beyond(counts(0, 1), HUNDREDTH, THOUSANDTH));
        assert!(!shows_more_beyond(counts(990, 10), HUNDREDTH, THOUSANDTH));
        assert!(shows_more_beyond(counts(950, 50), HUNDREDTH, THOUSANDTH));
        for shown in [shows_less_beyond, shows_more_beyond] {
            assert!(!shown(counts(0, 0), HUNDREDTH, THOUSANDTH));
        }
    }

    /// Looks after each sample of a series whose share is the one in question: wrong no more often than
    /// allowed. 1,000 series of 1,000 samples; 5 standard deviations are 16 of them at 1 %.
    #[test]
    fn to_look_after_each_sample_is_wrong_no_more_often_than_allowed() {
        let (mut state, mut less, mut more) = (1_u64, 0, 0);
        let mut random = || {
            // SplitMix64 (Steele, Lea and Flood 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        for _ in 0..1_000 {
            let (mut within, mut beyond, mut wrong) = (0, 0, (false, false));
            for _ in 0..1_000 {
                if random() % 1_000_000 < HUNDREDTH.get() {
                    beyond += 1;
                } else {
                    within += 1;
                }
                let so_far = counts(within, beyond);
                wrong.0 |= shows_less_beyond(so_far, HUNDREDTH, HUNDREDTH);
                wrong.1 |= shows_more_beyond(so_far, HUNDREDTH, HUNDREDTH);
            }
            less += u32::from(wrong.0);
            more += u32::from(wrong.1);
        }
        assert!(less <= 26 && more <= 26, "{less} and {more} of 1000 are wrong");
        // It is no empty promise: what is used of the error is not far from what is allowed.
        assert!(less >= 2, "{less}");
    }

    proptest! {
        #[test]
        fn nothing_shows_both(within in 0_u64..5_000, beyond in 0_u64..5_000, share in 1_000_u64..900_000) {
            let (counts, share) = (counts(within, beyond), Ppm::new(share));
            prop_assert!(
                !(shows_less_beyond(counts, share, HUNDREDTH)
                    && shows_more_beyond(counts, share, THOUSANDTH))
            );
        }
    }
}
