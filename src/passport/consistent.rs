//! What holds of every passport that was measured, whatever follows from its evidence: facts that
//! no assembling can derive, and that nevertheless cannot be anything.

use super::{BaselineRecord, Comparison, ProbeKind, Provenance, TestResult, VerifyError};
use crate::{
    claim::BaselineFigures,
    contract::{Check, Contract},
    evidence::is_sha256,
    paired::Policy,
    text::escaped,
    units::Count,
};

/// Checks the facts of a passport against its contract and against each other.
///
/// # Errors
///
/// [`VerifyError::Evidence`] or [`VerifyError::Edited`], with check and field.
pub(super) fn check_facts(
    provenance: &Provenance,
    baseline: Option<&BaselineRecord>,
    comparison: Option<&Comparison>,
    results: &[TestResult],
    contract: &Contract,
) -> Result<(), VerifyError> {
    let measured = provenance.probe != ProbeKind::Imported;
    holds(measured, || "provenance.probe".to_owned())?;
    let in_process = provenance.probe == ProbeKind::InProcess;
    holds(in_process == provenance.build.is_some(), || "provenance.build".to_owned())?;
    if let Some(record) = baseline {
        check_record(record, contract)?;
    }
    if let Some(comparison) = comparison {
        check_comparison(comparison, baseline)?;
    }
    let paired = |result: &TestResult| result.paired.is_none() || comparison.is_some();
    let unpaired = results.iter().find(|result| !paired(result));
    holds(unpaired.is_none(), || "comparison".to_owned())?;
    // Results follow the contract's order, so that one walk finds the check of each.
    let mut checks = contract.checks.iter();
    for (index, result) in results.iter().enumerate() {
        let check = checks.find(|check| check.has_id(&result.test_name));
        let check = check.ok_or_else(|| edited(format!("test_results.{index}.test_name")))?;
        check_result(result, check, baseline)?;
    }
    Ok(())
}

fn check_record(record: &BaselineRecord, contract: &Contract) -> Result<(), VerifyError> {
    holds(is_sha256(&record.passport_hash), || "baseline.passport_hash".to_owned())?;
    holds(is_sha256(&record.evidence_hash), || "baseline.evidence_hash".to_owned())?;
    for (index, gone) in record.checks_gone.iter().enumerate() {
        holds(contract.check(gone).is_none(), || format!("baseline.checks_gone.{index}"))?;
    }
    let cases = contract.operation_cases();
    for (index, gone) in record.operations_gone.iter().enumerate() {
        holds(!cases.contains(gone), || format!("baseline.operations_gone.{index}"))?;
    }
    Ok(())
}

/// A policy is that of this version, so that nobody proves by a weaker one.
fn check_comparison(
    comparison: &Comparison,
    baseline: Option<&BaselineRecord>,
) -> Result<(), VerifyError> {
    let policy = &comparison.policy;
    let relinked = comparison.builds().all(|build| build.relinked > Count::ZERO);
    let ours = Policy::for_suite(policy.checks.get(), relinked);
    holds(*policy == ours, || "comparison.policy".to_owned())?;
    holds(baseline.is_some(), || "comparison".to_owned())?;
    for build in comparison.builds() {
        let digest = is_sha256(&build.executable_sha256);
        holds(digest, || format!("comparison: the digest of {}", escaped(&build.label)))?;
    }
    Ok(())
}

fn check_result(
    result: &TestResult,
    check: &Check,
    record: Option<&BaselineRecord>,
) -> Result<(), VerifyError> {
    let contradiction =
        |source| VerifyError::Evidence { test_name: result.test_name.clone(), source };
    result.evidence.validate(check).map_err(contradiction)?;
    let Some(figures) = &result.baseline else { return Ok(()) };
    let of = |field: &str| format!("{}: baseline{field}", result.test_name);
    let record = record.ok_or_else(|| edited(of("")))?;
    holds(figures.same_build == record.same_build, || of(".same_build"))?;
    check_figures(figures).map_err(|field| edited(of(field)))
}

/// What [`BaselineFigures::of`] guarantees; the field that is otherwise.
fn check_figures(figures: &BaselineFigures) -> Result<(), &'static str> {
    let response = figures.response.as_ref();
    if !response.is_none_or(|it| is_sha256(&it.body_sha256)) {
        return Err(".response.body_sha256");
    }
    if figures.source.is_some() != figures.allocations.is_some() {
        return Err(".allocations");
    }
    if figures.source.is_none() && figures.heap_peak_bytes.is_some() {
        return Err(".heap_peak_bytes");
    }
    Ok(())
}

fn holds(holds: bool, field: impl FnOnce() -> String) -> Result<(), VerifyError> {
    if holds { Ok(()) } else { Err(edited(field())) }
}

fn edited(field: String) -> VerifyError {
    VerifyError::Edited { field }
}
