//! Which checks of a contract a command is about.

use anyhow::anyhow;

use super::exit::Failure;
use perf_passport::contract::{Contract, SelectionError};

/// The checks to measure, by [`Check::id`](perf_passport::contract::Check::id), in the order of the
/// contract; empty only where the contract has none.
pub(super) struct Selection {
    pub(super) checks: Vec<String>,
    /// Whether the user asks for the contract as a whole.
    pub(super) whole: bool,
}

impl Selection {
    /// Checks of the contract that are not among them.
    pub(super) fn left_out(&self, contract: &Contract) -> usize {
        contract.checks.len() - self.checks.len()
    }
}

impl From<SelectionError> for Failure {
    /// Names the option by which the user says which.
    fn from(error: SelectionError) -> Self {
        match error {
            SelectionError::SeveralFixtures { .. } => {
                Self::usage(anyhow!("{error} with --fixture"))
            }
            _ => Self::usage(error),
        }
    }
}
