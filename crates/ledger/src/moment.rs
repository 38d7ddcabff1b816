//! A moment by both clocks, so that a time between two of them can be told.
//!
//! Within one process the clock that never goes back counts. Between two processes only the calendar's
//! can, and a clock that was put back makes no negative time.

use std::time::SystemTime;

use super::timestamp::Timestamp;
use perf_passport_meter::{clock::Clock, units::Nanos};

/// A moment by the calendar and by the clock of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) wall: SystemTime,
    pub(super) elapsed: Nanos,
}

impl Moment {
    /// The moment now.
    pub(super) fn now(clock: &impl Clock) -> Self {
        Self { wall: clock.now(), elapsed: clock.elapsed() }
    }

    /// Microseconds since this process started.
    pub(super) fn elapsed_us(self) -> u64 {
        self.elapsed.get() / 1_000
    }

    /// Microseconds since a moment of another process, by the calendar.
    pub(super) fn us_since(self, earlier_us: u64) -> u64 {
        Timestamp::at(self.wall).us().saturating_sub(earlier_us)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_clock_that_was_put_back_makes_no_time() {
        let wall = UNIX_EPOCH + Duration::from_micros(1_500);
        let moment = Moment { wall, elapsed: Nanos::new(2_999) };
        assert_eq!((moment.us_since(1_000), moment.us_since(2_000)), (500, 0));
        assert_eq!(moment.elapsed_us(), 2);
    }
}
