//! Times of a baseline that is stored: shown beside those of now, and decided on by nobody.

use super::{Column, content::or_dash};
use crate::{
    claim::{Claim, Reason},
    contract::ClaimKind,
};

/// The column of [`stored_and_now`].
pub(super) const COLUMN: Column = Column::new("stored -> now");

/// The claim that has both times, where there is one.
pub(super) fn stored_time(claims: &[Claim]) -> Option<&Claim> {
    let is_stored = |it: &&Claim| {
        it.kind == ClaimKind::LatencyChange
            && it.reason == Reason::StoredLatency
            && it.limit.is_some()
    };
    claims.iter().find(is_stored)
}

/// `21.0 us -> 2.40 us`.
pub(super) fn stored_and_now(claims: &[Claim]) -> String {
    let both = |it: &Claim| format!("{} -> {}", it.show_limit(), it.show_observed());
    or_dash(stored_time(claims).map(both))
}

/// What the column is of.
pub(super) fn line() -> String {
    let heading = COLUMN.heading;
    format!("{heading}: the time in the baseline and now: {}", Reason::StoredLatency.sentence())
}
