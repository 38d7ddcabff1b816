//! The operations of a passport, those closest to their budgets first.

use std::fmt::Write as _;

use super::{
    Style,
    table::{Row, lines, name},
};
use crate::{
    passport::{CaseResult, Passport},
    text::counted,
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
    let rows: Vec<Row<7>> = cases.into_iter().map(row).collect();
    let mut out = lines("operation", HEADINGS, &rows, style);
    out.push_str(&growth_lines(passport));
    out
}

fn row(case: &CaseResult) -> Row<7> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let time = case.latency.as_ref();
    let cells = [
        or_dash(case.closeness().map(percent)),
        or_dash(time.map(|it| it.mean_ps.to_string())),
        or_dash(time.map(|it| it.min_ps.to_string())),
        or_dash(time.map(|it| it.throughput_millihertz.to_string())),
        or_dash(case.evidence.allocations.map(|it| it.to_string())),
        or_dash(case.heap_peak_bytes.map(|it| it.to_string())),
        or_dash(time.map(|it| it.iterations.to_string())),
    ];
    Row { name: name(&case.name), verdict: case.status, cells }
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

/// The line of a summary; empty where no operation was measured.
pub(super) fn summary_line(passport: &Passport) -> String {
    let Some(summary) = &passport.summary.operations else { return String::new() };
    format!(
        "{}: {} passed, {} failed, {} abstained\n",
        counted(summary.total.get(), "operation"),
        summary.passed,
        summary.failed,
        summary.abstained
    )
}
