//! Comma-separated values (RFC 4180, lines end in a line feed): a line for each figure and each claim.
//!
//! Of what is no passport, a line for each cell of its tables.

use super::{Document, Report, Style, Table, measures, outside::name};
use crate::{
    claim::Claim,
    passport::{HashError, Passport},
};

const HEADINGS: [&str; 10] = [
    "sort", "subject", "quantity", "value", "lower", "upper", "limit", "unit", "verdict", "reason",
];

/// A line while it is put together; what is not known is empty.
#[derive(Default)]
struct Line {
    sort: String,
    subject: String,
    quantity: String,
    value: String,
    lower: String,
    upper: String,
    limit: String,
    unit: String,
    verdict: String,
    reason: String,
}

/// Headings, then the lines.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    let lines = match &report.document {
        Document::Passport(passport) => of_passport(passport),
        Document::Json(_) => of_tables(&report.tables),
    };
    let mut out = HEADINGS.join(",") + "\n";
    for line in lines {
        let Line { sort, subject, quantity, value, lower, upper, limit, unit, verdict, reason } =
            line;
        let cells = [sort, subject, quantity, value, lower, upper, limit, unit, verdict, reason];
        out.push_str(&cells.map(|it| cell(&it)).join(","));
        out.push('\n');
    }
    Ok(out)
}

/// The figures, then the claims.
fn of_passport(passport: &Passport) -> Vec<Line> {
    let figures = measures::of(passport).into_iter().map(|it| {
        let bound = |bound: Option<f64>| bound.map(|it| it.to_string()).unwrap_or_default();
        Line {
            sort: it.sort.to_owned(),
            subject: name(it.subject),
            quantity: it.name.to_owned(),
            value: it.value.to_string(),
            lower: bound(it.bounds.map(|(lower, _)| lower)),
            upper: bound(it.bounds.map(|(_, upper)| upper)),
            unit: it.unit.to_owned(),
            ..Line::default()
        }
    });
    let claims = passport.claims().map(|(subject, it)| of_claim(subject.sort(), subject.name(), it));
    figures.chain(claims).collect()
}

/// Figures as the passport has them, in its unit: `ns`, `ppm`.
fn of_claim(sort: &str, subject: &str, claim: &Claim) -> Line {
    let metric = claim.metric.as_ref().map(|it| format!(" {}", name(it))).unwrap_or_default();
    let figure = |it: Option<i64>| it.map(|it| it.to_string()).unwrap_or_default();
    let verdict = claim.verdict.to_string();
    Line {
        sort: sort.to_owned(),
        subject: name(subject),
        quantity: format!("claim {}{metric}", claim.kind),
        value: figure(claim.observed),
        limit: figure(claim.limit),
        unit: claim.unit.to_string(),
        verdict: if claim.required { verdict } else { format!("({verdict})") },
        reason: claim.reason.to_string(),
        ..Line::default()
    }
}

fn of_tables(tables: &[Table]) -> Vec<Line> {
    let mut lines = Vec::new();
    for table in tables {
        for row in &table.rows {
            let cells = table.columns.iter().zip(&row.cells).filter(|(_, cell)| *cell != "-");
            lines.extend(cells.map(|(column, cell)| Line {
                sort: table.of.to_owned(),
                subject: row.name.clone(),
                quantity: column.heading.to_owned(),
                value: cell.clone(),
                verdict: row.verdict.map(|it| it.to_string()).unwrap_or_default(),
                ..Line::default()
            }));
        }
    }
    lines
}

/// A cell. What a spreadsheet would take for a formula begins with an apostrophe, but for numbers.
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    let is_formula = !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    let is_plain = !text.contains([',', '"', '\n', '\r']);
    if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_a_cell_and_no_formula() {
        for (text, expected) in [
            ("a", "a"),
            ("-5", "-5"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1), b", "\"'@SUM(A1), b\""),
            ("-inf", "'-inf"),
            ("+5.00 %", "'+5.00 %"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
