//! `passport history log`: what changed, by commit.

use std::process::ExitCode;

use clap::Args;

use super::place::{Place, repository, tell_unsound};
use crate::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport_history::{
    git::Repository,
    log::{Tally, render},
};

/// Print what changed, by commit.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// Only what changed after this branch, tag or commit
    #[arg(long, value_name = "REF")]
    since: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &LogArguments) -> Result<ExitCode, Failure> {
    let (mut history, followed) = arguments.place.open(false)?;
    let since = match &arguments.since {
        Some(reference) => {
            Some(Repository::needed(repository())?.place_on(history.line(), reference)?)
        }
        None => None,
    };
    let series = history.series()?;
    let mut events = history.events(&series);
    events.retain(|event| since.is_none_or(|since| event.to > since));
    let words = history.words(&events)?;
    terminal::print(&render(&events, history.line(), &words))?;
    if let Some(code) = tell_unsound(followed) {
        return Ok(code.into());
    }
    let tally = Tally::of(&events);
    Ok(match (tally.open, tally.suspicions) {
        (0, 0) => Code::Pass,
        (0, _) => Code::Abstained,
        _ => Code::Failed,
    }
    .into())
}
