//! How often something happened, where events come together: counts of windows that follow each other.
//!
//! Requests of a service are not independent: a slow minute makes many of them slow. [`SpreadShare`] takes
//! the variance of a share from the differences between windows, as of a ratio of cluster totals (Cochran
//! 1977, *Sampling Techniques*, section 6.5). That gives an effective number of trials, and of this number
//! the exact bounds are taken (Korn and Graubard 1998, "Confidence intervals for proportions with small
//! expected number of positive counts estimated from survey data").
//!
//! Three things make the bounds wider still.
//! - Windows beside each other may be alike. So up to ten of them are also taken as one, and the least
//!   effective number counts.
//! - The variance is itself uncertain, above all where a few windows have most of it. It counts as often as
//!   Student's t exceeds the normal distribution, squared as by Korn and Graubard, of as many degrees of
//!   freedom as its kurtosis leaves (Box 1953, "Non-normality and tests on variances"; Satterthwaite 1946).
//! - Student's t is taken with half of the error, as by Korn and Graubard, whose interval has two sides. The
//!   normal quantile is taken with all of it. So what is beyond independent trials counts (1.96 / 1.645)^2 =
//!   1.42 times even with many windows, as few of them show a skewed variance too small.
//!
//! The bounds are never narrower than those of independent trials. They assume that what happened before is
//! what happens: of what comes less often than some twenty times in all windows, they say too little. With
//! no event at all they say no more than that trials are independent.
//!
//! NOTE: the first rule of production ([`crate::rules`]) depends on each bit of it.

use super::{beta, student_upper};
use crate::units::Count;

/// Windows with a trial that are needed, of any length. With fewer than 20 to 50 clusters, variances between
/// them are too small (Cameron and Miller 2015, "A practitioner's guide to cluster-robust inference", section
/// VI). With 20 of equal weight, Student's t of 19 degrees is 5 % beyond the normal quantile of 95 %, which is
/// counted.
pub const WINDOWS_MIN: usize = 20;

/// So many windows beside each other are taken as one, and the largest variance counts: the blocking of
/// Flyvbjerg and Petersen (1989, "Error estimates on averages of correlated data"). They double the length;
/// here each is at most twice the one before, up to the largest that leaves six of 60 windows.
const MERGED: [usize; 6] = [1, 2, 3, 4, 6, 10];

/// Windows that are needed where several are taken as one: what ten leave of 60. What so few leave uncertain
/// is counted: of five degrees, Student's t at 97.5 % is 2.57, so that the variance counts
/// (2.57 / 1.645)^2 = 2.4 times.
const MERGED_WINDOWS_MIN: usize = 6;

/// More trials than these, 2^27, are not counted on, which only widens the bounds. The fraction of
/// [`beta`] needs terms in proportion to the root of it (Press et al. 2007, *Numerical Recipes*, section 6.4),
/// which is 11,585, and has 200,000.
const TRIALS_MAX: f64 = 134_217_728.0;

/// What happened in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowTally {
    /// How often it could have happened.
    pub trials: Count,
    /// How often it did; at most as often.
    pub events: Count,
}

/// A share of trials, with what its spread between windows makes of their number.
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadShare {
    /// Windows with a trial.
    pub windows: usize,
    /// All trials.
    pub trials: Count,
    /// All events.
    pub events: Count,
    /// One for each number of windows that are taken as one.
    spreads: Vec<WindowSpread>,
}

/// How far windows are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
struct WindowSpread {
    /// The variance of the share, in that of independent trials.
    deviation: f64,
    /// The degrees of freedom that it is known to.
    degrees: f64,
}

impl SpreadShare {
    /// Sums windows up, which are in their order.
    pub fn of(windows: &[WindowTally]) -> Self {
        let all = merge(windows);
        let used =
            |windows: &[WindowTally]| windows.iter().filter(|it| it.trials > Count::ZERO).count();
        let spread = |merged: usize| {
            let windows: Vec<WindowTally> = windows.chunks(merged).map(merge).collect();
            let used = used(&windows);
            (used >= MERGED_WINDOWS_MIN).then(|| WindowSpread::of(&windows, used, all))
        };
        Self {
            windows: used(windows),
            trials: all.trials,
            events: all.events,
            spreads: MERGED.into_iter().filter_map(spread).collect(),
        }
    }

    /// Whether there are so many windows that their spread says something.
    pub fn is_known(&self) -> bool {
        self.windows >= WINDOWS_MIN
    }

    /// How many trials are as good as one independent trial; at least 1, which it is too where nothing
    /// happened.
    pub fn overdispersion(&self) -> f64 {
        self.spreads.iter().map(|it| it.deviation).fold(1.0, f64::max)
    }

    /// The share that was seen; `None` without a trial.
    pub fn share(&self) -> Option<f64> {
        (self.trials > Count::ZERO).then(|| float(self.events) / float(self.trials))
    }

    /// The largest share that is compatible with the counts; wrong with the probability `error`. 1 where
    /// there are too few windows.
    pub fn at_most(&self, error: f64) -> f64 {
        let Some(share) = self.share().filter(|_| self.is_known()) else { return 1.0 };
        let trials = float(self.trials).min(TRIALS_MAX) / self.inflation(error);
        beta::at_most(share * trials, trials, error)
    }

    /// The smallest share that is compatible with the counts; wrong with the probability `error`. 0 where
    /// there are too few windows.
    pub fn at_least(&self, error: f64) -> f64 {
        let Some(share) = self.share().filter(|_| self.is_known()) else { return 0.0 };
        let trials = float(self.trials).min(TRIALS_MAX) / self.inflation(error);
        beta::at_least(share * trials, trials, error)
    }

    /// Trials of the same share and spread with which [`Self::at_most`] would be below `limit`; `None`
    /// where that would be more than anybody sees. Windows are taken to be as many as needed.
    pub fn trials_showing_less(&self, limit: f64, error: f64) -> Option<Count> {
        let (seen, inflation) = (self.share().unwrap_or(0.0), self.inflation(error));
        let bound = |trials: f64| beta::at_most(seen * trials, trials, error);
        if seen < limit { least(|trials| bound(trials / inflation) < limit) } else { None }
    }

    /// Trials with which [`Self::at_least`] would be above `limit`, likewise.
    pub fn trials_showing_more(&self, limit: f64, error: f64) -> Option<Count> {
        let (seen, inflation) = (self.share().unwrap_or(0.0), self.inflation(error));
        let bound = |trials: f64| beta::at_least(seen * trials, trials, error);
        if seen > limit { least(|trials| bound(trials / inflation) > limit) } else { None }
    }

    /// How many trials count as one.
    fn inflation(&self, error: f64) -> f64 {
        if self.spreads.iter().all(|it| it.deviation <= 1.0) {
            return 1.0;
        }
        let normal = student_upper(u64::MAX, error);
        let beyond = |it: &WindowSpread| {
            let times = student(it.degrees, error / 2.0) / normal;
            (it.deviation - 1.0).max(0.0) * times * times
        };
        1.0 + self.spreads.iter().map(beyond).fold(0.0, f64::max)
    }
}

impl WindowSpread {
    fn of(windows: &[WindowTally], used: usize, all: WindowTally) -> Self {
        let used = float(Count::new(used as u64));
        // Nothing deviates where nothing, or everything, happened.
        if all.events == Count::ZERO || all.events >= all.trials {
            return Self { deviation: 0.0, degrees: used - 1.0 };
        }
        let share = float(all.events) / float(all.trials);
        let squares =
            || windows.iter().map(|it| (float(it.events) - share * float(it.trials)).powi(2));
        let sum: f64 = squares().sum();
        let kurtosis = used * squares().map(|it| it * it).sum::<f64>() / (sum * sum);
        let independent = share * (1.0 - share) * float(all.trials);
        // All squares are equal where the kurtosis is 1, and none are where it is not a number.
        let degrees = if kurtosis > 1.0 { 2.0 * used / (kurtosis - 1.0) } else { used - 1.0 };
        Self {
            deviation: used / (used - 1.0) * sum / independent,
            degrees: degrees.clamp(1.0, used - 1.0),
        }
    }
}

/// What Student's t exceeds with this probability, also where the degrees of freedom are not whole.
fn student(degrees: f64, probability: f64) -> f64 {
    let below = degrees.floor();
    let of = |degrees: f64| student_upper(whole(degrees).get(), probability);
    let (few, many) = (of(below), of(below + 1.0));
    few + (many - few) * (degrees - below)
}

/// The least number of trials for which this holds, to three digits; it holds for all larger ones.
fn least(holds: impl Fn(f64) -> bool) -> Option<Count> {
    let mut high = 1.0;
    while !holds(high) {
        high *= 2.0;
        if high > TRIALS_MAX {
            return None;
        }
    }
    let mut low = high / 2.0;
    while high - low > f64::max(1.0, high / 1024.0) {
        let middle = f64::midpoint(low, high).floor();
        if holds(middle) { high = middle } else { low = middle }
    }
    Some(whole(high))
}

/// Windows beside each other, as one.
fn merge(windows: &[WindowTally]) -> WindowTally {
    windows.iter().fold(WindowTally::default(), |sum, it| WindowTally {
        trials: sum.trials.saturating_add(it.trials),
        events: sum.events.saturating_add(it.events),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a passport are at most 2^53")]
fn float(count: Count) -> f64 {
    count.get() as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^53")]
fn whole(number: f64) -> Count {
    Count::new(number.clamp(0.0, 9_007_199_254_740_992.0) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn windows(tallies: impl IntoIterator<Item = (u64, u64)>) -> Vec<WindowTally> {
        let tally = |(trials, events)| WindowTally {
            trials: Count::new(trials),
            events: Count::new(events),
        };
        tallies.into_iter().map(tally).collect()
    }

    fn even(number: u64, trials: u64, events: u64) -> SpreadShare {
        SpreadShare::of(&windows((0..number).map(|_| (trials, events))))
    }

    /// research: 299 requests without a slow one show the p99 at 95 %, and 298 do not.
    #[test]
    fn without_an_event_the_bound_is_that_of_independent_trials() {
        let of = |trials: u64| {
            let split = (0..60).map(|it| (trials / 60 + u64::from(it < trials % 60), 0));
            SpreadShare::of(&windows(split)).at_most(0.05)
        };
        assert!(of(299) < 0.01, "{}", of(299));
        assert!(of(298) >= 0.01, "{}", of(298));
        let none = SpreadShare::of(&[]);
        assert_eq!(none.trials_showing_less(0.01, 0.05), Some(Count::new(299)));
        assert_eq!(none.trials_showing_less(0.001, 0.05).map(|it| it.get() / 10), Some(299));
        assert_eq!(none.trials_showing_more(0.01, 0.05), None);
    }

    /// By hand: 60 windows of 100, of which one has 30 events. The share is 0.005, and the squares are
    /// 29.5^2 and 59 times 0.5^2: 885. 60 / 59 of that is 900, and independent trials have
    /// 0.005 * 0.995 * 6000 = 29.85. The kurtosis is 60 * 757,338 / 885^2 = 58.02.
    #[test]
    fn one_bad_window_makes_few_trials_of_many() {
        let mut all = vec![(100, 0); 60];
        all[17].1 = 30;
        let share = SpreadShare::of(&windows(all));
        let single = share.spreads[0];
        assert!((single.deviation - 900.0 / 29.85).abs() < 1e-9, "{single:?}");
        assert!((single.degrees - 2.0 * 60.0 / 57.016).abs() < 1e-3, "{single:?}");
        assert!(share.overdispersion() >= single.deviation);
        // Independent, these were shown to be at most 0.7 %; one bad minute in sixty shows little.
        assert!(beta::at_most(30.0, 6000.0, 0.05) < 0.007);
        assert!(share.at_most(0.05) > 0.04, "{}", share.at_most(0.05));
        assert!(share.at_least(0.005) < 0.0005, "{}", share.at_least(0.005));
    }

    #[test]
    fn equal_windows_are_no_better_than_independent_trials() {
        let share = even(60, 100, 1);
        assert!((share.overdispersion() - 1.0).abs() < f64::EPSILON);
        let bound = beta::at_most(60.0, 6000.0, 0.05);
        assert!((share.at_most(0.05) - bound).abs() < 1e-12);
    }

    #[test]
    fn slow_hours_are_seen_beyond_a_window() {
        // Half of the time 3 %, half of the time 1 %, in stretches of ten windows.
        let slow = |it: u64| if (it / 10).is_multiple_of(2) { 30 } else { 10 };
        let share = SpreadShare::of(&windows((0..60).map(|it| (1_000, slow(it)))));
        let single = share.spreads[0].deviation;
        assert!(share.overdispersion() > 5.0 * single, "{share:?}");
    }

    #[test]
    fn too_few_windows_show_nothing_and_empty_ones_do_not_count() {
        for share in [even(19, 1_000_000, 0), even(0, 0, 0)] {
            assert!(!share.is_known());
            assert!(share.at_most(0.05) >= 1.0 && share.at_least(0.05) <= 0.0);
        }
        let half = windows((0..40).map(|it| (100 * (it % 2), 0)));
        let share = SpreadShare::of(&half);
        assert_eq!((share.windows, share.is_known()), (20, true));
        assert!(share.at_most(0.05) < 0.01);
    }

    #[test]
    fn as_many_trials_are_needed_as_the_bound_says() {
        let share = even(60, 100, 1);
        let needed = share.trials_showing_less(0.011, 0.05).unwrap().get();
        let scaled = |trials: f64| beta::at_most(trials / 100.0, trials, 0.05);
        assert!(scaled(float(Count::new(needed))) < 0.011);
        assert!(scaled(float(Count::new(needed)) * 0.99) >= 0.011);
        assert_eq!(share.trials_showing_less(0.01, 0.05), None);
        assert!(share.trials_showing_more(0.009, 0.005).is_some());
    }

    proptest! {
        #[test]
        fn bounds_enclose_what_was_seen_and_are_no_narrower_than_independent_ones(
            tallies in prop::collection::vec((0_u64..2_000, 0_u64..40), 20..61),
        ) {
            let tallies = windows(tallies.into_iter().map(|(trials, events)| (trials + 1, events.min(trials))));
            let share = SpreadShare::of(&tallies);
            let (seen, most, least) = (share.share().unwrap(), share.at_most(0.05), share.at_least(0.005));
            prop_assert!(least <= seen && seen <= most && most <= 1.0);
            let (events, trials) = (float(share.events), float(share.trials));
            prop_assert!(most >= beta::at_most(events, trials, 0.05) - 1e-9);
            prop_assert!(least <= beta::at_least(events, trials, 0.005) + 1e-9);
        }
    }
}
