//! Figures on the line of commits: series, and where their points are.
//!
//! A position's evidence is that of its *tree*. So a squash, a rebase, a revert or a merge finds what was
//! measured of the same files, and measuring a tree again adds evidence and no point. A time is a sample,
//! which counts once: at the commit that it was measured of, else where its tree first is.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::contract::HistoryDocument;

use crate::{
    figures::Kind,
    git::Line,
    index::{IndexedPassport, IndexedSeries, Place, PointRow, Standing},
    record::SaidPlacement,
};

/// What identifies a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The name of the contract.
    pub contract: String,
    /// The subject, as it is called now.
    pub subject: String,
    /// What is told of it.
    pub kind: Kind,
}

/// A figure at a place of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The place, from 0 at the oldest commit.
    pub place: usize,
    /// The number of the word for its track.
    pub track: i64,
    /// The least of a number, or the number of a word.
    pub low: i64,
    /// The most of a number, or the number of a word.
    pub high: i64,
    /// The number of its passport in the index.
    pub passport: i64,
}

/// A series: its points by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What it is of.
    pub key: SeriesKey,
    /// Its points, by place.
    pub points: Vec<Point>,
}

/// Where a passport is on the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placing {
    /// Every place that has its tree, rising.
    pub of_tree: Vec<usize>,
    /// The place at which its times count.
    pub own: Option<usize>,
}

/// Passports on the line of commits.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// The commits.
    pub line: Line,
    /// The passports of the index.
    pub passports: Vec<IndexedPassport>,
    /// Where each is, by its number in the index.
    pub placings: BTreeMap<i64, Placing>,
}

impl Timeline {
    /// Finds the place of each passport. What was said of one goes before what it says.
    pub fn new(line: Line, mut passports: Vec<IndexedPassport>, said: &[SaidPlacement]) -> Self {
        let mut places: BTreeMap<&str, Place> = BTreeMap::new();
        for it in said {
            let place = Place::said(it);
            let known = places.entry(it.passport.as_str()).or_insert_with(|| place.clone());
            // Two branches that are joined may say otherwise, and no record is the later one.
            if *known != place {
                *known = Place::disputed();
            }
        }
        for passport in &mut passports {
            if let Some(place) = places.remove(passport.hash.as_str()) {
                passport.place = place;
            }
        }
        let placings = {
            let (trees, commits) = line.places();
            let placing = |place: &Place| {
                if place.standing != Standing::Placed {
                    return Placing::default();
                }
                let at = place.commit.as_deref().and_then(|it| commits.get(it)).copied();
                let of_tree = match &place.tree {
                    Some(tree) => trees.get(tree.as_str()).cloned().unwrap_or_default(),
                    // Only the commit is known: its tree is that of its place.
                    None => at
                        .map(|it| trees[line.positions[it].tree.as_str()].clone())
                        .unwrap_or_default(),
                };
                let own = at.filter(|it| of_tree.contains(it)).or(of_tree.first().copied());
                Placing { of_tree, own }
            };
            passports.iter().map(|it| (it.id, placing(&it.place))).collect()
        };
        Self { line, passports, placings }
    }

    /// Where a passport is.
    pub fn placing(&self, passport: i64) -> Option<&Placing> {
        self.placings.get(&passport).filter(|it| it.own.is_some())
    }

    /// The passport of a contract that is furthest on the line, and of those the latest.
    pub fn newest(&self, contract: &str) -> Option<&IndexedPassport> {
        let placed = self.passports.iter().filter(|it| it.contract == contract);
        placed
            .filter_map(|it| Some((self.placing(it.id)?.of_tree.last()?, &it.measured_at, it)))
            .max_by_key(|(place, at, it)| (**place, (*at).clone(), it.hash.clone()))
            .map(|(.., it)| it)
    }

    /// The names of all contracts.
    pub fn contracts(&self) -> BTreeSet<&str> {
        self.passports.iter().map(|it| it.contract.as_str()).collect()
    }

    /// `[history]` of each contract, as the newest passport on the line has it.
    pub fn settings(&self) -> BTreeMap<String, HistoryDocument> {
        let of = |name: &&str| {
            let newest = self.newest(name)?;
            Some(((*name).to_owned(), newest.settings.clone().unwrap_or_default()))
        };
        self.contracts().iter().filter_map(of).collect()
    }

    /// Puts points on the line, by series; those of renamed subjects are joined.
    pub fn series(&self, indexed: &[IndexedSeries], points: &[PointRow]) -> Vec<Series> {
        let settings = self.settings();
        let mut joined: BTreeMap<SeriesKey, Vec<Point>> = BTreeMap::new();
        let mut by_id: BTreeMap<i64, Vec<PointRow>> = BTreeMap::new();
        for point in points {
            by_id.entry(point.series).or_default().push(*point);
        }
        for series in indexed {
            let Some(rows) = by_id.get(&series.id) else { continue };
            let subject = match settings.get(&series.contract) {
                Some(settings) => name_now(&series.subject, settings),
                None => series.subject.clone(),
            };
            let key = SeriesKey { contract: series.contract.clone(), subject, kind: series.kind };
            let of = joined.entry(key).or_default();
            for row in rows {
                let Some(placing) = self.placing(row.passport) else { continue };
                let own = placing.own.as_slice();
                let places = if series.kind.is_exact() { &placing.of_tree } else { own };
                of.extend(places.iter().map(|place| Point {
                    place: *place,
                    track: row.track,
                    low: row.low,
                    high: row.high,
                    passport: row.passport,
                }));
            }
        }
        let with_points = joined.into_iter().filter(|(_, points)| !points.is_empty());
        with_points
            .map(|(key, mut points)| {
                points.sort_unstable();
                Series { key, points }
            })
            .collect()
    }
}

/// What a subject is called now.
pub fn name_now(subject: &str, settings: &HistoryDocument) -> String {
    let mut name = subject.to_owned();
    // As many steps as there are names, so that a circle has an end.
    for _ in 0..=settings.renamed_from.len() {
        let renamed = settings.renamed_from.iter().find_map(|(now, before)| {
            if name == *before {
                return Some(now.clone());
            }
            let rest = name.strip_prefix(before.as_str())?;
            rest.starts_with('/').then(|| format!("{now}{rest}"))
        });
        match renamed {
            Some(now) => name = now,
            None => break,
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_subjects_are_joined_also_over_several_names() {
        let renamed =
            [("c", "b"), ("b", "a"), ("x/new", "x/old"), ("operation::q", "operation::p")];
        let renamed_from = renamed.map(|(now, before)| (now.to_owned(), before.to_owned())).into();
        let settings = HistoryDocument { renamed_from, ..HistoryDocument::default() };
        let now = |name: &str| name_now(name, &settings);
        assert_eq!(now("a/default"), "c/default");
        assert_eq!(now("ab/default"), "ab/default");
        assert_eq!((now("x/old"), now("x/other")), ("x/new".into(), "x/other".into()));
        assert_eq!(now("operation::p/100"), "operation::q/100");
        assert_eq!(now("operation::p"), "operation::q");
    }
}
