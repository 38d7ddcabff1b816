//! What a suite has, without a contract: its benchmarks in a list, and as operations of a first contract.

use super::Suite;
use crate::{
    contract::OutlinedOperation,
    operation::{CaseEvidence, CaseSummary},
    units::{Count, Picos},
};

/// How many times the time that was measured the budget of a first contract is.
const SLACK: f64 = 10.0;

/// The most that a budget can be, in milliseconds.
const MS_MAX: f64 = 1e6;

/// One benchmark of a suite, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBenchmark<'a> {
    /// Its name, as the tool has it: any text.
    pub name: &'a str,
    /// The mean time of an iteration, of samples or as the tool tells it.
    pub mean_ps: Option<Picos>,
    /// How many samples there are; zero where the tool keeps none.
    pub samples: Count,
    /// The most allocations of an iteration.
    pub allocations: Option<Count>,
    /// Instructions of a run.
    pub instructions: Option<Count>,
    /// Why it cannot be used.
    pub problem: Option<&'a str>,
}

impl Suite {
    /// All benchmarks, by name.
    pub fn list(&self) -> Vec<ListedBenchmark<'_>> {
        let listed = self.benchmarks.iter().map(|(name, benchmark)| {
            let nothing = CaseEvidence::default();
            let (evidence, problem) = match &benchmark.observed {
                Ok(evidence) => (evidence, None),
                Err(why) => (&nothing, Some(why.as_str())),
            };
            let told = evidence.told.unwrap_or_default();
            ListedBenchmark {
                name,
                mean_ps: mean(evidence),
                samples: Count::new(evidence.samples.as_slice().len() as u64),
                allocations: evidence.allocations.map(|it| Count::new(it.max)),
                instructions: told.instructions,
                problem,
            }
        });
        listed.collect()
    }

    /// Operations of a first contract: of each benchmark that can be used, a mean below ten times its own
    /// and no more allocations and instructions than now. One of which nothing of these is known has none.
    pub fn operations(&self) -> Vec<OutlinedOperation> {
        let is_known = |it: &ListedBenchmark<'_>| {
            it.mean_ps.is_some() || it.allocations.is_some() || it.instructions.is_some()
        };
        let usable = self.list().into_iter().filter(is_known);
        let operation = |it: ListedBenchmark<'_>| OutlinedOperation {
            benchmark: it.name.to_owned(),
            mean_ms_max: it.mean_ps.map(|mean| budget(mean.get())),
            allocations_max: it.allocations.map(|most| most.get() + 1),
            instructions_max: it.instructions.map(|it| it.get() + 1),
        };
        usable.map(operation).collect()
    }
}

fn mean(evidence: &CaseEvidence) -> Option<Picos> {
    let measured = CaseSummary::of(&evidence.samples).map(|it| it.mean_ps);
    measured.or_else(|| evidence.told?.mean_ps)
}

/// A budget of milliseconds for a mean of picoseconds, in two digits.
#[expect(clippy::cast_precision_loss, reason = "two digits")]
fn budget(mean_ps: u64) -> f64 {
    let ms = (mean_ps as f64 / 1e9 * SLACK).clamp(1e-5, MS_MAX);
    let digits = format!("{ms:.1e}");
    digits.parse().unwrap_or(MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_ten_times_the_mean_in_two_digits() {
        let budgets = [0, 1_234_567, 1_000_000_000, u64::MAX].map(budget);
        let expected = [1e-5, 0.012, 10.0, MS_MAX];
        assert!(
            budgets.iter().zip(expected).all(|(is, due)| (is - due).abs() < 1e-9),
            "{budgets:?}"
        );
    }
}
