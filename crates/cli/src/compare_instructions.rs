//! The instructions that both sides of a comparison execute, or why nobody counts them.

use std::collections::BTreeMap;

use super::terminal;
use perf_passport::{
    contract::Check,
    paired::{InstructionCounts, Policy, WhyUncounted},
};
use perf_passport_compare::{Sides, Watch, count_samples};

/// Who is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counted<'a> {
    /// Workers are.
    Workers(&'a Sides),
    /// Servers are not.
    Servers,
    /// The user wants nobody to be.
    Nothing,
}

/// What both sides execute of each check, by its id.
pub(super) fn instruction_counts(
    counted: Counted<'_>,
    checks: &[&Check],
    policy: &Policy,
    watch: Watch<'_>,
) -> BTreeMap<String, InstructionCounts> {
    let (why, message) = match counted {
        Counted::Workers(sides) => {
            let count = checks.len();
            terminal::note(&format!("counting the instructions of {count} checks on both sides"));
            return count_samples(sides, checks, policy, watch, &mut |_| {});
        }
        Counted::Servers => {
            (WhyUncounted::Servers, "instructions are counted of workers, and not of servers")
        }
        Counted::Nothing => {
            (WhyUncounted::LeftOut, "instructions were not counted: --no-instructions")
        }
    };
    let counts = InstructionCounts::uncounted(why, message);
    checks.iter().map(|check| (check.id(), counts.clone())).collect()
}
