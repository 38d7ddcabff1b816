//! How much of its rows a check was timed on.

use serde::{Deserialize, Serialize};

use super::contradiction::{EvidenceError, holds};
use crate::units::Count;

/// The rows that timed samples went through. As the seed decides on their order, the first of them are a
/// random part of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RowCoverage {
    /// The rows that there are.
    pub rows: Count,
    /// The rows that were to be timed: all, or as many as samples were asked for.
    pub wanted: Count,
    /// The rows that were timed.
    pub timed: Count,
}

impl RowCoverage {
    /// Whether rows were left out that were to be timed.
    pub fn is_cut_short(&self) -> bool {
        self.timed < self.wanted
    }

    pub(super) fn validate(&self) -> Result<(), EvidenceError> {
        let fits = Count::ZERO < self.wanted && self.wanted <= self.rows && self.timed <= self.rows;
        holds("rows", fits, "has more rows wanted or timed than there are, or none wanted")
    }
}
