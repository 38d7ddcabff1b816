//! What two builds took side by side, for a terminal and for a pull request.

use std::{collections::BTreeMap, fmt::Write as _};

use super::faults;
use crate::{
    claim::{Claim, Reason, Verdict},
    contract::ClaimKind,
    paired::{Decision, Effect, Paired, TimeOf, decide, decide_instructions},
    passport::{Comparison, Passport, SubjectResult},
    text::escaped,
};

/// A line for each check and each operation at a size: its verdict, the change of latency with its
/// bounds, what an unchanged copy and an injected slowdown looked like in the same sessions, and the
/// changes of instructions and allocations. Empty for a passport of no comparison.
pub fn comparison_table(passport: &Passport) -> String {
    let Some(comparison) = &passport.comparison else { return String::new() };
    let mut out = format!(
        "{:8} {:26} {:>8} {:>18} {:>8} {:>8} {:>10} {:>8} {:>12} {:>12}\n",
        "verdict",
        "check",
        "latency",
        "between",
        "unchanged",
        "injected",
        "detectable",
        "sessions",
        "instructions",
        "allocations"
    );
    for row in rows(passport, comparison) {
        let _ = writeln!(
            out,
            "{:8} {:26} {:>8} {:>18} {:>8} {:>8} {:>10} {:>8} {:>12} {:>12}",
            row.status,
            escaped(row.name),
            row.latency,
            row.between,
            row.unchanged,
            row.injected,
            row.detectable,
            row.sessions,
            row.instructions,
            row.allocations,
        );
    }
    for note in notes(comparison, passport) {
        let _ = writeln!(out, "\n{note}");
    }
    out
}

/// Checks whose share of the round trip is shown, at most.
const SHARES_MAX: usize = 3;

/// What the table does not say of instructions: why they were not counted, and what the counts show
/// that decide nothing.
fn notes_on_instructions(comparison: &Comparison, passport: &Passport) -> Vec<String> {
    let mut notes = Vec::new();
    let mut uncounted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for result in &passport.test_results {
        let Some(counts) = &result.instructions else { continue };
        let name = escaped(&result.test_name);
        if let Some(why) = &counts.uncounted {
            uncounted.entry(&why.message).or_default().push(name);
            continue;
        }
        let tolerance = result.tolerance.map(|it| it.of_instructions()).unwrap_or_default();
        let vary = result.claims.iter().any(|it| it.reason == Reason::CountsVary);
        let decision = decide_instructions(&comparison.policy, tolerance, counts);
        if let Some(decision) = decision.filter(|_| vary) {
            notes.push(format!(
                "instructions of {name}: between {} and {}, as those of one build vary; {} would be \
                 found",
                percent(decision.change.lower),
                percent(decision.change.upper),
                percent(decision.detectable(tolerance)),
            ));
        }
    }
    for (message, names) in uncounted {
        let of = if names.len() == passport.test_results.len() {
            String::new()
        } else {
            format!(" ({})", shown(&names))
        };
        notes.push(format!("{}{of}", escaped(message)));
    }
    notes
}

/// The first names, and how many more there are.
fn shown(names: &[String]) -> String {
    let first = names.get(..SHARES_MAX).unwrap_or(names).join(", ");
    let more = names.len().saturating_sub(SHARES_MAX);
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// What the table does not say: which checks are not in it, what latencies over HTTP are of, with a
/// sentence for each kind, that servers were not started, and of instructions.
fn notes(comparison: &Comparison, passport: &Passport) -> Vec<String> {
    let results = || passport.test_results.iter().filter_map(|it| Some((it, it.paired.as_ref()?)));
    let mut notes = Vec::new();
    for time in [TimeOf::Service, TimeOf::AboveFloor, TimeOf::RoundTrip] {
        let of_kind: Vec<String> = results()
            .filter_map(|(result, paired)| {
                let session = paired.sessions.first()?;
                let http = session.http.filter(|http| http.time == time)?;
                let name = escaped(&result.test_name);
                Some(match time {
                    TimeOf::RoundTrip => format!("{name} {}", http.round_trip_ns),
                    TimeOf::Service | TimeOf::AboveFloor => {
                        format!("{name} {} of {}", session.baseline_ns, http.round_trip_ns)
                    }
                })
            })
            .collect();
        let says = match time {
            TimeOf::Service => "of the time that the services tell, which is of the round trip",
            TimeOf::AboveFloor => {
                "of what the round trip takes beyond one to a server that only answers the same \
                 (tell `Server-Timing` to be exact), which is"
            }
            TimeOf::RoundTrip => "of the whole round trip, which is",
        };
        if !of_kind.is_empty() {
            notes.push(format!("latency is {says}: {}", shown(&of_kind)));
        }
    }
    let left_out = passport.comparison.iter().flat_map(|it| &it.checks_not_compared);
    let left_out: Vec<String> = left_out.map(|it| escaped(it)).collect();
    if !left_out.is_empty() {
        notes.push(format!(
            "not compared, as not both sides have it and measure the same: {}",
            left_out.join(", ")
        ));
    }
    let not_anchored: Vec<String> =
        comparison.checks_not_in_anchor.iter().map(|it| escaped(it)).collect();
    if !not_anchored.is_empty() {
        notes.push(format!(
            "without drift, as the anchor lacks it, or asks or answers otherwise: {}",
            not_anchored.join(", ")
        ));
    }
    if results().any(|(_, paired)| paired.same_processes) {
        notes.push(
            "the servers were running already and were not restarted, so that what stays with a \
             process is in every session alike: their latency is shown and not decided on"
                .to_owned(),
        );
    }
    notes.extend(notes_on_instructions(comparison, passport));
    notes
}

/// The same as a table in Markdown, with a heading and what is at fault below it.
pub fn comparison_markdown(passport: &Passport) -> String {
    let Some(comparison) = &passport.comparison else { return String::new() };
    let mut out = format!(
        "## {}: `{}` against `{}`\n\n\
         | verdict | check | latency | between | detectable | sessions | instructions | allocations |\n\
         |---|---|---|---|---|---|---|---|\n",
        passport.summary.measured_status,
        code(&comparison.current.label),
        code(&comparison.baseline.label),
    );
    for row in rows(passport, comparison) {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} | {} | {} | {} | {} |",
            row.status,
            code(row.name),
            row.latency,
            row.between,
            row.detectable,
            row.sessions,
            row.instructions,
            row.allocations,
        );
    }
    for note in notes(comparison, passport) {
        let _ = writeln!(out, "\n{note}");
    }
    out + &faults::markdown(passport)
}

/// Text between backticks: a backtick or a bar would end what it stands in.
pub(super) fn code(text: &str) -> String {
    escaped(text).replace(['`', '|'], "?")
}

/// The cells of one check, or of an operation at a size.
struct Row<'a> {
    status: Verdict,
    name: &'a str,
    latency: String,
    between: String,
    unchanged: String,
    injected: String,
    detectable: String,
    sessions: usize,
    instructions: String,
    allocations: String,
}

/// The rows of the checks, and after them those of operations at their sizes.
fn rows<'a>(passport: &'a Passport, comparison: &Comparison) -> Vec<Row<'a>> {
    let compared = passport.subjects().filter(|it| !matches!(it, SubjectResult::Operation(_)));
    compared.map(|subject| Row::of(subject, comparison)).collect()
}

impl<'a> Row<'a> {
    fn of(subject: SubjectResult<'a>, comparison: &Comparison) -> Self {
        let none = Paired::default();
        let paired = subject.paired().unwrap_or(&none);
        let decision = decide(&comparison.policy, subject.tolerance(), paired);
        let known = |cell: &dyn Fn(&Decision) -> String| {
            if decision.sessions == 0 { "-".to_owned() } else { cell(&decision) }
        };
        let dash = || "-".to_owned();
        let instructions = subject.claim(ClaimKind::InstructionsChange);
        let allocations = subject.claim(ClaimKind::AllocationsChange);
        Self {
            status: subject.status(),
            name: subject.id().name(),
            latency: known(&|it| percent(it.current.median)),
            between: known(&|it| {
                format!("{} .. {}", percent(it.current.lower), percent(it.current.upper))
            }),
            unchanged: known(&|it| percent(it.control.median)),
            injected: known(&|it| percent(it.injected.median)),
            detectable: decision.detectable.map_or_else(dash, percent),
            sessions: decision.sessions,
            instructions: instructions.map_or_else(dash, Claim::show_observed),
            allocations: allocations.map_or_else(dash, before_and_now),
        }
    }
}

/// `29`, or `29 -> 30`.
fn before_and_now(change: &Claim) -> String {
    match (change.limit, change.observed) {
        (Some(before), Some(now)) if before != now => format!("{before} -> {now}"),
        (_, Some(now)) => now.to_string(),
        _ => "-".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn percent(effect: Effect) -> String {
    format!("{:+.2} %", effect as f64 / 1e4)
}
