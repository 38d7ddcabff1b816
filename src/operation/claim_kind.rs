//! What can be claimed of an operation, and why a claim has its verdict.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::claim::Verdict;

/// What can be claimed of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OperationClaimKind {
    /// It was measured to its end: no panic, and in time.
    Completed,
    /// The mean time of an iteration is at most the budget.
    Mean,
    /// The time of all iterations that the contract names is at most the budget.
    Total,
    /// Iterations per second are at least the budget.
    Throughput,
    /// The peak heap of an iteration is at most the budget.
    Memory,
    /// The allocations of an iteration are at most the budget.
    Allocations,
    /// What the operation says of its own result reaches the floor.
    Quality,
    /// The time grows with the size as the contract allows.
    Growth,
    /// Allocations are within the ratio to the baseline's.
    AllocationsChange,
    /// Peak heap is within the ratio to the baseline's.
    MemoryChange,
    /// The time is within the ratio to the baseline's: decided where both builds took turns, shown and
    /// never proved by stored times.
    TimeChange,
    /// The same against the anchor, where both builds took turns with it.
    TimeDrift,
    /// The mean time of the part `render` is within the ratio to the baseline's; shown, never proved.
    RenderChange,
    /// The same of the part `interaction`.
    InteractionChange,
}

impl OperationClaimKind {
    /// Whether equal code must give an equal verdict on every run, without a baseline.
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::Memory | Self::Allocations | Self::Quality)
    }

    /// Whether the claim compares with a baseline.
    pub const fn is_change(self) -> bool {
        matches!(
            self,
            Self::AllocationsChange
                | Self::MemoryChange
                | Self::TimeChange
                | Self::TimeDrift
                | Self::RenderChange
                | Self::InteractionChange
        )
    }

    /// Whether more is better: the limit is a floor.
    pub const fn is_floor(self) -> bool {
        matches!(self, Self::Throughput | Self::Quality)
    }
}

impl fmt::Display for OperationClaimKind {
    /// The name as the passport has it: `allocations-change`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Why a claim on an operation has its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OperationReason {
    /// PASS: it was measured to its end.
    AsExpected,
    /// PASS: the figure keeps the budget.
    WithinBudget,
    /// PASS: no more than the ratio to the baseline allows.
    WithinTolerance,
    /// FAIL: the operation panicked.
    Panicked,
    /// FAIL: the operation was not done by its deadline.
    DeadlineExceeded,
    /// FAIL: the figure does not keep the budget.
    OverBudget,
    /// FAIL: the quality is below its floor.
    BelowFloor,
    /// FAIL: the operation said a quality that is no finite number.
    NotANumber,
    /// FAIL: the time grows faster than the contract allows.
    GrowsFaster,
    /// FAIL: more than in the baseline, and not within the ratio to it.
    BeyondTolerance,
    /// ABSTAIN: what another tool wrote of it cannot be used.
    Unusable,
    /// ABSTAIN: there is no sample.
    NoSample,
    /// ABSTAIN: one sample has no confidence interval.
    TooFewSamples,
    /// ABSTAIN: the confidence interval lies on both sides of the limit.
    Undecided,
    /// ABSTAIN: nobody counted, or the operation does not tell.
    NotObserved,
    /// ABSTAIN: the baseline does not have the figure.
    NotInBaseline,
    /// ABSTAIN: the baseline's counts are of another build.
    IncomparableBuild,
    /// ABSTAIN: times of another session prove nothing about this one.
    StoredTime,
    /// ABSTAIN: the change is neither shown to be within the ratio nor to be real.
    UndecidedChange,
    /// ABSTAIN: the same sessions call a copy of the baseline slower, or miss an injected slowdown.
    NotCalibrated,
    /// ABSTAIN: fewer sessions than the first look needs.
    TooFewSessions,
}

impl OperationReason {
    /// The reason as a fragment of a sentence, with the remedy where there is one.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::WithinBudget => "within the budget",
            Self::WithinTolerance => "within the ratio to the baseline",
            Self::Panicked => "it panicked",
            Self::DeadlineExceeded => "it was not done by its deadline",
            Self::OverBudget => "beyond the budget",
            Self::BelowFloor => "below its floor: a wrong result is no fast one",
            Self::NotANumber => "the operation told a value that is no finite number",
            Self::GrowsFaster => "the time grows faster with the size than that",
            Self::BeyondTolerance => "more than in the baseline, and not within the ratio to it",
            Self::Unusable => "what was written of it cannot be used",
            Self::NoSample => "no sample",
            Self::TooFewSamples => "one sample has no confidence interval: take more",
            Self::Undecided => {
                "the confidence interval lies on both sides of the limit: take more samples"
            }
            Self::NotObserved => {
                "nobody observed it: measure with the harness and the counting allocator, or do not \
                 claim it"
            }
            Self::NotInBaseline => "not in the baseline: renew it",
            Self::IncomparableBuild => "built otherwise than the baseline: renew it",
            Self::StoredTime => {
                "stored times of another session prove nothing: measure two builds side by side"
            }
            Self::UndecidedChange => {
                "neither shown to be within the ratio nor to be real: give it more time"
            }
            Self::NotCalibrated => {
                "the same sessions would misjudge an unchanged copy or miss an injected slowdown"
            }
            Self::TooFewSessions => "too few sessions: give it more time",
        }
    }

    pub(super) const fn verdict(self) -> Verdict {
        match self {
            Self::AsExpected | Self::WithinBudget | Self::WithinTolerance => Verdict::Pass,
            Self::Panicked
            | Self::DeadlineExceeded
            | Self::OverBudget
            | Self::BelowFloor
            | Self::NotANumber
            | Self::GrowsFaster
            | Self::BeyondTolerance => Verdict::Fail,
            _ => Verdict::Abstain,
        }
    }
}

impl fmt::Display for OperationReason {
    /// The name as the passport has it: `over-budget`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The unit of a claim's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OperationUnit {
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
    /// A quality or an exponent in parts per million.
    Ppm,
}
