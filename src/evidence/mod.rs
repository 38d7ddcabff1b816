//! What was observed of one check: the facts that claims are decided on.
//!
//! An [`Evidence`] is filled by the pipeline from what a probe saw, and travels unchanged into the
//! passport, so that every verdict can be recomputed from it. It holds no verdict and no budget.
//! [`Evidence::validate`] finds what cannot have been observed.

mod behaviour;
mod bodies;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    contract::Check,
    statistics::{Histogram, HistogramError},
    units::{Bytes, Count, Nanos, Ppm},
};
pub use behaviour::{Behaviour, Response, ResponseDifference, WireBody};
pub use bodies::Bodies;

/// More samples than a contract may ask for. Bounds of quantiles are found by going through as many, so
/// that a passport from outside could else be verified for ever.
const SAMPLES_MAX: Count = Count::new(1 << 24);

/// Everything observed of one check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What the responses were like; `null` when there was none.
    pub behaviour: Option<Behaviour>,
    /// What the service spent, exactly; `null` where nobody counted.
    pub counts: Option<Counts>,
    /// What dhat counted for one sample; `null` where it did not run.
    pub oracle: Option<OracleCounts>,
    /// Latency of each timed sample, first byte sent to last byte received; in process without the
    /// time that was waited for a processor.
    pub latency: Histogram,
    /// How long the service says that it took for each timed sample of which it told every request;
    /// not checked against `latency`. `null` where it tells nothing, and in process.
    pub server_latency: Option<Histogram>,
    /// What was left out of the samples of `latency`, all together: time in which the service could have run
    /// and another process had the processor. `null` where nobody knows.
    pub cpu_wait_ns: Option<Nanos>,
    /// Timed samples out of which nothing, or not all, was left, because a wait was no shorter than
    /// its request and so lay beside it at least in part.
    pub cpu_wait_kept_samples: Count,
    /// The share of the time of timing in which some thread of this machine waited for a processor;
    /// `null` in process, where that is left out, and where nobody knows.
    pub cpu_pressure_ppm: Option<Ppm>,
    /// Memory of the measured process; `null` where it could not be read.
    pub process: Option<ProcessEvidence>,
    /// Samples that were sent first and not counted.
    pub warmup_samples: Count,
    /// Samples that could not be measured.
    pub failed_samples: Count,
    /// Why the first of them could not; printable ASCII.
    pub first_failure: Option<String>,
    /// What is shown of the bodies while the process lives; in no file.
    #[serde(skip)]
    pub bodies: Bodies,
}

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

/// Memory of the measured process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProcessEvidence {
    /// Resident memory before the check.
    pub rss_before_bytes: Bytes,
    /// Resident memory after it.
    pub rss_after_bytes: Bytes,
    /// The high-water mark since the process started, before the check.
    pub rss_peak_before_bytes: Bytes,
    /// The same after it.
    pub rss_peak_bytes: Bytes,
}

impl ProcessEvidence {
    /// The most resident memory that is known of the check itself.
    ///
    /// A high-water mark that did not rise is that of something earlier: of another check, or of
    /// the start of the process.
    pub fn rss_highest(&self) -> Bytes {
        let at_the_ends = self.rss_before_bytes.max(self.rss_after_bytes);
        let rose = self.rss_peak_bytes > self.rss_peak_before_bytes;
        if rose { at_the_ends.max(self.rss_peak_bytes) } else { at_the_ends }
    }
}

/// A part of the evidence that cannot be what was observed, given the rest of it and the check.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// A field that the others contradict.
    #[error("`evidence.{field}` {problem}")]
    Contradiction {
        /// The field, as a path.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A histogram that contradicts itself.
    #[error("`evidence.{field}`: {source}")]
    Histogram {
        /// The field.
        field: &'static str,
        /// What contradicts what.
        source: HistogramError,
    },
}

/// Refuses `field`, unless it holds.
fn holds(field: &'static str, holds: bool, problem: &'static str) -> Result<(), EvidenceError> {
    if holds { Ok(()) } else { Err(EvidenceError::Contradiction { field, problem }) }
}

impl Evidence {
    /// Checks what holds of all evidence that was gathered for `check`, for some that was read from
    /// outside.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] naming the field that contradicts the others.
    pub fn validate(&self, check: &Check) -> Result<(), EvidenceError> {
        if let Some(behaviour) = &self.behaviour {
            behaviour.validate(check)?;
        }
        let answered = self.behaviour.is_some();
        let unanswered = "is there, and no response is";
        holds("counts", answered || self.counts.is_none(), unanswered)?;
        holds("oracle", answered || self.oracle.is_none(), unanswered)?;
        if let Some(counts) = &self.counts {
            counts.validate()?;
        }
        let valid = |field, histogram: &Histogram| {
            let valid = histogram.validate();
            valid.map_err(|source| EvidenceError::Histogram { field, source })
        };
        valid("latency", &self.latency)?;
        let taken = self.latency.samples() <= SAMPLES_MAX;
        holds("latency", taken, "has more samples than a contract may ask for")?;
        if let Some(told) = &self.server_latency {
            valid("server_latency", told)?;
            let fits = !told.is_empty() && told.samples() <= self.latency.samples();
            holds("server_latency", fits, "has no sample, or more than `latency`")?;
        }
        if let Some(oracle) = &self.oracle {
            let within = oracle.request_allocations <= oracle.allocations;
            holds("oracle.request_allocations", within, "is above `allocations`")?;
        }
        let known = self.cpu_wait_ns.is_some() || self.cpu_wait_kept_samples == Count::ZERO;
        holds(
            "cpu_wait_kept_samples",
            known && self.cpu_wait_kept_samples <= self.latency.samples(),
            "is above the samples of which the wait is known",
        )?;
        holds(
            "first_failure",
            self.first_failure.is_some() == (self.failed_samples > Count::ZERO),
            "says that a sample failed, or none did, and `failed_samples` says otherwise",
        )
    }
}

impl Counts {
    fn validate(&self) -> Result<(), EvidenceError> {
        holds("counts.samples", self.samples > Count::ZERO, "is 0, so nothing was counted")?;
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

/// Whether this is a SHA-256 as passports have it: 64 lowercase hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}
