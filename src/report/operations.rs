//! The operations of a passport, those closest to their budgets first.

use super::{
    Column, Row, Table,
    content::or_dash,
    outside::name,
    stored::{self, stored_and_now, stored_time},
};
use crate::{
    contract::ClaimKind,
    operation::{Growth, ToldFigures},
    passport::{CaseResult, OperationResult, Passport},
    text::counted,
};

const COLUMNS: [Column; 7] = [
    Column::new("of budget"),
    Column::new("mean"),
    Column::new("min"),
    Column::new("throughput"),
    Column::new("allocations"),
    Column::new("peak heap"),
    Column::new("iterations"),
];

/// A row for each operation at each size, by how much of its closest budget is used; below them how
/// operations grow.
pub(super) fn table(passport: &Passport) -> Table {
    let mut cases: Vec<&CaseResult> = passport.operation_cases().collect();
    let closeness = |case: &CaseResult| case.closeness().unwrap_or(-1.0);
    cases.sort_by(|one, other| {
        let by_verdict = other.status.cmp(&one.status);
        by_verdict.then(closeness(other).total_cmp(&closeness(one)))
    });
    let mut columns = COLUMNS.to_vec();
    let mut lines = growth_lines(passport);
    let is_stored = cases.iter().any(|it| stored_time(&it.claims).is_some());
    if is_stored {
        columns.push(stored::COLUMN);
        lines.push(stored::line());
    }
    let told: Vec<ToldFigures> = cases.iter().filter_map(|it| it.evidence.told).collect();
    let has_instructions = told.iter().any(|it| it.instructions.is_some());
    if has_instructions {
        columns.push(Column::new("instructions"));
    }
    if !told.is_empty() {
        let figures = counted(told.len() as u64, "row");
        lines.push(format!(
            "figures of a tool that keeps no samples, which prove nothing: {figures}"
        ));
    }
    let row = |case: &CaseResult| {
        let mut row = row(case);
        row.cells.extend(is_stored.then(|| stored_and_now(&case.claims)));
        let instructions = case.evidence.told.and_then(|it| it.instructions);
        row.cells.extend(has_instructions.then(|| or_dash(instructions.map(|it| it.to_string()))));
        row
    };
    Table { title: "", of: "operation", columns, rows: cases.into_iter().map(row).collect(), lines }
}

fn row(case: &CaseResult) -> Row {
    let time = case.latency.as_ref();
    let told = case.evidence.told.unwrap_or_default();
    let cells = vec![
        or_dash(case.closeness().map(percent)),
        or_dash(time.map(|it| it.mean_ps).or(told.mean_ps).map(|it| it.to_string())),
        or_dash(time.map(|it| it.min_ps).or(told.min_ps).map(|it| it.to_string())),
        or_dash(time.map(|it| it.throughput_millihertz.to_string())),
        or_dash(case.evidence.allocations.map(|it| it.to_string())),
        or_dash(case.heap_peak_bytes.map(|it| it.to_string())),
        or_dash(time.map(|it| it.iterations.to_string())),
    ];
    Row { name: name(&case.name), verdict: Some(case.status), cells }
}

fn percent(ratio: f64) -> String {
    if ratio > 99.99 { "> 9999 %".to_owned() } else { format!("{:.0} %", ratio * 100.0) }
}

/// How each operation with sizes grows.
fn growth_lines(passport: &Passport) -> Vec<String> {
    let grown = passport.operations.iter().filter_map(|it| Some((it, it.growth?)));
    let line = |(operation, growth): (&OperationResult, Growth)| {
        // No size of it has this claim, so no row has its verdict.
        let claim = operation.claims.iter().find(|it| it.kind == ClaimKind::Growth);
        let verdict = claim.map(|it| format!("{} ", it.verdict)).unwrap_or_default();
        format!(
            "{verdict}growth of {}: {}, n^{} (95 %: {} to {}) over {} sizes, from {} to {}",
            name(&operation.name),
            growth.class,
            exponent(growth.exponent_ppm),
            exponent(growth.exponent_lower_ppm),
            exponent(growth.exponent_upper_ppm),
            growth.sizes,
            growth.smallest_ps,
            growth.largest_ps
        )
    };
    grown.map(line).collect()
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn exponent(ppm: i64) -> String {
    format!("{:.2}", ppm as f64 / 1e6)
}
