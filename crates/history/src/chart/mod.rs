//! The chart that nominates suspicions among times: sequential ranks, without a model of their noise.
//!
//! The change-point model of Hawkins and Deng (2010, "A nonparametric change-point control chart",
//! Journal of Quality Technology 42, 165-173), with the statistic of Mann and Whitney: after each point,
//! the best split of the latest ones is held against a threshold. Ross (2015, Journal of Statistical
//! Software 66, "Parametric and nonparametric sequential change detection in R: the cpm package") has the
//! same. Both look at all points since the last change; here it is the latest [`WINDOW`], so that a point
//! costs the same in the tenth year.
//!
//! The promise, one false nomination in N commits, holds where points can be exchanged: noise of any
//! form, outliers too, but no drift and no points that depend on those before. Ratios to an anchor that
//! was measured in the same session come close to that. Times of a machine that is busy for an hour do not.

mod rank_window;
mod thresholds;

pub use rank_window::{RankWindow, Split, WINDOW};
pub use thresholds::threshold;

/// A suspicion of a chart, by places in the series of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nomination {
    /// The first value after the change, as it looks now.
    pub first_after: usize,
    /// The value with which it was nominated.
    pub nominated_at: usize,
    /// Whether the values after it are larger.
    pub rises: bool,
}

/// The changes of a series of values, one false one in `commits` without any.
///
/// A nominated change ends what is looked at, and the chart begins again with the next value. To keep the
/// values that nominated it would break the promise: they were chosen because they lie apart, so that
/// the next ones look like a change back. Simulated, that makes 1.35 times as many as promised.
pub fn nominate(values: &[i64], commits: u32) -> Vec<Nomination> {
    let mut window = RankWindow::default();
    let mut found = Vec::new();
    for (place, value) in values.iter().enumerate() {
        window.push(*value);
        let Some(split) = window.best_split() else { continue };
        if split.statistic > threshold(window.len(), commits) {
            let after = window.len() - split.before;
            found.push(Nomination {
                first_after: place + 1 - after,
                nominated_at: place,
                rises: split.rises,
            });
            window = RankWindow::default();
        }
    }
    found
}

#[cfg(test)]
mod tests;
