//! What a passport says of operations: a record for each size, and what follows for all sizes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    claim::{Claim, Verdict},
    operation::{CaseEvidence, CaseFigures, CaseSummary, FailureKind, Growth},
    paired::{Certificate, InstructionCounts, Paired},
    units::{Bytes, Count},
};

/// What was measured of an operation at one size.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredCase {
    /// The name of the operation.
    pub operation: String,
    /// The size, where it has any.
    pub size: Option<u64>,
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// What was observed.
    pub evidence: CaseEvidence,
    /// What the baseline says of the case.
    pub baseline: Option<CaseFigures>,
    /// What both builds took, in turns.
    pub paired: Option<Paired>,
    /// What parts of the time both took by their names, in turns of their own.
    pub paired_parts: BTreeMap<String, Paired>,
    /// What both builds executed.
    pub instructions: Option<InstructionCounts>,
}

/// The result of one operation, over its sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperationResult {
    /// The operation.
    pub name: String,
    /// The worst verdict of the required claims, of all cases.
    pub status: Verdict,
    /// How its time grows; `null` below three sizes.
    pub growth: Option<Growth>,
    /// Claims on all sizes together.
    pub claims: Vec<Claim>,
    /// One record for each size that was measured, rising.
    pub cases: Vec<CaseResult>,
}

/// The record of one operation at one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CaseResult {
    /// `operation`, or `operation/size`; unique in the passport.
    pub name: String,
    /// The operation.
    pub operation: String,
    /// The parameters that it was measured with.
    pub parameters: Parameters,
    /// The worst verdict of the required claims.
    pub status: Verdict,
    /// When it was measured, RFC 3339 in UTC.
    pub timestamp: String,
    /// The compiler; `null` where another tool measured.
    pub toolchain: Option<String>,
    /// The commit of the source tree; `null` without one.
    pub git_commit: Option<String>,
    /// Whether the source tree had changes beyond that commit; `null` where nobody knows.
    pub git_dirty: Option<bool>,
    /// Its times in numbers; `null` without a sample.
    pub latency: Option<CaseSummary>,
    /// The largest peak heap of an iteration; `null` where nobody counted.
    pub heap_peak_bytes: Option<Bytes>,
    /// The most allocations of an iteration; `null` where nobody counted.
    pub allocations: Option<Count>,
    /// Every claim, in a fixed order.
    pub claims: Vec<Claim>,
    /// What was observed.
    pub evidence: CaseEvidence,
    /// What the baseline says; `null` when there was none or it lacks the case.
    pub baseline: Option<CaseFigures>,
    /// What both builds took, in turns; only there where two were compared side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
    /// What parts of the time both took by their names, in turns of their own: of those that the contract compares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paired_parts: BTreeMap<String, Paired>,
    /// How good those turns were; follows from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// What both builds executed; only there where that was to be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<InstructionCounts>,
}

/// What an operation was measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The size; `null` where the operation has none.
    pub size: Option<u64>,
}

/// The operations in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperationsSummary {
    /// Operations measured.
    pub total: Count,
    /// Operations whose required claims all passed.
    pub passed: Count,
    /// Operations of which a required claim failed.
    pub failed: Count,
    /// Operations of which none failed and a required claim abstained.
    pub abstained: Count,
}

impl OperationsSummary {
    /// `None` where no operation was measured.
    pub(super) fn of(operations: &[OperationResult]) -> Option<Self> {
        let count = |status| {
            let found = operations.iter().filter(|operation| operation.status == status);
            Count::new(found.count() as u64)
        };
        (!operations.is_empty()).then(|| Self {
            total: Count::new(operations.len() as u64),
            passed: count(Verdict::Pass),
            failed: count(Verdict::Fail),
            abstained: count(Verdict::Abstain),
        })
    }
}

impl OperationResult {
    /// Whether something of it could not be measured, so that nothing is known.
    pub(super) fn is_unmeasured(&self) -> bool {
        let unusable = |case: &CaseResult| {
            case.evidence.failure.as_ref().is_some_and(|it| it.kind == FailureKind::Unusable)
        };
        self.cases.iter().any(unusable)
    }

    /// How much of its closest budget is used: 1 is all of it. `None` where no budget has a figure.
    pub fn closeness(&self) -> Option<f64> {
        let of_cases = self.cases.iter().filter_map(CaseResult::closeness);
        of_cases.reduce(f64::max)
    }

    pub(super) fn into_measured(self) -> impl Iterator<Item = MeasuredCase> {
        self.cases.into_iter().map(|case| MeasuredCase {
            operation: case.operation,
            size: case.parameters.size,
            timestamp: case.timestamp,
            evidence: case.evidence,
            baseline: case.baseline,
            paired: case.paired,
            paired_parts: case.paired_parts,
            instructions: case.instructions,
        })
    }
}

impl CaseResult {
    /// How much of the closest budget is used: 1 is all of it. `None` where no budget has a figure.
    pub fn closeness(&self) -> Option<f64> {
        self.claims.iter().filter_map(Claim::closeness).reduce(f64::max)
    }
}
