//! Time, as something a caller passes in.
//!
//! [`Clock`] is the one way the harness learns what time it is, so that every test of it can give
//! the time itself. [`SystemClock`] is the real one. Nothing here measures a request: a probe does.

#![expect(clippy::disallowed_methods, reason = "this module is where the clock is read")]

use std::time::{Instant, SystemTime};

use crate::units::Nanos;

/// A source of time: one that only goes forward, and the calendar's.
pub trait Clock: Sync {
    /// Nanoseconds since a fixed moment of this process; never goes back.
    fn elapsed(&self) -> Nanos;

    /// The calendar time.
    fn now(&self) -> SystemTime;
}

/// The machine's own clocks: `CLOCK_MONOTONIC` and `CLOCK_REALTIME`.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose [`Clock::elapsed`] starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Nanos {
        Nanos::from_duration(self.start.elapsed())
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
