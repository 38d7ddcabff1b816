//! The counts of what a claim is about: of the routes of an objective, or of one route.

use super::{EdgeTally, ProductionEvidence, RouteTally};
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
}

/// The errors among the requests of these routes.
pub(super) fn errors(evidence: &ProductionEvidence, routes: &[ObservedRoute]) -> Bracket {
    let of_routes = of(evidence, routes);
    let tallies: Vec<Vec<WindowTally>> =
        of_routes.map(|it| windows(&it.requests, &it.errors)).collect();
    Bracket::exact(None, SpreadShare::of(&sum(&tallies)))
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
    if edges.iter().all(|(_, edge)| edge.is_exact()) {
        return Bracket::exact(Some(limit), share(|edge| &edge.at_most));
    }
    Bracket {
        limit: Some(limit),
        at_most: share(|edge| &edge.at_most),
        at_least: share(EdgeTally::surely),
    }
}

impl Bracket {
    fn exact(limit: Option<Nanos>, share: SpreadShare) -> Self {
        Self { limit, at_least: share.clone(), at_most: share }
    }

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
