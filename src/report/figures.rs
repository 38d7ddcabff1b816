//! The figures of each check and case, a line for each.

use super::{Report, Scope};
use crate::passport::Passport;

/// One line for each row of a passport's tables, such as
/// `PASS     hello/default: status 200, allocations 13, peak heap 1024 B`. What is not known is left out.
pub fn figures(passport: &Passport) -> String {
    let report = Report::of_passport(passport, Scope::Measured);
    let mut lines = String::new();
    for table in &report.tables {
        for row in &table.rows {
            let known = table.columns.iter().zip(&row.cells).filter(|(_, cell)| *cell != "-");
            let cells: Vec<String> =
                known.map(|(column, cell)| format!("{} {cell}", column.heading)).collect();
            let verdict = row.verdict.map(|it| it.to_string()).unwrap_or_default();
            lines.push_str(&format!("{verdict:<7}  {}: {}\n", row.name, cells.join(", ")));
        }
    }
    lines
}
