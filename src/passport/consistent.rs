//! What holds of every passport that was measured, whatever follows from its evidence: facts that
//! no assembling can derive, and that nevertheless cannot be anything.

use std::collections::BTreeMap;

use super::{
    BaselineRecord, ComparedBuild, Comparison, OperationResult, ProbeKind, Provenance, SaidCommit,
    SameCode, TestResult, VerifyError,
};
use crate::{
    claim::BaselineFigures,
    contract::{Check, Contract, Operation, SubjectId, base_url_problem},
    evidence::is_sha256,
    paired::{ComparedBuilds, InstructionCounts, LINKS, Paired, Session, TimeOf, WhyUncounted},
    production::Production,
    rules::ComparisonRule,
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
    if let Some(said) = &provenance.said_commit {
        check_said(said, provenance.probe)?;
    }
    if let Some(record) = baseline {
        check_record(record, contract)?;
    }
    if let Some(comparison) = comparison {
        check_comparison(comparison, baseline, provenance)?;
        for result in results {
            check_paired(result, comparison, provenance)?;
            check_instructions(
                &result.test_name,
                result.instructions.as_ref(),
                comparison,
                provenance,
            )?;
        }
    }
    let alone = |it: &TestResult| it.paired.is_none() && it.instructions.is_none();
    holds(comparison.is_some() || results.iter().all(alone), || "comparison".to_owned())?;
    let observed = provenance.probe == ProbeKind::Production;
    holds(!observed || results.is_empty(), || "test_results".to_owned())?;
    holds(!observed || baseline.is_none(), || "baseline".to_owned())?;
    // Results follow the contract's order, so that one walk finds the check of each.
    let mut checks = contract.checks.iter();
    for (index, result) in results.iter().enumerate() {
        let check = checks.find(|check| check.has_id(&result.test_name));
        let check = check.ok_or_else(|| edited(format!("test_results.{index}.test_name")))?;
        check_result(result, check, baseline)?;
    }
    Ok(())
}

/// Counters are read for a contract that has a service, and nothing is measured beside that.
pub(super) fn check_production(
    provenance: &Provenance,
    production: Option<&Production>,
    contract: &Contract,
) -> Result<(), VerifyError> {
    let is_production = provenance.probe == ProbeKind::Production;
    holds(is_production == production.is_some(), || "production".to_owned())?;
    let Some(production) = production else { return Ok(()) };
    holds(contract.service.is_some(), || "production".to_owned())?;
    Ok(production.evidence.validate(contract)?)
}

/// Of what is measured in process the tree is known, so that nobody needs to say it.
fn check_said(said: &SaidCommit, probe: ProbeKind) -> Result<(), VerifyError> {
    let object = |it: &str| {
        [40, 64].contains(&it.len()) && it.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let at = |field: &'static str| move || format!("provenance.said_commit{field}");
    holds(matches!(probe, ProbeKind::Http | ProbeKind::Production), at(""))?;
    holds(object(&said.commit), at(".commit"))?;
    holds(object(&said.commit_tree), at(".commit_tree"))?;
    let plain = said.reference == escaped(&said.reference) && said.reference.len() <= 200;
    holds(plain, at(".reference"))
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

/// A policy is that of the rule it names, so that nobody proves by a weaker one.
fn check_comparison(
    comparison: &Comparison,
    baseline: Option<&BaselineRecord>,
    provenance: &Provenance,
) -> Result<(), VerifyError> {
    let policy = &comparison.policy;
    let relinked = comparison.builds().all(ComparedBuild::is_relinked);
    let links = |build: &ComparedBuild| build.relinked <= Count::new(LINKS);
    holds(comparison.builds().all(links), || "comparison: relinked".to_owned())?;
    let builds = match provenance.probe {
        ProbeKind::Http => comparison.compared_servers(),
        _ if relinked => ComparedBuilds::Relinked,
        _ => ComparedBuilds::Fixed,
    };
    holds(policy.is_of_its_rule(builds), || "comparison.policy".to_owned())?;
    holds(baseline.is_some(), || "comparison".to_owned())?;
    if let Some(mapped) = &comparison.mapped_code {
        let is_one = |build: &ComparedBuild| build.command.is_some() && build.builds.is_zero();
        let started = comparison.builds().all(is_one);
        let known = is_sha256(&mapped.mapped_sha256) && mapped.files > Count::ZERO;
        holds(started && known, || "comparison.mapped_code".to_owned())?;
    }
    if let Some(same) = &comparison.same_code {
        let of = || "comparison.same_code".to_owned();
        holds(is_sha256(&same.loaded_sha256), of)?;
        holds(comparison.current.executable_sha256.is_some(), of)?;
        let files = &same.read_files_changed;
        holds(files.len() <= SameCode::FILES_MAX, of)?;
        holds(files.iter().all(|it| escaped(it) == *it), of)?;
    }
    for build in comparison.builds() {
        let of = || format!("comparison: what is known of {}", escaped(&build.label));
        let executable = build.executable_sha256.as_ref();
        holds(executable.is_none_or(|it| is_sha256(it)), of)?;
        let known = [executable, build.command.as_ref(), build.url.as_ref()];
        holds(known.into_iter().flatten().count() == 1, of)?;
        let served = provenance.probe == ProbeKind::Http;
        holds(served == executable.is_none(), of)?;
        holds(!served || build.relinked == Count::ZERO, of)?;
        let several = build.command.is_some() && build.builds > Count::new(1);
        holds(several || build.builds.is_zero(), of)?;
        let url = |it: &String| base_url_problem(it).is_none();
        holds(build.url.as_ref().is_none_or(url), of)?;
    }
    Ok(())
}

/// Sessions are of what was compared, and their times all of one kind.
fn check_paired(
    result: &TestResult,
    comparison: &Comparison,
    provenance: &Provenance,
) -> Result<(), VerifyError> {
    let Some(paired) = &result.paired else { return Ok(()) };
    let of = |field: &str| format!("{}: paired.{field}", result.test_name);
    let anchored = comparison.is_anchored(&result.test_name);
    let as_named = paired.sessions.iter().all(|session| session.anchor.is_some() == anchored);
    holds(as_named, || of("sessions: anchor"))?;
    let running = comparison.builds().any(|it| it.url.is_some());
    holds(paired.same_processes == running, || of("same_processes"))?;
    let mut times = paired.sessions.iter().map(|session| session.http.map(|http| http.time));
    let first = times.next();
    let alike = times.all(|time| Some(time) == first);
    let served = provenance.probe == ProbeKind::Http;
    holds(alike && first.is_none_or(|it| it.is_some() == served), || of("sessions: http"))?;
    let of_code = paired.sessions.iter().any(|session| session.iterations.is_some());
    holds(!of_code, || of("sessions: iterations"))?;
    for http in paired.sessions.iter().filter_map(|session| session.http) {
        let floor = http.floor_ns.is_some() == (http.time == TimeOf::AboveFloor);
        holds(floor, || of("sessions: http.floor_ns"))?;
        let untold = http.untold_ppm.is_some() == (http.time == TimeOf::Service);
        holds(untold, || of("sessions: http.untold_ppm"))?;
        let warmed = http.warmup.is_some() == (comparison.policy.rule != ComparisonRule::One);
        holds(warmed, || of("sessions: http.warmup"))?;
    }
    Ok(())
}

/// All of it was counted or nothing was, and there is a reason for that; servers never are.
fn check_instructions(
    name: &str,
    counts: Option<&InstructionCounts>,
    comparison: &Comparison,
    provenance: &Provenance,
) -> Result<(), VerifyError> {
    let Some(counts) = counts else { return Ok(()) };
    let of = || format!("{name}: instructions");
    let served = provenance.probe == ProbeKind::Http;
    let Some(uncounted) = &counts.uncounted else {
        return holds(counts.is_whole(comparison.policy.instructions_rule) && !served, of);
    };
    holds(counts.among_others.is_none() && counts.alone.is_empty(), of)?;
    holds(served == (uncounted.why == WhyUncounted::Servers), of)?;
    holds(escaped(&uncounted.message) == uncounted.message, of)
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
    if let Some(response) = &figures.response {
        if !is_sha256(&response.body_sha256) {
            return Err(".response.body_sha256");
        }
        if !response.json_sha256.as_ref().is_none_or(|it| is_sha256(it)) {
            return Err(".response.json_sha256");
        }
        if !response.headers.values().all(|it| is_sha256(it)) {
            return Err(".response.headers");
        }
    }
    if figures.source.is_some() != figures.allocations.is_some() {
        return Err(".allocations");
    }
    if figures.source.is_none() && figures.heap_peak_bytes.is_some() {
        return Err(".heap_peak_bytes");
    }
    Ok(())
}

/// Checks the facts of operations against their contract and against each other.
pub(super) fn check_operations(
    results: &[OperationResult],
    contract: &Contract,
    (record, comparison): (Option<&BaselineRecord>, Option<&Comparison>),
    provenance: &Provenance,
) -> Result<(), VerifyError> {
    let observed = provenance.probe == ProbeKind::Production;
    holds(!observed || results.is_empty(), || "operations".to_owned())?;
    // Results follow the contract's order, so that one walk finds the operation of each.
    let mut operations = contract.operations.iter();
    for (index, result) in results.iter().enumerate() {
        let Some(operation) = operations.find(|operation| operation.name == result.name) else {
            return Err(edited(format!("operations.{index}.name")));
        };
        if result.cases.is_empty() {
            return Err(edited(format!("operations.{index}.cases")));
        }
        let mut sizes = operation.cases().into_iter();
        for (place, case) in result.cases.iter().enumerate() {
            let of = |field: &str| format!("operations.{index}.cases.{place}.{field}");
            if case.operation != operation.name {
                return Err(edited(of("operation")));
            }
            if !sizes.any(|size| size == case.parameters.size) {
                return Err(edited(of("parameters.size")));
            }
            case.evidence.validate().map_err(|source| VerifyError::CaseEvidence {
                name: operation.case_name(case.parameters.size),
                source,
            })?;
            let turns = case.paired.as_ref();
            if turns.is_some_and(|it| comparison.is_none() || !are_of_code(it)) {
                return Err(edited(of("paired")));
            }
            let name = operation.case_name(case.parameters.size);
            let id = SubjectId::Operation(&name).to_string();
            match (case.instructions.as_ref(), comparison) {
                (None, _) => {}
                (Some(_), None) => return Err(edited(of("instructions"))),
                (counts, Some(beside)) => check_instructions(&name, counts, beside, provenance)?,
            }
            let anchored = comparison.is_some_and(|it| it.is_anchored(&id));
            let sessions = turns.into_iter().flat_map(|it| &it.sessions);
            if sessions.into_iter().any(|session| session.anchor.is_some() != anchored) {
                return Err(edited(of("paired")));
            }
            if !are_of_parts(&case.paired_parts, operation, comparison) {
                return Err(edited(of("paired_parts")));
            }
            let Some(figures) = &case.baseline else { continue };
            if record.is_none_or(|record| record.same_build != figures.same_build) {
                return Err(edited(of("baseline")));
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

/// Whether turns of parts are of those that are compared. The anchor takes none.
fn are_of_parts(
    parts: &BTreeMap<String, Paired>,
    operation: &Operation,
    comparison: Option<&Comparison>,
) -> bool {
    let is_compared = |name: &str| operation.tolerance.parts().any(|(it, _)| it.name() == name);
    let is_sound = |(name, paired): (&String, &Paired)| {
        is_compared(name)
            && are_of_code(paired)
            && paired.sessions.iter().all(|it| it.anchor.is_none())
    };
    parts.is_empty() || (comparison.is_some() && parts.iter().all(is_sound))
}

fn holds(holds: bool, field: impl FnOnce() -> String) -> Result<(), VerifyError> {
    if holds { Ok(()) } else { Err(edited(field())) }
}

fn edited(field: String) -> VerifyError {
    VerifyError::Edited { field }
}
