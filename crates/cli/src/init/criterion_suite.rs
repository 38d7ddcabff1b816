//! Benchmarks that criterion measured, as operations whose budgets are far above what they took.

use std::path::Path;

use anyhow::anyhow;

use super::super::exit::Failure;
use perf_passport::{
    contract::OutlinedOperation,
    foreign::{ForeignError, MeasuredQuantity, read_criterion},
    text::escaped,
};

/// The benchmarks in a directory of criterion.
pub(super) fn read(directory: &Path) -> Result<Vec<OutlinedOperation>, Failure> {
    let suite = read_criterion(directory, MeasuredQuantity::Time).map_err(|error| match error {
        error @ ForeignError::Read { .. } => {
            Failure::usage(anyhow!("{error}; run `cargo bench` first, which writes it"))
        }
        error => Failure::usage(error),
    })?;
    let operations = suite.operations();
    if operations.is_empty() {
        let directory = escaped(&directory.to_string_lossy());
        return Err(Failure::usage(anyhow!("no benchmark in `{directory}` has a time to read")));
    }
    Ok(operations)
}
