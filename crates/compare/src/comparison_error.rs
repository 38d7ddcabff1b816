//! Why two builds could not be compared at all.

use std::{io, path::PathBuf};

use perf_passport::{
    contract::{ContractError, SelectionError},
    passport::HashError,
    pipeline::MissingVariable,
    probe::ProbeError,
};
use thiserror::Error;

use crate::{checkout::CheckoutError, error::WorkerError};

/// Why there is no outcome of a comparison.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// A ref could not be built.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// An executable cannot be read.
    #[error("cannot read the executable `{}`: {source}", path.display())]
    UnreadableExecutable {
        /// The executable.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An executable cannot be copied to where it is run.
    #[error("cannot copy the executable `{}`: {source}", path.display())]
    NotCopied {
        /// The executable.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The contract is none.
    #[error("cannot read contract `{}`{}: {source}", path.display(), of_side(label.as_deref()))]
    Contract {
        /// The contract's file.
        path: PathBuf,
        /// The side whose contract it is, where each side has one.
        label: Option<String>,
        /// What is wrong with it.
        source: ContractError,
    },
    /// The contract of another side than the current one is none.
    #[error("cannot read the contract of the {role}: {source}")]
    ContractOf {
        /// `baseline` or `anchor`.
        role: &'static str,
        /// What is wrong with it.
        source: ContractError,
    },
    /// A contract cannot have this tolerance.
    #[error("the regression tolerance is none: {0}")]
    Tolerance(String),
    /// The sides have neither a check nor an operation in common.
    #[error("the two sides have neither a check nor an operation in common")]
    NothingInCommon,
    /// Servers are asked for checks, and the contract has none.
    #[error("the contract has no check that servers are asked for")]
    NoChecks,
    /// Nothing is left of what the sides have in common.
    #[error("nothing is left to compare")]
    NothingSelected,
    /// The checks that are asked for are not there.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// An operation that is asked for is not there.
    #[error("no operation that both sides have is named `{name}`")]
    UnknownOperation {
        /// The name.
        name: String,
    },
    /// The base URL of a server is none.
    #[error("{label}: {source}")]
    BaseUrl {
        /// The server's side.
        label: String,
        /// What is wrong with the URL.
        source: ProbeError,
    },
    /// A header needs a variable that is not set.
    #[error(transparent)]
    MissingVariable(#[from] MissingVariable),
    /// A worker or a server could not do what it was asked.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A figure cannot be written as JSON.
    #[error(transparent)]
    Hash(#[from] HashError),
}

fn of_side(label: Option<&str>) -> String {
    label.map(|label| format!(" of `{label}`")).unwrap_or_default()
}
