//! Exact series: any change is an event, at its commit or at the range of commits that it lies in.
//!
//! [`exact_events`] holds figures of one track against each other alone: another toolchain or profile
//! may count otherwise for the same code. Nothing here is statistical.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use perf_passport::text::hex;
use sha2::{Digest, Sha256};

use crate::{
    figures::Kind,
    git::Line,
    record::Acceptance,
    timeline::{Point, Series, SeriesKey},
};

/// How sure a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// An exact figure is another one.
    Exact,
    /// Times are probably others; only a comparison shows it.
    Suspicion,
}

/// Whether a change costs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trend {
    /// It costs more.
    Worse,
    /// It costs less.
    Better,
    /// It is something else.
    Other,
}

impl Trend {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worse => "more",
            Self::Better => "less",
            Self::Other => "other",
        }
    }
}

/// What people decided of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Open,
    /// It is what was wanted.
    Accepted {
        /// Why, as somebody wrote it: text from outside.
        why: String,
    },
}

/// A change of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name: the first digits of a digest of series and trees.
    pub id: String,
    /// The series.
    pub key: SeriesKey,
    /// How sure it is.
    pub certainty: Certainty,
    /// The last place that was measured and has the figure before.
    pub from: usize,
    /// The first place that was measured and has the figure after.
    pub to: usize,
    /// The last place that it is shown by: of a suspicion, where it was nominated.
    pub shown_until: usize,
    /// The figure before: a number, or the number of a word.
    pub before: (i64, i64),
    /// The figure after.
    pub after: (i64, i64),
    /// Whether it costs more.
    pub trend: Trend,
    /// Whether somebody accepted it.
    pub state: State,
}

impl Event {
    /// Whether nobody decided on it.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it is dated to one commit.
    pub const fn is_dated(&self) -> bool {
        self.from + 1 == self.to
    }
}

/// The name of a change of a series between two trees.
pub fn event_id(key: &SeriesKey, from_tree: &str, to_tree: &str) -> String {
    let SeriesKey { contract, subject, kind } = key;
    let text = format!("{contract}\n{subject}\n{kind}\n{from_tree}\n{to_tree}\n");
    hex(&Sha256::digest(text.as_bytes()))[..12].to_owned()
}

/// What is known of a figure at one place, of one track: the range of all evidence, or the words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Range(i64, i64),
    Words(BTreeSet<i64>),
}

impl Known {
    fn of(kind: Kind, point: &Point) -> Self {
        if kind.is_word() {
            Self::Words(BTreeSet::from([point.low]))
        } else {
            Self::Range(point.low, point.high)
        }
    }

    fn add(&mut self, point: &Point) {
        match self {
            Self::Range(low, high) => {
                (*low, *high) = ((*low).min(point.low), (*high).max(point.high));
            }
            Self::Words(words) => drop(words.insert(point.low)),
        }
    }

    /// Whether nothing that was seen here was seen there.
    fn is_apart(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Range(a, b), Self::Range(c, d)) => b < c || d < a,
            (Self::Words(a), Self::Words(b)) => a.is_disjoint(b),
            _ => true,
        }
    }

    fn bounds(&self) -> (i64, i64) {
        match self {
            Self::Range(low, high) => (*low, *high),
            Self::Words(words) => {
                let first = words.first().copied().unwrap_or_default();
                (first, first)
            }
        }
    }
}

/// The events of an exact series, by place.
pub fn exact_events(series: &Series, line: &Line) -> Vec<Event> {
    let kind = series.key.kind;
    // By track and place, all evidence there.
    let mut known: BTreeMap<(i64, usize), Known> = BTreeMap::new();
    for point in &series.points {
        let at = known.entry((point.track, point.place));
        at.and_modify(|it| it.add(point)).or_insert_with(|| Known::of(kind, point));
    }
    let mut found: Vec<Event> = Vec::new();
    let mut last: Option<(i64, usize, Known)> = None;
    for ((track, place), here) in known {
        if let Some((of, from, before)) = &last
            && *of == track
            && before.is_apart(&here)
        {
            add(&mut found, event(series, line, (*from, place), (before, &here)));
        }
        last = Some((track, place, here));
    }
    found.sort_by_key(|it| (it.to, it.from));
    found
}

/// Two tracks that show a change in places that overlap show the same one, where both lie.
fn add(found: &mut Vec<Event>, event: Event) {
    let overlaps = |it: &&mut Event| it.from < event.to && event.from < it.to;
    match found.iter_mut().find(overlaps) {
        None => found.push(event),
        Some(same) => {
            // The name follows the narrower of the two.
            if event.to - event.from < same.to - same.from {
                *same = event;
            }
        }
    }
}

fn event(series: &Series, line: &Line, places: (usize, usize), values: (&Known, &Known)) -> Event {
    let (from, to) = places;
    let (before, after) = (values.0.bounds(), values.1.bounds());
    let trend = match series.key.kind {
        kind if kind.is_word() => Trend::Other,
        _ if after.0 > before.1 => Trend::Worse,
        _ => Trend::Better,
    };
    let tree = |place: usize| line.positions[place].tree.as_str();
    Event {
        id: event_id(&series.key, tree(from), tree(to)),
        key: series.key.clone(),
        certainty: Certainty::Exact,
        from,
        to,
        shown_until: to,
        before,
        after,
        trend,
        state: State::Open,
    }
}

/// How far a suspicion may be from where it was accepted: with more points, the best split moves.
const MOVED_MAX: usize = 5;

/// Acceptances, found by the series that they are of.
#[derive(Debug, Default)]
pub struct Acceptances<'a> {
    of: BTreeMap<(&'a str, String, &'a str), Vec<&'a Acceptance>>,
}

impl<'a> Acceptances<'a> {
    /// Those of all records; `name` says what a subject of a contract is called now.
    pub fn new(
        all: impl IntoIterator<Item = &'a Acceptance>,
        name: impl Fn(&str, &str) -> String,
    ) -> Self {
        let mut of: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for it in all {
            let key = (it.contract.as_str(), name(&it.contract, &it.subject), it.kind.as_str());
            of.entry(key).or_default().push(it);
        }
        Self { of }
    }

    /// Says which events are accepted. An acceptance outlives that its event is dated better, or moves.
    pub fn apply(&self, events: &mut [Event], line: &Line) {
        if self.of.is_empty() {
            return;
        }
        let (trees, _) = line.places();
        for event in events {
            let SeriesKey { contract, subject, kind } = &event.key;
            let Some(of_series) = self.of.get(&(contract.as_str(), subject.clone(), kind.name()))
            else {
                continue;
            };
            let covers = |it: &&&Acceptance| it.event == event.id || covers(it, event, &trees);
            if let Some(found) = of_series.iter().find(covers) {
                event.state = State::Accepted { why: found.why.clone() };
            }
        }
    }
}

fn covers(acceptance: &Acceptance, event: &Event, trees: &BTreeMap<&str, Vec<usize>>) -> bool {
    let places = |tree: &str| trees.get(tree).map(Vec::as_slice).unwrap_or_default();
    let (starts, ends) = (places(&acceptance.from_tree), places(&acceptance.to_tree));
    let pairs = starts.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to)));
    let pairs: Vec<(usize, usize)> = pairs.filter(|(from, to)| from < to).collect();
    let Some(shortest) = pairs.iter().map(|(from, to)| to - from).min() else { return false };
    let slack = if event.certainty == Certainty::Exact { 0 } else { MOVED_MAX };
    pairs.iter().filter(|(from, to)| to - from == shortest).any(|(from, to)| {
        if slack == 0 {
            *from <= event.from && event.to <= *to
        } else {
            *from < event.to + slack && event.from < *to + slack
        }
    })
}

/// What exact figures are before and after, and the difference; `word` shows the number of a word.
pub fn show_change(event: &Event, word: impl Fn(i64) -> String) -> String {
    let kind = event.key.kind;
    let show = |bounds: (i64, i64)| {
        if kind.is_word() {
            return word(bounds.0);
        }
        let (low, high) = bounds;
        crate::figures::Value::Number { low, high }.show(kind)
    };
    let mut text = format!("{} -> {}", show(event.before), show(event.after));
    let (before, after) = (event.before.1, event.after.1);
    if kind.is_ratio() || kind == Kind::Latency {
        #[expect(clippy::cast_precision_loss, reason = "display")]
        let percent = (after as f64 / before.max(1) as f64 - 1.0) * 100.0;
        let _ = write!(text, " ({percent:+.1} %)");
    } else if kind.is_share() {
        #[expect(clippy::cast_precision_loss, reason = "display")]
        let points = (after - before) as f64 / 1e4;
        let _ = write!(text, " ({points:+.4} points)");
    } else if !kind.is_word() {
        let _ = write!(text, " ({:+})", after - before);
    }
    text
}
