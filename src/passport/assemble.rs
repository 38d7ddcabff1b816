//! From facts to the document: everything in a passport that can be derived is derived here.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BaselineRecord, ContractRecord, GUARANTEE, HashError, LatencySummary, MeasuredCheck,
    OperationResult, OperationsSummary, Parts, Passport, ProbeKind, SCHEMA_VERSION, Summary,
    TestResult, Thresholds, contract_digest, operations, parts::Compared,
};
use crate::{
    claim::{self, Claim, SideBySide, Verdict},
    contract::{Check, ClaimKind, Contract},
    evidence::{Behaviour, Evidence},
    paired::Certificate,
    production::Production,
    rules::Rules,
    statistics::quantile,
    units::{Bytes, Count, Nanos, Ppm},
};

impl Passport {
    /// Makes the document: decides the claims, sums up, and hashes.
    ///
    /// The results are those of the contract's checks, in their order and each once. What was
    /// measured of anything else is left out; [`super::verify()`] finds it missing.
    ///
    /// # Errors
    ///
    /// [`HashError`] when a figure cannot be written as JSON, which no parsed contract has.
    pub fn assemble(contract: &Contract, parts: Parts) -> Result<Self, HashError> {
        let compared = match (&parts.baseline, &parts.comparison) {
            (None, _) => Compared::WithNothing,
            (Some(_), None) => Compared::WithPassport,
            (Some(_), Some(comparison)) => Compared::SideBySide {
                policy: comparison.policy,
                same_code: comparison.is_same_code(),
            },
        };
        let mut measured: BTreeMap<String, MeasuredCheck> =
            parts.measured.into_iter().map(|it| (it.check.clone(), it)).collect();
        let (mut results, mut checks_left_out) = (Vec::new(), Vec::new());
        let over_http = parts.provenance.probe == ProbeKind::Http;
        let terms = Terms { rules: parts.rules, compared, over_http };
        for check in &contract.checks {
            let id = check.id();
            match measured.remove(&id) {
                Some(it) => results.push(result(contract, check, it, terms)),
                None => checks_left_out.push(id),
            }
        }
        hold_to_share(contract, &mut results);
        let (operations, operations_left_out) = operations::results(
            contract,
            parts.operations,
            &parts.provenance,
            (parts.rules, compared),
        );
        let production = parts.production.map(|it| Production::of(contract, it));
        // What a running service counts is of no check, and leaves none out.
        let (checks_left_out, operations_left_out) = match production {
            Some(_) => (Vec::new(), Vec::new()),
            None => (checks_left_out, operations_left_out),
        };
        let whole = parts.complete && checks_left_out.is_empty() && operations_left_out.is_empty();
        let mut seen = BTreeSet::new();
        let endpoints = results.iter().map(|result| &result.endpoint);
        let endpoints_profiled = endpoints.filter(|it| seen.insert(*it)).cloned().collect();
        let subjects = (&*results, &*operations, production.as_ref());
        let mut passport = Self {
            schema_version: SCHEMA_VERSION,
            cartographer: parts.cartographer,
            run_id: parts.run_id,
            session_id: parts.session_id,
            timestamp: parts.timestamp,
            complete: parts.complete,
            performance_guarantee: GUARANTEE.to_owned(),
            endpoints_profiled,
            contract: Some(ContractRecord {
                digest: contract_digest(&contract.document)?,
                document: contract.document.clone(),
            }),
            rules: parts.rules,
            provenance: parts.provenance,
            summary: summary(contract, subjects, parts.baseline.as_ref(), whole),
            test_results: results,
            checks_left_out,
            operations,
            operations_left_out,
            production,
            thresholds: thresholds(contract),
            system_info: parts.system_info,
            baseline: parts.baseline,
            comparison: parts.comparison,
            annotations: parts.annotations,
            passport_hash: String::new(),
            evidence_hash: String::new(),
        };
        passport.seal()?;
        Ok(passport)
    }
}

/// How a check is decided on.
#[derive(Clone, Copy)]
struct Terms {
    rules: Rules,
    compared: Compared,
    /// Whether a service was asked that may tell nothing of its costs.
    over_http: bool,
}

fn result(contract: &Contract, check: &Check, measured: MeasuredCheck, terms: Terms) -> TestResult {
    let Terms { rules, compared, over_http } = terms;
    let MeasuredCheck { timestamp, evidence, baseline, paired, instructions, .. } = measured;
    let mut claims = claim::claims(contract, check, &evidence, rules.latency);
    // A check that never had its turn has no session.
    let turns = paired.clone().unwrap_or_default();
    let changes = |beside| claim::changes(contract, check, &evidence, baseline.as_ref(), beside);
    let mut certificate = None;
    match compared {
        Compared::WithNothing => {}
        Compared::WithPassport => claims.extend(changes(None)),
        Compared::SideBySide { policy, same_code } => {
            claims.extend(changes(Some(SideBySide {
                policy: &policy,
                same_code,
                paired: &turns,
                instructions: instructions.as_ref(),
            })));
            certificate = Certificate::of(&policy, check.tolerance.regression_ppm, &turns);
        }
    }
    if over_http {
        claim::excuse_untold(rules.required, contract, check, &mut claims);
    }
    let observed = |kind: ClaimKind| {
        let claim = claims.iter().find(|claim| claim.kind == kind);
        claim.and_then(|claim| u64::try_from(claim.observed?).ok())
    };
    let requests = check.requests_per_sample().max(1);
    let latency = quantile(&evidence.latency, check.budgets.latency_quantile);
    TestResult {
        endpoint: check.endpoint.clone(),
        test_name: check.id(),
        latency_ms: latency.map(|sample| per_request_ms(sample, requests)),
        memory_mb: observed(ClaimKind::Heap).map(|bytes| rounded(Bytes::new(bytes).to_mb())),
        objects: observed(ClaimKind::Allocations).map(|sample| sample / requests),
        status: status(&claims, &evidence),
        regression: claims
            .iter()
            .any(|claim| claim.kind.is_cost() && claim.verdict == Verdict::Fail),
        deterministic: evidence.behaviour.as_ref().is_some_and(Behaviour::is_deterministic),
        timestamp,
        fixture: check.fixture.clone(),
        requests_per_sample: Count::new(check.requests_per_sample()),
        budgets: Some(check.budgets.clone()),
        tolerance: Some(check.tolerance),
        latency: LatencySummary::of(&evidence.latency),
        claims,
        evidence,
        baseline,
        paired,
        certificate,
        instructions,
    }
}

/// FAIL outweighs ABSTAIN, which outweighs PASS. No claim at all proves nothing, and what failed to be
/// measured could have shown anything.
fn status(claims: &[Claim], evidence: &Evidence) -> Verdict {
    let required = claims.iter().filter(|claim| claim.required);
    let worst = required.map(|claim| claim.verdict).max().unwrap_or(Verdict::Abstain);
    let all_measured = evidence.failed_samples == Count::ZERO;
    worst.max(if all_measured { Verdict::Pass } else { Verdict::Abstain })
}

/// The share of deterministic checks, of those that were answered; `None` where none was.
fn deterministic_share(results: &[TestResult]) -> Option<Ppm> {
    // A check that was never answered is unknown, which its other claims say; not differing.
    let answered = results.iter().filter(|it| it.evidence.behaviour.is_some()).count() as u64;
    let deterministic = results.iter().filter(|it| it.deterministic).count() as u64;
    (deterministic * 1_000_000).checked_div(answered).map(Ppm::new)
}

/// Excuses no check that differs where too few are deterministic: each is a reason why the gate
/// fails, so its row says that too.
fn hold_to_share(contract: &Contract, results: &mut [TestResult]) {
    let is_kept =
        deterministic_share(results).is_none_or(|share| share >= contract.deterministic_min);
    if is_kept || !contract.requires(ClaimKind::Deterministic) {
        return;
    }
    for result in results {
        let claims = result.claims.iter_mut();
        for claim in claims.filter(|it| it.kind == ClaimKind::Deterministic) {
            claim.required |= claim.verdict == Verdict::Fail;
        }
        result.status = status(&result.claims, &result.evidence);
    }
}

fn summary(
    contract: &Contract,
    (results, operations, production): (&[TestResult], &[OperationResult], Option<&Production>),
    baseline: Option<&BaselineRecord>,
    whole: bool,
) -> Summary {
    let count = |test: &dyn Fn(&TestResult) -> bool| {
        results.iter().filter(|result| test(result)).count() as u64
    };
    let failed = |of: fn(ClaimKind) -> bool| {
        count(&|result| {
            result.claims.iter().any(|claim| of(claim.kind) && claim.verdict == Verdict::Fail)
        })
    };
    let total_tests = results.len() as u64;
    let share = deterministic_share(results);
    let deterministic_status = match share {
        None => Verdict::Abstain,
        Some(share) if share >= contract.deterministic_min => Verdict::Pass,
        Some(_) => Verdict::Fail,
    };
    let statuses = results.iter().map(|it| it.status);
    let statuses = statuses.chain(operations.iter().map(|it| it.status));
    let statuses = statuses.chain(production.and_then(Production::measured_status));
    let mut measured = statuses.max().unwrap_or(Verdict::Abstain);
    // Operations answer nothing.
    if contract.requires(ClaimKind::Deterministic) && !results.is_empty() {
        measured = measured.max(deterministic_status);
    }
    // A check that is gone can hide what it would have shown.
    let gone = |it: &BaselineRecord| !it.checks_gone.is_empty() || !it.operations_gone.is_empty();
    if baseline.is_some_and(gone) {
        measured = measured.max(Verdict::Abstain);
    }
    // Half a run proves half.
    let at_best = if whole { Verdict::Pass } else { Verdict::Abstain };
    Summary {
        total_tests,
        passed_tests: count(&|result| result.status == Verdict::Pass),
        failed_tests: count(&|result| result.status == Verdict::Fail),
        abstained_tests: count(&|result| result.status == Verdict::Abstain),
        performance_regressions: failed(ClaimKind::is_speed),
        memory_regressions: failed(ClaimKind::is_memory),
        max_latency_ms: results.iter().filter_map(|it| it.latency_ms).reduce(f64::max),
        max_memory_mb: results.iter().filter_map(|it| it.memory_mb).reduce(f64::max),
        max_objects: results.iter().filter_map(|it| it.objects).max(),
        deterministic_score: percent(share.unwrap_or(Ppm::ZERO)),
        deterministic_status,
        measured_status: measured,
        overall_status: measured.max(at_best),
        operations: OperationsSummary::of(operations),
    }
}

fn thresholds(contract: &Contract) -> Thresholds {
    Thresholds {
        max_latency_threshold_ms: rounded(contract.budgets.latency_ns_max.to_ms()),
        max_memory_threshold_mb: rounded(contract.budgets.heap_bytes_max.to_mb()),
        max_objects_threshold: contract.budgets.allocations_max.get(),
        regression_tolerance_percent: percent(contract.tolerance.regression_ppm),
        deterministic_threshold_percent: percent(contract.deterministic_min),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a contract sends far fewer requests than 2^53")]
fn per_request_ms(sample: Nanos, requests: u64) -> f64 {
    rounded(sample.to_ms() / requests as f64)
}

/// Six decimals, half away from zero: a nanosecond in milliseconds, about a byte in MB.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn percent(ratio: Ppm) -> f64 {
    rounded(ratio.get() as f64 / 10_000.0)
}
