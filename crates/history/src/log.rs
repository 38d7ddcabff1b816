//! The log: what changed, by commit, as text.

use std::collections::BTreeMap;

use perf_passport::text::{counted, escaped, printable};

use crate::{
    events::{Certainty, Event, State, show_change},
    git::{Line, Position},
};

/// Digits of a commit that are shown.
const COMMIT_DIGITS: usize = 12;

/// The longest subject of a commit that is shown.
const SUBJECT_MAX: usize = 72;

/// What a log says as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exact changes that nobody decided on.
    pub open: usize,
    /// Suspicions that nobody decided on.
    pub suspicions: usize,
    /// What was accepted.
    pub accepted: usize,
}

impl Tally {
    /// The tally of some events.
    pub fn of(events: &[Event]) -> Self {
        let mut tally = Self::default();
        for event in events {
            *match (event.is_open(), event.certainty) {
                (false, _) => &mut tally.accepted,
                (true, Certainty::Exact) => &mut tally.open,
                (true, Certainty::Suspicion) => &mut tally.suspicions,
            } += 1;
        }
        tally
    }
}

/// The log of events, the latest commit first; of one commit, exact changes first.
pub fn render(events: &[Event], line: &Line, words: &BTreeMap<i64, String>) -> String {
    let mut by_range: BTreeMap<(usize, usize), Vec<&Event>> = BTreeMap::new();
    for event in events {
        by_range.entry((event.to, event.from)).or_default().push(event);
    }
    let mut out = String::new();
    for ((to, from), mut events) in by_range.into_iter().rev() {
        out += &heading(line, from, to);
        events.sort_by(|a, b| (a.certainty, &a.key).cmp(&(b.certainty, &b.key)));
        for event in events {
            out += &row(event, words);
        }
        out.push('\n');
    }
    let tally = Tally::of(events);
    out += &format!(
        "{}, {}, {} accepted\n",
        counted(tally.open as u64, "open event"),
        counted(tally.suspicions as u64, "open suspicion"),
        tally.accepted
    );
    out
}

/// The commit, or the range of commits, with its date.
fn heading(line: &Line, from: usize, to: usize) -> String {
    let (before, at) = (&line.positions[from], &line.positions[to]);
    if from + 1 == to {
        return format!("{} {} {}\n", short(&at.commit), day(at), subject(at));
    }
    format!(
        "{}..{} {} one of {}, as those before the last were not measured: up to {}\n",
        short(&before.commit),
        short(&at.commit),
        day(at),
        counted((to - from) as u64, "commit"),
        subject(at)
    )
}

fn row(event: &Event, words: &BTreeMap<i64, String>) -> String {
    let word = |id: i64| words.get(&id).map_or_else(|| "?".to_owned(), |it| escaped(it));
    let state = match (&event.state, event.certainty) {
        (State::Accepted { .. }, _) => "accepted",
        (State::Open, Certainty::Exact) => "OPEN",
        (State::Open, Certainty::Suspicion) => "suspicion",
    };
    let key = &event.key;
    let why = match &event.state {
        State::Accepted { why } => format!(": {}", printable(why.as_bytes(), 200)),
        State::Open => String::new(),
    };
    format!(
        "  {state:<9} {} {} {} {}: {}{why}\n",
        event.id,
        escaped(&key.contract),
        escaped(&key.subject),
        key.kind,
        show_change(event, word)
    )
}

/// The first digits of a commit.
pub fn short(commit: &str) -> String {
    commit.chars().take(COMMIT_DIGITS).collect()
}

/// The day of a commit, in UTC.
pub fn day(position: &Position) -> String {
    let seconds = u64::try_from(position.committed_s).unwrap_or_default();
    let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds));
    let text = perf_passport::timestamp::rfc3339(at.unwrap_or(std::time::UNIX_EPOCH));
    text.chars().take(10).collect()
}

/// What a commit says of itself; printable ASCII.
pub fn subject(position: &Position) -> String {
    printable(position.subject.as_bytes(), SUBJECT_MAX)
}
