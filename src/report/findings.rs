//! Claims at fault: what, where, by how much, and why.

use super::{
    Finding, Mark, Style, bodies,
    consequences::is_consequence,
    effects, missing_samples,
    outside::{foreign, name},
    production,
};
use crate::{
    claim::{Claim, Reason, Unit, Verdict},
    contract::{ClaimKind, Direction},
    passport::{Passport, SubjectResult},
    text::counted,
};

/// Longer than any message that a passport of ours holds.
const MESSAGE_LENGTH_MAX: usize = 1_000;

/// Claims that failed, or that are required and abstained, but for what follows from another one; what
/// could not be measured, or is no longer under contract.
pub(super) fn findings(passport: &Passport) -> Vec<Finding> {
    let mut found = Vec::new();
    for subject in passport.subjects() {
        let of = name(subject.id().name());
        let at_fault = subject.claims().iter().filter(|claim| claim.is_at_fault());
        for claim in at_fault.filter(|claim| !is_consequence(subject, claim)) {
            let mark = if claim.required {
                Mark::Verdict(claim.verdict)
            } else {
                Mark::Excused(claim.verdict)
            };
            found.push(Finding {
                mark,
                of: of.clone(),
                sentence: sentence(passport, subject, claim),
                message: message(subject, claim),
            });
        }
        if let SubjectResult::Check(result) = subject {
            found.extend(bodies::details(result, &of));
        }
        found.extend(broken(subject).map(|(sentence, message)| Finding {
            mark: Mark::Broken,
            of: of.clone(),
            sentence,
            message: Some(foreign(message, MESSAGE_LENGTH_MAX)),
        }));
    }
    let gone =
        passport.baseline.iter().flat_map(|it| it.checks_gone.iter().chain(&it.operations_gone));
    found.extend(gone.map(|gone| {
        Finding {
            mark: Mark::Verdict(Verdict::Abstain),
            of: name(gone),
            sentence: "in the baseline, but no longer in the contract: accept that with \
                   `passport baseline`"
                .to_owned(),
            message: None,
        }
    }));
    found
}

/// One line for each finding, as a terminal shows it.
pub fn claims_at_fault(passport: &Passport, style: Style) -> String {
    findings(passport).iter().map(|it| super::text::finding(it, style)).collect()
}

/// What of a subject could not be measured: how much, and the first reason.
fn broken(subject: SubjectResult<'_>) -> impl Iterator<Item = (String, &str)> {
    let samples = match subject {
        SubjectResult::Check(result) => result.evidence.first_failure.as_deref().map(|failure| {
            let failed = result.evidence.failed_samples;
            (format!("{failed} of its samples could not be measured"), failure)
        }),
        SubjectResult::Case(_) | SubjectResult::Operation(_) | SubjectResult::Window(_) => None,
    };
    let parts = subject.paired_parts().into_iter().flatten().map(|(_, paired)| paired);
    let sessions = subject.paired().into_iter().chain(parts).filter_map(|paired| {
        let failed = paired.failed_sessions;
        let failure = paired.first_failure.as_deref()?;
        Some((format!("{failed} of its sessions could not be held"), failure))
    });
    samples.into_iter().chain(sessions)
}

/// What is claimed, with its figures, and why it has its verdict.
fn sentence(passport: &Passport, subject: SubjectResult<'_>, claim: &Claim) -> String {
    let named = matches!(
        claim.kind,
        ClaimKind::Quality | ClaimKind::Latency | ClaimKind::ProductionLatency
    );
    let metric = claim.metric.as_deref().filter(|_| named);
    let metric = metric.map(|it| format!(" {}", name(it))).unwrap_or_default();
    let interval = effects::interval(passport.comparison.as_ref(), subject, claim)
        .or_else(|| production::interval(subject, claim));
    let figures = of_responses(subject, claim)
        .or_else(|| production::figures(subject, claim))
        .unwrap_or_else(|| figures(claim, interval.as_deref()));
    let excuse = if claim.required { String::new() } else { excuse(passport, claim) };
    let reason = missing_samples::sentence(passport, subject, claim)
        .or_else(|| production::sentence(passport, subject, claim))
        .unwrap_or_else(|| claim.reason.sentence());
    format!("{}{metric}{figures}: {reason}{excuse}", claim.kind)
}

/// Why a claim that failed gates nothing, with a semicolon before it.
fn excuse(passport: &Passport, claim: &Claim) -> String {
    let required = passport.contract.as_ref().and_then(|it| it.document.required.as_ref());
    let is_listed = required.is_none_or(|it| it.contains(&claim.kind));
    if claim.kind != ClaimKind::Deterministic || !is_listed {
        return "; not required".to_owned();
    }
    format!(
        "; not required, as {:.1} % of the checks are deterministic and the contract asks for {:.1} %",
        passport.summary.deterministic_score, passport.thresholds.deterministic_threshold_percent
    )
}

/// What an operation said when it ended early.
fn message(subject: SubjectResult<'_>, claim: &Claim) -> Option<String> {
    let SubjectResult::Case(case) = subject else { return None };
    let failure = case.evidence.failure.as_ref().filter(|_| claim.kind == ClaimKind::Completed);
    failure.map(|it| foreign(&it.message, MESSAGE_LENGTH_MAX))
}

/// Counts of responses are told as such, and of how many.
fn of_responses(subject: SubjectResult<'_>, claim: &Claim) -> Option<String> {
    let SubjectResult::Check(result) = subject else { return None };
    let observed = claim.observed?;
    let all = counted(result.evidence.behaviour.as_ref()?.responses.get(), "response");
    match claim.kind {
        ClaimKind::ContentType => Some(format!(" wrong in {observed} of {all}")),
        ClaimKind::Deterministic => Some(format!(" in {observed} of {all}")),
        _ => None,
    }
}

/// The observed figure beside its interval and its limit, with a blank before it.
fn figures(claim: &Claim, interval: Option<&str>) -> String {
    let (observed, limit) = (claim.show_observed(), claim.show_limit());
    if claim.kind == ClaimKind::Growth {
        let allowed = claim.metric.as_deref().map(name).unwrap_or_default();
        return format!(" n^{observed} (allowed {allowed})");
    }
    match (claim.observed, claim.limit) {
        // A ratio is held against one, and not against what was before.
        (Some(now), Some(before)) if claim.kind.is_change() && claim.unit != Unit::Ppm => {
            match claim.unit {
                _ if now == before => String::new(),
                Unit::Count | Unit::Bytes => format!(" {limit} -> {observed} ({:+})", now - before),
                _ => format!(" {limit} -> {observed}"),
            }
        }
        (Some(_), Some(_)) => {
            let interval = interval.map(|it| format!("{it}; ")).unwrap_or_default();
            format!(" {observed} ({interval}{} {limit})", relation(claim))
        }
        (None, Some(_)) => format!(" (limit {limit})"),
        _ => String::new(),
    }
}

fn relation(claim: &Claim) -> &'static str {
    match claim.kind.direction() {
        _ if claim.reason == Reason::OracleDisagrees => "expected",
        Direction::Equal => "expected",
        Direction::Below => "budget",
        Direction::AtMost => "at most",
        Direction::AtLeast => "at least",
    }
}
