//! The units of the figures of claims.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of a claim's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Picoseconds.
    Ps,
    /// Nanoseconds.
    Ns,
    /// Thousandths of an iteration per second.
    Millihertz,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// An HTTP status.
    Status,
    /// Parts per million: of a change the ratio, so that 1030000 is 3 % more; else a quality or an
    /// exponent.
    Ppm,
}

impl fmt::Display for Unit {
    /// The name as the passport has it: `ns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
