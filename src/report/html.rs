//! One page: what needs a look first, then tables, notes and what a gate decides.
//!
//! It loads nothing and runs nothing: its content security policy allows its own style and no more. It reads
//! in the dark, in print, by keyboard and aloud. Verdicts are words before they are colours.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Finding, Mark, Report, Scope, Style, SummaryLine, Table};
use crate::{
    claim::Verdict,
    passport::{HashError, Passport},
    text::{base64, in_markup as escape},
};

/// The page of one passport: of a comparison with what changed, else with what was measured.
pub fn page(passport: &Passport) -> String {
    let report = if passport.comparison.is_some() {
        Report::of_comparison(passport, "")
    } else {
        Report::of_passport(passport, Scope::Measured)
    };
    document(&report)
}

#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    Ok(document(report))
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--faint:#5b6470;--rule:#d0d7de;--good:#0b6b3a;\
--bad:#a40e26;--open:#7a4b00;--band:#f6f8fa}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--faint:#9aa5b1;--rule:#30363d;\
--good:#56d38a;--bad:#ff8a80;--open:#f0b95b;--band:#161b22}}\
*{box-sizing:border-box}\
body{margin:0 auto;padding:1rem;max-width:75rem;color:var(--ink);background:var(--paper);\
font:1rem/1.5 system-ui,sans-serif}\
h1{font-size:1.4rem;line-height:1.25;margin:.5rem 0 1rem;overflow-wrap:anywhere}\
h2{font-size:1.1rem;margin:2rem 0 .5rem}\
p{margin:.4rem 0;overflow-wrap:anywhere}\
code,td,pre{font-family:ui-monospace,monospace;font-size:.9rem}\
.scroll{overflow-x:auto}\
.scroll:focus-visible{outline:2px solid var(--open);outline-offset:2px}\
table{border-collapse:collapse;width:100%}\
caption{text-align:left;color:var(--faint);padding:.2rem 0}\
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}\
th{font-weight:600;font-size:.85rem;background:var(--band)}\
th[scope=row]{text-align:left;background:none;font-family:ui-monospace,monospace;white-space:normal;\
overflow-wrap:anywhere;min-width:12rem}\
td.v,th.v{text-align:left}\
ul{list-style:none;padding:0;margin:0}\
li{border-left:.3rem solid var(--rule);padding:.3rem .8rem;margin:.5rem 0;background:var(--band);\
overflow-wrap:anywhere}\
li.bad{border-color:var(--bad)}li.open{border-color:var(--open)}\
b.good{color:var(--good)}b.bad{color:var(--bad)}b.open{color:var(--open)}\
pre{overflow-x:auto;padding:.8rem;background:var(--band);border:1px solid var(--rule)}\
.faint{color:var(--faint)}\
@media print{body{max-width:none;padding:0;font-size:10pt}.scroll{overflow:visible}\
th,td{white-space:normal;padding:.2rem .3rem}th[scope=row]{min-width:0}li,tr{break-inside:avoid}}\
";

/// A whole document.
fn document(report: &Report<'_>) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(STYLE))
    );
    let _ = writeln!(
        out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>",
        title = escape(&report.title.replace('`', ""))
    );
    for line in &report.head {
        let _ = writeln!(out, "<p>{}</p>", sentence(line));
    }
    let total = report.summary.last().map(summary).unwrap_or_default();
    out.push_str(&total);
    findings(&mut out, &report.findings);
    for it in &report.tables {
        table(&mut out, it);
    }
    if !report.details.is_empty() {
        let details = escape(report.details.trim_end());
        let _ = writeln!(out, "<h2>Causes</h2>\n<pre tabindex=\"0\">{details}</pre>");
    }
    if !report.notes.is_empty() {
        out.push_str("<h2>Notes</h2>\n");
        for note in &report.notes {
            let _ = writeln!(out, "<p>{}</p>", sentence(note));
        }
    }
    let others = report.summary.split_last().map_or(&[][..], |(_, others)| others);
    if !others.is_empty() {
        out.push_str("<h2>Summary</h2>\n");
        out.extend(others.iter().map(summary));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// What needs a look, one by one.
fn findings(out: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    out.push_str("<h2>What needs a look</h2>\n<ul>\n");
    for finding in findings {
        let (class, mark) = match finding.mark {
            Mark::Verdict(Verdict::Fail) => ("bad", "FAIL".to_owned()),
            Mark::Verdict(verdict) => ("open", verdict.to_string()),
            Mark::Excused(verdict) => ("excused", format!("({verdict})")),
            Mark::Broken => ("bad", "BROKEN".to_owned()),
            Mark::Detail => ("detail", "DETAIL".to_owned()),
        };
        let message = finding.message.as_ref().map(|it| format!(": <code>{}</code>", escape(it)));
        let _ = writeln!(
            out,
            "<li class=\"{class}\"><b class=\"{class}\">{mark}</b> <code>{}</code> {}{}</li>",
            escape(&finding.of),
            sentence(&finding.sentence),
            message.unwrap_or_default()
        );
    }
    out.push_str("</ul>\n");
}

fn table(out: &mut String, table: &Table) {
    let heading = if table.title.is_empty() { format!("{}s", capital(table.of)) } else { capital(table.title) };
    // A table that is wider than a phone is scrolled, by keyboard too.
    let _ = writeln!(
        out,
        "<h2>{heading}</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{heading}\">\n\
         <table>\n<thead><tr><th scope=\"col\" class=\"v\">{}</th>",
        escape(table.of)
    );
    if table.has_verdicts() {
        out.push_str("<th scope=\"col\" class=\"v\">verdict</th>");
    }
    for column in &table.columns {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(column.heading));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(&row.name));
        if let Some(verdict) = row.verdict {
            let _ = write!(out, "<td class=\"v\">{}</td>", coloured(verdict));
        }
        for cell in &row.cells {
            let _ = write!(out, "<td>{}</td>", escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    for line in &table.lines {
        let _ = writeln!(out, "<p class=\"faint\">{}</p>", sentence(line));
    }
}

fn summary(line: &SummaryLine) -> String {
    let verdict = line.verdict.map(coloured).unwrap_or_default();
    format!("<p>{verdict}{}</p>\n", sentence(&line.text))
}

fn coloured(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Pass => "good",
        Verdict::Fail => "bad",
        Verdict::Abstain => "open",
    };
    format!("<b class=\"{class}\">{verdict}</b>")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|it| it.to_ascii_uppercase());
    escape(&first.into_iter().chain(chars).collect::<String>())
}

/// A sentence whose backticks mean code.
fn sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.matches('`').count();
    for (index, part) in text.split('`').enumerate() {
        let is_code = index % 2 == 1 && index < last;
        let part = escape(part);
        if is_code {
            let _ = write!(out, "<code>{part}</code>");
        } else {
            // Behind a backtick that nothing ends there is no code.
            let lone = if index % 2 == 1 { "`" } else { "" };
            let _ = write!(out, "{lone}{part}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(sentence("see `<a>` and `b"), "see <code>&lt;a&gt;</code> and `b");
    }
}
