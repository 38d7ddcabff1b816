//! The harmony of the checks: a column, and a line of all.

use super::{Column, Report, content::or_dash};
use crate::{
    passport::{Harmony, Passport},
    text::counted,
};

impl Report<'_> {
    /// Adds the class of each check to the table of checks, and how many there are of each.
    pub fn add_harmony(&mut self, passport: &Passport) {
        let results = &passport.test_results;
        let table = self.tables.iter_mut().find(|it| it.of == "check");
        let Some(table) = table.filter(|it| it.rows.len() == results.len()) else { return };
        table.columns.push(Column::new("harmony"));
        for (row, result) in table.rows.iter_mut().zip(results) {
            row.cells.push(or_dash(result.harmony().map(|it| it.to_string())));
        }
        let of = |class: Option<Harmony>| {
            results.iter().filter(|it| it.harmony() == class).count() as u64
        };
        let classes = Harmony::ALL.map(|it| format!("{it} {}", of(Some(it)))).join(", ");
        let unknown = match of(None) {
            0 => String::new(),
            some => format!(", {} whose costs are not all known", counted(some, "check")),
        };
        table.lines.push(format!("harmony: {classes}{unknown}"));
    }
}
