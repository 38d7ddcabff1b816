//! Instructions of an item by chains of calls: what a flame graph is drawn of.
//!
//! Callgrind counts each function apart for each chain of callers that it is called by, and names it
//! `function'caller'caller of that`. It counts the same as without, and takes longer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use perf_passport::probe::COLLECTED;

use crate::{
    callgrind::{CountPlace, CountedWorker, InstructionsError},
    count_plan::CountPlan,
    side::Side,
    watch::Watch,
};

/// Callers that are told apart: more than are on the stack of a service.
const CALLERS: usize = 128;

/// Samples that are counted, after those that warm the check up.
const SAMPLES: u32 = 4;

/// What the outermost frame is called where a chain is longer than [`CALLERS`].
const DEEPER: &str = "(called too deeply)";

/// Instructions of a sample by chain of calls, the outermost function first.
pub(super) type Chains = BTreeMap<Vec<String>, u64>;

/// A chain of calls, and the instructions of its innermost function that one sample executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainCost {
    /// Functions by the names that people know, the outermost first.
    pub functions: Vec<String>,
    /// Instructions in the baseline.
    pub before: u64,
    /// Those in the current build.
    pub after: u64,
}

/// The chains of both builds side by side, in their order.
pub(super) fn side_by_side(before: &Chains, after: &Chains) -> Vec<ChainCost> {
    let chains: BTreeSet<&Vec<String>> = before.keys().chain(after.keys()).collect();
    let of = |side: &Chains, chain| side.get(chain).copied().unwrap_or_default();
    chains
        .into_iter()
        .map(|chain| ChainCost {
            functions: chain.clone(),
            before: of(before, chain),
            after: of(after, chain),
        })
        .collect()
}

/// Counts the instructions of an item by chains of calls, on a side whose workers have a directory.
pub(super) fn call_chains(
    side: &Side,
    plan: &CountPlan<'_>,
    directory: &Path,
    watch: Watch<'_>,
) -> Result<Chains, InstructionsError> {
    let place = CountPlace { directory, role: "chains", padding: 0 };
    let mut counting = CountedWorker::begin_by_callers(CALLERS, side, &place, watch)?;
    counting.wait_until_ready()?;
    counting.ask(plan, SAMPLES)?;
    let sampled = counting.answer(plan, SAMPLES).map_err(|it| it.why)?;
    let functions = sampled.samples.iter().flat_map(|profile| &profile.functions);
    let costs = functions.map(|(name, cost)| (name.as_str(), cost.own));
    Ok(chains(costs, u64::from(SAMPLES)))
}

/// Chains below the function that is collected, from names as callgrind writes them.
fn chains<'a>(costs: impl Iterator<Item = (&'a str, u64)>, samples: u64) -> Chains {
    let collected = COLLECTED.trim_matches('*');
    let mut totals = Chains::new();
    for (name, cost) in costs.filter(|(_, cost)| *cost > 0) {
        // Which level of a recursion it is comes behind the function, as a number.
        let is_level = |it: &&str| it.bytes().all(|it| it.is_ascii_digit());
        let names = name.split('\'').filter(|it| !is_level(it));
        let (mut functions, mut whole) = (Vec::new(), false);
        for name in names {
            if name.contains(collected) {
                whole = true;
                break;
            }
            functions.push(format!("{:#}", rustc_demangle::demangle(name)));
        }
        if !whole {
            functions.push(DEEPER.to_owned());
        }
        functions.reverse();
        *totals.entry(functions).or_default() += cost;
    }
    // The function that is collected has a few of its own, and no chain below it.
    totals.remove(&Vec::new());
    let per_sample = |total: u64| (total + samples / 2) / samples.max(1);
    totals.into_iter().map(|(chain, total)| (chain, per_sample(total))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(functions: &[&str]) -> Vec<String> {
        functions.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn chains_begin_below_what_is_collected() {
        let collected = "_ZN1a28perf_passport_collected_work17h0123456789abcdefE";
        let work = "_ZN4work4once17h0123456789abcdefE";
        let again = "_ZN4work4once17hfedcba9876543210E";
        let names = [
            (format!("malloc'{work}'{collected}'main"), 10),
            // Another instance of the same generic function.
            (format!("malloc'{again}'{collected}'main"), 11),
            // The second level of a recursion.
            (format!("{work}'2'{work}'{collected}'main"), 4),
            (format!("{collected}'main"), 8),
            (format!("{work}'{collected}'main"), 0),
            ("deep'below'many".to_owned(), 3),
        ];
        let found = chains(names.iter().map(|(name, cost)| (name.as_str(), *cost)), 2);
        let expected = Chains::from([
            (chain(&["work::once", "malloc"]), 11),
            (chain(&["work::once", "work::once"]), 2),
            (chain(&[DEEPER, "many", "below", "deep"]), 2),
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn both_builds_stand_side_by_side() {
        let before = Chains::from([(chain(&["a"]), 1), (chain(&["a", "b"]), 2)]);
        let after = Chains::from([(chain(&["a"]), 5), (chain(&["c"]), 3)]);
        let cost = |functions: &[&str], before, after| ChainCost {
            functions: chain(functions),
            before,
            after,
        };
        let expected = [cost(&["a"], 1, 5), cost(&["a", "b"], 2, 0), cost(&["c"], 0, 3)];
        assert_eq!(side_by_side(&before, &after), expected);
    }
}
