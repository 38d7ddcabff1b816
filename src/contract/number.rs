//! Numbers as a contract writes them, and what they are in whole units.

use serde::{Deserialize, Serialize};

use crate::units::{BYTES_PER_MB, Bytes, Millihertz, Nanos, Picos, Ppm};

/// A finite number above zero, as written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Positive(f64);

/// A finite number of at least zero, as written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct NotNegative(f64);

/// A share in percent, from 0 to 100, as written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percentage(f64);

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        // 1e9 bounds every unit (31 years in s, 1 PB in MB) far from integer overflow.
        if value > 0.0 && value <= 1e9 {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not a number above 0 and at most 1e9"))
        }
    }
}

impl TryFrom<f64> for NotNegative {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1e9).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not a number from 0 to 1e9"))
        }
    }
}

impl TryFrom<f64> for Percentage {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=100.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not a percentage from 0 to 100"))
        }
    }
}

impl From<Positive> for f64 {
    fn from(value: Positive) -> Self {
        value.0
    }
}

impl From<NotNegative> for f64 {
    fn from(value: NotNegative) -> Self {
        value.0
    }
}

impl From<Percentage> for f64 {
    fn from(value: Percentage) -> Self {
        value.0
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Positive {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Positive".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1e9 })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for NotNegative {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NotNegative".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": 1e9 })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Percentage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percentage".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": 100 })
    }
}

impl Positive {
    /// One that is known to be above 0 and at most 1e9.
    pub(super) const fn new(value: f64) -> Self {
        Self(value)
    }

    /// Rounds milliseconds to whole nanoseconds, half away from zero.
    pub fn ms_to_nanos(self) -> Nanos {
        Nanos::new(round(self.0 * 1e6))
    }

    /// Rounds milliseconds to whole picoseconds, half away from zero; of at most 1e6 ms.
    pub fn ms_to_picos(self) -> Picos {
        Picos::new(round(self.0 * 1e9))
    }

    /// Rounds iterations per second to whole thousandths of that, half away from zero.
    pub fn hertz_to_millihertz(self) -> Millihertz {
        Millihertz::new(round(self.0 * 1e3))
    }

    /// Rounds seconds to whole nanoseconds, half away from zero.
    pub fn seconds_to_nanos(self) -> Nanos {
        Nanos::new(round(self.0 * 1e9))
    }

    /// Rounds MB (2^20 bytes) to whole bytes, half away from zero.
    #[expect(clippy::cast_precision_loss, reason = "2^20 is exact")]
    pub fn mb_to_bytes(self) -> Bytes {
        Bytes::new(round(self.0 * BYTES_PER_MB as f64))
    }
}

impl NotNegative {
    /// Rounds percent to whole parts per million, half away from zero.
    pub fn percent_to_ppm(self) -> Ppm {
        Ppm::new(round(self.0 * 10_000.0))
    }
}

impl Percentage {
    /// Rounds to whole parts per million, half away from zero.
    pub fn to_ppm(self) -> Ppm {
        Ppm::new(round(self.0 * 10_000.0))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are at least 0 and at most 1e18, checked when they are read"
)]
fn round(value: f64) -> u64 {
    value.round() as u64
}
