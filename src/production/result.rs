//! From evidence to results: claims, their figures, and the mix of routes.

use serde::{Deserialize, Serialize};

use super::{
    ProductionEvidence, RouteTally,
    limits::route_budgets,
    rule_1,
    tally::{self, Bracket},
};
use crate::{
    claim::{Claim, Verdict},
    contract::{ClaimKind, Contract, ObservedRoute},
    rules::ProductionRule,
    units::{Count, Nanos, Ppm},
};

/// What a running service's counters say of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Production {
    /// Of each objective, then of each route with a latency budget, by method and template.
    pub results: Vec<WindowResult>,
    /// The routes with their shares of all requests: those under contract, then others; largest first.
    pub mix: Vec<RouteShare>,
    /// What was read.
    pub evidence: ProductionEvidence,
}

/// What a window of production says of one objective, or of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WindowResult {
    /// The name of the objective, or method and template of the route.
    pub name: String,
    /// The worst verdict of the required claims; where none is required, of all.
    pub status: Verdict,
    /// Its claims, errors first.
    pub claims: Vec<Claim>,
    /// The figures of each claim, in the same order.
    pub shares: Vec<ShareSummary>,
}

/// The share of requests that a claim is about, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShareSummary {
    /// The time that a request may take; not there where the claim is on errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ns: Option<Nanos>,
    /// Requests.
    pub requests: Count,
    /// Those that failed, or took too long: at most so many.
    pub bad: Count,
    /// The lower bound of their share, at 99.5 %.
    pub lower_ppm: Ppm,
    /// The upper bound of their share, at 95 %.
    pub upper_ppm: Ppm,
    /// How many requests are as good as one that is independent of all others, in millionths.
    pub overdispersion_ppm: Ppm,
    /// Requests that would decide the claim, if all else stays as it is; only where that would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_needed: Option<Count>,
}

/// How much of the traffic a route has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteShare {
    /// The method.
    pub method: String,
    /// The template.
    pub route: String,
    /// Its requests.
    pub requests: Count,
    /// Their share of all requests.
    pub share_ppm: Ppm,
    /// Whether it is under contract.
    pub under_contract: bool,
}

impl Production {
    /// What follows from evidence that was read for this contract.
    pub fn of(contract: &Contract, evidence: ProductionEvidence) -> Self {
        let mut results: Vec<WindowResult> =
            contract.objectives.iter().map(|it| objective(it, &evidence)).collect();
        for (observed, budgets) in route_budgets(contract) {
            let name = format!("{} {}", observed.method, observed.route);
            let route = std::slice::from_ref(&observed);
            let claims = budgets.iter().map(|budget| {
                let allowed = Ppm::new(1_000_000 - budget.quantile.share().get());
                let bracket = tally::slow(&evidence, route, budget.latency_ns_max);
                let (claim, share) =
                    claim(ClaimKind::ProductionLatency, &evidence, &bracket, allowed);
                let metric = Some(format!("{} {}", budget.quantile, budget.latency_ns_max));
                // The objectives say what traffic must prove. A route that nobody asked for proves nothing.
                let excused = !contract.objectives.is_empty() && claim.verdict == Verdict::Abstain;
                (Claim { metric, required: claim.required && !excused, ..claim }, share)
            });
            results.push(WindowResult::of(name, claims));
        }
        Self { results, mix: mix(&evidence), evidence }
    }

    /// The worst verdict of all required claims; `None` where there is none.
    pub fn measured_status(&self) -> Option<Verdict> {
        let claims = self.results.iter().flat_map(|it| &it.claims);
        claims.filter(|it| it.required).map(|it| it.verdict).max()
    }
}

impl WindowResult {
    fn of(name: String, claims: impl IntoIterator<Item = (Claim, ShareSummary)>) -> Self {
        let (claims, shares): (Vec<Claim>, Vec<ShareSummary>) = claims.into_iter().unzip();
        let required = claims.iter().filter(|it| it.required).map(|it| it.verdict).max();
        let worst = || claims.iter().map(|it| it.verdict).max().unwrap_or(Verdict::Abstain);
        Self { name, status: required.unwrap_or_else(worst), claims, shares }
    }

    /// The figures of a claim of this result.
    pub fn share_of(&self, claim: &Claim) -> Option<&ShareSummary> {
        let is_it = |it: &Claim| (it.kind, &it.metric) == (claim.kind, &claim.metric);
        self.shares.get(self.claims.iter().position(is_it)?)
    }
}

fn objective(
    objective: &crate::contract::Objective,
    evidence: &ProductionEvidence,
) -> WindowResult {
    let allowed = Ppm::new(1_000_000).saturating_sub(objective.share);
    let routes: &[ObservedRoute] = &objective.routes;
    let errors = tally::errors(evidence, routes);
    let slow = tally::slow(evidence, routes, objective.latency);
    let (late, of_late) = claim(ClaimKind::ProductionLatency, evidence, &slow, allowed);
    let late = Claim { metric: Some(objective.latency.to_string()), ..late };
    let errors = claim(ClaimKind::ProductionErrors, evidence, &errors, allowed);
    WindowResult::of(objective.name.clone(), [errors, (late, of_late)])
}

fn claim(
    kind: ClaimKind,
    evidence: &ProductionEvidence,
    bracket: &Bracket,
    allowed: Ppm,
) -> (Claim, ShareSummary) {
    let (reason, requests_needed) = match evidence.rule {
        ProductionRule::One => {
            let reason = rule_1::reason(evidence, bracket, allowed);
            (reason, rule_1::requests_needed(reason, bracket, allowed))
        }
        #[cfg(test)]
        ProductionRule::Trial => (crate::claim::Reason::Undecided, None),
    };
    let seen = &bracket.at_most;
    let observed = seen.share().map(|it| millionths(it, f64::round).get());
    let summary = ShareSummary {
        limit_ns: bracket.limit,
        requests: seen.trials,
        bad: seen.events,
        lower_ppm: millionths(bracket.at_least.at_least(rule_1::ERROR_OF_FAIL), f64::floor),
        upper_ppm: millionths(seen.at_most(rule_1::ERROR_OF_PASS), f64::ceil),
        overdispersion_ppm: millionths(seen.overdispersion(), f64::round),
        requests_needed,
    };
    (Claim::new(kind, reason).figures(observed, Some(allowed.get())), summary)
}

/// Millionths of a number, at most 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^53")]
fn millionths(number: f64, round: fn(f64) -> f64) -> Ppm {
    Ppm::new(round(number * 1e6).clamp(0.0, 9_007_199_254_740_992.0) as u64)
}

/// Every route that had a request, largest share first.
fn mix(evidence: &ProductionEvidence) -> Vec<RouteShare> {
    let total =
        |it: &RouteTally| it.requests.iter().copied().fold(Count::ZERO, Count::saturating_add);
    let under = evidence.routes.iter().map(|it| (&it.method, &it.route, total(it), true));
    let others = evidence.other_routes.iter().map(|it| (&it.method, &it.route, it.requests, false));
    let routes: Vec<_> = under.chain(others).collect();
    let all = routes.iter().map(|it| it.2).fold(evidence.other_requests, Count::saturating_add);
    let share = |requests: Count| {
        let ppm = u128::from(requests.get()) * 1_000_000 / u128::from(all.get().max(1));
        Ppm::new(u64::try_from(ppm).unwrap_or(1_000_000))
    };
    let mut mix: Vec<RouteShare> = routes
        .into_iter()
        .filter(|it| it.2 > Count::ZERO)
        .map(|(method, route, requests, under_contract)| RouteShare {
            method: method.clone(),
            route: route.clone(),
            requests,
            share_ppm: share(requests),
            under_contract,
        })
        .collect();
    mix.sort_by(|one, next| {
        let by_share =
            (next.under_contract, next.requests).cmp(&(one.under_contract, one.requests));
        by_share.then_with(|| (&one.method, &one.route).cmp(&(&next.method, &next.route)))
    });
    mix
}
