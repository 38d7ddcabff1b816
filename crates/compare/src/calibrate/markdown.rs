//! A calibration as a document: what was decided where the answer is known.

use std::{collections::BTreeSet, fmt::Write as _};

use perf_passport::{paired::Effect, pipeline::WorkKind, text::escaped};

use super::{
    calibration::{Arm, Calibration, CheckDecision, Trial},
    tally::{Contradictions, SHARE_ERROR, ShareBounds, contradictions, tally},
};

/// The document, in Markdown.
pub fn markdown(calibration: &Calibration) -> String {
    let Calibration { system_info, policy, contract, tolerance_ppm, trials, .. } = calibration;
    let machine = system_info.cpu_model.as_deref().unwrap_or("processor not known");
    let mut out = format!(
        "# Calibration\n\n\
         {} comparisons of `{}`{}, on {}, {} processors. {} checks share an error of {}. The rebuild \
         floor is {}, the layout margin {}, the tolerance {}.\n\n\
         Bounds are exact and hold with a probability of {} % each (Clopper and Pearson 1934).\n",
        trials.len(),
        escaped(contract),
        when(trials),
        escaped(machine),
        system_info.cpu_count.map_or_else(|| "?".to_owned(), |it| it.to_string()),
        policy.checks,
        percent(effect(policy.suite_error_ppm.get())),
        percent(effect(policy.rebuild_floor_ppm.get())),
        percent(effect(policy.layout_margin_ppm.get())),
        percent(effect(tolerance_ppm.get())),
        (1.0 - SHARE_ERROR) * 100.0,
    );
    by_arm(calibration, &mut out);
    whole_suites(calibration, &mut out);
    by_check(calibration, &mut out);
    let Contradictions { checks, repeated } = contradictions(calibration);
    let _ = write!(
        out,
        "\nOf {repeated} pairs of builds and checks that were decided more than once, {} were \
         called PASS once and FAIL once.\n",
        checks.len()
    );
    out
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

fn by_arm(calibration: &Calibration, out: &mut String) {
    out.push_str(
        "\n## Decisions\n\n\
         | work added | busy threads | builds | decisions | PASS | FAIL | ABSTAIN | PASS share | FAIL share |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (arm, tally) in tally(calibration, None) {
        let abstained = tally.decisions - tally.passed - tally.failed;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            added(arm),
            arm.busy,
            tally.builds,
            tally.decisions,
            tally.passed,
            tally.failed,
            abstained,
            between(tally.passed_share()),
            between(tally.failed_share()),
        );
    }
}

fn whole_suites(calibration: &Calibration, out: &mut String) {
    out.push_str(
        "\n## Whole suites\n\n\
         | work added | busy threads | comparisons | with a FAIL | seconds, median | longest |\n\
         |---:|---:|---:|---:|---:|---:|\n",
    );
    for (arm, tally) in tally(calibration, None) {
        let trials = calibration.trials.iter().filter(|trial| trial.arm == arm);
        let seconds: Vec<i64> = trials.map(|trial| effect(trial.seconds)).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            added(arm),
            arm.busy,
            tally.trials,
            tally.trials_failed,
            median(&seconds),
            seconds.iter().max().copied().unwrap_or_default(),
        );
    }
}

fn by_check(calibration: &Calibration, out: &mut String) {
    out.push_str(
        "\n## Checks\n\n\
         | check | work added | busy threads | PASS | FAIL | ABSTAIN | effect, median | least | most | detectable | sessions |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let all = calibration.trials.iter().flat_map(|trial| &trial.decisions);
    let checks: BTreeSet<&str> = all.map(|it| it.check.as_str()).collect();
    for check in checks {
        for (arm, tally) in tally(calibration, Some(check)) {
            let of = |figure: fn(&CheckDecision) -> Option<i64>| {
                figures(calibration, check, arm, figure)
            };
            let effects = of(|it| Some(it.effect.median));
            if effects.is_empty() {
                continue;
            }
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                escaped(check).replace(['`', '|'], "?"),
                added(arm),
                arm.busy,
                tally.passed,
                tally.failed,
                tally.decisions - tally.passed - tally.failed,
                percent(median(&effects)),
                percent(effects.iter().min().copied().unwrap_or_default()),
                percent(effects.iter().max().copied().unwrap_or_default()),
                percent(median(&of(|it| it.detectable))),
                median(&of(|it| i64::try_from(it.sessions).ok())),
            );
        }
    }
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
