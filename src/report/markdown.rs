//! Tables and a list, for a pull request or a summary of a job.

use std::fmt::Write as _;

use super::{Finding, Mark, Report, Style, Table};
use crate::passport::HashError;

/// A heading, then what text has. Columns of detail are left out.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    let mut out = format!("## {}\n", inline(&report.title));
    for line in &report.head {
        let _ = writeln!(out, "\n{}", inline(line));
    }
    for table in &report.tables {
        out.push_str(&self::table(table));
    }
    for note in &report.notes {
        let _ = writeln!(out, "\n{}", inline(note));
    }
    for finding in &report.findings {
        out.push_str(&self::finding(finding));
    }
    if !report.details.is_empty() {
        let fence = fence(&report.details);
        let _ = writeln!(out, "\n{fence}text\n{}\n{fence}", report.details.trim_end());
    }
    for line in &report.summary {
        let verdict = line.verdict.map(|it| format!("**{it}**")).unwrap_or_default();
        let _ = writeln!(out, "\n{verdict}{}", inline(&line.text));
    }
    Ok(out)
}

fn table(table: &Table) -> String {
    let shown: Vec<bool> = table.columns.iter().map(|it| !it.is_detail).collect();
    let headings = table.columns.iter().filter(|it| !it.is_detail).map(|it| it.heading);
    let mut out = String::new();
    if !table.title.is_empty() {
        let _ = writeln!(out, "\n### {}", table.title);
    }
    let verdict = if table.has_verdicts() { " verdict |" } else { "" };
    let _ = write!(out, "\n|{verdict} {} |", table.of);
    for heading in headings {
        let _ = write!(out, " {heading} |");
    }
    let words = 1 + usize::from(table.has_verdicts());
    let figures = shown.iter().filter(|it| **it).count();
    let _ = writeln!(out, "\n|{}{}", "---|".repeat(words), "---:|".repeat(figures));
    for row in &table.rows {
        let verdict = row.verdict.map(|it| format!(" {it} |")).unwrap_or_default();
        let _ = write!(out, "|{verdict} {} |", code(&row.name));
        for (cell, _) in row.cells.iter().zip(&shown).filter(|(_, shown)| **shown) {
            let _ = write!(out, " {} |", inline(cell));
        }
        out.push('\n');
    }
    for line in &table.lines {
        let _ = writeln!(out, "\n{}", inline(line));
    }
    out
}

fn finding(finding: &Finding) -> String {
    let mark = match finding.mark {
        Mark::Verdict(verdict) => verdict.to_string(),
        Mark::Excused(verdict) => format!("({verdict})"),
        Mark::Broken => "BROKEN".to_owned(),
        Mark::Detail => "DETAIL".to_owned(),
    };
    let message = finding.message.as_ref().map(|it| format!(": {}", code(it))).unwrap_or_default();
    format!("\n- **{mark}** {} {}{message}\n", code(&finding.of), inline(&finding.sentence))
}

/// Text as code, in a table too. A backtick would end the code, and a bar the cell.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace(['`', '|'], "?"))
}

/// A sentence whose backticks mean code: outside of them nothing is markup.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.matches('`').count();
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            out.push('`');
        }
        // Behind a backtick that nothing ends, there is no code.
        let is_code = index % 2 == 1 && index < last;
        for c in part.chars() {
            match c {
                '|' => out.push_str(if is_code { "?" } else { "\\|" }),
                '&' if !is_code => out.push_str("&amp;"),
                '<' if !is_code => out.push_str("&lt;"),
                // A stranger would be called, or an issue linked.
                '@' if !is_code => out.push_str("&#64;"),
                '#' if !is_code => out.push_str("&#35;"),
                '[' | ']' | '*' | '_' | '~' | '\\' if !is_code => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
    }
    out
}

/// Backticks that the text does not have so many of in a row.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        claim::Verdict,
        report::{Column, Document, Row},
    };

    #[test]
    fn text_from_outside_is_no_markup() {
        let hostile = "<b>|@all #1 [x](http://y) *a* _b_ \\";
        let shown = inline(hostile);
        for markup in ["<b>", " @all", " #1", " [x]", " *a", " _b", "<b>|"] {
            assert!(!shown.contains(markup), "{markup}: {shown}");
        }
        assert_eq!(code("a`b|c"), "`a?b?c`");
        assert_eq!(inline("see `a_b` and c_d"), "see `a_b` and c\\_d");
        assert_eq!(inline("`a` and `<b>"), "`a` and `&lt;b>");
        assert_eq!(fence("a ```` b"), "`````");
    }

    #[test]
    fn a_table_leaves_details_out() {
        let mut report = Report::new("PASS: a".to_owned(), Document::Json("{}".to_owned()));
        report.tables.push(Table {
            title: "",
            of: "check",
            columns: vec![Column::new("p50"), Column::detail("odd"), Column::new("p99")],
            rows: vec![Row {
                name: "a/b".to_owned(),
                verdict: Some(Verdict::Pass),
                cells: ["1", "2", "3"].map(str::to_owned).to_vec(),
            }],
            lines: Vec::new(),
        });
        let expected = "## PASS: a\n\n| verdict | check | p50 | p99 |\n|---|---|---:|---:|\n\
                        | PASS | `a/b` | 1 | 3 |\n";
        assert_eq!(render(&report, Style::Plain).unwrap(), expected);
    }
}
