//! `passport history index`: make the index follow the store.

use std::process::ExitCode;

use clap::Args;

use super::place::{Place, tell_unsound};
use crate::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::text::counted;

/// Make the index follow the store.
#[derive(Debug, Args)]
pub(super) struct IndexArguments {
    /// Make it again from nothing
    #[arg(long)]
    rebuild: bool,
    /// Print all that it says, as text: equal for equal stores
    #[arg(long)]
    dump: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &IndexArguments) -> Result<ExitCode, Failure> {
    let (mut history, followed) = arguments.place.open(arguments.rebuild)?;
    if arguments.dump {
        terminal::print(&history.index.dump()?)?;
    } else {
        let off = history.off_the_line();
        let mut text = format!(
            "{}, {} new, {} gone, {} off the line, {} not sound; {} of files\n",
            counted(history.timeline.passports.len() as u64, "passport"),
            followed.added,
            followed.removed,
            off.len(),
            followed.unsound.len(),
            history.store.size()?
        );
        for (passport, why) in off {
            text += &format!("off the line  {}  {why}\n", passport.hash);
        }
        terminal::print(&text)?;
    }
    Ok(tell_unsound(followed).unwrap_or(Code::Pass).into())
}
