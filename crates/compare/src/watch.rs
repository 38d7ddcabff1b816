//! What every wait looks at: the time, and whether the user interrupted.

use perf_passport::{clock::Clock, timestamp::rfc3339};

/// The clock of a comparison, and what ends it early.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// Whether the user interrupted.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch<'_> {
    /// Whether the user interrupted.
    pub(crate) fn is_over(&self) -> bool {
        (self.stop)()
    }

    /// The time of day, RFC 3339 in UTC.
    pub(crate) fn timestamp(&self) -> String {
        rfc3339(self.clock.now())
    }
}
