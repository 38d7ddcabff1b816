//! From what was measured of operations to their results.

use std::collections::BTreeMap;

use super::{CaseResult, MeasuredCase, OperationResult, Parameters, Provenance, parts::Compared};
use crate::{
    claim::{Claim, Verdict},
    contract::{Contract, Operation},
    operation::{
        CaseSummary, CaseTurns, Growth, Samples, case_changes, case_claims, operation_claims,
    },
    paired::Certificate,
    rules::{GrowthRule, Rules},
    units::{Bytes, Count},
};

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
    let MeasuredCase {
        size,
        timestamp,
        evidence,
        baseline,
        paired,
        paired_parts,
        instructions,
        ..
    } = measured;
    let mut claims = case_claims(operation, &evidence, rules.mean);
    // A case that never had its turn has no session.
    let turns = paired.clone().unwrap_or_default();
    let mut certificate = None;
    let changes = |paired| case_changes(operation, &evidence, baseline.as_ref(), paired);
    match compared {
        Compared::WithNothing => {}
        Compared::WithPassport => claims.extend(changes(None)),
        Compared::SideBySide { policy, same_code } => {
            claims.extend(changes(Some(CaseTurns {
                policy: &policy,
                paired: &turns,
                parts: &paired_parts,
                same_code,
                instructions: instructions.as_ref(),
            })));
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
        paired_parts,
        certificate,
        instructions,
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
    let growth = Growth::of(rule, sized.iter().copied());
    // Whoever selects a size or two does not ask how the time grows over all of them.
    let is_asked = growth.is_some() || cases.len() == operation.cases().len();
    let claims = if is_asked { operation_claims(operation, sized, rule) } else { Vec::new() };
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
