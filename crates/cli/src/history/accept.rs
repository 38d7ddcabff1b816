//! `passport history accept`: what changed is what was wanted.

use std::{process::ExitCode, time::SystemTime};

use anyhow::anyhow;
use clap::Args;

use super::place::{Place, tell_unsound};
use crate::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{clock::Clock, text::escaped, timestamp::rfc3339};
use perf_passport_history::{
    HistoryError,
    events::{Event, show_change},
    record::{Acceptance, Record, WHY_MAX},
};

/// Accept events.
#[derive(Debug, Args)]
pub(super) struct AcceptArguments {
    /// The event, or the first digits of its name; may be repeated
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<String>,
    /// Why the change is what was wanted
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &AcceptArguments) -> Result<ExitCode, Failure> {
    let why = arguments.why.trim();
    if why.is_empty() || why.len() > WHY_MAX {
        return Err(Failure::usage(anyhow!("--why is a text of 1 to {WHY_MAX} bytes")));
    }
    let now: SystemTime = crate::clock::started()?.now();
    let keeper = arguments.place.keeper()?;
    let (mut history, followed) = arguments.place.open_kept(keeper.store.clone(), false)?;
    let series = history.series()?;
    let events = history.events(&series);
    let words = history.words(&events)?;
    // All are found before any is accepted.
    let found: Vec<&Event> = (arguments.events.iter())
        .map(|name| named(&events, name))
        .collect::<Result<_, HistoryError>>()?;
    for event in found {
        let change = show_change(event, |id| words.get(&id).cloned().unwrap_or_default());
        let (before, after) = change.split_once(" -> ").unwrap_or_default();
        let tree = |place: usize| history.line().positions[place].tree.clone();
        let record = Record::Acceptance(Acceptance {
            schema_version: Acceptance::SCHEMA_VERSION,
            event: event.id.clone(),
            contract: event.key.contract.clone(),
            subject: event.key.subject.clone(),
            kind: event.key.kind.name().to_owned(),
            from_tree: tree(event.from),
            to_tree: tree(event.to),
            before: before.to_owned(),
            after: after.to_owned(),
            why: why.to_owned(),
            timestamp: rfc3339(now),
        });
        history.store.keep_record(&record)?;
        let key = &event.key;
        terminal::print(&format!(
            "accepted {} {} {}: {}\n",
            event.id,
            escaped(&key.subject),
            key.kind,
            escaped(&change)
        ))?;
    }
    keeper.publish("accept events")?;
    Ok(tell_unsound(followed).unwrap_or(Code::Pass).into())
}

fn named<'a>(events: &'a [Event], name: &str) -> Result<&'a Event, HistoryError> {
    let mut found = events.iter().filter(|it| it.id.starts_with(name) && name.len() >= 4);
    let first = found.next().ok_or_else(|| HistoryError::NoSuchEvent(name.to_owned()))?;
    if found.any(|it| it.id != first.id) {
        return Err(HistoryError::AmbiguousEvent(name.to_owned()));
    }
    Ok(first)
}
