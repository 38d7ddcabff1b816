//! In which harmony a check is: a class of its time, memory and allocations together.
//!
//! The classes and their limits are those of the original scripts. They gate nothing: a budget does.

use std::fmt;

use super::TestResult;

/// The class of a check; the first is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harmony {
    /// Below 1 ms, 1 MB and 100 allocations.
    Perfect,
    /// Below 5 ms, 5 MB and 500 allocations.
    Balanced,
    /// Below 10 ms, 10 MB and 1000 allocations.
    Stable,
    /// Anything else.
    Turbulent,
}

impl Harmony {
    /// Every class, from the best.
    pub const ALL: [Self; 4] = [Self::Perfect, Self::Balanced, Self::Stable, Self::Turbulent];

    /// The class of what one request costs: milliseconds, MB (2^20 bytes) and allocations.
    pub fn of(latency_ms: f64, memory_mb: f64, objects: u64) -> Self {
        // As of the budgets, the cost must be strictly less.
        let below = |ms: f64, mb: f64, allocations: u64| {
            latency_ms < ms && memory_mb < mb && objects < allocations
        };
        if below(1.0, 1.0, 100) {
            Self::Perfect
        } else if below(5.0, 5.0, 500) {
            Self::Balanced
        } else if below(10.0, 10.0, 1000) {
            Self::Stable
        } else {
            Self::Turbulent
        }
    }
}

impl fmt::Display for Harmony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Perfect => "perfect",
            Self::Balanced => "balanced",
            Self::Stable => "stable",
            Self::Turbulent => "turbulent",
        })
    }
}

impl TestResult {
    /// Its class; `None` where one of the three costs is not known.
    pub fn harmony(&self) -> Option<Harmony> {
        Some(Harmony::of(self.latency_ms?, self.memory_mb?, self.objects?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_that_of_the_worst_of_the_three() {
        assert_eq!(Harmony::of(0.999, 0.999, 99), Harmony::Perfect);
        for (latency_ms, memory_mb, objects) in [(1.0, 0.0, 0), (0.0, 1.0, 0), (0.0, 0.0, 100)] {
            assert_eq!(Harmony::of(latency_ms, memory_mb, objects), Harmony::Balanced);
        }
        assert_eq!(Harmony::of(5.0, 4.999, 499), Harmony::Stable);
        assert_eq!(Harmony::of(9.999, 9.999, 999), Harmony::Stable);
        assert_eq!(Harmony::of(0.0, 0.0, 1000), Harmony::Turbulent);
        assert_eq!(Harmony::of(10.0, 0.0, 0), Harmony::Turbulent);
    }
}
