//! `passport history log`: what changed, by commit.

use std::process::ExitCode;

use clap::Args;

use super::place::{Place, repository, tell_unsound};
use crate::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::text::counted;
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
    let mut text = render(&events, history.line(), &words);
    let unknown = history.beyond_the_clone(&series, since);
    if unknown > 0 {
        let passports = counted(unknown as u64, "passport");
        text += &format!(
            "not known: what {passports} of commits say that this shallow clone does not have\n"
        );
    }
    terminal::print(&text)?;
    if let Some(code) = tell_unsound(followed) {
        return Ok(code.into());
    }
    let tally = Tally::of(&events);
    Ok(match (tally.open, tally.suspicions + unknown) {
        (0, 0) => Code::Pass,
        (0, _) => Code::Abstained,
        _ => Code::Failed,
    }
    .into())
}
