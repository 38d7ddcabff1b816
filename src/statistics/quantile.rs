//! Quantiles, and distribution-free confidence bounds on them.
//!
//! A quantile is the inverse of the empirical distribution function (Hyndman and Fan 1996, type 1):
//! the smallest sample that at least the share p of all samples does not exceed. Its bounds are
//! order statistics whose ranks come from the binomial distribution (Hahn and Meeker 1991, section
//! 5.2; David and Nagaraja 2003, section 7.1): they assume independent samples of one distribution,
//! and nothing about its shape.

use std::cell::Cell;

use crate::{
    contract::Quantile,
    statistics::Histogram,
    units::{Count, Nanos, Ppm},
};

/// Samples that must lie beyond a quantile before it is reported.
const BEYOND_MIN: u64 = 10;

/// The exponential function of anything less is zero in a double, and slow.
const LOG_MIN: f64 = -746.0;

/// The ranks of the lower and the upper bound, where there is one.
type Ranks = (Option<u64>, Option<u64>);

/// What the ranks depend on: samples, quantile and error.
type RanksOf = (u64, Quantile, Ppm);

/// A confidence interval of a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The true quantile is at least this; zero where so few samples bound nothing from below.
    pub lower: Nanos,
    /// The true quantile is at most this; `None` where so few samples bound nothing from above.
    pub upper: Option<Nanos>,
}

/// What a table shows of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryStatistics {
    /// Number of samples.
    pub samples: Count,
    /// The smallest sample.
    pub min: Nanos,
    /// The arithmetic mean.
    pub mean: Nanos,
    /// The median; `None` below 20 samples.
    pub p50: Option<Nanos>,
    /// `None` below 200 samples.
    pub p95: Option<Nanos>,
    /// `None` below 1000 samples.
    pub p99: Option<Nanos>,
    /// The largest sample.
    pub max: Nanos,
}

impl SummaryStatistics {
    /// The summary of a histogram; `None` when it is empty.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        Some(Self {
            samples: histogram.samples(),
            min: histogram.min(),
            mean: histogram.mean(),
            p50: quantile(histogram, Quantile::P50),
            p95: quantile(histogram, Quantile::P95),
            p99: quantile(histogram, Quantile::P99),
            max: histogram.max(),
        })
    }
}

/// Samples from which on a quantile is reported: ten lie beyond it on average.
pub const fn samples_needed(quantile: Quantile) -> Count {
    Count::new((BEYOND_MIN * 1_000_000).div_ceil(1_000_000 - quantile.share().get()))
}

/// The quantile of the samples, at most 0.79 % too high; `None` below [`samples_needed`].
pub fn quantile(histogram: &Histogram, quantile: Quantile) -> Option<Nanos> {
    let samples = histogram.samples();
    if samples < samples_needed(quantile) {
        return None;
    }
    let rank = (u128::from(samples.get()) * u128::from(quantile.share().get())).div_ceil(1_000_000);
    histogram.at_rank(u64::try_from(rank).ok()?)
}

/// A confidence interval of the quantile: each bound is wrong with a probability of at most
/// `error`, whatever the distribution. `None` when there is no sample.
///
/// NOTE: the first rule of latencies ([`crate::rules`]) depends on each bit of it. Better bounds are
/// another function.
pub fn interval(histogram: &Histogram, quantile: Quantile, error: Ppm) -> Option<Interval> {
    let samples = histogram.samples().get();
    if samples == 0 {
        return None;
    }
    let (lower_rank, upper_rank) = last_interval_ranks(samples, quantile, error);
    Some(Interval {
        lower: lower_rank.and_then(|rank| histogram.at_rank_lower(rank)).unwrap_or_default(),
        upper: upper_rank.and_then(|rank| histogram.at_rank(rank)),
    })
}

/// The fewest samples that bound the quantile from above, where the bound is wrong with a probability of
/// at most `error`: all of them lie below the quantile with the probability `p^n`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "probabilities, and some thousand samples"
)]
pub fn samples_bounding(quantile: Quantile, error: Ppm) -> Count {
    let p = quantile.share().get() as f64 / 1e6;
    let error = error.get() as f64 / 1e6;
    Count::new((error.ln() / p.ln()).ceil() as u64)
}

/// [`interval_ranks`], which is a sum over all samples, and mostly the same as for the check before.
///
/// PERF: a third of the time that verifying 10,000 results took.
fn last_interval_ranks(samples: u64, quantile: Quantile, error: Ppm) -> Ranks {
    thread_local! {
        static LAST: Cell<Option<(RanksOf, Ranks)>> = const { Cell::new(None) };
    }
    let key = (samples, quantile, error);
    match LAST.get() {
        Some((last, ranks)) if last == key => ranks,
        _ => {
            let ranks = interval_ranks(samples, quantile, error);
            LAST.set(Some((key, ranks)));
            ranks
        }
    }
}

/// The ranks l and u of the two bounds: with B the binomial distribution of n and p, the largest l
/// with `P(B <= l - 1) <= error` and the smallest u with `P(B <= u - 1) >= 1 - error`.
#[expect(clippy::cast_precision_loss, reason = "a probability and a sample count below 2^53")]
fn interval_ranks(samples: u64, quantile: Quantile, error: Ppm) -> Ranks {
    let p = quantile.share().get() as f64 / 1e6;
    let error = error.get() as f64 / 1e6;
    let (mut lower, mut upper) = (None, None);
    // P(B = k) by its recurrence, in logarithms because (1 - p)^n underflows.
    let mut log_mass = samples as f64 * (1.0 - p).ln();
    let odds = (p / (1.0 - p)).ln();
    let mut cumulated = 0.0;
    for k in 0..samples {
        if log_mass > LOG_MIN {
            cumulated += log_mass.exp();
        }
        let rank = k + 1;
        if cumulated <= error {
            lower = Some(rank);
        }
        if cumulated >= 1.0 - error {
            upper = Some(rank);
            break;
        }
        log_mass += ((samples - k) as f64).ln() - (rank as f64).ln() + odds;
    }
    (lower, upper)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        Histogram::from_samples(&values.into_iter().map(Nanos::new).collect::<Vec<_>>())
    }

    #[test]
    fn a_quantile_waits_for_ten_samples_beyond_it() {
        let needed = [Quantile::P50, Quantile::P95, Quantile::P99].map(|q| samples_needed(q).get());
        assert_eq!(needed, [20, 200, 1000]);
        assert_eq!(quantile(&of(1..=19), Quantile::P50), None);
        assert_eq!(quantile(&of(1..=20), Quantile::P50), Some(Nanos::new(10)));
        assert_eq!(quantile(&of(1..=200), Quantile::P95), Some(Nanos::new(190)));
    }

    #[test]
    fn a_constant_series_has_that_quantile_and_interval() {
        let constant = of([77; 1000]);
        let summary = SummaryStatistics::of(&constant).unwrap();
        assert_eq!((summary.p50, summary.p99), (Some(Nanos::new(77)), Some(Nanos::new(77))));
        let bounds = interval(&constant, Quantile::P99, Ppm::new(1_000)).unwrap();
        assert_eq!((bounds.lower, bounds.upper), (Nanos::new(77), Some(Nanos::new(77))));
    }

    /// Ranks computed apart from this code, with the binomial sums in exact rational arithmetic.
    #[test]
    fn ranks_equal_those_of_another_implementation() {
        let cases = [
            (10, Quantile::P50, 25_000, (Some(2), Some(9))),
            (100, Quantile::P50, 25_000, (Some(40), Some(61))),
            (1000, Quantile::P99, 1_000, (Some(979), Some(999))),
            (200, Quantile::P99, 1_000, (Some(192), None)),
            (2000, Quantile::P95, 1_000, (Some(1_869), Some(1_930))),
        ];
        for (samples, q, error, expected) in cases {
            assert_eq!(interval_ranks(samples, q, Ppm::new(error)), expected, "n = {samples}, {q}");
        }
    }

    #[test]
    fn one_sample_less_than_those_that_bound_a_quantile_leaves_it_open() {
        for (q, expected) in [(Quantile::P50, 13), (Quantile::P95, 167), (Quantile::P99, 848)] {
            let error = Ppm::new(200);
            let needed = samples_bounding(q, error).get();
            assert_eq!(needed, expected);
            assert_eq!(interval_ranks(needed - 1, q, error).1, None);
            assert!(interval_ranks(needed, q, error).1.is_some());
        }
    }

    #[test]
    fn one_sample_bounds_nothing() {
        let bounds = interval(&of([5]), Quantile::P99, Ppm::new(1_000)).unwrap();
        assert_eq!((bounds.lower, bounds.upper), (Nanos::ZERO, None));
        assert_eq!(interval(&of([]), Quantile::P99, Ppm::new(1_000)), None);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_within_its_interval(
            values in prop::collection::vec(0_u64..1_000_000, 1000..1500),
        ) {
            let histogram = of(values.iter().copied());
            for q in [Quantile::P50, Quantile::P95, Quantile::P99] {
                let estimate = quantile(&histogram, q).unwrap();
                let bounds = interval(&histogram, q, Ppm::new(10_000)).unwrap();
                prop_assert!(bounds.lower <= estimate);
                prop_assert!(bounds.upper.is_none_or(|upper| estimate <= upper));
            }
        }

        #[test]
        fn a_quantile_is_at_most_one_bucket_above_the_exact_one(
            mut values in prop::collection::vec(0_u64..1_000_000_000, 20..400),
        ) {
            let estimate = quantile(&of(values.iter().copied()), Quantile::P50).unwrap().get();
            values.sort_unstable();
            let exact = values[values.len().div_ceil(2) - 1];
            prop_assert!(exact <= estimate && estimate - exact <= exact / 128);
        }
    }
}
