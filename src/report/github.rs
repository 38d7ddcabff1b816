//! Annotations of GitHub Actions: workflow commands, a line for each, the worst first.
//!
//! GitHub shows ten of each kind for a step. So the worst ten are printed, and how many more there are.

use std::fmt::Write as _;

use super::{Finding, Mark, Report, SourcePlace, Style, summary::plain};
use crate::{claim::Verdict, passport::HashError, text::escaped};

/// How many of a kind GitHub shows for a step.
const SHOWN_MAX: usize = 10;

const KINDS: [&str; 3] = ["error", "warning", "notice"];

/// Errors, then warnings, then notices, and the last line of the summary as a plain line.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    let mut out = String::new();
    for kind in KINDS {
        let of_kind: Vec<&Finding> =
            report.findings.iter().filter(|it| kind_of(it.mark) == Some(kind)).collect();
        // The last of ten says how many there are besides.
        let shown = if of_kind.len() > SHOWN_MAX { SHOWN_MAX - 1 } else { of_kind.len() };
        for finding in &of_kind[..shown] {
            let place = report.places.iter().find(|it| it.subject == finding.of);
            out.push_str(&annotation(kind, finding, place));
        }
        if of_kind.len() > shown {
            let more = of_kind.len() - shown;
            let _ = writeln!(out, "::{kind} title=perf-passport::and {more} more of this kind");
        }
    }
    // A log may take a line that begins with `::` for a command; none of ours does.
    out.extend(report.summary.iter().map(plain));
    Ok(out)
}

/// `None` of what only says more of a finding before it.
const fn kind_of(mark: Mark) -> Option<&'static str> {
    match mark {
        Mark::Broken | Mark::Verdict(Verdict::Fail) => Some("error"),
        Mark::Verdict(Verdict::Abstain) => Some("warning"),
        Mark::Verdict(Verdict::Pass) | Mark::Excused(_) => Some("notice"),
        Mark::Detail => None,
    }
}

fn annotation(kind: &str, finding: &Finding, place: Option<&SourcePlace>) -> String {
    let mut properties = vec![format!("title={}", property(&finding.of))];
    if let Some((file, line)) = place.and_then(|it| Some((it.file.as_ref()?, it.line))) {
        properties.push(format!("file={}", property(&escaped(file))));
        properties.extend(line.map(|line| format!("line={line}")));
    }
    let said = finding.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    let message = data(&format!("{}{said}", finding.sentence));
    format!("::{kind} {}::{message}\n", properties.join(","))
}

/// The message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command, which a colon or a comma would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Document;

    fn finding(mark: Mark, of: &str) -> Finding {
        let sentence = "latency 5 ms: 100 % too long\n::error::x".to_owned();
        Finding { mark, of: of.to_owned(), sentence, message: None }
    }

    fn rendered(findings: Vec<Finding>, places: Vec<SourcePlace>) -> String {
        let document = Document::Json(String::new());
        let report = Report { findings, places, ..Report::new(String::new(), document) };
        render(&report, Style::Plain).unwrap()
    }

    #[test]
    fn a_name_ends_no_property_and_a_message_no_line() {
        let place = SourcePlace {
            subject: "a:b,c".to_owned(),
            function: "f".to_owned(),
            file: Some("src/a,b.rs".to_owned()),
            line: Some(7),
        };
        let text = rendered(vec![finding(Mark::Verdict(Verdict::Fail), "a:b,c")], vec![place]);
        let expected = "::error title=a%3Ab%2Cc,file=src/a%2Cb.rs,line=7::latency 5 ms: 100 %25 too \
                        long%0A::error::x\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_worst_come_first_and_the_rest_is_counted() {
        let mut findings = vec![finding(Mark::Excused(Verdict::Fail), "c")];
        findings.extend((0..12).map(|_| finding(Mark::Verdict(Verdict::Abstain), "b")));
        findings.push(finding(Mark::Detail, "d"));
        findings.push(finding(Mark::Broken, "a"));
        let text = rendered(findings, Vec::new());
        let kinds: Vec<&str> = text.lines().map(|it| it.split(' ').next().unwrap()).collect();
        assert_eq!(kinds[0], "::error");
        assert_eq!(kinds[1..11], ["::warning"; 10]);
        assert_eq!(kinds[11..], ["::notice"]);
        assert!(text.contains("::warning title=perf-passport::and 3 more of this kind\n"), "{text}");
    }
}
