//! Why a check got worse: the functions whose instructions grew, counted in both builds.

use std::fmt::Write as _;

use super::terminal;
use crate::{
    claim::Verdict,
    clock::Clock,
    compare::{Executed, InstructionsError, Outcomes, Sides, count_instructions},
    contract::Check,
    paired::{change_ppm, grown},
    passport::Passport,
    text::escaped,
};

/// Checks that are looked into, at most: each takes seconds.
const CHECKS_MAX: usize = 4;

/// Functions that are named of each, at most.
const FUNCTIONS_MAX: usize = 5;

/// Counts the instructions of the checks with a change that failed, on both sides, and names what
/// grew; empty when none failed. This is advice: no verdict depends on it.
pub(super) fn causes(
    passport: &Passport,
    checks: &[&Check],
    sides: &Sides,
    (clock, stop): (&dyn Clock, &dyn Fn() -> bool),
) -> String {
    let failed = |check: &Check| {
        passport.result(&check.id()).is_some_and(|result| {
            result.claims.iter().any(|it| it.kind.is_change() && it.verdict == Verdict::Fail)
        })
    };
    let worse: Vec<&Check> =
        checks.iter().copied().filter(|it| failed(it)).take(CHECKS_MAX).collect();
    if worse.is_empty() || stop() {
        return String::new();
    }
    terminal::note(&format!("counting the instructions of {} checks on both sides", worse.len()));
    let count = |side| count_instructions(side, &worse, (clock, stop), &mut |_| {});
    match (count(&sides.baseline), count(&sides.current)) {
        (Ok(before), Ok(after)) => {
            worse.iter().map(|check| cause(&check.id(), &before, &after)).collect()
        }
        (Err(error), _) | (_, Err(error)) => format!("no causes: {error}\n"),
    }
}

fn cause(check: &str, before: &Outcomes, after: &Outcomes) -> String {
    let known = |outcomes: &Outcomes| -> Result<Executed, InstructionsError> {
        let missing = || Err(InstructionsError::Interrupted);
        outcomes.get(check).cloned().unwrap_or_else(missing)
    };
    let (before, after) = match (known(before), known(after)) {
        (Ok(before), Ok(after)) => (before.instructions, after.instructions),
        (Err(error), _) | (_, Err(error)) => return format!("{}: {error}\n", escaped(check)),
    };
    let mut out = format!(
        "{}: {} -> {} instructions ({}), most of it in\n",
        escaped(check),
        before.per_sample(),
        after.per_sample(),
        change_ppm(&before, &after).map_or_else(|| "-".to_owned(), percent),
    );
    for growth in grown(&before, &after).into_iter().take(FUNCTIONS_MAX) {
        let _ = writeln!(
            out,
            "  {:>+10} itself, {:>+10} with what it calls: {}",
            growth.own_per_sample,
            growth.inclusive_per_sample,
            escaped(&growth.function),
        );
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "display")]
fn percent(ppm: i64) -> String {
    format!("{:+.2} %", ppm as f64 / 1e4)
}
