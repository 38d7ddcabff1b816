//! What the service spent, exactly.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::contradiction::{EvidenceError, holds};
use crate::units::{Bytes, Count};

/// Where counts come from; counts of different sources are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CountSource {
    /// The counting allocator of this process, around the request.
    InProcess,
    /// The `Server-Timing` header of the service.
    ServerTiming,
    /// The `performance` block of a JSON body.
    PerformanceBlock,
}

impl fmt::Display for CountSource {
    /// The name as the passport has it: `in-process`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What the service spent on one sample, over several counted ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Who counted.
    pub source: CountSource,
    /// Samples counted.
    pub samples: Count,
    /// Allocations.
    pub allocations: Range,
    /// Bytes allocated; `null` where the source does not say.
    pub allocated_bytes: Option<Range>,
    /// The largest heap that one request held; `null` where the source does not say.
    pub heap_peak_bytes: Option<Range>,
    /// Allocations of the whole process, one sample at a time, beyond those of the requests: of
    /// spawned tasks that are not wrapped and of other threads. `null` where nobody looked.
    pub unattributed_allocations: Option<Range>,
    /// Samples that were taken beside those that are counted, and of which nobody told the allocations.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub untold_samples: Count,
    /// Counted samples of which nobody told the largest heap, where it was told of others.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub heap_untold_samples: Count,
    /// Whether tasks of the service could run on other threads at the same time; left out where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several_threads: bool,
}

/// The least and the most that was seen of a count; equal when the count is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

impl Range {
    /// A range of one value.
    pub const fn of(value: u64) -> Self {
        Self { min: value, max: value }
    }

    /// The range that holds `value` as well.
    #[must_use]
    pub fn with(self, value: u64) -> Self {
        Self { min: self.min.min(value), max: self.max.max(value) }
    }

    /// The value, when only one was seen.
    pub fn exact(self) -> Option<u64> {
        (self.min == self.max).then_some(self.min)
    }
}

impl fmt::Display for Range {
    /// `42`, or `40..43` where several values were seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exact() {
            Some(value) => f.pad(&value.to_string()),
            None => f.pad(&format!("{}..{}", self.min, self.max)),
        }
    }
}

/// What dhat counted for one request, and what the counting allocator says of the very same work:
/// all that the process did meanwhile, on every thread, the probe's own part included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OracleCounts {
    /// Blocks that dhat saw allocated, in the whole process.
    pub allocations: Count,
    /// Their bytes.
    pub allocated_bytes: Bytes,
    /// The most bytes that dhat saw held at one moment; at least those of the request.
    pub heap_peak_bytes: Bytes,
    /// Blocks of the whole process by the counting allocator.
    pub counted_allocations: Count,
    /// Their bytes.
    pub counted_bytes: Bytes,
    /// dhat's blocks without the probe's own: those of the request and of what it started.
    pub request_allocations: Count,
}

impl OracleCounts {
    /// Whether dhat and the counting allocator counted the same, to the block and the byte.
    pub fn agree(&self) -> bool {
        (self.allocations, self.allocated_bytes) == (self.counted_allocations, self.counted_bytes)
    }
}

impl Counts {
    /// Whether what was counted is all that the requests allocated. Where tasks run on other threads at
    /// the same time, nobody knows whose the allocations are that are no request's.
    pub fn is_whole(&self) -> bool {
        let nothing_else = || self.unattributed_allocations == Some(Range::of(0));
        !self.several_threads || nothing_else()
    }

    /// Whether the allocations are known of some samples alone.
    pub fn is_partly_told(&self) -> bool {
        self.untold_samples > Count::ZERO
    }

    /// Counted samples of which the largest heap is known.
    pub(crate) fn heap_told(&self) -> u64 {
        let known = self.heap_peak_bytes.map_or(0, |_| self.samples.get());
        known.saturating_sub(self.heap_untold_samples.get())
    }

    /// Whether the largest heap is known of some samples alone.
    pub fn is_heap_partly_told(&self) -> bool {
        self.is_partly_told() || self.heap_untold_samples > Count::ZERO
    }

    pub(super) fn validate(&self) -> Result<(), EvidenceError> {
        holds("counts.samples", self.samples > Count::ZERO, "is 0, so nothing was counted")?;
        let some_told = self.heap_untold_samples == Count::ZERO || self.heap_peak_bytes.is_some();
        let fits = some_told && self.heap_untold_samples < self.samples;
        holds("counts.heap_untold_samples", fits, "is not below the counted samples")?;
        for (field, range) in [
            ("counts.allocations", Some(self.allocations)),
            ("counts.allocated_bytes", self.allocated_bytes),
            ("counts.heap_peak_bytes", self.heap_peak_bytes),
            ("counts.unattributed_allocations", self.unattributed_allocations),
        ] {
            let Some(range) = range else { continue };
            holds(field, range.min <= range.max, "has a min above its max")?;
            let exact = self.samples > Count::new(1) || range.exact().is_some();
            holds(field, exact, "is of one sample, and has two values")?;
        }
        Ok(())
    }
}
