//! Claims: one statement about one subject each, decided on evidence alone.
//!
//! [`claims`] holds a check against its budgets, [`changes`] against what a baseline says of it;
//! [`crate::operation`] does the same for operations, by the same claims. All are
//! pure, so that [`crate::passport::verify`] decides the same again from the passport.
//! A claim passes when the evidence shows it, fails when the evidence shows the contrary, and
//! abstains otherwise. Nothing here measures, prints, or weighs one claim against another.

mod budget;
mod busy;
mod change;
mod latency;
mod latency_rule_1;
mod latency_rule_2;
mod reason;
mod required;
mod statement;
mod verdict;

pub use crate::contract::Unit;
pub use budget::claims;
pub(crate) use budget::count_below;
pub use change::{BaselineFigures, SideBySide, changes};
pub(crate) use change::{CountChange, instructions_change, paired_change};
pub use latency::{latency_can_be_decided, latency_samples_enough, latency_samples_needed};
pub use reason::Reason;
pub(crate) use required::excuse_untold;
pub use statement::Claim;
pub use verdict::Verdict;
