//! Operations in the passport: their records, claims and summary, derived from what was measured.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BaselineRecord, Comparison, Provenance, VerifyError, assemble::Compared};
use crate::{
    claim::{Claim, Verdict},
    contract::{Contract, Operation, SubjectId},
    operation::{
        CaseEvidence, CaseFigures, CaseSummary, FailureKind, Growth, Samples, case_changes,
        case_claims, operation_claims,
    },
    paired::{Certificate, Paired, Session},
    rules::{GrowthRule, Rules},
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
    /// How good those turns were; follows from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
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
        })
    }
}

impl CaseResult {
    /// How much of the closest budget is used: 1 is all of it. `None` where no budget has a figure.
    pub fn closeness(&self) -> Option<f64> {
        self.claims.iter().filter_map(Claim::closeness).reduce(f64::max)
    }
}

/// The results of the contract's operations, in its order, and the names of the cases that were not
/// measured.
pub(super) fn results(
    contract: &Contract,
    measured: Vec<MeasuredCase>,
    provenance: &Provenance,
    (rules, compared): (Rules, Compared),
) -> (Vec<OperationResult>, Vec<String>) {
    let mut measured: BTreeMap<(String, Option<u64>), MeasuredCase> =
        measured.into_iter().map(|case| ((case.operation.clone(), case.size), case)).collect();
    let (mut results, mut left_out) = (Vec::new(), Vec::new());
    for operation in &contract.operations {
        let mut cases = Vec::new();
        for size in operation.cases() {
            match measured.remove(&(operation.name.clone(), size)) {
                Some(case) => {
                    cases.push(case_result(operation, case, provenance, (rules, compared)));
                }
                None => left_out.push(operation.case_name(size)),
            }
        }
        if !cases.is_empty() {
            results.push(operation_result(operation, cases, rules.growth));
        }
    }
    (results, left_out)
}

fn case_result(
    operation: &Operation,
    measured: MeasuredCase,
    provenance: &Provenance,
    (rules, compared): (Rules, Compared),
) -> CaseResult {
    let MeasuredCase { size, timestamp, evidence, baseline, paired, .. } = measured;
    let mut claims = case_claims(operation, &evidence, rules.mean);
    // A case that never had its turn has no session.
    let turns = paired.clone().unwrap_or_default();
    let mut certificate = None;
    let changes = |paired| case_changes(operation, &evidence, baseline.as_ref(), paired);
    match compared {
        Compared::WithNothing => {}
        Compared::WithPassport => claims.extend(changes(None)),
        Compared::SideBySide(policy) => {
            claims.extend(changes(Some((&policy, &turns))));
            let tolerance = operation.tolerance.latency_ppm;
            certificate = Certificate::of(&policy, tolerance, &turns);
        }
    }
    CaseResult {
        name: operation.case_name(size),
        operation: operation.name.clone(),
        parameters: Parameters { size },
        status: worst(&claims),
        timestamp,
        toolchain: provenance.build.as_ref().map(|build| build.rustc.clone()),
        git_commit: provenance.source.commit.clone(),
        git_dirty: provenance.source.dirty,
        latency: CaseSummary::of(&evidence.samples),
        heap_peak_bytes: evidence.heap_peak_bytes.map(|it| Bytes::new(it.max)),
        allocations: evidence.allocations.map(|it| Count::new(it.max)),
        claims,
        evidence,
        baseline,
        paired,
        certificate,
    }
}

fn operation_result(
    operation: &Operation,
    cases: Vec<CaseResult>,
    rule: GrowthRule,
) -> OperationResult {
    let sized =
        cases.iter().filter_map(|case| Some((case.parameters.size?, &case.evidence.samples)));
    let sized: Vec<(u64, &Samples)> = sized.collect();
    let claims = operation_claims(operation, sized.iter().copied(), rule);
    let growth = Growth::of(rule, sized);
    let of_cases = cases.iter().map(|case| case.status).max().unwrap_or(Verdict::Abstain);
    OperationResult {
        name: operation.name.clone(),
        status: of_cases.max(worst(&claims)),
        growth,
        claims,
        cases,
    }
}

fn worst(claims: &[Claim]) -> Verdict {
    let required = claims.iter().filter(|claim| claim.required);
    required.map(|claim| claim.verdict).max().unwrap_or(Verdict::Pass)
}

/// Checks the facts of operations against their contract and against each other.
pub(super) fn check_facts(
    results: &[OperationResult],
    contract: &Contract,
    (record, comparison): (Option<&BaselineRecord>, Option<&Comparison>),
) -> Result<(), VerifyError> {
    let edited = |field: String| Err(VerifyError::Edited { field });
    // Results follow the contract's order, so that one walk finds the operation of each.
    let mut operations = contract.operations.iter();
    for (index, result) in results.iter().enumerate() {
        let Some(operation) = operations.find(|operation| operation.name == result.name) else {
            return edited(format!("operations.{index}.name"));
        };
        if result.cases.is_empty() {
            return edited(format!("operations.{index}.cases"));
        }
        let mut sizes = operation.cases().into_iter();
        for (place, case) in result.cases.iter().enumerate() {
            let of = |field: &str| format!("operations.{index}.cases.{place}.{field}");
            if case.operation != operation.name {
                return edited(of("operation"));
            }
            if !sizes.any(|size| size == case.parameters.size) {
                return edited(of("parameters.size"));
            }
            case.evidence.validate().map_err(|source| VerifyError::CaseEvidence {
                name: operation.case_name(case.parameters.size),
                source,
            })?;
            let turns = case.paired.as_ref();
            if turns.is_some_and(|it| comparison.is_none() || !are_of_code(it)) {
                return edited(of("paired"));
            }
            let name = operation.case_name(case.parameters.size);
            let id = SubjectId::Operation(&name).to_string();
            let anchored = comparison.is_some_and(|it| it.is_anchored(&id));
            let sessions = turns.into_iter().flat_map(|it| &it.sessions);
            if sessions.into_iter().any(|session| session.anchor.is_some() != anchored) {
                return edited(of("paired"));
            }
            let Some(figures) = &case.baseline else { continue };
            if record.is_none_or(|record| record.same_build != figures.same_build) {
                return edited(of("baseline"));
            }
        }
    }
    Ok(())
}

/// Whether sessions are of a piece of code: fresh processes of it, and nothing asked over HTTP.
fn are_of_code(paired: &Paired) -> bool {
    let of_code = |it: &Session| {
        it.http.is_none() && it.iterations.is_some_and(|iterations| iterations > Count::ZERO)
    };
    !paired.same_processes && paired.sessions.iter().all(of_code)
}
