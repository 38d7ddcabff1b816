//! Benchmarks that criterion measured, as operations whose budgets are far above what they took.

use std::path::Path;

use anyhow::anyhow;

use super::super::exit::Failure;
use perf_passport::{
    contract::{Contract, ContractOutline, OutlinedOperation},
    foreign::{ForeignError, MeasuredQuantity, read_criterion},
    operation::CaseSummary,
    text::escaped,
};

/// How many times the time that was measured a budget is.
const SLACK: f64 = 10.0;

/// The most that a budget can be, in milliseconds.
const MS_MAX: f64 = 1e6;

/// The benchmarks in a directory of criterion.
pub(super) fn read(directory: &Path) -> Result<Vec<OutlinedOperation>, Failure> {
    let suite = read_criterion(directory, MeasuredQuantity::Time).map_err(|error| match error {
        error @ ForeignError::Read { .. } => {
            Failure::usage(anyhow!("{error}; run `cargo bench` first, which writes it"))
        }
        error => Failure::usage(error),
    })?;
    let mut operations: Vec<OutlinedOperation> = suite
        .names()
        .map(|it| OutlinedOperation { benchmark: it.to_owned(), mean_ms_max: MS_MAX })
        .collect();
    let outline = ContractOutline { operations: operations.clone(), ..ContractOutline::default() };
    let contract = Contract::parse(&outline.to_toml())
        .map_err(|error| Failure::usage(anyhow!("cannot make a contract of the suite: {error}")))?;
    let taken = suite.take(&contract, "");
    // Of what has no time that can be read there is no budget.
    let mut names = contract.operations.iter().map(|it| &it.name);
    operations.retain_mut(|operation| {
        let name = names.next();
        let case = taken.cases.iter().find(|it| Some(&it.operation) == name);
        let summary = case.and_then(|it| CaseSummary::of(&it.evidence.samples));
        operation.mean_ms_max = summary.as_ref().map_or(MS_MAX, |it| budget(it.mean_ps.get()));
        summary.is_some()
    });
    if operations.is_empty() {
        let directory = escaped(&directory.to_string_lossy());
        return Err(Failure::usage(anyhow!("no benchmark in `{directory}` has a time to read")));
    }
    Ok(operations)
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
