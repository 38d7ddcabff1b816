//! The last lines of a report: totals, hashes, and what a gate decides.

use std::fmt::Write as _;

use super::{SummaryLine, outside::name, production};
use crate::{
    claim::Verdict,
    passport::{Gate, Passport, ProbeKind},
    text::counted,
};

/// What of a contract the last line of a report judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What was selected and measured.
    Measured,
    /// The contract as a whole.
    Whole,
}

/// Totals of operations and checks, the hashes, what is odd about the baseline, and the gate.
pub(super) fn lines(passport: &Passport, scope: Scope) -> Vec<SummaryLine> {
    let gate = match scope {
        Scope::Measured => passport.gate_of_measured(),
        Scope::Whole => passport.gate(),
    };
    let mut lines: Vec<String> =
        operations(passport).into_iter().chain(production::summary(passport)).collect();
    if !passport.test_results.is_empty() || lines.is_empty() {
        lines.push(checks(passport));
    }
    // That of what is equal on every run says nothing of a service that runs: no two times are equal.
    lines.push(match &passport.production {
        Some(_) => format!("evidence hash {}", name(&passport.evidence_hash)),
        None => format!("passport hash {}", name(&passport.passport_hash)),
    });
    lines.extend(baseline(passport));
    let mut lines: Vec<SummaryLine> = lines.into_iter().map(SummaryLine::plain).collect();
    lines.push(gate_line(passport, gate));
    lines
}

/// A line of a summary as plain text, with its end.
pub(super) fn plain(line: &SummaryLine) -> String {
    let verdict = line.verdict.map(|it| it.to_string()).unwrap_or_default();
    format!("{verdict}{}\n", line.text)
}

fn operations(passport: &Passport) -> Option<String> {
    let summary = passport.summary.operations.as_ref()?;
    Some(format!(
        "{}: {} passed, {} failed, {} abstained",
        counted(summary.total.get(), "operation"),
        summary.passed,
        summary.failed,
        summary.abstained
    ))
}

fn checks(passport: &Passport) -> String {
    let summary = &passport.summary;
    format!(
        "{}: {} passed, {} failed, {} abstained; {} performance and {} memory regressions; \
         {:.1} % deterministic",
        counted(summary.total_tests, "check"),
        summary.passed_tests,
        summary.failed_tests,
        summary.abstained_tests,
        summary.performance_regressions,
        summary.memory_regressions,
        summary.deterministic_score
    )
}

/// How the baseline's hash relates to the passport's, and what is odd about the baseline.
fn baseline(passport: &Passport) -> Vec<String> {
    let Some(baseline) = &passport.baseline else { return Vec::new() };
    let is_equal = baseline.passport_hash == passport.passport_hash;
    let hash = if is_equal { "equal".to_owned() } else { name(&baseline.passport_hash) };
    let mut lines = vec![format!("baseline hash {hash}")];
    // The baseline of a comparison is asked for its responses and counts; too few samples are
    // taken of it to prove anything of its latency.
    let proves_too_little =
        passport.comparison.is_some() && baseline.overall_status == Verdict::Abstain;
    if baseline.overall_status != Verdict::Pass && !proves_too_little {
        lines.push(format!("the baseline is itself {}", baseline.overall_status));
    }
    if !baseline.same_build {
        lines.push("the baseline is of another toolchain, profile, target or database".to_owned());
    }
    if !baseline.same_contract {
        lines.push("the baseline was made for another version of the contract".to_owned());
    }
    lines
}

/// Whether the contract has a list of required claims, which is empty.
fn requires_nothing(passport: &Passport) -> bool {
    let required = passport.contract.as_ref().and_then(|it| it.document.required.as_ref());
    required.is_some_and(Vec::is_empty)
}

fn gate_line(passport: &Passport, gate: Gate) -> SummaryLine {
    let (verdict, text) = match gate {
        Gate::Pass => (Some(Verdict::Pass), ""),
        Gate::Fail => (Some(Verdict::Fail), ": a required claim failed"),
        Gate::Abstain if requires_nothing(passport) => {
            (Some(Verdict::Abstain), ": the contract requires no claim, so nothing is proved")
        }
        Gate::Abstain => (Some(Verdict::Abstain), ": a required claim is not proved"),
        Gate::NotMeasured if passport.provenance.probe == ProbeKind::Imported => {
            (None, "IMPORTED: figures without evidence, which prove nothing")
        }
        Gate::NotMeasured if !passport.complete => {
            (None, "INCOMPLETE: the run was cut short, so it proves nothing as a whole")
        }
        Gate::NotMeasured => (None, "NOT MEASURED: see the lines marked BROKEN"),
    };
    let mut text = text.to_owned();
    for (left_out, what) in [
        (passport.checks_left_out.len(), "check"),
        (passport.operations_left_out.len(), "operation"),
    ] {
        if left_out > 0 {
            let left_out = counted(left_out as u64, what);
            let _ = write!(text, " ({left_out} left out, of which nothing is said)");
        }
    }
    SummaryLine { verdict, text }
}
