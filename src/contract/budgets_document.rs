//! What things may cost and how much worse than the baseline they may be, as written.

use serde::{Deserialize, Serialize};

use super::{NotNegative, Percentage, Positive, Quantile};

/// `[budgets]`: what one request may cost; the cost must be strictly less.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BudgetsDocument {
    /// Milliseconds until the last byte of the body; at most 1e6. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms_max: Option<Positive>,
    /// The quantile of the latency that the budget holds. Default `p99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_quantile: Option<Quantile>,
    /// Milliseconds of the median, beside `latency_ms_max`; at most 1e6. No budget unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p50_ms_max: Option<Positive>,
    /// The same of the p95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p95_ms_max: Option<Positive>,
    /// The same of the p99; where that is `latency_quantile`, it takes the place of `latency_ms_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p99_ms_max: Option<Positive>,
    /// Peak heap in MB (2^20 bytes). Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_mb_max: Option<Positive>,
    /// Allocations; 1, which allows none, to 1e9. Default 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000_000)))]
    pub allocations_max: Option<u64>,
    /// Bytes by which the heap of a service may grow from `heap_growth_samples` samples to twice as
    /// many; 1, which allows none, to 2^50. No budget unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_125_899_906_842_624_u64)))]
    pub heap_growth_bytes_max: Option<u64>,
    /// Resident memory of the measured process in MB (2^20 bytes); no budget unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_memory_mb_max: Option<Positive>,
}

/// `[tolerance]`: how much worse than the baseline is still accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToleranceDocument {
    /// Percent of latency and peak heap. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression_percent: Option<NotNegative>,
    /// Percent of the instructions that two builds execute, counted side by side. Default what
    /// `regression_percent` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions_percent: Option<NotNegative>,
    /// Percent of the allocation count. Default 0: the count is exact, so one more is one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocations_percent: Option<NotNegative>,
    /// The least percentage of deterministic checks, up to 100: then each must be. Default 95. Only in
    /// the contract's own table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deterministic_percent_min: Option<Percentage>,
}

impl BudgetsDocument {
    /// The key of a quantile of its own, and what is written there.
    pub(super) fn latency_of(&self, quantile: Quantile) -> (&'static str, Option<Positive>) {
        match quantile {
            Quantile::P50 => ("latency_p50_ms_max", self.latency_p50_ms_max),
            Quantile::P95 => ("latency_p95_ms_max", self.latency_p95_ms_max),
            Quantile::P99 => ("latency_p99_ms_max", self.latency_p99_ms_max),
        }
    }
}
