//! Why a contract gives no monitoring, or files cannot be checked.

use std::{io, path::PathBuf};

use thiserror::Error;

/// What is wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The contract says nothing of a running service.
    #[error(
        "the contract has no [service], so there is nothing to watch: add `[service]`, which may be empty"
    )]
    NoService,
    /// No test can make a series that meets a condition.
    #[error(
        "no test can make a series with `{label}{operator}\"{value}\"`: write plain values, with `|` \
         between them"
    )]
    UntestableMatcher {
        /// The label.
        label: String,
        /// Its operator.
        operator: &'static str,
        /// Its regular expression.
        value: String,
    },
    /// A document has no text.
    #[error("cannot write `{path}`: {message}")]
    Unwritable {
        /// Of the file.
        path: String,
        /// Why.
        message: String,
    },
    /// A file that is to be checked is not there, or is not what it is called.
    #[error("cannot read `{}`: {message}", path.display())]
    Unreadable {
        /// Of the file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A tool that checks is not on this machine.
    #[error(
        "`{tool}` is not on this machine, and it checks the {checks}: install the package `{package}`"
    )]
    NoTool {
        /// Its name.
        tool: &'static str,
        /// What it checks.
        checks: &'static str,
        /// What has it in Debian.
        package: &'static str,
    },
    /// A tool cannot be run.
    #[error("cannot run `{tool}`: {source}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A directory for mutants cannot be made.
    #[error("cannot make a directory for mutants: {0}")]
    Scratch(io::Error),
}
