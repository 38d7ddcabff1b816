//! The quantiles of latency that a budget can hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Ppm;

/// A quantile that the harness knows how to bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Quantile {
    /// The median.
    P50,
    /// 95 of 100 are faster.
    P95,
    /// 99 of 100 are faster.
    P99,
}

impl Quantile {
    /// Every quantile, rising.
    pub const ALL: [Self; 3] = [Self::P50, Self::P95, Self::P99];

    /// The share of samples below the quantile, in parts per million.
    pub const fn share(self) -> Ppm {
        Ppm::new(match self {
            Self::P50 => 500_000,
            Self::P95 => 950_000,
            Self::P99 => 990_000,
        })
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        })
    }
}
