//! What of a history may be removed: never the evidence of an event or suspicion, whether it is open or
//! accepted, and never a baseline.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use perf_passport::timestamp::rfc3339;

use crate::{
    events::{Certainty, Event},
    index::{IndexedPassport, Standing},
    timeline::{Series, Timeline},
};

/// What is wanted to go. Where both are given, both must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// So many passports of each contract stay, the latest.
    pub keep: Option<usize>,
    /// Only what was measured before goes.
    pub before: Option<SystemTime>,
}

/// The hashes of passports that the changes of series are shown by.
///
/// An exact change is shown by its two ends. A suspicion is one of all times up to its nomination: with
/// fewer, the chart may nominate nothing.
pub fn evidence_of(
    events: &[Event],
    series: &[Series],
    passports: &[IndexedPassport],
) -> BTreeSet<String> {
    let by_key: BTreeMap<_, &Series> = series.iter().map(|it| (&it.key, it)).collect();
    let names: BTreeMap<i64, &String> = passports.iter().map(|it| (it.id, &it.hash)).collect();
    let mut hashes = BTreeSet::new();
    for event in events {
        let points = by_key.get(&event.key).map(|it| it.points.as_slice()).unwrap_or_default();
        let shows = points.iter().filter(|it| match event.certainty {
            Certainty::Exact => it.place == event.from || it.place == event.to,
            Certainty::Suspicion => it.place <= event.shown_until,
        });
        hashes.extend(shows.filter_map(|it| names.get(&it.passport)).map(|it| (*it).clone()));
    }
    hashes
}

/// The hashes of passports that go. `protected` stay, and so does what any other was compared with.
///
/// What has its place on another line of commits stays too, and is not counted: of what it is the evidence,
/// only that line shows. So does what records dispute. What has a place on no line, such as that of a dirty tree, is evidence of nothing.
pub fn removable(
    timeline: &Timeline,
    protected: &BTreeSet<String>,
    retention: Retention,
) -> BTreeSet<String> {
    let passports = &timeline.passports;
    let baselines: BTreeSet<&String> =
        passports.iter().filter_map(|it| it.baseline.as_ref()).collect();
    // RFC 3339 in UTC sorts by time.
    let before = retention.before.map(rfc3339);
    let is_elsewhere = |it: &IndexedPassport| {
        matches!(it.place.standing, Standing::Placed | Standing::Disputed)
            && timeline.placing(it.id).is_none()
    };
    let mut latest: Vec<&IndexedPassport> =
        passports.iter().filter(|it| !is_elsewhere(it)).collect();
    latest.sort_by(|a, b| (&b.measured_at, &b.hash).cmp(&(&a.measured_at, &a.hash)));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for it in latest {
        let rank = seen.entry(&it.contract).or_default();
        *rank += 1;
        let beyond = retention.keep.is_none_or(|keep| *rank > keep);
        let old = before.as_ref().is_none_or(|before| it.measured_at < *before);
        let asked = retention.keep.is_some() || before.is_some();
        if asked && beyond && old && !protected.contains(&it.hash) && !baselines.contains(&it.hash)
        {
            gone.insert(it.hash.clone());
        }
    }
    gone
}
