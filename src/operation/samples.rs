//! Raw samples of time, and what they say in numbers.
//!
//! A sample is the time that some iterations took together. What a table shows is of one iteration:
//! of a sample of several, their average. So quantiles, the least and the most are those of such
//! averages, and vary less than single iterations do; [`CaseSummary::mean_ps`] does not depend on how
//! iterations were put together.

use std::{fmt::Write as _, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    contract::Quantile,
    rules::MeanRule,
    statistics::{samples_needed, student_upper},
    units::{Count, Millihertz, Nanos, Picos},
};

/// The most samples of a case.
pub const SAMPLES_MAX: usize = 100_000;

/// The largest number of a sample, which keeps every figure that follows from it exact.
const NUMBER_MAX: u64 = 1 << 53;

/// Figures above this are held there: no hash covers a larger integer exactly.
const FIGURE_MAX: f64 = 9_007_199_254_740_992.0;

/// The probability that a bound of a mean time is on the wrong side, in the first rule.
const MEAN_ERROR_1: f64 = 0.001;

/// How long some iterations took together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How many iterations; at least 1.
    pub iterations: u64,
    /// Their time.
    pub ns: u64,
}

impl Sample {
    /// The average of an iteration, in nanoseconds.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    pub(super) fn iteration_ns(self) -> f64 {
        self.ns as f64 / self.iterations as f64
    }
}

/// Samples in the order in which they were taken; written as `100:5200 100:5100`, iterations and
/// nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct Samples(Vec<Sample>);

/// Samples that cannot have been taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// More than [`SAMPLES_MAX`].
    #[error("more than {SAMPLES_MAX} samples")]
    TooMany,
    /// A sample is not two integers, has no iteration, or a number is above 2^53.
    #[error("sample {place} is not iterations from 1 and nanoseconds, both up to 2^53")]
    Number {
        /// Which, counted from 1.
        place: usize,
    },
    /// All samples took no time, which no clock can have seen.
    #[error("no sample took any time")]
    NoTime,
}

impl Samples {
    /// Takes samples, in their order.
    ///
    /// # Errors
    ///
    /// [`SamplesError`] when they cannot have been taken.
    pub fn new(samples: Vec<Sample>) -> Result<Self, SamplesError> {
        if samples.len() > SAMPLES_MAX {
            return Err(SamplesError::TooMany);
        }
        let fits = |it: &Sample| (1..=NUMBER_MAX).contains(&it.iterations) && it.ns <= NUMBER_MAX;
        if let Some(place) = samples.iter().position(|sample| !fits(sample)) {
            return Err(SamplesError::Number { place: place + 1 });
        }
        if !samples.is_empty() && samples.iter().all(|sample| sample.ns == 0) {
            return Err(SamplesError::NoTime);
        }
        Ok(Self(samples))
    }

    /// The samples, in their order.
    pub fn as_slice(&self) -> &[Sample] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The least average of an iteration, in nanoseconds; `None` without a sample.
    pub(super) fn least_ns(&self) -> Option<f64> {
        self.0.iter().map(|it| it.iteration_ns()).reduce(f64::min)
    }

    /// The mean time of an iteration in nanoseconds, all time by all iterations; `None` without a
    /// sample.
    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    pub(super) fn mean_ns(&self) -> Option<f64> {
        let sum =
            |number: fn(&Sample) -> u64| self.0.iter().map(|it| number(it) as f64).sum::<f64>();
        (!self.0.is_empty()).then(|| sum(|it| it.ns) / sum(|it| it.iterations))
    }

    /// How far that mean may be from the true one on either side, by this rule; `None` without a
    /// sample, and infinite where there is only one.
    pub(super) fn mean_distance_ns(&self, rule: MeanRule) -> Option<f64> {
        match rule {
            MeanRule::One => self.mean_distance_ns_1(MEAN_ERROR_1),
            // Nobody knows.
            #[cfg(test)]
            MeanRule::Trial => self.mean_ns().map(|_| f64::INFINITY),
        }
    }

    /// The first rule of means, which stays as it is: the distance of the ratio estimator (Cochran
    /// 1977, equations 6.4 and 6.13) with Student's t. It assumes independent samples, and enough of
    /// them for their mean to be about normal.
    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    fn mean_distance_ns_1(&self, error: f64) -> Option<f64> {
        let mean = self.mean_ns()?;
        let count = self.0.len() as f64;
        let iterations = self.0.iter().map(|it| it.iterations as f64).sum::<f64>();
        let residuals = self.0.iter().map(|it| it.ns as f64 - mean * it.iterations as f64);
        let squares: f64 = residuals.map(|it| it * it).sum();
        let deviation = (squares / (count - 1.0) / count).sqrt() / (iterations / count);
        let distance = student_upper(self.0.len() as u64 - 1, error) * deviation;
        // Of one sample the deviation is 0 / 0.
        Some(if distance.is_nan() { f64::INFINITY } else { distance })
    }
}

impl TryFrom<String> for Samples {
    type Error = SamplesError;

    fn try_from(text: String) -> Result<Self, SamplesError> {
        let number = |text: &str| u64::from_str(text).ok();
        let mut samples = Vec::new();
        for (place, written) in text.split(' ').filter(|it| !it.is_empty()).enumerate() {
            let parts = written.split_once(':');
            let sample = parts.and_then(|(iterations, ns)| {
                Some(Sample { iterations: number(iterations)?, ns: number(ns)? })
            });
            samples.push(sample.ok_or(SamplesError::Number { place: place + 1 })?);
        }
        Self::new(samples)
    }
}

impl From<Samples> for String {
    fn from(samples: Samples) -> Self {
        let mut text = Self::with_capacity(samples.0.len() * 12);
        for sample in samples.0 {
            let space = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{space}{}:{}", sample.iterations, sample.ns);
        }
        text
    }
}

/// Samples in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CaseSummary {
    /// Number of samples.
    pub samples: Count,
    /// Iterations of all samples.
    pub iterations: Count,
    /// Their time.
    pub total_ns: Nanos,
    /// The time of an iteration: all time by all iterations.
    pub mean_ps: Picos,
    /// The least average of a sample.
    pub min_ps: Picos,
    /// The largest average of a sample.
    pub max_ps: Picos,
    /// The median of the averages; `null` below 20 samples.
    pub p50_ps: Option<Picos>,
    /// `null` below 200 samples.
    pub p95_ps: Option<Picos>,
    /// `null` below 1000 samples.
    pub p99_ps: Option<Picos>,
    /// Iterations in a thousand seconds.
    pub throughput_millihertz: Millihertz,
}

impl CaseSummary {
    /// The summary of samples; `None` without one.
    pub fn of(samples: &Samples) -> Option<Self> {
        let mean = samples.mean_ns()?;
        let total =
            |number: fn(&Sample) -> u64| samples.0.iter().map(number).fold(0, u64::saturating_add);
        let mut averages: Vec<f64> = samples.0.iter().map(|it| it.iteration_ns()).collect();
        averages.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| averages.get(place).map_or(Picos::ZERO, |ns| picos(*ns));
        let quantile = |quantile: Quantile| {
            let count = averages.len() as u64;
            let rank = (count * quantile.share().get()).div_ceil(1_000_000);
            (Count::new(count) >= samples_needed(quantile))
                .then(|| at(usize::try_from(rank).unwrap_or(0).saturating_sub(1)))
        };
        Some(Self {
            samples: Count::new(averages.len() as u64),
            iterations: Count::new(total(|it| it.iterations).min(NUMBER_MAX)),
            total_ns: Nanos::new(total(|it| it.ns).min(NUMBER_MAX)),
            mean_ps: picos(mean),
            min_ps: at(0),
            max_ps: at(averages.len() - 1),
            p50_ps: quantile(Quantile::P50),
            p95_ps: quantile(Quantile::P95),
            p99_ps: quantile(Quantile::P99),
            throughput_millihertz: millihertz(mean),
        })
    }
}

/// Nanoseconds as whole picoseconds, held at 2^53 of them (two and a half hours).
pub(super) fn picos(ns: f64) -> Picos {
    Picos::new(whole(ns * 1e3))
}

/// The rate of iterations that take so many nanoseconds each.
pub(super) fn millihertz(ns: f64) -> Millihertz {
    Millihertz::new(whole(1e12 / ns))
}

/// The nearest whole number, held at 2^53; zero for what is no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 0, and at most 2^53"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.round().clamp(0.0, FIGURE_MAX) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[(u64, u64)]) -> Samples {
        let samples =
            samples.iter().map(|(iterations, ns)| Sample { iterations: *iterations, ns: *ns });
        Samples::new(samples.collect()).unwrap()
    }

    /// By hand: 600 ns of 60 iterations; averages 8, 10 and 11 ns.
    #[test]
    fn a_summary_is_of_one_iteration() {
        let summary = CaseSummary::of(&of(&[(10, 110), (20, 160), (30, 330)])).unwrap();
        assert_eq!(summary.total_ns, Nanos::new(600));
        assert_eq!(summary.mean_ps, Picos::new(10_000));
        assert_eq!((summary.min_ps, summary.max_ps), (Picos::new(8_000), Picos::new(11_000)));
        assert_eq!(summary.p50_ps, None);
        assert_eq!(summary.throughput_millihertz, Millihertz::new(100_000_000_000));
    }

    #[test]
    fn quantiles_wait_for_samples() {
        let twenty: Vec<(u64, u64)> = (1..=20).map(|ns| (1, ns)).collect();
        assert_eq!(CaseSummary::of(&of(&twenty)).unwrap().p50_ps, Some(Picos::new(10_000)));
        assert_eq!(CaseSummary::of(&of(&twenty[..19])).unwrap().p50_ps, None);
    }

    /// By hand for equal iterations: the t interval of 9, 10, 11, whose deviation is 1.
    #[test]
    fn the_interval_of_the_mean_is_students() {
        let three = of(&[(1, 9), (1, 10), (1, 11)]);
        assert!((three.mean_ns().unwrap() - 10.0).abs() < 1e-9);
        let distance = three.mean_distance_ns_1(0.025).unwrap();
        assert!((distance - 4.303 / 3.0_f64.sqrt()).abs() < 1e-3, "{distance}");
        let unknown = of(&[(1, 9)]).mean_distance_ns(MeanRule::One).unwrap();
        assert!(unknown.is_infinite());
        assert_eq!(Samples::default().mean_ns(), None);
        assert_eq!(Samples::default().mean_distance_ns(MeanRule::One), None);
    }

    #[test]
    fn what_cannot_have_been_taken_is_refused() {
        let parse = |text: &str| Samples::try_from(text.to_owned());
        for text in ["1", "1:", ":1", "0:5", "1:-5", "1:1.5", "1:NaN", "1:9007199254740993"] {
            assert_eq!(parse(text), Err(SamplesError::Number { place: 1 }), "{text}");
        }
        assert_eq!(parse("1:5 x:1"), Err(SamplesError::Number { place: 2 }));
        assert_eq!(parse("1:0 5:0"), Err(SamplesError::NoTime));
        assert_eq!(parse("1:0 5:1").unwrap().as_slice().len(), 2);
        assert_eq!(
            Samples::new(vec![Sample { iterations: 1, ns: 1 }; 100_001]),
            Err(SamplesError::TooMany)
        );
    }

    #[test]
    fn no_figure_is_above_what_a_hash_covers() {
        let most = 1 << 53;
        let summary = CaseSummary::of(&of(&[(1, most), (1, most)])).unwrap();
        assert_eq!(summary.total_ns, Nanos::new(most));
        assert_eq!(summary.mean_ps, Picos::new(most));
        assert_eq!(summary.throughput_millihertz, Millihertz::ZERO);
    }

    proptest! {
        #[test]
        fn text_gives_the_samples_back(
            samples in prop::collection::vec((1_u64..1_000_000, 1_u64..1_000_000_000), 0..50),
        ) {
            let samples = of(&samples);
            prop_assert_eq!(Samples::try_from(String::from(samples.clone())).unwrap(), samples);
        }

        #[test]
        fn the_mean_lies_between_the_extremes(
            samples in prop::collection::vec((1_u64..1000, 1_u64..1_000_000), 1..50),
        ) {
            let summary = CaseSummary::of(&of(&samples)).unwrap();
            prop_assert!(summary.min_ps <= summary.mean_ps && summary.mean_ps <= summary.max_ps);
        }
    }
}
