//! The comment on a pull request: one line where nothing changed, else what did, and where.
//!
//! All figures are rendered of a passport that was verified. Text in it is a stranger's all the same, and so
//! is each place: it is code in Markdown, printable and cut.

use std::fmt::Write as _;

use super::{
    Finding, Mark, SourcePlace,
    findings::findings,
    markdown::{code, inline},
    outside::{foreign, name},
};
use crate::{
    claim::{Claim, Unit, Verdict},
    passport::{ComparedBuild, Passport, SubjectResult},
    text::counted,
};

/// Where no further line is added; GitHub takes 65,536 characters.
const BYTES_MAX: usize = 50_000;
/// Characters of a commit, as people write it.
const COMMIT_LENGTH: usize = 12;
/// The longest place that is shown.
const PLACE_LENGTH_MAX: usize = 200;

/// What a comment says besides its passport.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommentContext<'a> {
    /// Where in the source subjects got worse.
    pub places: &'a [SourcePlace],
    /// Where the run is shown; a URL that is known to be one.
    pub run_url: Option<&'a str>,
}

/// The body of a comment, as Markdown.
pub fn pull_request_comment(passport: &Passport, context: CommentContext<'_>) -> String {
    let sides = sides(passport);
    let run = context.run_url.map(|url| format!(" [run]({url})")).unwrap_or_default();
    let found = findings(passport);
    let (worse, other): (Vec<&Finding>, Vec<&Finding>) =
        found.iter().filter(|it| it.mark != Mark::Detail).partition(|it| is_worse(it.mark));
    let changes = changes(passport);
    let status = passport.summary.measured_status;
    if found.is_empty() && changes.is_empty() {
        let compared = passport.comparison.is_some() || passport.baseline.is_some();
        let measured = measured(passport);
        let said = if compared {
            format!("nothing changed in {measured}")
        } else {
            format!("{measured} held against budgets alone")
        };
        return format!("**{status}**: {said}, {sides}.{run}\n");
    }
    let mut out = format!("**{status}**: {}, {sides}.{run}\n", measured(passport));
    let lines = worse.iter().map(|it| finding(it, context.places)).collect();
    list(&mut out, "", lines);
    list(&mut out, "Changed, and within what is accepted:", changes);
    let others: Vec<String> = other.iter().map(|it| finding(it, &[])).collect();
    if !others.is_empty() {
        let _ = writeln!(
            out,
            "\n<details><summary>{} not decided or not required</summary>",
            others.len()
        );
        list(&mut out, "", others);
        out.push_str("\n</details>\n");
    }
    out
}

const fn is_worse(mark: Mark) -> bool {
    matches!(mark, Mark::Broken | Mark::Verdict(Verdict::Fail))
}

/// How many subjects there are.
fn measured(passport: &Passport) -> String {
    let checks = passport.test_results.len() as u64;
    let cases = passport.operation_cases().count() as u64;
    match (checks, cases) {
        (_, 0) => counted(checks, "check"),
        (0, _) => counted(cases, "operation"),
        _ => format!("{} and {}", counted(checks, "check"), counted(cases, "operation")),
    }
}

/// `abc1234 against main (def5678)`.
fn sides(passport: &Passport) -> String {
    let short = |commit: &str| code(commit.get(..COMMIT_LENGTH).unwrap_or(commit));
    let build = |it: &ComparedBuild| match &it.commit {
        Some(commit) => short(&name(commit)),
        None => code(&name(&it.label)),
    };
    if let Some(it) = &passport.comparison {
        return format!("{} against {}", build(&it.current), build(&it.baseline));
    }
    let commit = passport.provenance.source.commit.as_deref().unwrap_or("unknown");
    format!("commit {}", short(&name(commit)))
}

/// A line of what is at fault, and where it is from.
fn finding(finding: &Finding, places: &[SourcePlace]) -> String {
    let mark = match finding.mark {
        Mark::Verdict(verdict) => verdict.to_string(),
        Mark::Excused(verdict) => format!("({verdict})"),
        Mark::Broken | Mark::Detail => "BROKEN".to_owned(),
    };
    let place = places.iter().find(|it| it.subject == finding.of).map(place).unwrap_or_default();
    let message = finding.message.as_ref().map(|it| format!(": {}", code(it))).unwrap_or_default();
    format!("**{mark}** {} {}{message}{place}", code(&finding.of), inline(&finding.sentence))
}

/// `; in orders::list at src/orders.rs:88`.
fn place(place: &SourcePlace) -> String {
    let shown = |text: &str| code(&foreign(text, PLACE_LENGTH_MAX));
    let line = place.line.map(|it| format!(":{it}")).unwrap_or_default();
    let file = place.file.as_ref().map(|it| format!(" at {}", shown(&format!("{it}{line}"))));
    format!("; in {}{}", shown(&place.function), file.unwrap_or_default())
}

/// Exact counts that are not those of the baseline, and at fault nowhere.
fn changes(passport: &Passport) -> Vec<String> {
    let mut lines = Vec::new();
    for subject in passport.subjects() {
        let claims = subject.claims().iter().filter(|it| it.kind.is_change() && !it.is_at_fault());
        lines.extend(claims.filter_map(|it| change(subject, it)));
    }
    lines
}

fn change(subject: SubjectResult<'_>, claim: &Claim) -> Option<String> {
    let (now, before) = claim.observed.zip(claim.limit)?;
    let is_exact = matches!(claim.unit, Unit::Count | Unit::Bytes);
    (is_exact && now != before).then(|| {
        let (of, what) = (code(&name(subject.id().name())), claim.kind);
        format!(
            "{of} {what} {} -> {} ({:+})",
            claim.show_limit(),
            claim.show_observed(),
            now - before
        )
    })
}

/// A list under a line, as long as there is room, and how many more there are.
fn list(out: &mut String, heading: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    if !heading.is_empty() {
        let _ = writeln!(out, "\n{heading}");
    }
    out.push('\n');
    let all = lines.len();
    for (shown, line) in lines.into_iter().enumerate() {
        if out.len() + line.len() > BYTES_MAX {
            let _ = writeln!(out, "- and {} more", all - shown);
            return;
        }
        let _ = writeln!(out, "- {line}");
    }
}
