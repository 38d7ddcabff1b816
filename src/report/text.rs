//! Tables and lines for a terminal or a log.

use std::fmt::Write as _;

use super::{Finding, Mark, Report, Style, SummaryLine, Table};
use crate::{claim::Verdict, passport::HashError};

/// Head, tables, notes, findings, details and summary, in this order.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, style: Style) -> Result<String, HashError> {
    let mut parts: Vec<String> = Vec::new();
    parts.push(report.head.iter().flat_map(|it| [it.as_str(), "\n"]).collect());
    parts.extend(report.tables.iter().map(|it| table(it, style)));
    parts.extend(report.notes.iter().map(|it| format!("{it}\n")));
    let findings: String = report.findings.iter().map(|it| finding(it, style)).collect();
    parts.push(findings + &report.details);
    parts.push(report.summary.iter().map(|it| summary(it, style)).collect());
    parts.retain(|part| !part.is_empty());
    Ok(parts.join("\n"))
}

/// Rows under headings, each column as wide as its widest cell.
fn table(table: &Table, style: Style) -> String {
    let names = table.rows.iter().map(|row| row.name.len());
    let name_width = names.chain([table.of.len()]).max().unwrap_or_default();
    let mut widths: Vec<usize> = table.columns.iter().map(|it| it.heading.len()).collect();
    for row in &table.rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.len());
        }
    }
    let mut out = String::new();
    if !table.title.is_empty() {
        let _ = writeln!(out, "{}", table.title);
    }
    if table.has_verdicts() {
        let _ = write!(out, "{:<7}  ", "verdict");
    }
    let _ = write!(out, "{:<name_width$}", table.of);
    for (column, width) in table.columns.iter().zip(&widths) {
        let _ = write!(out, "  {:>width$}", column.heading);
    }
    out.push('\n');
    for row in &table.rows {
        if let Some(verdict) = row.verdict {
            let _ = write!(out, "{}  ", padded(verdict, style));
        }
        let _ = write!(out, "{:<name_width$}", row.name);
        for (cell, width) in row.cells.iter().zip(&widths) {
            let _ = write!(out, "  {cell:>width$}");
        }
        out.push('\n');
    }
    for line in &table.lines {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// A line, with its end.
pub(super) fn finding(finding: &Finding, style: Style) -> String {
    let mark = match finding.mark {
        Mark::Verdict(verdict) => padded(verdict, style),
        Mark::Excused(verdict) => dressed(&format!("{:<7}", format!("({verdict})")), verdict, style),
        Mark::Broken => format!("{:<7}", "BROKEN"),
        Mark::Detail => format!("{:<7}", "DETAIL"),
    };
    let message = finding.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    format!("{mark}  {}: {}{message}\n", finding.of, finding.sentence)
}

fn summary(line: &SummaryLine, style: Style) -> String {
    let verdict = line.verdict.map(|it| dressed(&it.to_string(), it, style)).unwrap_or_default();
    format!("{verdict}{}\n", line.text)
}

fn padded(verdict: Verdict, style: Style) -> String {
    dressed(&format!("{verdict:<7}"), verdict, style)
}

fn dressed(text: &str, verdict: Verdict, style: Style) -> String {
    match (style, verdict) {
        (Style::Plain, _) => text.to_owned(),
        (Style::Colour, Verdict::Pass) => format!("\x1b[32m{text}\x1b[0m"),
        (Style::Colour, Verdict::Fail) => format!("\x1b[31m{text}\x1b[0m"),
        (Style::Colour, Verdict::Abstain) => format!("\x1b[33m{text}\x1b[0m"),
    }
}
