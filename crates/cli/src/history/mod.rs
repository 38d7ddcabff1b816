//! `passport history`: what changed, and at which commit.

mod accept;
mod add;
mod index;
mod log;
mod place;
mod prune;
mod trend;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::exit::{Code, Failure};
use perf_passport_history::{HistoryError, history::is_edited};

pub(super) use place::{Place, tell_unsound};

/// Keep passports, and find what changed, at which commit.
#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(subcommand)]
    command: HistoryCommand,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    /// Verify passports and keep them
    Add(add::AddArguments),
    /// Make the index follow the store
    Index(index::IndexArguments),
    /// Print what changed, by commit: exit 1 with an open event, 4 with suspicions only
    Log(log::LogArguments),
    /// Show the series of a subject
    Trend(trend::TrendArguments),
    /// Accept events
    Accept(accept::AcceptArguments),
    /// Remove passports, but never the evidence of an event, an acceptance, or a baseline
    Prune(prune::PruneArguments),
}

pub(super) fn run(arguments: &HistoryArguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        HistoryCommand::Add(arguments) => add::run(arguments),
        HistoryCommand::Index(arguments) => index::run(arguments),
        HistoryCommand::Log(arguments) => log::run(arguments),
        HistoryCommand::Trend(arguments) => trend::run(arguments),
        HistoryCommand::Accept(arguments) => accept::run(arguments),
        HistoryCommand::Prune(arguments) => prune::run(arguments),
    }
}

impl From<HistoryError> for Failure {
    /// An edited passport is a claim that failed. What another time may mend could not be done; everything
    /// else is a wrong or unusable file or place.
    fn from(error: HistoryError) -> Self {
        let code = match &error {
            it if is_edited(it) => Code::Failed,
            it if it.may_pass() => Code::NotMeasured,
            _ => Code::Usage,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_time_may_mend_is_not_called_wrong() {
        let name = || "postgresql".to_owned();
        let overtaken = HistoryError::Overtaken { branch: name(), attempts: 200, said: name() };
        for (error, code) in [
            (overtaken, Code::NotMeasured),
            (HistoryError::IndexLocked { name: name() }, Code::NotMeasured),
            (HistoryError::IndexAway { name: name(), why: name() }, Code::NotMeasured),
            (HistoryError::Git { command: name(), message: name() }, Code::NotMeasured),
            (HistoryError::Index { name: name(), source: name().into() }, Code::Usage),
            (HistoryError::IndexAddress, Code::Usage),
            (HistoryError::NoSuchEvent(name()), Code::Usage),
        ] {
            assert_eq!(Failure::from(error).code, code);
        }
    }
}
