//! What two builds took side by side.

use std::collections::BTreeMap;

use super::{
    Column, Document, Report, Row, Scope, Table,
    content::{or_dash, shown},
    effects::percent,
    findings,
    outside::{foreign, name},
    over_http, summary, untold,
};
use crate::{
    claim::{Claim, Reason},
    contract::ClaimKind,
    paired::{Decision, Paired, TimeOf, decide, decide_instructions},
    passport::{Comparison, Passport, SubjectResult},
};

/// Longer than any sentence of ours on what was not counted.
const MESSAGE_LENGTH_MAX: usize = 300;

const COLUMNS: [Column; 8] = [
    Column::new("latency"),
    Column::new("between"),
    Column::detail("unchanged"),
    Column::detail("injected"),
    Column::new("detectable"),
    Column::new("sessions"),
    Column::new("instructions"),
    Column::new("allocations"),
];

impl<'a> Report<'a> {
    /// What two builds took side by side: the change of latency with its bounds, what an unchanged copy
    /// and an injected slowdown looked like in the same sessions, and the changes of instructions and
    /// allocations. `causes` are lines on what got worse; may be empty. Of a passport of no comparison,
    /// the same as [`Report::of_passport`].
    pub fn of_comparison(passport: &'a Passport, causes: &str) -> Self {
        let Some(comparison) = &passport.comparison else {
            return Self::of_passport(passport, Scope::Measured);
        };
        let title = format!(
            "{}: `{}` against `{}`",
            passport.summary.measured_status,
            name(&comparison.current.label),
            name(&comparison.baseline.label),
        );
        let table = Table {
            title: "",
            of: "check",
            columns: COLUMNS.to_vec(),
            rows: rows(passport, comparison),
            lines: Vec::new(),
        };
        Self {
            tables: vec![table],
            notes: notes(comparison, passport),
            findings: findings::findings(passport),
            details: causes.to_owned(),
            summary: summary::lines(passport, Scope::Measured),
            ..Self::new(title, Document::Passport(passport))
        }
    }
}

/// What the table does not say of instructions: why they were not counted, and what the counts show
/// that decide nothing.
fn notes_on_instructions(comparison: &Comparison, passport: &Passport) -> Vec<String> {
    let mut notes = Vec::new();
    let mut uncounted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let counted = passport.subjects().filter(|it| !matches!(it, SubjectResult::Operation(_)));
    let mut subjects = 0;
    for subject in counted {
        subjects += 1;
        let Some(counts) = subject.instructions() else { continue };
        let name = name(subject.id().name());
        if let Some(why) = &counts.uncounted {
            uncounted.entry(&why.message).or_default().push(name);
            continue;
        }
        let tolerance = subject.tolerance_of_instructions();
        let vary = subject.claims().iter().any(|it| it.reason == Reason::CountsVary);
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
        let of =
            if names.len() == subjects { String::new() } else { format!(" ({})", shown(&names)) };
        notes.push(format!("{}{of}", foreign(message, MESSAGE_LENGTH_MAX)));
    }
    notes
}

/// That both builds are the same code, or why it does not matter that they load the same.
fn note_on_same_code(comparison: &Comparison) -> Option<String> {
    let same = comparison.same_code.as_ref()?;
    if comparison.is_same_code() {
        return Some(Reason::SameCode.explain().to_owned());
    }
    let changed: Vec<String> = same.read_files_changed.iter().map(|it| name(it)).collect();
    Some(format!("both builds load the same, and may read what changed: {}", shown(&changed)))
}

/// What the table does not say: which checks are not in it, what latencies over HTTP are of, with a
/// sentence for each kind, that servers were not started, and of instructions.
fn notes(comparison: &Comparison, passport: &Passport) -> Vec<String> {
    let results = || passport.test_results.iter().filter_map(|it| Some((it, it.paired.as_ref()?)));
    let mut notes = Vec::from_iter(note_on_same_code(comparison));
    notes.extend(untold::note(passport));
    for time in [TimeOf::Service, TimeOf::AboveFloor, TimeOf::RoundTrip] {
        let of_kind: Vec<String> = results()
            .filter_map(|(result, paired)| {
                let session = paired.sessions.first()?;
                let http = session.http.filter(|http| http.time == time)?;
                let name = name(&result.test_name);
                Some(match time {
                    TimeOf::RoundTrip => format!("{name} {}", http.round_trip_ns),
                    TimeOf::Service | TimeOf::AboveFloor => {
                        format!("{name} {} of {}", session.baseline_ns, http.round_trip_ns)
                    }
                })
            })
            .collect();
        let says = match time {
            TimeOf::Service => "the time that the services tell, of the whole round trip",
            TimeOf::AboveFloor => {
                "what a round trip takes beyond one to a server that only answers the same (tell \
                 `Server-Timing` to be exact), of the whole round trip"
            }
            TimeOf::RoundTrip => "the whole round trip",
        };
        if !of_kind.is_empty() {
            notes.push(format!("latency is {says}: {}", shown(&of_kind)));
        }
    }
    let left_out = passport.comparison.iter().flat_map(|it| &it.checks_not_compared);
    let left_out: Vec<String> = left_out.map(|it| name(it)).collect();
    if !left_out.is_empty() {
        notes.push(format!(
            "not compared, as not both sides have it and measure the same: {}",
            left_out.join(", ")
        ));
    }
    let not_anchored: Vec<String> =
        comparison.checks_not_in_anchor.iter().map(|it| name(it)).collect();
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
    notes.extend(over_http::notes(passport));
    notes.extend(notes_on_instructions(comparison, passport));
    notes
}

/// The rows of the checks, and after them those of operations at their sizes.
fn rows(passport: &Passport, comparison: &Comparison) -> Vec<Row> {
    let compared = passport.subjects().filter(|it| !matches!(it, SubjectResult::Operation(_)));
    compared.map(|subject| row(subject, comparison)).collect()
}

fn row(subject: SubjectResult<'_>, comparison: &Comparison) -> Row {
    let none = Paired::default();
    let paired = subject.paired().unwrap_or(&none);
    let decision = decide(&comparison.policy, subject.tolerance(), paired);
    let known = |cell: &dyn Fn(&Decision) -> String| {
        or_dash((decision.sessions > 0).then(|| cell(&decision)))
    };
    let instructions = subject.claim(ClaimKind::InstructionsChange);
    let allocations = subject.claim(ClaimKind::AllocationsChange);
    Row {
        name: name(subject.id().name()),
        verdict: Some(subject.status()),
        cells: vec![
            known(&|it| percent(it.current.median)),
            // One session has no bounds.
            or_dash((decision.sessions > 1).then(|| {
                let effect = &decision.current;
                format!("{} .. {}", percent(effect.lower), percent(effect.upper))
            })),
            known(&|it| percent(it.control.median)),
            known(&|it| percent(it.injected.median)),
            or_dash(decision.detectable.map(percent)),
            decision.sessions.to_string(),
            or_dash(instructions.map(Claim::show_observed)),
            or_dash(allocations.map(before_and_now)),
        ],
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
