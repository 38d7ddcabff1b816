//! What is drawn of a series: its numbers by place, where epochs end, and where something changed.

use std::collections::BTreeMap;

use crate::{
    events::{Certainty, Event},
    figures::Kind,
    suspicions::tracks,
    timeline::{Series, SeriesKey},
};

/// A series as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    /// What it is of.
    pub key: SeriesKey,
    /// Its numbers by place, rising; of a word, its number.
    pub points: Vec<CurvePoint>,
    /// The places at which another epoch begins: machine, toolchain or anchor are others than before.
    pub epochs: Vec<usize>,
    /// Places of changes.
    pub marks: Vec<Mark>,
}

/// A number at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurvePoint {
    /// The place on the line of commits.
    pub place: usize,
    /// The number.
    pub value: i64,
    /// The number of the word for its track.
    pub track: i64,
}

/// A place at which something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The first place that has the figure after.
    pub place: usize,
    /// How sure it is.
    pub certainty: Certainty,
    /// Whether nobody decided on it.
    pub open: bool,
}

impl Curve {
    /// A series with those of these events that are its own.
    pub fn of(series: &Series, events: &[Event]) -> Self {
        // Of what failed at one time nothing is taken away by another time at which it did not.
        let is_largest = series.key.kind.is_exact() || series.key.kind.is_share();
        let by_place = if is_largest { largest(series) } else { times(series) };
        let points: Vec<CurvePoint> = by_place
            .into_iter()
            .map(|(place, (track, value))| CurvePoint { place, value, track })
            .collect();
        let epochs = points.windows(2).filter(|it| it[0].track != it[1].track);
        let mut marks: Vec<Mark> = (events.iter())
            .filter(|it| it.key == series.key)
            .map(|it| Mark { place: it.to, certainty: it.certainty, open: it.is_open() })
            .collect();
        marks.sort_unstable();
        Self {
            key: series.key.clone(),
            epochs: epochs.map(|it| it[1].place).collect(),
            points,
            marks,
        }
    }

    /// The least and the largest number.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let values = || self.points.iter().map(|it| it.value);
        values().min().zip(values().max())
    }

    /// Whether its numbers are numbers of words, which have no order.
    pub fn is_word(&self) -> bool {
        self.key.kind.is_word()
    }

    /// The numbers of each epoch, in their order: what is joined by a line.
    pub fn stretches(&self) -> impl Iterator<Item = &[CurvePoint]> {
        self.points.chunk_by(|a, b| a.track == b.track)
    }

    /// What is told of it last.
    pub fn last(&self) -> Option<CurvePoint> {
        self.points.last().copied()
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.key.kind
    }
}

/// By place, the largest figure that was seen there; where several tracks were, that of the place before.
fn largest(series: &Series) -> BTreeMap<usize, (i64, i64)> {
    let mut by_place: BTreeMap<usize, BTreeMap<i64, i64>> = BTreeMap::new();
    for point in &series.points {
        let of = by_place.entry(point.place).or_default().entry(point.track).or_insert(point.high);
        *of = (*of).max(point.high);
    }
    one_track(by_place)
}

fn times(series: &Series) -> BTreeMap<usize, (i64, i64)> {
    let mut by_place: BTreeMap<usize, BTreeMap<i64, i64>> = BTreeMap::new();
    for (track, places) in tracks(series) {
        for (place, value) in places {
            by_place.entry(place).or_default().insert(track, value);
        }
    }
    one_track(by_place)
}

fn one_track(by_place: BTreeMap<usize, BTreeMap<i64, i64>>) -> BTreeMap<usize, (i64, i64)> {
    let mut last = None;
    let choose = |(place, of_tracks): (usize, BTreeMap<i64, i64>)| {
        let same = last.and_then(|track| of_tracks.get(&track).map(|value| (track, *value)));
        let chosen = same.or_else(|| of_tracks.last_key_value().map(|(a, b)| (*a, *b)))?;
        last = Some(chosen.0);
        Some((place, chosen))
    };
    by_place.into_iter().filter_map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Point;

    #[test]
    fn of_several_times_of_a_commit_the_worst_share_is_drawn() {
        let drawn = |kind: Kind| {
            let point = |(passport, high)| Point { place: 3, track: 0, low: high, high, passport };
            let points = [(0, 0), (1, 191_700), (2, 0)].map(point).to_vec();
            let (contract, subject) = ("shop".to_owned(), "production::web".to_owned());
            let series = Series { key: SeriesKey { contract, subject, kind }, points };
            Curve::of(&series, &[]).points.iter().map(|it| it.value).collect::<Vec<i64>>()
        };
        assert_eq!(drawn(Kind::ErrorShare), [191_700]);
        assert_eq!(drawn(Kind::SlowShare), [191_700]);
        assert_eq!(drawn(Kind::Latency), [0]);
    }
}
