//! Requests by route, window by window, and what follows from the edges of buckets.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::{
    contract::ObservedRoute,
    production::{EdgeTally, OtherRoute, RouteTally, UnsureTally, WatchedRoute},
    text::printable,
    units::{Count, Nanos},
};

use super::{Measured, SeriesKey};

/// Routes without a contract of which the requests are kept apart, and that evidence lists.
const OTHERS_MAX: usize = 10_000;
const LISTED_MAX: usize = 100;
const TEXT_MAX: usize = 200;

/// The counts of all routes.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    windows: usize,
    watched: BTreeMap<ObservedRoute, RouteCounts>,
    others: BTreeMap<ObservedRoute, OtherCounts>,
    /// Requests of others than these.
    rest: u64,
}

/// Requests of a route that is not under contract, and the window of the first of them.
#[derive(Debug, Clone, Copy)]
struct OtherCounts {
    requests: u64,
    first_window: usize,
}

#[derive(Debug, Default, Clone)]
struct RouteCounts {
    requests: Vec<u64>,
    errors: Vec<u64>,
    /// Requests that may be from before, and errors among them.
    unsure: [u64; 2],
    /// By edge; `None` is that of all requests.
    within: BTreeMap<Option<Nanos>, BucketCounts>,
}

/// Process, status, and further labels.
type HistogramKey = (String, String, Vec<(String, String)>);

#[derive(Debug, Default, Clone)]
struct BucketCounts {
    counts: Vec<u64>,
    /// What may be from before.
    unsure: u64,
    /// The histograms that have the edge.
    histograms: BTreeSet<HistogramKey>,
    /// How often one of them was read.
    samples: u64,
}

impl Routes {
    pub(super) fn of(watched: &[WatchedRoute], windows: usize) -> Self {
        let counts = |it: &WatchedRoute| {
            let zeros = vec![0; windows];
            let counts =
                RouteCounts { requests: zeros.clone(), errors: zeros, ..RouteCounts::default() };
            (it.route.clone(), counts)
        };
        let watched = watched.iter().map(counts).collect();
        Self { windows, watched, others: BTreeMap::new(), rest: 0 }
    }

    /// Whether buckets of the series say something.
    pub(super) fn is_watched(&self, route: &ObservedRoute) -> bool {
        self.watched.contains_key(route)
    }

    /// Whether a series of the route was there, also where it counted nothing.
    pub(super) fn was_seen(&self, route: &ObservedRoute) -> bool {
        let counted = |it: &RouteCounts| it.unsure[0] > 0 || it.requests.iter().any(|it| *it > 0);
        self.watched.get(route).is_some_and(|it| !it.within.is_empty() || counted(it))
    }

    /// Whether a histogram counted more requests within an edge than it did in all.
    pub(super) fn is_broken(&self) -> bool {
        let exceeds = |it: &RouteCounts| {
            let Some(all) = it.within.get(&None) else { return false };
            let more = |bucket: &BucketCounts| {
                bucket.unsure > all.unsure
                    || bucket.counts.iter().zip(&all.counts).any(|(within, all)| within > all)
            };
            it.within.values().any(more)
        };
        self.watched.values().any(exceeds)
    }

    /// Takes note of a series, whether it counts something or not, and of how often it was read.
    pub(super) fn see(&mut self, key: &SeriesKey, samples: usize) {
        let Measured::Within(edge) = key.measured else { return };
        let Some(route) = self.watched.get_mut(&key.route) else { return };
        let bucket = route.within.entry(edge).or_default();
        bucket.counts.resize(self.windows, 0);
        let histogram = (key.instance.clone(), key.status.clone(), key.others.clone());
        bucket.histograms.insert(histogram);
        bucket.samples += samples as u64;
    }

    /// Counts what may be from before, of routes under contract.
    pub(super) fn add_unsure(&mut self, key: &SeriesKey, more: u64) {
        let Some(route) = self.watched.get_mut(&key.route) else { return };
        let add = |count: &mut u64| *count = count.saturating_add(more);
        match key.measured {
            Measured::Requests => {
                add(&mut route.unsure[0]);
                if key.is_error() {
                    add(&mut route.unsure[1]);
                }
            }
            Measured::Within(edge) => {
                if let Some(bucket) = route.within.get_mut(&edge) {
                    add(&mut bucket.unsure);
                }
            }
            Measured::Count => {}
        }
    }

    /// Counts in a window.
    pub(super) fn add(&mut self, key: &SeriesKey, window: usize, more: u64) {
        let add = |counts: &mut Vec<u64>| {
            if let Some(count) = counts.get_mut(window) {
                *count = count.saturating_add(more);
            }
        };
        match (self.watched.get_mut(&key.route), key.measured) {
            (Some(route), Measured::Requests) => {
                add(&mut route.requests);
                if key.is_error() {
                    add(&mut route.errors);
                }
            }
            (Some(route), Measured::Within(edge)) => {
                if let Some(bucket) = route.within.get_mut(&edge) {
                    add(&mut bucket.counts);
                }
            }
            (None, Measured::Requests) => self.add_other(&key.route, window, more),
            (None, Measured::Within(_)) | (_, Measured::Count) => {}
        }
    }

    fn add_other(&mut self, route: &ObservedRoute, window: usize, more: u64) {
        let is_full = self.others.len() >= OTHERS_MAX;
        if let Some(it) = self.others.get_mut(route) {
            it.requests = it.requests.saturating_add(more);
            it.first_window = it.first_window.min(window);
        } else if is_full {
            self.rest = self.rest.saturating_add(more);
        } else if more > 0 {
            self.others.insert(route.clone(), OtherCounts { requests: more, first_window: window });
        }
    }

    /// The routes under contract, in their order.
    pub(super) fn tallies(&self, watched: &[WatchedRoute]) -> Vec<RouteTally> {
        watched
            .iter()
            .filter_map(|it| Some(self.watched.get(&it.route)?.tally(it, self.windows)))
            .collect()
    }

    /// Those that are not, most requests first, and the requests of all that are not listed.
    pub(super) fn others(&self) -> (Vec<OtherRoute>, Count) {
        let mut others: Vec<_> = self.others.iter().collect();
        others.sort_by(|one, next| {
            next.1.requests.cmp(&one.1.requests).then_with(|| one.0.cmp(next.0))
        });
        let (listed, rest) = others.split_at(others.len().min(LISTED_MAX));
        let plain = |text: &str| printable(text.as_bytes(), TEXT_MAX);
        let listed = listed.iter().map(|(route, it)| OtherRoute {
            method: plain(&route.method),
            route: plain(&route.route),
            requests: Count::new(it.requests),
            first_window: Some(Count::new(it.first_window as u64)).filter(|it| *it > Count::ZERO),
        });
        let rest = rest.iter().map(|it| it.1.requests).fold(self.rest, u64::saturating_add);
        (listed.collect(), Count::new(rest))
    }
}

impl RouteCounts {
    fn tally(&self, watched: &WatchedRoute, windows: usize) -> RouteTally {
        let all = self.within.get(&None);
        let timed = all.map_or_else(|| vec![0; windows], |it| it.counts.clone());
        // An edge that some histograms lack, or lack for some time, says nothing of all requests.
        let usable: BTreeMap<Nanos, &BucketCounts> = self
            .within
            .iter()
            .filter(|(_, it)| {
                all.is_some_and(|all| all.histograms == it.histograms && all.samples == it.samples)
            })
            .filter_map(|(edge, it)| Some(((*edge)?, it)))
            .collect();
        let slow = watched.limits.iter().map(|limit| edge(*limit, &usable, &timed));
        let timed_unsure = all.map_or(0, |it| it.unsure);
        let slow_unsure = watched.limits.iter().map(|limit| {
            let below = usable.range(..=limit).next_back();
            let within = below.map_or(0, |(_, bucket)| bucket.unsure);
            Count::new(timed_unsure.saturating_sub(within))
        });
        let unsure = UnsureTally {
            requests: Count::new(self.unsure[0]),
            errors: Count::new(self.unsure[1]),
            timed: Count::new(timed_unsure),
            slow: slow_unsure.collect(),
        };
        RouteTally {
            unsure: (self.unsure[0].max(timed_unsure) > 0).then_some(unsure),
            method: watched.route.method.clone(),
            route: watched.route.route.clone(),
            requests: counts(&self.requests),
            errors: counts(&self.errors),
            slow: slow.collect(),
            timed: counts(&timed),
        }
    }
}

fn edge(limit: Nanos, usable: &BTreeMap<Nanos, &BucketCounts>, timed: &[u64]) -> EdgeTally {
    let below = usable.range(..=limit).next_back();
    let above = usable.range(limit..).next();
    let over = |bucket: Option<(&Nanos, &&BucketCounts)>, without: &[u64]| -> Vec<u64> {
        let Some((_, bucket)) = bucket else { return without.to_vec() };
        timed.iter().zip(&bucket.counts).map(|(all, within)| all.saturating_sub(*within)).collect()
    };
    // Without an edge below, all may have taken longer; without one above, none need have.
    let at_most = over(below, timed);
    let at_least = over(above, &vec![0; timed.len()]);
    let at_least: Vec<u64> =
        at_least.iter().zip(&at_most).map(|(it, most)| *it.min(most)).collect();
    let is_exact = below.is_some_and(|it| *it.0 == limit);
    EdgeTally {
        limit_ns: limit,
        edge_below_ns: below.map(|it| *it.0),
        edge_above_ns: above.map(|it| *it.0),
        at_most: counts(&at_most),
        at_least: if is_exact { Vec::new() } else { counts(&at_least) },
    }
}

fn counts(numbers: &[u64]) -> Vec<Count> {
    numbers.iter().map(|it| Count::new(*it)).collect()
}
