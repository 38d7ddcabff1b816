//! Unit types: the integers that travel from a measurement to the passport.
//!
//! A measurement is an integer with a unit; a ratio is an integer in parts per million. Floats
//! appear only inside statistics and in what a person reads. This module does no arithmetic that
//! could lose a unit; it parses nothing and measures nothing.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Defines one unit: a transparent `u64` newtype with explicit conversions.
macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// Wraps an integer that is already in this unit.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The bare integer, in this unit.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The sum, held at the largest value instead of overflowing.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference, held at zero instead of underflowing.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The product, held at the largest value instead of overflowing.
            #[must_use]
            pub const fn saturating_mul(self, factor: u64) -> Self {
                Self(self.0.saturating_mul(factor))
            }
        }
    };
}

unit!(
    /// A duration in nanoseconds.
    Nanos
);
unit!(
    /// A duration in picoseconds, for what is a fraction of a nanosecond: the mean of many.
    Picos
);
unit!(
    /// A rate in thousandths per second.
    Millihertz
);
unit!(
    /// A size in bytes.
    Bytes
);
unit!(
    /// A number of things: allocations, samples, requests.
    Count
);
unit!(
    /// A ratio in parts per million: 5 % is `Ppm::new(50_000)`.
    Ppm
);

/// Bytes in the `MB` of budgets and of the kept field names: 2^20, as the original systems count.
pub const BYTES_PER_MB: u64 = 1024 * 1024;

impl Nanos {
    /// The duration, held at `u64::MAX` nanoseconds (584 years).
    pub fn from_duration(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }

    /// This many nanoseconds as a standard duration.
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// This share of the duration, rounded down.
    #[must_use]
    pub fn share(self, share: Ppm) -> Self {
        let share = u128::from(self.0) * u128::from(share.0) / 1_000_000;
        Self(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// Milliseconds, for display and for the kept field `latency_ms`.
    #[expect(clippy::cast_precision_loss, reason = "display; exact below 2^53 ns (104 days)")]
    pub fn to_ms(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Count {
    /// Whether there is none; borrowed, as serde asks whether to skip a field.
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl Bytes {
    /// Mebibytes, for display and for the kept field `memory_mb`.
    #[expect(clippy::cast_precision_loss, reason = "display; exact below 2^53 bytes")]
    pub fn to_mb(self) -> f64 {
        self.0 as f64 / BYTES_PER_MB as f64
    }
}

impl fmt::Display for Nanos {
    /// Three significant digits in the unit that fits: `812 ns`, `51.2 us`, `1.44 ms`, `2.00 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, 1000, &["ns", "us", "ms", "s"])
    }
}

impl fmt::Display for Picos {
    /// Three significant digits in the unit that fits: `812 ps`, `1.44 ns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, 1000, &["ps", "ns", "us", "ms", "s"])
    }
}

impl fmt::Display for Millihertz {
    /// Three significant digits: `0.500/s`, `12.3k/s`, `1.00G/s`.
    #[expect(clippy::cast_precision_loss, reason = "display")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.0 as f64 / 1e3;
        let (scale, unit) = match rate {
            it if it >= 1e9 => (1e9, "G/s"),
            it if it >= 1e6 => (1e6, "M/s"),
            it if it >= 1e3 => (1e3, "k/s"),
            _ => (1.0, "/s"),
        };
        let digits = match rate / scale {
            it if it >= 100.0 => 0,
            it if it >= 10.0 => 1,
            it if it >= 1.0 => 2,
            _ => 3,
        };
        f.pad(&format!("{:.digits$}{unit}", rate / scale))
    }
}

impl fmt::Display for Bytes {
    /// Three significant digits in the unit that fits: `64 B`, `40.5 KiB`, `1.20 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, 1024, &["B", "KiB", "MiB", "GiB"])
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl fmt::Display for Ppm {
    /// As a percentage with two decimals: `5.00 %`.
    #[expect(clippy::cast_precision_loss, reason = "display")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.2} %", self.0 as f64 / 10_000.0))
    }
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn scaled(f: &mut fmt::Formatter<'_>, value: u64, step: u64, names: &[&str]) -> fmt::Result {
    let mut scale = 1_u64;
    let mut index = 0;
    while index + 1 < names.len() && value / scale >= step {
        scale *= step;
        index += 1;
    }
    let name = names[index];
    let shown = value as f64 / scale as f64;
    let text = match (scale, shown) {
        (1, _) => format!("{value} {name}"),
        (_, x) if x >= 100.0 => format!("{x:.0} {name}"),
        (_, x) if x >= 10.0 => format!("{x:.1} {name}"),
        (_, x) => format!("{x:.2} {name}"),
    };
    f.pad(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_three_digits_in_the_unit_that_fits() {
        let shown: Vec<String> = [0, 812, 51_234, 1_440_000, 999_999_999, 2_000_000_000]
            .map(|n| Nanos::new(n).to_string())
            .into();
        assert_eq!(shown, ["0 ns", "812 ns", "51.2 us", "1.44 ms", "1000 ms", "2.00 s"]);
    }

    #[test]
    fn means_and_rates_show_three_digits() {
        assert_eq!(Picos::new(812).to_string(), "812 ps");
        assert_eq!(Picos::new(1_440).to_string(), "1.44 ns");
        let shown = [0, 500, 12_345, 12_345_678, 1_000_000_000_000]
            .map(|rate| Millihertz::new(rate).to_string());
        assert_eq!(shown, ["0.000/s", "0.500/s", "12.3/s", "12.3k/s", "1.00G/s"]);
    }

    #[test]
    fn sizes_show_binary_units() {
        assert_eq!(Bytes::new(64).to_string(), "64 B");
        assert_eq!(Bytes::new(41_509).to_string(), "40.5 KiB");
        assert_eq!(Bytes::new(10 * BYTES_PER_MB).to_string(), "10.0 MiB");
    }

    #[test]
    fn ratios_show_as_percent() {
        assert_eq!(Ppm::new(50_000).to_string(), "5.00 %");
    }
}
