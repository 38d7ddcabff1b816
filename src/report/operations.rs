//! The operations of a passport, those closest to their budgets first.

use std::fmt::Write as _;

use super::{Style, table::name};
use crate::{
    claim::Verdict,
    operation::{OperationClaim, OperationClaimKind, OperationUnit},
    passport::{CaseResult, OperationResult, Passport},
    text::escaped,
};

const HEADINGS: [&str; 7] =
    ["of budget", "mean", "min", "throughput", "allocations", "peak heap", "iterations"];

/// One line for each operation at each size, by how much of its closest budget is used; empty where
/// no operation was measured.
pub fn operations_table(passport: &Passport, style: Style) -> String {
    let mut cases: Vec<&CaseResult> = passport.operation_cases().collect();
    if cases.is_empty() {
        return String::new();
    }
    let closeness = |case: &CaseResult| case.closeness().unwrap_or(-1.0);
    cases.sort_by(|one, other| {
        let by_verdict = other.status.cmp(&one.status);
        by_verdict.then(closeness(other).total_cmp(&closeness(one)))
    });
    let rows: Vec<(String, Verdict, [String; 7])> = cases.into_iter().map(row).collect();
    let name_width = rows.iter().map(|row| row.0.len()).chain(["operation".len()]).max();
    let name_width = name_width.unwrap_or_default();
    let mut widths = HEADINGS.map(str::len);
    for (_, _, cells) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.len());
        }
    }
    let mut out = format!("{:<7}  {:<name_width$}", "verdict", "operation");
    for (heading, width) in HEADINGS.iter().zip(widths) {
        let _ = write!(out, "  {heading:>width$}");
    }
    out.push('\n');
    for (name, verdict, cells) in &rows {
        let _ = write!(out, "{}  {name:<name_width$}", style.verdict(*verdict));
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(out, "  {cell:>width$}");
        }
        out.push('\n');
    }
    out.push_str(&growth_lines(passport));
    out
}

fn row(case: &CaseResult) -> (String, Verdict, [String; 7]) {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let time = case.time.as_ref();
    let cells = [
        or_dash(case.closeness().map(percent)),
        or_dash(time.map(|it| it.mean_ps.to_string())),
        or_dash(time.map(|it| it.min_ps.to_string())),
        or_dash(time.map(|it| it.throughput_millihertz.to_string())),
        or_dash(case.evidence.allocations.map(|it| it.to_string())),
        or_dash(case.heap_peak_bytes.map(|it| it.to_string())),
        or_dash(time.map(|it| it.iterations.to_string())),
    ];
    (name(&case.name), case.status, cells)
}

fn percent(ratio: f64) -> String {
    if ratio > 99.99 { "> 9999 %".to_owned() } else { format!("{:.0} %", ratio * 100.0) }
}

/// How each operation with sizes grows.
fn growth_lines(passport: &Passport) -> String {
    let mut out = String::new();
    for operation in &passport.operations {
        if let Some(growth) = operation.growth {
            let _ = writeln!(
                out,
                "growth of {}: {}, n^{} (95 %: {} to {}) over {} sizes, from {} to {}",
                name(&operation.name),
                growth.class,
                exponent(growth.exponent_ppm),
                exponent(growth.exponent_lower_ppm),
                exponent(growth.exponent_upper_ppm),
                growth.sizes,
                growth.smallest_ps,
                growth.largest_ps
            );
        }
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn exponent(ppm: i64) -> String {
    format!("{:.2}", ppm as f64 / 1e6)
}

/// One line for each claim on an operation that failed, or is required and abstained.
pub(super) fn faults(passport: &Passport, style: Style) -> String {
    let mut out = String::new();
    for operation in &passport.operations {
        fault_lines(operation, style, &mut out);
    }
    for gone in passport.baseline.iter().flat_map(|it| &it.operations_gone) {
        let _ = writeln!(
            out,
            "{}  {}: in the baseline, but no longer in the contract: renew the baseline",
            style.verdict(Verdict::Abstain),
            name(gone)
        );
    }
    out
}

fn fault_lines(operation: &OperationResult, style: Style, out: &mut String) {
    let of_cases = operation.cases.iter().map(|case| (&case.name, &case.claims, Some(case)));
    for (of, claims, case) in of_cases.chain([(&operation.name, &operation.claims, None)]) {
        let at_fault = claims.iter().filter(|claim| {
            claim.verdict == Verdict::Fail || (claim.required && claim.verdict == Verdict::Abstain)
        });
        for claim in at_fault {
            let message = case.and_then(|it| it.evidence.failure.as_ref());
            let message = message.filter(|_| claim.kind == OperationClaimKind::Completed);
            let told = message.map(|it| format!(": {}", escaped(&it.message))).unwrap_or_default();
            let _ = writeln!(
                out,
                "{}  {}: {}{}: {}{told}",
                style.verdict(claim.verdict),
                name(of),
                subject(claim),
                figures(claim),
                claim.reason.explain(),
            );
        }
        let turns = case.and_then(|it| it.paired.as_ref());
        if let Some((paired, failure)) = turns.and_then(|it| Some((it, it.first_failure.as_ref()?)))
        {
            let _ = writeln!(
                out,
                "BROKEN   {}: {} of its sessions could not be held: {}",
                name(of),
                paired.failed_sessions,
                escaped(failure)
            );
        }
    }
}

/// Claims on operations and their sizes that are required and not proved.
pub(super) fn at_fault(passport: &Passport) -> impl Iterator<Item = (&str, &OperationClaim)> {
    let all = passport.operations.iter().flat_map(|operation| {
        let of_cases = operation.cases.iter().map(|case| (case.name.as_str(), &case.claims));
        of_cases.chain([(operation.name.as_str(), &operation.claims)])
    });
    all.flat_map(|(name, claims)| {
        let claims = claims.iter().filter(|it| it.required && it.verdict != Verdict::Pass);
        claims.map(move |claim| (name, claim))
    })
}

pub(super) fn subject(claim: &OperationClaim) -> String {
    match (&claim.subject, claim.kind) {
        (Some(metric), OperationClaimKind::Quality) => format!("quality {}", escaped(metric)),
        _ => claim.kind.to_string(),
    }
}

fn figures(claim: &OperationClaim) -> String {
    let (observed, limit) = (claim.show_observed(), claim.show_limit());
    if claim.kind == OperationClaimKind::Growth {
        let allowed = claim.subject.as_deref().map(escaped).unwrap_or_default();
        return format!(" n^{observed} (allowed {allowed})");
    }
    match (claim.observed, claim.limit) {
        // A ratio is held against one, and not against what was before.
        (Some(_), Some(_)) if claim.kind.is_change() && claim.unit != OperationUnit::Ppm => {
            format!(" {limit} -> {observed}")
        }
        (Some(_), Some(_)) if claim.kind.is_floor() => format!(" {observed} (at least {limit})"),
        (Some(_), Some(_)) => format!(" {observed} (at most {limit})"),
        (None, Some(_)) => format!(" (limit {limit})"),
        _ => String::new(),
    }
}

/// The line of a summary; empty where no operation was measured.
pub(super) fn summary_line(passport: &Passport) -> String {
    let Some(summary) = &passport.summary.operations else { return String::new() };
    format!(
        "{} operations: {} passed, {} failed, {} abstained\n",
        summary.total, summary.passed, summary.failed, summary.abstained
    )
}
