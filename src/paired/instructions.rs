//! Instructions of one check, and which functions grew between two builds.
//!
//! A count of instructions is nearly the same on every run of the same code, also on a busy machine,
//! so it needs no pairs. It is not time: a build that waits more for memory, or for another thread, takes
//! longer at the same count.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What the samples of one check executed, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// Instructions of all samples together.
    pub total: u64,
    /// Samples.
    pub samples: u64,
    /// The functions that they ran in, by their names without hashes.
    pub functions: BTreeMap<String, FunctionCost>,
}

/// What one function executed, in all samples together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FunctionCost {
    /// Instructions of the function without what it called.
    pub own: u64,
    /// Instructions of the function with what it called. At most the total: a function that calls
    /// itself, also by way of others, would be counted more than once.
    pub inclusive: u64,
}

/// A function that executes another number of instructions than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Growth"))]
#[serde(deny_unknown_fields)]
pub struct FunctionGrowth {
    /// Its name.
    pub function: String,
    /// Instructions of its own that a sample executes more, rounded to the nearest.
    pub own_per_sample: i64,
    /// The same with what it called.
    pub inclusive_per_sample: i64,
}

impl Instructions {
    /// Instructions of one sample, rounded to the nearest; 0 without a sample.
    pub fn per_sample(&self) -> u64 {
        rounded(i128::from(self.total), i128::from(self.samples))
            .and_then(|it| u64::try_from(it).ok())
            .unwrap_or_default()
    }
}

/// How much more a sample executes than before, in parts per million of what it did, rounded to the
/// nearest; `None` where nothing was executed before, there is no sample, or the figures are beyond
/// all that is counted.
pub fn change_ppm(before: &Instructions, after: &Instructions) -> Option<i64> {
    let was = product(before.total, after.samples)?;
    let is = product(after.total, before.samples)?;
    rounded((is - was).checked_mul(1_000_000)?, was)
}

/// The functions that execute more of their own than before, most first, and then those that only
/// call what does. Functions that only got rid of work are left out.
pub fn grown(before: &Instructions, after: &Instructions) -> Vec<FunctionGrowth> {
    let names: BTreeSet<&String> = before.functions.keys().chain(after.functions.keys()).collect();
    let mut grown: Vec<FunctionGrowth> = names
        .into_iter()
        .filter_map(|name| {
            let was = before.functions.get(name).copied().unwrap_or_default();
            let is = after.functions.get(name).copied().unwrap_or_default();
            let more = |was: u64, is: u64| {
                let difference = product(is, before.samples)? - product(was, after.samples)?;
                rounded(difference, product(before.samples, after.samples)?)
            };
            Some(FunctionGrowth {
                function: name.clone(),
                own_per_sample: more(was.own, is.own)?,
                inclusive_per_sample: more(was.inclusive, is.inclusive)?,
            })
        })
        .filter(|it| it.own_per_sample > 0 || it.inclusive_per_sample > 0)
        .collect();
    let rank = |it: &FunctionGrowth| (it.own_per_sample, it.inclusive_per_sample);
    // Stable, so that equals stay in the order of their names.
    grown.sort_by_key(|it| std::cmp::Reverse(rank(it)));
    grown
}

fn product(a: u64, b: u64) -> Option<i128> {
    i128::from(a).checked_mul(i128::from(b))
}

/// The nearest integer, halves away from zero; `None` for a division by zero, or what does not fit.
fn rounded(numerator: i128, denominator: i128) -> Option<i64> {
    if denominator <= 0 {
        return None;
    }
    let half = (denominator / 2) * numerator.signum();
    i64::try_from(numerator.checked_add(half)? / denominator).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instructions(samples: u64, functions: &[(&str, u64, u64)]) -> Instructions {
        let cost = |&(name, own, inclusive): &(&str, u64, u64)| {
            (name.to_owned(), FunctionCost { own, inclusive })
        };
        let functions: BTreeMap<_, _> = functions.iter().map(cost).collect();
        Instructions { total: functions.values().map(|it| it.own).sum(), samples, functions }
    }

    #[test]
    fn a_sample_is_a_share_and_rounded_to_the_nearest() {
        let of = |total, samples| Instructions { total, samples, functions: BTreeMap::new() };
        assert_eq!(of(1_000, 3).per_sample(), 333);
        assert_eq!(of(1_001, 2).per_sample(), 501);
        assert_eq!(of(7, 0).per_sample(), 0);
        // 1,000 of 10 samples are 100 each, 2,002 of 20 are 100.1.
        assert_eq!(change_ppm(&of(1_000, 10), &of(2_002, 20)), Some(1_000));
        assert_eq!(change_ppm(&of(1_000, 10), &of(1_000, 10)), Some(0));
        assert_eq!(change_ppm(&of(1_000, 10), &of(0, 10)), Some(-1_000_000));
        assert_eq!(change_ppm(&of(0, 10), &of(5, 10)), None);
        assert_eq!(change_ppm(&of(5, 10), &of(5, 0)), None);
        assert_eq!(change_ppm(&of(u64::MAX, u64::MAX), &of(u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn what_grew_most_by_itself_comes_first() {
        let before =
            instructions(10, &[("main", 50, 1_050), ("work", 900, 1_000), ("gone", 100, 100)]);
        let after = instructions(
            20,
            &[("main", 100, 2_300), ("work", 1_800, 2_200), ("new", 300, 300), ("more", 20, 20)],
        );
        let expected = [("new", 15, 15), ("more", 1, 1), ("main", 0, 10), ("work", 0, 10)];
        let found = grown(&before, &after);
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.function.as_str(), it.own_per_sample, it.inclusive_per_sample))
            .collect();
        assert_eq!(found, expected);
        assert!(grown(&before, &before).is_empty());
    }
}
