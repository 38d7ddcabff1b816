//! Claims at fault: what, where, by how much, and why.

use std::fmt::Write as _;

use super::{Style, table::name};
use crate::{
    claim::{Claim, Reason, Unit, Verdict},
    contract::{ClaimKind, Direction},
    passport::{Passport, SubjectResult},
    text::escaped,
};

/// One line for each claim that failed, or that is required and abstained; and for what could not be
/// measured, or is no longer under contract.
pub fn claims_at_fault(passport: &Passport, style: Style) -> String {
    let mut out = String::new();
    for subject in passport.subjects() {
        let of = name(subject.id().name());
        for claim in subject.claims().iter().filter(|claim| claim.is_at_fault()) {
            let verdict = style.verdict(claim.verdict);
            let told = message(subject, claim);
            let _ = writeln!(out, "{verdict}  {of}: {}{told}", sentence(claim));
        }
        if let SubjectResult::Check(result) = subject
            && let Some(failure) = &result.evidence.first_failure
        {
            let _ = writeln!(
                out,
                "BROKEN   {of}: {} of its samples could not be measured: {}",
                result.evidence.failed_samples,
                escaped(failure)
            );
        }
        if let Some(paired) = subject.paired()
            && let Some(failure) = &paired.first_failure
        {
            let _ = writeln!(
                out,
                "BROKEN   {of}: {} of its sessions could not be held: {}",
                paired.failed_sessions,
                escaped(failure)
            );
        }
    }
    let gone =
        passport.baseline.iter().flat_map(|it| it.checks_gone.iter().chain(&it.operations_gone));
    for gone in gone {
        let _ = writeln!(
            out,
            "{}  {}: in the baseline, but no longer in the contract: accept that with \
             `passport baseline`",
            style.verdict(Verdict::Abstain),
            name(gone)
        );
    }
    out
}

/// The same claims as a list in Markdown.
pub(super) fn markdown(passport: &Passport) -> String {
    let mut out = String::new();
    for (subject, claim) in passport.claims().filter(|(_, claim)| claim.is_at_fault()) {
        let of = super::comparison::code(subject.name());
        let _ = writeln!(out, "\n- **{}** `{of}` {}", claim.verdict, sentence(claim));
    }
    out
}

/// What is claimed, with its figures, and why it has its verdict.
fn sentence(claim: &Claim) -> String {
    let metric = claim.metric.as_deref().filter(|_| claim.kind == ClaimKind::Quality);
    let metric = metric.map(|it| format!(" {}", escaped(it))).unwrap_or_default();
    format!("{}{metric}{}: {}", claim.kind, figures(claim), claim.reason.explain())
}

/// What an operation said when it ended early.
fn message(subject: SubjectResult<'_>, claim: &Claim) -> String {
    let SubjectResult::Case(case) = subject else { return String::new() };
    let failure = case.evidence.failure.as_ref().filter(|_| claim.kind == ClaimKind::Completed);
    failure.map(|it| format!(": {}", escaped(&it.message))).unwrap_or_default()
}

/// The observed figure beside its limit, with a blank before it.
fn figures(claim: &Claim) -> String {
    let (observed, limit) = (claim.show_observed(), claim.show_limit());
    if claim.kind == ClaimKind::Growth {
        let allowed = claim.metric.as_deref().map(escaped).unwrap_or_default();
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
        (Some(_), Some(_)) => format!(" {observed} ({} {limit})", relation(claim)),
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
