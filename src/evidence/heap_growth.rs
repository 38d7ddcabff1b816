//! What a service keeps of the requests that it answered.

use serde::{Deserialize, Serialize};

use super::contradiction::{EvidenceError, holds};
use crate::units::{Bytes, Count};

/// The live heap of the process, counted from the making of a service that had answered nothing. What
/// it keeps for a while, such as a cache, is full after the first samples. What it keeps for ever grows
/// in the second ones as well: also in containers that double, as there are twice as many requests by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HeapGrowth {
    /// The first samples, and as many second ones.
    pub samples: Count,
    /// Live bytes after the first.
    pub first_bytes: Bytes,
    /// Live bytes after the second.
    pub second_bytes: Bytes,
}

impl HeapGrowth {
    /// Bytes that the second samples left behind.
    pub fn growth(&self) -> Bytes {
        self.second_bytes.saturating_sub(self.first_bytes)
    }

    pub(super) fn validate(&self) -> Result<(), EvidenceError> {
        holds("heap_growth.samples", self.samples > Count::ZERO, "is 0, so nothing was sent")
    }
}
