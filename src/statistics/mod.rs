//! Statistics of one series: what was seen, and how sure one can be of it.
//!
//! [`Histogram`] holds the samples in a form that a passport can carry;
//! [`SummaryStatistics`] and [`interval`] are pure functions of it, so that anyone can recompute them.
//! [`shows_less_beyond`] and [`shows_more_beyond`] may be asked while samples are added.
//! [`share_at_most`] and [`share_at_least`] say the same of how often something happened, and
//! [`SpreadShare`] where events come together.
//! Nothing here knows a budget: deciding is the business of [`crate::claim`].

mod beta;
mod beyond;
mod fine;
mod histogram;
mod proportion;
mod quantile;
mod spread;
mod student;

pub use beyond::{SplitCounts, samples_showing_less, shows_less_beyond, shows_more_beyond};
pub use fine::are_fine;
pub use histogram::{Histogram, HistogramError};
pub use proportion::{share_at_least, share_at_most};
pub use quantile::{
    Interval, SummaryStatistics, interval, quantile, samples_bounding, samples_needed,
};
pub use spread::{SpreadShare, WINDOWS_MIN, WindowTally};
pub use student::student_upper;
