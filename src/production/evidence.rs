//! What was read of a running service's counters.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{WatchedRoute, watched_routes};
use crate::{
    contract::Contract,
    evidence::is_sha256,
    rules::ProductionRule,
    units::{Count, Nanos, Ppm},
};

/// The most windows that a time is divided into.
pub const WINDOWS_MAX: usize = 60;
/// The largest count that a hash covers exactly.
const COUNT_MAX: Count = Count::new(1 << 53);
/// Digests, and routes that are not under contract, that are listed.
const LISTED_MAX: usize = 100;
const TEXT_MAX: usize = 600;

/// What was read of a running service's counters: integer deltas, a window of time for each place in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProductionEvidence {
    /// By which rule it is decided on.
    pub rule: ProductionRule,
    /// Who read the counters.
    pub source: CounterSource,
    /// The time of the first scrape, RFC 3339 in UTC.
    pub from: String,
    /// The time of the last one.
    pub to: String,
    /// The length of a window.
    pub window_ns: Nanos,
    /// Windows; each list of counts below is as long.
    pub windows: Count,
    /// Processes whose counters were read.
    pub instances: Count,
    /// Times that counters of one of them began anew. What it counted after its last scrape is not known.
    pub resets: Count,
    /// Times that one of them was not read for more than three of its usual intervals.
    pub gaps: Count,
    /// The share of time, of all of them, that lies in such gaps. What was counted meanwhile is in the
    /// window in which a gap ends.
    pub gap_ppm: Ppm,
    /// The digest of the contract's budgets, as our telemetry names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_budgets: Option<String>,
    /// The digests that the service named, sorted, each once; none without our telemetry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live_budgets: Vec<String>,
    /// What speaks against the counts, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<CounterDoubt>,
    /// Requests at work at the end that were not at the beginning, where the service has a gauge of them.
    /// None was counted, and each may be of any route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Count>,
    /// Only there where the counters begin later than was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<LateStart>,
    /// The routes under contract, sorted by method and template.
    pub routes: Vec<RouteTally>,
    /// Other routes, those with most requests first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_routes: Vec<OtherRoute>,
    /// Requests of routes that are in neither list.
    pub other_requests: Count,
}

/// Who read counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CounterSource {
    /// A Prometheus, which was asked for what it had scraped.
    Prometheus,
    /// This program scraped the service itself.
    Scrapes,
}

/// What speaks against counts: they are not what single processes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CounterDoubt {
    /// Several processes come under one name.
    SeveralProcesses,
    /// A counter fell, and its process did not begin anew.
    CountersFell,
    /// A histogram has more requests within a time than within a longer one, or than it has at all.
    HistogramBroken,
}

/// That the counters begin later than was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LateStart {
    /// The time that was asked for, RFC 3339 in UTC.
    pub asked_from: String,
    /// Whether Prometheus has nothing at all of that time.
    pub source_is_younger: bool,
}

/// The requests of a route, window by window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteTally {
    /// The method.
    pub method: String,
    /// The template.
    pub route: String,
    /// Requests.
    pub requests: Vec<Count>,
    /// Those that were answered by a status of 500 or more, or given up by the client.
    pub errors: Vec<Count>,
    /// Requests that the histogram of durations counts.
    pub timed: Vec<Count>,
    /// Those that took longer than a limit, for each one that the contract has; rising.
    pub slow: Vec<EdgeTally>,
    /// What was counted besides, in this time or before it; only there where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure: Option<UnsureTally>,
}

/// Requests that were counted in this time or before it: nothing tells which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UnsureTally {
    /// Requests.
    pub requests: Count,
    /// Those of them that failed.
    pub errors: Count,
    /// Requests that the histogram of durations counts.
    pub timed: Count,
    /// Those of them that took longer than each limit of the route: at most so many.
    pub slow: Vec<Count>,
}

/// How many requests took longer than a limit, as far as the edges of buckets tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EdgeTally {
    /// The limit.
    pub limit_ns: Nanos,
    /// The largest edge that is not above it; `null` where there is none.
    pub edge_below_ns: Option<Nanos>,
    /// The smallest edge that is not below it; `null` where there is none.
    pub edge_above_ns: Option<Nanos>,
    /// Requests that took longer than the edge below: at most so many took longer than the limit.
    pub at_most: Vec<Count>,
    /// Requests that took longer than the edge above; left out where an edge is at the limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_least: Vec<Count>,
}

/// A route that is not under contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OtherRoute {
    /// The method, printable.
    pub method: String,
    /// The route, printable.
    pub route: String,
    /// Its requests.
    pub requests: Count,
    /// The place of the window of its first one, from 0; left out where that is the first window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_window: Option<Count>,
}

/// A part of the evidence that cannot be what was read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`production.evidence.{field}` {problem}")]
pub struct ProductionEvidenceError {
    field: String,
    problem: &'static str,
}

impl EdgeTally {
    /// Whether an edge stands at the limit.
    pub fn is_exact(&self) -> bool {
        self.edge_below_ns == Some(self.limit_ns) && self.edge_above_ns == Some(self.limit_ns)
    }

    /// Requests that surely took longer than the limit.
    pub fn surely(&self) -> &[Count] {
        if self.is_exact() { &self.at_most } else { &self.at_least }
    }
}

impl ProductionEvidence {
    /// Whether instances with different budgets were live.
    pub fn is_mixed(&self) -> bool {
        self.live_budgets.len() > 1
    }

    /// Checks what holds of all evidence that is read for this contract.
    ///
    /// # Errors
    ///
    /// [`ProductionEvidenceError`] naming the field that contradicts the others.
    pub fn validate(&self, contract: &Contract) -> Result<(), ProductionEvidenceError> {
        holds("windows", self.windows <= Count::new(WINDOWS_MAX as u64), "is above 60")?;
        holds("window_ns", self.window_ns <= Nanos::new(COUNT_MAX.get()), "is above 2^53")?;
        holds("gap_ppm", self.gap_ppm <= Ppm::new(1_000_000), "is more than all")?;
        for (field, counts) in
            [("instances", self.instances), ("resets", self.resets), ("gaps", self.gaps)]
        {
            holds(field, counts <= COUNT_MAX, "is above 2^53")?;
        }
        for (field, text) in [("from", &self.from), ("to", &self.to)] {
            holds(field, is_printable(text), "is no printable text")?;
        }
        holds("to", self.from <= self.to, "is before `from`")?;
        self.validate_budgets()?;
        self.validate_doubts()?;
        let watched = watched_routes(contract);
        let same = self.routes.len() == watched.len()
            && self.routes.iter().zip(&watched).all(|(route, watched)| route.is_of(watched));
        holds("routes", same, "are not those of the contract")?;
        for (place, route) in self.routes.iter().enumerate() {
            route.validate(place, self.windows)?;
        }
        let listed = self.other_routes.len() <= LISTED_MAX
            && self.other_routes.iter().all(OtherRoute::is_plain)
            && self
                .other_routes
                .iter()
                .all(|it| it.first_window.is_none_or(|it| it < self.windows))
            && self.other_routes.is_sorted_by(|one, next| one.requests >= next.requests);
        holds("other_routes", listed, "are not at most 100, printable, by falling requests")?;
        let requests = self.routes.iter().flat_map(|it| &it.requests).copied();
        let others = self.other_routes.iter().map(|it| it.requests).chain([self.other_requests]);
        let all = requests.chain(others).fold(Count::ZERO, Count::saturating_add);
        holds("routes", all <= COUNT_MAX, "have more than 2^53 requests")
    }

    fn validate_doubts(&self) -> Result<(), ProductionEvidenceError> {
        let sorted = self.doubts.windows(2).all(|pair| pair[0] < pair[1]);
        holds("doubts", sorted, "are not sorted, each once")?;
        if let Some(late) = &self.late {
            let fits = is_printable(&late.asked_from) && late.asked_from <= self.from;
            holds("late.asked_from", fits, "is no printable time before `from`")?;
        }
        let unfinished = self.unfinished.unwrap_or(Count::ZERO);
        holds("unfinished", unfinished <= COUNT_MAX, "is above 2^53")?;
        let is_known = self.doubts.is_empty()
            && self.late.is_none()
            && self.unfinished.is_none()
            && self.other_routes.iter().all(|it| it.first_window.is_none())
            && self.routes.iter().all(|it| it.unsure.is_none());
        let fits = is_known || self.rule != ProductionRule::One;
        holds("rule", fits, "is 1, which knows no doubts")
    }

    fn validate_budgets(&self) -> Result<(), ProductionEvidenceError> {
        let digest = |it: &Option<String>| it.as_ref().is_none_or(|it| is_sha256(it));
        holds("contract_budgets", digest(&self.contract_budgets), "is no SHA-256")?;
        let live = &self.live_budgets;
        let sorted = live.len() <= LISTED_MAX
            && live.iter().all(|it| is_printable(it))
            && live.windows(2).all(|pair| pair[0] < pair[1]);
        holds("live_budgets", sorted, "is not sorted, or not printable")?;
        let ours =
            live.is_empty() || self.contract_budgets.as_ref().is_some_and(|it| live.contains(it));
        holds("live_budgets", ours, "lacks that of the contract")
    }
}

impl RouteTally {
    fn is_of(&self, watched: &WatchedRoute) -> bool {
        let limits = self.slow.iter().map(|it| it.limit_ns);
        self.method == watched.route.method
            && self.route == watched.route.route
            && limits.eq(watched.limits.iter().copied())
    }

    fn validate(&self, place: usize, windows: Count) -> Result<(), ProductionEvidenceError> {
        let of = |field: &str| format!("routes.{place}.{field}");
        let fits = |counts: &[Count], most: Option<&[Count]>| {
            counts.len() as u64 == windows.get()
                && counts.iter().all(|it| *it <= COUNT_MAX)
                && most.is_none_or(|most| counts.iter().zip(most).all(|(it, most)| it <= most))
        };
        holds(of("requests"), fits(&self.requests, None), "are not one for each window")?;
        holds(of("errors"), fits(&self.errors, Some(&self.requests)), "are not of its requests")?;
        holds(of("timed"), fits(&self.timed, None), "are not one for each window")?;
        for edge in &self.slow {
            let around = edge.edge_below_ns.is_none_or(|it| it <= edge.limit_ns)
                && edge.edge_above_ns.is_none_or(|it| it >= edge.limit_ns);
            holds(of("slow"), around, "has edges that are not around its limit")?;
            let at = Some(edge.limit_ns);
            let either = (edge.edge_below_ns == at) == (edge.edge_above_ns == at);
            holds(of("slow"), either, "has one edge at its limit, and not the other")?;
            let counted = fits(&edge.at_most, Some(&self.timed))
                && (edge.is_exact() == edge.at_least.is_empty() || windows == Count::ZERO)
                && (edge.is_exact() || fits(&edge.at_least, Some(&edge.at_most)));
            holds(of("slow"), counted, "counts what was not timed")?;
        }
        let Some(unsure) = &self.unsure else { return Ok(()) };
        let of_all = unsure.errors <= unsure.requests
            && unsure.slow.iter().all(|it| *it <= unsure.timed)
            && unsure.slow.len() == self.slow.len()
            && unsure.requests.max(unsure.timed) <= COUNT_MAX;
        holds(of("unsure"), of_all, "are not of its own requests")
    }
}

impl OtherRoute {
    fn is_plain(&self) -> bool {
        is_printable(&self.method) && is_printable(&self.route)
    }
}

fn is_printable(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    plain && text.len() <= TEXT_MAX
}

fn holds(
    field: impl Into<String>,
    holds: bool,
    problem: &'static str,
) -> Result<(), ProductionEvidenceError> {
    if holds { Ok(()) } else { Err(ProductionEvidenceError { field: field.into(), problem }) }
}
