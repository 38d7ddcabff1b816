//! What of a service must be read, so that the contract can be held against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    contract::{Check, Contract, LatencyBudget, ObservedRoute, Quantile},
    units::Nanos,
};

/// A route under contract, and the times that its requests are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedRoute {
    /// Method and template.
    pub route: ObservedRoute,
    /// The times, rising, each once.
    pub limits: Vec<Nanos>,
}

/// The routes of the contract's objectives, and of its checks that are one request each; sorted, each once.
pub fn watched_routes(contract: &Contract) -> Vec<WatchedRoute> {
    let mut limits: BTreeMap<ObservedRoute, BTreeSet<Nanos>> = BTreeMap::new();
    for objective in &contract.objectives {
        for route in &objective.routes {
            limits.entry(route.clone()).or_default().insert(objective.latency);
        }
    }
    for (route, budgets) in route_budgets(contract) {
        limits.entry(route).or_default().extend(budgets.iter().map(|it| it.latency_ns_max));
    }
    let watched = |(route, limits): (_, BTreeSet<_>)| WatchedRoute {
        route,
        limits: limits.into_iter().collect(),
    };
    limits.into_iter().map(watched).collect()
}

/// The latency budgets of each route, by quantile. Several checks may ask for one route, and a service does
/// not count them apart: the largest budget holds.
pub(super) fn route_budgets(contract: &Contract) -> BTreeMap<ObservedRoute, Vec<LatencyBudget>> {
    let mut largest: BTreeMap<ObservedRoute, BTreeMap<Quantile, Nanos>> = BTreeMap::new();
    for check in contract.checks.iter().filter(|it| it.is_one_request()) {
        let Some(request) = check.requests.first() else { continue };
        let of_route = largest.entry(request.observed_route()).or_default();
        for budget in budgets(check) {
            let known = of_route.entry(budget.quantile).or_insert(budget.latency_ns_max);
            *known = budget.latency_ns_max.max(*known);
        }
    }
    let list = |budgets: BTreeMap<Quantile, Nanos>| {
        let one = |(quantile, latency_ns_max)| LatencyBudget { quantile, latency_ns_max };
        budgets.into_iter().map(one).collect()
    };
    largest.into_iter().map(|(route, budgets)| (route, list(budgets))).collect()
}

fn budgets(check: &Check) -> impl Iterator<Item = LatencyBudget> {
    let further = check.budgets.further_latency.iter().copied();
    std::iter::once(check.budgets.latency()).chain(further)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_held_against_objectives_and_its_largest_budgets() {
        let contract = Contract::parse(
            "schema_version = 1\nname = \"shop\"\n[service]\n\
             [[endpoint]]\nname = \"orders\"\npath = \"/orders\"\n\
             [[endpoint.variant]]\nname = \"few\"\nbudgets = { latency_ms_max = 5 }\n\
             [[endpoint.variant]]\nname = \"many\"\nbudgets = { latency_ms_max = 20, latency_p50_ms_max = 3 }\n\
             [[scenario]]\nname = \"all\"\nrounds = 2\nsteps = [\"orders/few\"]\n\
             [slo.api]\nendpoints = [\"orders\"]\nobjective = 99.9\nlatency_ms = 7\n",
        )
        .unwrap();
        let watched = watched_routes(&contract);
        assert_eq!(watched.len(), 1);
        assert_eq!((&*watched[0].route.method, &*watched[0].route.route), ("GET", "/orders"));
        let ms = |it: &Nanos| it.get() / 1_000_000;
        assert_eq!(watched[0].limits.iter().map(ms).collect::<Vec<_>>(), [3, 7, 20]);
    }
}
