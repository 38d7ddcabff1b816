//! A log-linear histogram of nanoseconds that can be written down.
//!
//! Values below 256 ns have a bucket each; above, each power of two is cut into 128 equal buckets,
//! so that a bucket is at most 1/128 (0.79 %) of its value wide. This is the layout of HDR
//! histograms (Tene), kept in plain integers so that a passport shows it and anyone can add two of
//! them up. The smallest and largest value and the sum are kept exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::units::{Count, Nanos};

/// Buckets in each power of two.
const SUBDIVISIONS: u64 = 128;
/// Values below this have a bucket each.
const LINEAR: u64 = 2 * SUBDIVISIONS;
/// Buckets that a `u64` can fall into.
const BUCKETS: u32 = 256 + 56 * 128;

/// Samples of a duration, by bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Number of samples; 0 means the other fields are 0 and empty.
    samples: Count,
    /// The smallest sample.
    min_ns: Nanos,
    /// The largest sample.
    max_ns: Nanos,
    /// The sum of all samples.
    sum_ns: Nanos,
    /// Pairs of bucket number and sample count, by rising bucket number, without empty buckets;
    /// written as `256:3 260:1`.
    #[serde(with = "bucket_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    buckets: Vec<(u32, u64)>,
}

/// Buckets as text: a list of pairs would fill most of a passport with line breaks.
mod bucket_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        buckets: &[(u32, u64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(buckets.len() * 8);
        for (bucket, count) in buckets {
            if !text.is_empty() {
                text.push(' ');
            }
            push_decimal(&mut text, u64::from(*bucket));
            text.push(':');
            push_decimal(&mut text, *count);
        }
        serializer.serialize_str(&text)
    }

    /// PERF: formatting by `write!` was a tenth of the time that verifying 10,000 results took.
    fn push_decimal(text: &mut String, value: u64) {
        if value > 9 {
            push_decimal(text, value / 10);
        }
        text.push(char::from(b'0' + (value % 10) as u8));
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(u32, u64)>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let pair = |word: &str| {
            let (bucket, count) = word.split_once(':')?;
            Some((bucket.parse().ok()?, count.parse().ok()?))
        };
        let pairs: Option<Vec<(u32, u64)>> =
            text.split(' ').filter(|word| !word.is_empty()).map(pair).collect();
        pairs.ok_or_else(|| D::Error::custom("buckets are not written as `256:3 260:1`"))
    }
}

/// A histogram whose parts contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// Bucket numbers do not rise, are out of range, or a bucket is empty.
    #[error("histogram buckets are not in rising order, out of range, or empty")]
    Buckets,
    /// The bucket counts do not add up to the number of samples.
    #[error("histogram counts add up to {counted}, not to its {samples} samples")]
    Samples {
        /// The sum of the buckets.
        counted: u64,
        /// What the histogram says.
        samples: u64,
    },
    /// Smallest, largest or sum cannot belong to these buckets.
    #[error("histogram min, max or sum does not fit its buckets")]
    Extremes,
}

impl Histogram {
    /// The histogram of `samples`, in any order.
    pub fn from_samples(samples: &[Nanos]) -> Self {
        let mut buckets: BTreeMap<u32, u64> = BTreeMap::new();
        for sample in samples {
            *buckets.entry(bucket_of(sample.get())).or_default() += 1;
        }
        Self {
            samples: Count::new(samples.len() as u64),
            min_ns: samples.iter().copied().min().unwrap_or_default(),
            max_ns: samples.iter().copied().max().unwrap_or_default(),
            sum_ns: samples.iter().fold(Nanos::ZERO, |sum, sample| sum.saturating_add(*sample)),
            buckets: buckets.into_iter().collect(),
        }
    }

    /// Checks what [`Histogram::from_samples`] guarantees, for one that was read from outside.
    ///
    /// # Errors
    ///
    /// [`HistogramError`] naming the part that contradicts the others.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let rising = self.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let in_range = self.buckets.iter().all(|(bucket, count)| *bucket < BUCKETS && *count > 0);
        if !rising || !in_range {
            return Err(HistogramError::Buckets);
        }
        let counted = self.buckets.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if counted != self.samples.get() {
            return Err(HistogramError::Samples { counted, samples: self.samples.get() });
        }
        let (Some(first), Some(last)) = (self.buckets.first(), self.buckets.last()) else {
            let zero = self.min_ns == Nanos::ZERO && self.max_ns == Nanos::ZERO;
            return if zero && self.sum_ns == Nanos::ZERO {
                Ok(())
            } else {
                Err(HistogramError::Extremes)
            };
        };
        let fits = bucket_of(self.min_ns.get()) == first.0
            && bucket_of(self.max_ns.get()) == last.0
            && self.min_ns <= self.max_ns
            && self.sum_ns >= self.min_ns.saturating_mul(counted)
            && self.sum_ns <= self.max_ns.saturating_mul(counted);
        if fits { Ok(()) } else { Err(HistogramError::Extremes) }
    }

    /// Number of samples.
    pub const fn samples(&self) -> Count {
        self.samples
    }

    /// Whether there is no sample.
    pub const fn is_empty(&self) -> bool {
        self.samples.get() == 0
    }

    /// The smallest sample; zero when there is none.
    pub const fn min(&self) -> Nanos {
        self.min_ns
    }

    /// The largest sample; zero when there is none.
    pub const fn max(&self) -> Nanos {
        self.max_ns
    }

    /// The arithmetic mean, rounded down to a nanosecond; zero when there is no sample.
    pub const fn mean(&self) -> Nanos {
        match self.sum_ns.get().checked_div(self.samples.get()) {
            Some(mean) => Nanos::new(mean),
            None => Nanos::ZERO,
        }
    }

    /// The sample of this rank, counted from 1: an upper bound that is at most 0.79 % too high, and
    /// never above the largest sample. `None` when there are fewer samples.
    pub fn at_rank(&self, rank: u64) -> Option<Nanos> {
        let bucket = self.bucket_at_rank(rank)?;
        Some(Nanos::new(last_of(bucket)).min(self.max_ns).max(self.min_ns))
    }

    /// The lowest value that the sample of this rank can have had. `None` when there are fewer
    /// samples.
    pub fn at_rank_lower(&self, rank: u64) -> Option<Nanos> {
        let bucket = self.bucket_at_rank(rank)?;
        Some(Nanos::new(first_of(bucket)).max(self.min_ns))
    }

    /// Samples that can be at this limit or above: all of those in its bucket, unless none is so large.
    pub fn at_or_above_at_most(&self, limit: Nanos) -> Count {
        if self.max_ns < limit {
            return Count::ZERO;
        }
        self.count_where(|bucket| last_of(bucket) >= limit.get())
    }

    /// Samples that must be at this limit or above: none of those in its bucket, unless all are so large.
    pub fn at_or_above_at_least(&self, limit: Nanos) -> Count {
        if self.min_ns >= limit {
            return self.samples;
        }
        self.count_where(|bucket| first_of(bucket) >= limit.get())
    }

    fn count_where(&self, counts: impl Fn(u32) -> bool) -> Count {
        let counted = self.buckets.iter().filter(|(bucket, _)| counts(*bucket));
        Count::new(counted.map(|(_, count)| *count).sum())
    }

    fn bucket_at_rank(&self, rank: u64) -> Option<u32> {
        if rank == 0 {
            return None;
        }
        let mut seen = 0_u64;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some(*bucket);
            }
        }
        None
    }
}

fn bucket_of(value: u64) -> u32 {
    let bucket = if value < LINEAR {
        value
    } else {
        let shift = u64::from(value.ilog2() - SUBDIVISIONS.ilog2());
        LINEAR + (shift - 1) * SUBDIVISIONS + ((value >> shift) - SUBDIVISIONS)
    };
    u32::try_from(bucket).expect("a u64 falls into one of 7424 buckets")
}

fn first_of(bucket: u32) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < LINEAR {
        return bucket;
    }
    let shift = (bucket - LINEAR) / SUBDIVISIONS + 1;
    ((bucket - LINEAR) % SUBDIVISIONS + SUBDIVISIONS) << shift
}

fn last_of(bucket: u32) -> u64 {
    let width = if u64::from(bucket) < LINEAR {
        1
    } else {
        1 << ((u64::from(bucket) - LINEAR) / SUBDIVISIONS + 1)
    };
    first_of(bucket) + (width - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        Histogram::from_samples(&values.iter().copied().map(Nanos::new).collect::<Vec<_>>())
    }

    #[test]
    fn an_empty_histogram_has_no_quantile_and_is_valid() {
        let empty = of(&[]);
        assert_eq!(empty.at_rank(1), None);
        assert_eq!(empty.mean(), Nanos::ZERO);
        assert_eq!(empty.validate(), Ok(()));
    }

    #[test]
    fn bucket_edges_are_where_the_layout_says() {
        assert_eq!([255, 256, 257, 258, 511, 512].map(bucket_of), [255, 256, 256, 257, 383, 384]);
        assert_eq!((first_of(256), last_of(256)), (256, 257));
        assert_eq!((first_of(384), last_of(384)), (512, 515));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(last_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn ranks_count_from_one_in_rising_order() {
        let three = of(&[30, 10, 20]);
        let ranks: Vec<_> = (0..5).map(|rank| three.at_rank(rank).map(Nanos::get)).collect();
        assert_eq!(ranks, [None, Some(10), Some(20), Some(30), None]);
    }

    #[test]
    fn a_limit_inside_a_bucket_leaves_it_open_where_its_samples_lie() {
        // 512 to 515 are one bucket.
        let three = of(&[100, 512, 600]);
        let at = |limit: u64| {
            let limit = Nanos::new(limit);
            (three.at_or_above_at_least(limit).get(), three.at_or_above_at_most(limit).get())
        };
        assert_eq!([at(100), at(101), at(512)], [(3, 3), (2, 2), (2, 2)]);
        assert_eq!([at(513), at(516), at(600), at(601)], [(1, 2), (1, 1), (1, 1), (0, 0)]);
        // The smallest and the largest are known exactly.
        assert_eq!(of(&[513, 515]).at_or_above_at_least(Nanos::new(513)), Count::new(2));
        assert_eq!(of(&[512, 514]).at_or_above_at_most(Nanos::new(515)), Count::ZERO);
        assert_eq!(of(&[]).at_or_above_at_most(Nanos::ZERO), Count::ZERO);
    }

    #[test]
    fn an_edited_histogram_is_refused() {
        let good = of(&[10, 20, 300]);
        let mut samples = good.clone();
        samples.samples = Count::new(4);
        assert!(matches!(samples.validate(), Err(HistogramError::Samples { .. })));
        let mut order = good.clone();
        order.buckets.swap(0, 1);
        assert_eq!(order.validate(), Err(HistogramError::Buckets));
        let mut extremes = good.clone();
        extremes.max_ns = Nanos::new(9_000);
        assert_eq!(extremes.validate(), Err(HistogramError::Extremes));
        let mut sum = good;
        sum.sum_ns = Nanos::new(1);
        assert_eq!(sum.validate(), Err(HistogramError::Extremes));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_and_is_narrow(value in any::<u64>()) {
            let bucket = bucket_of(value);
            prop_assert!(first_of(bucket) <= value && value <= last_of(bucket));
            prop_assert!(last_of(bucket) - first_of(bucket) <= first_of(bucket) / 128);
        }

        #[test]
        fn what_is_made_of_samples_is_valid(
            samples in prop::collection::vec(0_u64..10_000_000, 0..100),
        ) {
            prop_assert_eq!(of(&samples).validate(), Ok(()));
        }
    }
}
