//! A passport as lines for a terminal or a log.

use std::fmt::Write as _;

use super::operations;
use crate::{
    claim::{Claim, Verdict},
    contract::ClaimKind,
    evidence::Range,
    passport::{Difference, Gate, Passport, TestResult},
    text::{counted, escaped, printable},
    units::{Count, Nanos},
};

/// How lines are dressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain ASCII.
    Plain,
    /// With ANSI colours, for a terminal.
    Colour,
}

impl Style {
    pub(super) fn verdict(self, verdict: Verdict) -> String {
        let padded = format!("{verdict:<7}");
        match (self, verdict) {
            (Self::Plain, _) => padded,
            (Self::Colour, Verdict::Pass) => format!("\x1b[32m{padded}\x1b[0m"),
            (Self::Colour, Verdict::Fail) => format!("\x1b[31m{padded}\x1b[0m"),
            (Self::Colour, Verdict::Abstain) => format!("\x1b[33m{padded}\x1b[0m"),
        }
    }
}

/// A line of a table: what it is of, its verdict and its cells.
pub(super) struct Row<const N: usize> {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    pub(super) cells: [String; N],
}

/// Lines under headings, each column as wide as its widest cell.
pub(super) fn lines<const N: usize>(
    of: &str,
    headings: [&str; N],
    rows: &[Row<N>],
    style: Style,
) -> String {
    let name_width = rows.iter().map(|row| row.name.len()).chain([of.len()]).max();
    let name_width = name_width.unwrap_or_default();
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.len());
        }
    }
    let mut out = format!("{:<7}  {of:<name_width$}", "verdict");
    for (heading, width) in headings.iter().zip(widths) {
        let _ = write!(out, "  {heading:>width$}");
    }
    out.push('\n');
    for row in rows {
        let _ = write!(out, "{}  {:<name_width$}", style.verdict(row.verdict), row.name);
        for (cell, width) in row.cells.iter().zip(widths) {
            let _ = write!(out, "  {cell:>width$}");
        }
        out.push('\n');
    }
    out
}

/// Longer than any name that a contract can give.
const NAME_LENGTH_MAX: usize = 160;

const HEADINGS: [&str; 6] = ["status", "allocations", "peak heap", "p50", "p99", "samples"];

/// One line for each check, under headings; empty where the contract has operations alone.
pub fn passport_table(passport: &Passport, style: Style) -> String {
    if passport.test_results.is_empty() && !passport.operations.is_empty() {
        return String::new();
    }
    let rows: Vec<Row<6>> = passport.test_results.iter().map(row).collect();
    lines("check", HEADINGS, &rows, style)
}

/// The columns that are compared with the baseline's show the change, such as `67 (+1)`.
fn row(result: &TestResult) -> Row<6> {
    let status = result.evidence.behaviour.as_ref().map(|it| match it.status_unexpected {
        Some(status) => status.to_string(),
        None => it.response.status.to_string(),
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let quantile = |get: fn(&crate::passport::LatencySummary) -> Option<Nanos>| {
        or_dash(result.latency.as_ref().and_then(get).map(|it| it.to_string()))
    };
    let samples = result.latency.map_or(Count::ZERO, |it| it.samples);
    Row {
        name: name(&result.test_name),
        verdict: result.status,
        cells: [
            or_dash(status),
            with_change(result, ClaimKind::Allocations, ClaimKind::AllocationsChange),
            with_change(result, ClaimKind::Heap, ClaimKind::HeapChange),
            quantile(|it| it.p50_ns),
            quantile(|it| it.p99_ns),
            samples.to_string(),
        ],
    }
}

/// The name of a check, as text from outside: a stranger's passport may name it anything.
pub(super) fn name(test_name: &str) -> String {
    printable(test_name.as_bytes(), NAME_LENGTH_MAX)
}

fn claim(result: &TestResult, kind: ClaimKind) -> Option<&Claim> {
    result.claims.iter().find(|claim| claim.kind == kind)
}

fn with_change(result: &TestResult, kind: ClaimKind, change: ClaimKind) -> String {
    let Some(claim) = claim(result, kind) else { return "-".to_owned() };
    let shown = claim.show_observed();
    let change = self::claim(result, change);
    let figures = change.and_then(|it| it.observed.zip(it.limit));
    match figures {
        Some((now, before)) if now != before => format!("{shown} ({:+})", now - before),
        _ => shown,
    }
}

/// What must be equal on every run of the same code: the passport hash, and under it the counts
/// that it covers, so that a snapshot's diff shows which check changed and by how much.
pub fn exact_counts(passport: &Passport) -> String {
    let mut out = format!("passport hash {}\n\n", passport.passport_hash);
    let width = passport.test_results.iter().map(|it| it.test_name.len()).max().unwrap_or(0);
    let _ = writeln!(
        out,
        "{:<width$}  status  allocations  allocated B  peak heap B  body B  body SHA-256",
        "check"
    );
    for result in &passport.test_results {
        let evidence = &result.evidence;
        let counts = evidence.counts.as_ref();
        let range = |it: Option<Range>| it.map_or("-".to_owned(), |it| it.to_string());
        let response = evidence.behaviour.as_ref().map(|it| &it.response);
        let _ = writeln!(
            out,
            "{:<width$}  {:>6}  {:>11}  {:>11}  {:>11}  {:>6}  {}",
            result.test_name,
            response.map_or(0, |it| it.status),
            range(counts.map(|it| it.allocations)),
            range(counts.and_then(|it| it.allocated_bytes)),
            range(counts.and_then(|it| it.heap_peak_bytes)),
            response.map_or(0, |it| it.body_bytes.get()),
            response.and_then(|it| it.body_sha256.get(..16)).unwrap_or("-"),
        );
    }
    out
}

/// The last lines of a report: totals, hashes, and what a gate decides of what was measured.
pub fn summary_lines(passport: &Passport, style: Style) -> String {
    totals(passport, style, passport.gate_of_measured())
}

/// The same with what a gate decides of the contract as a whole.
pub fn whole_summary_lines(passport: &Passport, style: Style) -> String {
    totals(passport, style, passport.gate())
}

fn totals(passport: &Passport, style: Style, gate: Gate) -> String {
    let summary = &passport.summary;
    let mut out = operations::summary_line(passport);
    if passport.test_results.is_empty() && !out.is_empty() {
        return out + &verdict_lines(passport, style, gate);
    }
    let _ = writeln!(
        out,
        "{}: {} passed, {} failed, {} abstained; {} performance and {} memory regressions; \
         {:.1} % deterministic",
        counted(summary.total_tests, "check"),
        summary.passed_tests,
        summary.failed_tests,
        summary.abstained_tests,
        summary.performance_regressions,
        summary.memory_regressions,
        summary.deterministic_score
    );
    out + &verdict_lines(passport, style, gate)
}

/// Hashes, and what a gate decides.
fn verdict_lines(passport: &Passport, style: Style, gate: Gate) -> String {
    let mut out = format!("passport hash {}\n", passport.passport_hash);
    if let Some(baseline) = &passport.baseline {
        let relation = if baseline.passport_hash == passport.passport_hash {
            "equal".to_owned()
        } else {
            escaped(&baseline.passport_hash)
        };
        let _ = writeln!(out, "baseline hash {relation}");
        // The baseline of a comparison is asked for its responses and counts; too few samples are
        // taken of it to prove anything of its latency.
        let proves_too_little =
            passport.comparison.is_some() && baseline.overall_status == Verdict::Abstain;
        if baseline.overall_status != Verdict::Pass && !proves_too_little {
            let _ = writeln!(out, "the baseline is itself {}", baseline.overall_status);
        }
        if !baseline.same_build {
            out.push_str("the baseline is of another toolchain, profile, target or database\n");
        }
        if !baseline.same_contract {
            out.push_str("the baseline was made for another version of the contract\n");
        }
    }
    let mut gate = match gate {
        Gate::Pass => style.verdict(Verdict::Pass).trim_end().to_owned(),
        Gate::Fail => {
            format!("{}: a required claim failed", style.verdict(Verdict::Fail).trim_end())
        }
        Gate::NotMeasured if !passport.complete => {
            "INCOMPLETE: the run was cut short, so it proves nothing as a whole".to_owned()
        }
        Gate::NotMeasured => "NOT MEASURED: see the lines marked BROKEN".to_owned(),
        Gate::Abstain => {
            format!(
                "{}: a required claim is not proved",
                style.verdict(Verdict::Abstain).trim_end()
            )
        }
    };
    for (left_out, what) in [
        (passport.checks_left_out.len(), "check"),
        (passport.operations_left_out.len(), "operation"),
    ] {
        if left_out > 0 {
            let left_out = counted(left_out as u64, what);
            let _ = write!(gate, " ({left_out} left out, of which nothing is said)");
        }
    }
    let _ = writeln!(out, "{gate}");
    out
}

/// One line for each difference between two passports.
pub fn differences(found: &[Difference]) -> String {
    let mut out = String::new();
    for it in found {
        let (before, after) = (escaped(&it.before), escaped(&it.after));
        let _ = writeln!(out, "{}: {}: {before} -> {after}", name(&it.test_name), it.subject);
    }
    out
}
