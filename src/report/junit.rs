//! `JUnit` XML: a test case for each row of a table, and for what else is at fault.
//!
//! A claim that failed is a failure, what could not be measured an error, and an abstention is skipped.
//! The elements are those that Jenkins, GitLab and others read: `testsuites`, `testsuite`, `testcase`.

use std::fmt::Write as _;

use super::{Finding, Mark, Report, Style, summary::plain};
use crate::{claim::Verdict, passport::HashError, text::in_markup};

/// How a test case came out, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CaseOutcome {
    Passed,
    Skipped,
    Failed,
    Error,
}

impl CaseOutcome {
    const fn of(mark: Mark) -> Self {
        match mark {
            Mark::Broken => Self::Error,
            Mark::Verdict(verdict) => Self::of_verdict(verdict),
            Mark::Excused(_) | Mark::Detail => Self::Passed,
        }
    }

    const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Abstain => Self::Skipped,
            Verdict::Fail => Self::Failed,
        }
    }
}

struct TestCase<'a> {
    sort: &'a str,
    name: &'a str,
    outcome: CaseOutcome,
    findings: Vec<&'a Finding>,
}

/// One suite, named as the title of the report is.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    let cases = cases(report);
    let count = |outcome| cases.iter().filter(|it| it.outcome == outcome).count();
    let totals = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        cases.len(),
        count(CaseOutcome::Failed),
        count(CaseOutcome::Error),
        count(CaseOutcome::Skipped)
    );
    let name = attribute(&report.title);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = totals.rsplit_once(' ').map_or("", |(all, _)| all);
    let _ = writeln!(out, "<testsuites name=\"perf-passport\" {all}>");
    let _ = writeln!(out, "  <testsuite name=\"{name}\" {totals}>");
    for case in &cases {
        case.write(&mut out);
    }
    let notes = report.notes.iter().flat_map(|it| [it.as_str(), "\n"]).collect::<String>();
    let said = notes + &report.summary.iter().map(plain).collect::<String>();
    let _ = writeln!(out, "    <system-out>{}</system-out>", text(said.trim_end()));
    out.push_str("  </testsuite>\n</testsuites>\n");
    Ok(out)
}

/// Rows in their order, then findings of which there is no row.
fn cases<'a>(report: &'a Report<'_>) -> Vec<TestCase<'a>> {
    let mut cases: Vec<TestCase<'a>> = Vec::new();
    for table in &report.tables {
        for row in &table.rows {
            let outcome = row.verdict.map_or(CaseOutcome::Passed, CaseOutcome::of_verdict);
            cases.push(TestCase { sort: table.of, name: &row.name, outcome, findings: Vec::new() });
        }
    }
    for finding in &report.findings {
        let outcome = CaseOutcome::of(finding.mark);
        if let Some(case) = cases.iter_mut().find(|it| it.name == finding.of) {
            case.outcome = case.outcome.max(outcome);
            case.findings.push(finding);
        } else {
            let (sort, name) = ("whole", finding.of.as_str());
            cases.push(TestCase { sort, name, outcome, findings: vec![finding] });
        }
    }
    cases
}

impl TestCase<'_> {
    fn write(&self, out: &mut String) {
        let (name, class) = (attribute(self.name), format!("passport.{}", self.sort));
        let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"");
        let lines: String =
            self.findings.iter().map(|it| super::text::finding(it, Style::Plain)).collect();
        let worst = self.findings.iter().find(|it| CaseOutcome::of(it.mark) == self.outcome);
        let message = worst.map(|it| attribute(&it.sentence)).unwrap_or_default();
        let body = text(lines.trim_end());
        let inside = match self.outcome {
            CaseOutcome::Passed if self.findings.is_empty() => return out.push_str("/>\n"),
            CaseOutcome::Passed => format!("<system-out>{body}</system-out>"),
            // What is skipped has a message and no text.
            CaseOutcome::Skipped => format!("<skipped message=\"{message}\"/>"),
            CaseOutcome::Failed => format!("<failure message=\"{message}\" type=\"claim\">{body}</failure>"),
            CaseOutcome::Error => {
                format!("<error message=\"{message}\" type=\"not-measured\">{body}</error>")
            }
        };
        let _ = writeln!(out, ">{inside}</testcase>");
    }
}

/// Text between elements. What XML cannot hold at all is a question mark.
fn text(text: &str) -> String {
    let plain = |c: char| if c == '\n' || c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    in_markup(&text.chars().map(plain).collect::<String>())
}

/// Text in quotes, on one line.
fn attribute(value: &str) -> String {
    text(value).replace('\n', " ")
}
