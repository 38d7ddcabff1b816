//! Series of times: suspicions that the [chart](crate::chart) nominates.
//!
//! Times of one track alone are held against each other: a ratio to one anchor, or absolute times of one
//! machine and build. A suspicion is no event: `passport compare` has to prove it.

use std::collections::BTreeMap;

use crate::{
    chart::nominate,
    events::{Certainty, Event, State, Trend, event_id},
    git::Line,
    timeline::Series,
};

/// The suspicions of a series, one false one in `commits`.
pub fn suspicions(series: &Series, line: &Line, commits: u32) -> Vec<Event> {
    let mut found = Vec::new();
    for track in tracks(series).into_values() {
        let (places, times): (Vec<usize>, Vec<i64>) = track.into_iter().unzip();
        let mut begins = 0;
        for nomination in nominate(&times, commits) {
            let first = nomination.first_after;
            let (from, to) = (places[first - 1], places[first]);
            let tree = |place: usize| line.positions[place].tree.as_str();
            let median = |of: &[i64]| {
                let middle = median(of);
                (middle, middle)
            };
            found.push(Event {
                id: event_id(&series.key, tree(from), tree(to)),
                key: series.key.clone(),
                certainty: Certainty::Suspicion,
                from,
                to,
                shown_until: places[nomination.nominated_at],
                before: median(&times[begins..first]),
                after: median(&times[first..=nomination.nominated_at]),
                trend: if nomination.rises { Trend::Worse } else { Trend::Better },
                state: State::Open,
            });
            begins = first;
        }
    }
    found.sort_by_key(|it| (it.to, it.from));
    found
}

/// The times of each track, by place; where a tree was measured again, the median of all.
pub fn tracks(series: &Series) -> BTreeMap<i64, BTreeMap<usize, i64>> {
    let mut all: BTreeMap<i64, BTreeMap<usize, Vec<i64>>> = BTreeMap::new();
    for point in &series.points {
        let of_track = all.entry(point.track).or_default();
        of_track.entry(point.place).or_default().push(point.low);
    }
    let medians = |places: BTreeMap<usize, Vec<i64>>| {
        places.into_iter().map(|(place, times)| (place, median(&times))).collect()
    };
    all.into_iter().map(|(track, places)| (track, medians(places))).collect()
}

/// The middle of some times, the lower of two; 0 of none.
fn median(times: &[i64]) -> i64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
