//! The counts of what a claim is about: of the routes of an objective, or of one route.

use super::{EdgeTally, OtherRoute, ProductionEvidence, RouteTally, UnsureTally};
use crate::{
    contract::ObservedRoute,
    statistics::{SpreadShare, WindowTally},
    units::{Count, Nanos},
};

/// Requests over a limit, as far as the edges of buckets tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bracket {
    /// The limit; `None` of errors.
    pub(super) limit: Option<Nanos>,
    /// At most so many.
    pub(super) at_most: SpreadShare,
    /// At least so many; the same where an edge is at the limit.
    pub(super) at_least: SpreadShare,
    /// What is in no window.
    pub(super) besides: Besides,
}

/// Requests that are in no window, and may be of this time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Besides {
    /// Those that were counted in this time or before it.
    pub(super) unsure: Count,
    /// How many of these are bad: at most so many.
    pub(super) unsure_bad: Count,
    /// Those that the other metric counts, and this one does not.
    pub(super) uncounted: Count,
    /// Those that had begun and not ended.
    pub(super) unfinished: Count,
    /// Whether a route fell silent when one that is not under contract began.
    pub(super) replaced: bool,
}

/// The errors among the requests of these routes.
pub(super) fn errors(evidence: &ProductionEvidence, routes: &[ObservedRoute]) -> Bracket {
    let of_routes = of(evidence, routes);
    let tallies: Vec<Vec<WindowTally>> =
        of_routes.map(|it| windows(&it.requests, &it.errors)).collect();
    let share = SpreadShare::of(&sum(&tallies));
    Bracket {
        limit: None,
        at_least: share.clone(),
        at_most: share,
        besides: besides(evidence, routes, None),
    }
}

/// The requests of these routes that took longer than the limit.
pub(super) fn slow(
    evidence: &ProductionEvidence,
    routes: &[ObservedRoute],
    limit: Nanos,
) -> Bracket {
    let edges: Vec<(&RouteTally, &EdgeTally)> = of(evidence, routes)
        .filter_map(|it| Some((it, it.slow.iter().find(|edge| edge.limit_ns == limit)?)))
        .collect();
    let share = |get: fn(&EdgeTally) -> &[Count]| {
        let tallies: Vec<Vec<WindowTally>> =
            edges.iter().map(|(route, edge)| windows(&route.timed, get(edge))).collect();
        SpreadShare::of(&sum(&tallies))
    };
    Bracket {
        limit: Some(limit),
        at_most: share(|edge| &edge.at_most),
        at_least: share(EdgeTally::surely),
        besides: besides(evidence, routes, Some(limit)),
    }
}

/// What the windows of these routes lack: of errors where there is no limit.
fn besides(
    evidence: &ProductionEvidence,
    routes: &[ObservedRoute],
    limit: Option<Nanos>,
) -> Besides {
    let none = UnsureTally::default();
    let all = |counts: &[Count]| counts.iter().copied().fold(Count::ZERO, Count::saturating_add);
    let unfinished = evidence.unfinished.unwrap_or(Count::ZERO);
    let replaced = of(evidence, routes).any(|it| is_replaced(evidence, it));
    let mut sum = Besides { unfinished, replaced, ..Besides::default() };
    for route in of(evidence, routes) {
        let unsure = route.unsure.as_ref().unwrap_or(&none);
        let requests = all(&route.requests).saturating_add(unsure.requests);
        let timed = all(&route.timed).saturating_add(unsure.timed);
        let slow = || {
            let place = route.slow.iter().position(|it| Some(it.limit_ns) == limit);
            place.and_then(|it| unsure.slow.get(it)).copied().unwrap_or(Count::ZERO)
        };
        let (uncounted, of_own, bad) = match limit {
            None => (timed.saturating_sub(requests), unsure.requests, unsure.errors),
            Some(_) => (requests.saturating_sub(timed), unsure.timed, slow()),
        };
        sum.unsure = sum.unsure.saturating_add(of_own);
        sum.unsure_bad = sum.unsure_bad.saturating_add(bad);
        sum.uncounted = sum.uncounted.saturating_add(uncounted);
    }
    sum
}

/// Windows without a request, and requests that these would have had at the pace before, from which on a
/// route is silent: of independent ones, none of ten come in one of 20,000 cases (`exp(-10)`).
const SILENT_WINDOWS: usize = 3;
const SILENT_REQUESTS: u64 = 10;

/// Whether the route had no more requests from about when on another one began that is not under contract.
fn is_replaced(evidence: &ProductionEvidence, route: &RouteTally) -> bool {
    let Some(last) = route.requests.iter().rposition(|it| *it > Count::ZERO) else { return false };
    let silent = route.requests.len() - 1 - last;
    let before = route.requests.iter().fold(Count::ZERO, |sum, it| sum.saturating_add(*it));
    let missing = u128::from(before.get()) * silent as u128 / (last as u128 + 1);
    let is_silent = silent >= SILENT_WINDOWS && missing >= u128::from(SILENT_REQUESTS);
    let began = |it: &OtherRoute| {
        let first = it.first_window.and_then(|it| usize::try_from(it.get()).ok());
        // In the window of the last request, or the next ones.
        first.is_some_and(|it| it >= last) && it.requests >= Count::new(SILENT_REQUESTS)
    };
    is_silent && evidence.other_routes.iter().any(began)
}

impl Bracket {
    /// Whether edges leave it open how many there are.
    pub(super) fn is_open(&self) -> bool {
        self.at_most.events != self.at_least.events
    }
}

fn of<'a>(
    evidence: &'a ProductionEvidence,
    routes: &'a [ObservedRoute],
) -> impl Iterator<Item = &'a RouteTally> {
    let is_of = |it: &&RouteTally| {
        routes.iter().any(|route| route.method == it.method && route.route == it.route)
    };
    evidence.routes.iter().filter(is_of)
}

fn windows(trials: &[Count], events: &[Count]) -> Vec<WindowTally> {
    let tally =
        |(trials, events): (&Count, &Count)| WindowTally { trials: *trials, events: *events };
    trials.iter().zip(events).map(tally).collect()
}

/// Window by window.
fn sum(tallies: &[Vec<WindowTally>]) -> Vec<WindowTally> {
    let longest = tallies.iter().map(Vec::len).max().unwrap_or(0);
    let mut sums = vec![WindowTally::default(); longest];
    for tallies in tallies {
        for (sum, tally) in sums.iter_mut().zip(tallies) {
            sum.trials = sum.trials.saturating_add(tally.trials);
            sum.events = sum.events.saturating_add(tally.events);
        }
    }
    sums
}
