//! A calibration as a report: what was decided where the answer is known.

use std::collections::BTreeSet;

use perf_passport::{
    paired::Effect,
    pipeline::WorkKind,
    report::{Column, Document, Report, Row, SummaryLine, Table},
    text::escaped,
};

use super::{
    calibration::{Arm, Calibration, CheckDecision, Trial},
    tally::{Contradictions, SHARE_ERROR, ShareBounds, Tally, contradictions, tally},
};

/// The report: decisions by what was added, whole suites, and each check. Its document is the
/// calibration as JSON.
pub fn report(calibration: &Calibration) -> Report<'static> {
    let document = serde_json::to_string_pretty(calibration).unwrap_or_default();
    let mut report = Report::new("Calibration".to_owned(), Document::Json(document));
    report.head = head(calibration);
    report.tables = vec![by_arm(calibration), whole_suites(calibration), by_check(calibration)];
    let Contradictions { checks, repeated } = contradictions(calibration);
    report.summary.push(SummaryLine::plain(format!(
        "Of {repeated} pairs of builds and checks that were decided more than once, {} were called \
         PASS once and FAIL once.",
        checks.len()
    )));
    report
}

/// What was put on trial, and where.
fn head(calibration: &Calibration) -> Vec<String> {
    let Calibration { system_info, policy, contract, tolerance_ppm, trials, .. } = calibration;
    let machine = system_info.cpu_model.as_deref().unwrap_or("processor not known");
    let subject = format!(
        "{} comparisons of `{}`{}, on {}, {} processors. {} checks share an error of {}. The rebuild \
         floor is {}, the layout margin {}, the tolerance {}.",
        trials.len(),
        escaped(contract).replace('`', "'"),
        when(trials),
        escaped(machine),
        system_info.cpu_count.map_or_else(|| "?".to_owned(), |it| it.to_string()),
        policy.checks,
        percent(effect(policy.suite_error_ppm.get())),
        percent(effect(policy.rebuild_floor_ppm.get())),
        percent(effect(policy.layout_margin_ppm.get())),
        percent(effect(tolerance_ppm.get())),
    );
    let bounds = format!(
        "Bounds are exact and hold with a probability of {} % each (Clopper and Pearson 1934).",
        (1.0 - SHARE_ERROR) * 100.0
    );
    vec![subject, bounds]
}

/// From the first comparison to the last: what was measured when is in the trials.
fn when(trials: &[Trial]) -> String {
    match (trials.first(), trials.last()) {
        (Some(first), Some(last)) => {
            format!(", from {} to {}", escaped(&first.timestamp), escaped(&last.timestamp))
        }
        _ => String::new(),
    }
}

fn by_arm(calibration: &Calibration) -> Table {
    let row = |(arm, tally): (Arm, Tally)| {
        let abstained = tally.decisions - tally.passed - tally.failed;
        Row {
            name: added(arm),
            verdict: None,
            cells: vec![
                arm.busy.to_string(),
                tally.builds.to_string(),
                tally.decisions.to_string(),
                tally.passed.to_string(),
                tally.failed.to_string(),
                abstained.to_string(),
                between(tally.passed_share()),
                between(tally.failed_share()),
            ],
        }
    };
    Table {
        title: "Decisions",
        of: ADDED,
        columns: columns(&[
            "busy threads",
            "builds",
            "decisions",
            "PASS",
            "FAIL",
            "ABSTAIN",
            "PASS share",
            "FAIL share",
        ]),
        rows: tally(calibration, None).into_iter().map(row).collect(),
        lines: Vec::new(),
    }
}

fn whole_suites(calibration: &Calibration) -> Table {
    let row = |(arm, tally): (Arm, Tally)| {
        let trials = calibration.trials.iter().filter(|trial| trial.arm == arm);
        let seconds: Vec<i64> = trials.map(|trial| effect(trial.seconds)).collect();
        Row {
            name: added(arm),
            verdict: None,
            cells: vec![
                arm.busy.to_string(),
                tally.trials.to_string(),
                tally.trials_failed.to_string(),
                median(&seconds).to_string(),
                seconds.iter().max().copied().unwrap_or_default().to_string(),
            ],
        }
    };
    Table {
        title: "Whole suites",
        of: ADDED,
        columns: columns(&[
            "busy threads",
            "comparisons",
            "with a FAIL",
            "seconds, median",
            "longest",
        ]),
        rows: tally(calibration, None).into_iter().map(row).collect(),
        lines: Vec::new(),
    }
}

fn by_check(calibration: &Calibration) -> Table {
    let all = calibration.trials.iter().flat_map(|trial| &trial.decisions);
    let checks: BTreeSet<&str> = all.map(|it| it.check.as_str()).collect();
    let rows = checks.into_iter().flat_map(|check| {
        let tallies = tally(calibration, Some(check)).into_iter();
        tallies.filter_map(move |(arm, tally)| check_row(calibration, check, arm, &tally))
    });
    Table {
        title: "Checks",
        of: "check",
        columns: columns(&[
            ADDED,
            "busy threads",
            "PASS",
            "FAIL",
            "ABSTAIN",
            "effect, median",
            "least",
            "most",
            "detectable",
            "sessions",
        ]),
        rows: rows.collect(),
        lines: Vec::new(),
    }
}

/// A check in one arm; `None` where nothing was decided of it.
fn check_row(calibration: &Calibration, check: &str, arm: Arm, tally: &Tally) -> Option<Row> {
    let of = |figure: fn(&CheckDecision) -> Option<i64>| figures(calibration, check, arm, figure);
    let effects = of(|it| Some(it.effect.median));
    let (least, most) = (*effects.iter().min()?, *effects.iter().max()?);
    Some(Row {
        name: escaped(check).replace('`', "'"),
        verdict: None,
        cells: vec![
            added(arm),
            arm.busy.to_string(),
            tally.passed.to_string(),
            tally.failed.to_string(),
            (tally.decisions - tally.passed - tally.failed).to_string(),
            percent(median(&effects)),
            percent(least),
            percent(most),
            percent(median(&of(|it| it.detectable))),
            median(&of(|it| i64::try_from(it.sessions).ok())).to_string(),
        ],
    })
}

/// What the rows of an arm are called by.
const ADDED: &str = "work added";

fn columns(headings: &[&'static str]) -> Vec<Column> {
    headings.iter().map(|it| Column::new(it)).collect()
}

fn figures(
    calibration: &Calibration,
    check: &str,
    arm: Arm,
    figure: fn(&CheckDecision) -> Option<i64>,
) -> Vec<i64> {
    let trials = calibration.trials.iter().filter(|trial| trial.arm == arm);
    let decisions = trials.flat_map(|trial| &trial.decisions);
    decisions.filter(|it| it.check == check).filter_map(figure).collect()
}

/// The lower median; 0 of nothing.
fn median(figures: &[i64]) -> i64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn added(arm: Arm) -> String {
    let kind = match arm.work {
        WorkKind::Memory => " of loads",
        WorkKind::Arithmetic => "",
    };
    format!("{}{kind}", percent(effect(arm.slower_ppm.get())))
}

fn effect(figure: u64) -> Effect {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn percent(effect: Effect) -> String {
    format!("{:.2} %", effect as f64 / 1e4)
}

fn between(share: ShareBounds) -> String {
    format!("{:.1} .. {:.1} %", share.lower * 100.0, share.upper * 100.0)
}
