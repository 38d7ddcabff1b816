//! From evidence to results: claims, their figures, and the mix of routes.

use serde::{Deserialize, Serialize};

use super::{
    ProductionEvidence, RouteTally,
    limits::route_budgets,
    rule_1, rule_2,
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
    /// At least so many; only there where the edges of a histogram leave it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_at_least: Option<Count>,
    /// Further requests, which were counted in this time or before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsure: Option<Count>,
    /// Requests that the counter has and the histogram lacks; of errors the reverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Count>,
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
    let seen = &bracket.at_most;
    let first = || {
        let lower = bracket.at_least.at_least(rule_1::ERROR_OF_FAIL);
        (rule_1::reason(evidence, bracket, allowed), lower, seen.at_most(rule_1::ERROR_OF_PASS))
    };
    let second = || {
        let reason = rule_2::reason(evidence, bracket, allowed);
        (reason, rule_2::at_least(bracket), rule_2::at_most(bracket))
    };
    let (reason, lower, upper) = match evidence.rule {
        ProductionRule::One => first(),
        ProductionRule::Two => second(),
        #[cfg(test)]
        ProductionRule::Trial => (crate::claim::Reason::Undecided, 0.0, 1.0),
    };
    let observed = seen.share().map(|it| millionths(it, f64::round).get());
    // The first rule wrote none of these.
    let told = |count: Count| {
        Some(count).filter(|it| evidence.rule != ProductionRule::One && *it > Count::ZERO)
    };
    let is_told = evidence.rule != ProductionRule::One && bracket.is_open();
    let summary = ShareSummary {
        limit_ns: bracket.limit,
        requests: seen.trials,
        bad: seen.events,
        bad_at_least: is_told.then_some(bracket.at_least.events),
        unsure: told(bracket.besides.unsure),
        uncounted: told(bracket.besides.uncounted),
        lower_ppm: millionths(lower, f64::floor),
        upper_ppm: millionths(upper, f64::ceil),
        overdispersion_ppm: millionths(seen.overdispersion(), f64::round),
        requests_needed: rule_1::requests_needed(reason, bracket, allowed),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Reason;
    use crate::production::{
        CounterDoubt, CounterSource, EdgeTally, LateStart, OtherRoute, UnsureTally,
    };

    const CONTRACT: &str = "schema_version = 1\nname = \"shop\"\n[service]\n\
        [[endpoint]]\nname = \"a\"\npath = \"/a\"\n\
        [[endpoint]]\nname = \"b\"\npath = \"/b\"\nmethod = \"POST\"\n\
        [slo.api]\nendpoints = [\"a\", \"b\"]\nobjective = 99\n";

    fn counts(number: u64) -> Vec<Count> {
        vec![Count::new(number); 60]
    }

    fn route(method: &str, route: &str, requests: u64) -> RouteTally {
        let limit = Nanos::new(10_000_000);
        RouteTally {
            method: method.to_owned(),
            route: route.to_owned(),
            requests: counts(requests),
            errors: counts(0),
            timed: counts(requests),
            slow: vec![EdgeTally {
                limit_ns: limit,
                edge_below_ns: Some(limit),
                edge_above_ns: Some(limit),
                at_most: counts(0),
                at_least: Vec::new(),
            }],
            unsure: None,
        }
    }

    fn evidence() -> ProductionEvidence {
        ProductionEvidence {
            rule: ProductionRule::LATEST,
            source: CounterSource::Prometheus,
            from: "2026-01-01T00:00:00.000Z".to_owned(),
            to: "2026-01-01T01:00:00.000Z".to_owned(),
            window_ns: Nanos::new(60_000_000_000),
            windows: Count::new(60),
            instances: Count::new(1),
            resets: Count::ZERO,
            gaps: Count::ZERO,
            gap_ppm: Ppm::ZERO,
            contract_budgets: None,
            live_budgets: Vec::new(),
            doubts: Vec::new(),
            unfinished: None,
            late: None,
            routes: vec![route("GET", "/a", 10), route("POST", "/b", 1)],
            other_routes: Vec::new(),
            other_requests: Count::ZERO,
        }
    }

    fn reasons(change: impl FnOnce(&mut ProductionEvidence)) -> Vec<(String, Vec<Reason>)> {
        let contract = Contract::parse(CONTRACT).unwrap();
        let mut evidence = evidence();
        change(&mut evidence);
        evidence.validate(&contract).unwrap();
        let results = Production::of(&contract, evidence).results;
        let reasons = |it: WindowResult| it.claims.iter().map(|it| it.reason).collect();
        results.into_iter().map(|it| (it.name.clone(), reasons(it))).collect()
    }

    fn of_api(change: impl FnOnce(&mut ProductionEvidence)) -> [Reason; 2] {
        reasons(change)[0].1.clone().try_into().unwrap()
    }

    #[test]
    fn an_objective_is_of_all_its_routes_and_a_route_of_its_own_budget() {
        let all = reasons(|_| {});
        let names: Vec<&str> = all.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(names, ["api", "GET /a", "POST /b"]);
        assert_eq!(all[0].1, [Reason::WithinBudget, Reason::WithinBudget]);
        assert_eq!(
            (&all[1].1, &all[2].1),
            (&vec![Reason::WithinBudget], &vec![Reason::TooLittleTraffic])
        );
        let contract = Contract::parse(CONTRACT).unwrap();
        let production = Production::of(&contract, evidence());
        // 60 requests to a route are too few; the objective is what must be proved.
        assert_eq!(production.measured_status(), Some(Verdict::Pass));
        let post = &production.results[2];
        assert!(!post.claims[0].required);
        assert_eq!(post.status, Verdict::Abstain);
        assert_eq!(post.shares[0].requests_needed, Some(Count::new(299)));
        assert_eq!(post.shares[0].upper_ppm.get(), 48_703);
    }

    #[test]
    fn what_is_shown_fails_and_what_is_not_abstains_for_a_reason() {
        use Reason::{
            CountersMissing, EdgeMissing, OverBudget, SeveralBudgets, TooFewWindows, WithinBudget,
        };
        let slow = |it: &mut ProductionEvidence| it.routes[0].slow[0].at_most = counts(1);
        assert_eq!(of_api(slow), [WithinBudget, OverBudget]);
        let failing = |it: &mut ProductionEvidence| it.routes[0].errors = counts(1);
        assert_eq!(of_api(failing), [OverBudget, WithinBudget]);
        let digest = "0".repeat(64);
        let two = |it: &mut ProductionEvidence| {
            it.live_budgets = vec![digest.clone(), "1".to_owned()];
            it.contract_budgets = Some(digest.clone());
        };
        assert_eq!(of_api(two), [SeveralBudgets; 2]);
        assert_eq!(of_api(|it| it.gap_ppm = Ppm::new(100_001)), [CountersMissing; 2]);
        let short = |it: &mut ProductionEvidence| {
            for route in &mut it.routes {
                route.requests[19..].fill(Count::ZERO);
                route.timed[19..].fill(Count::ZERO);
            }
        };
        assert_eq!(of_api(short), [TooFewWindows; 2]);
        let without_edge = |it: &mut ProductionEvidence| {
            let edge = &mut it.routes[0].slow[0];
            (edge.edge_below_ns, edge.edge_above_ns) = (None, Some(Nanos::new(20_000_000)));
            (edge.at_most, edge.at_least) = (counts(10), counts(0));
        };
        assert_eq!(of_api(without_edge), [WithinBudget, EdgeMissing]);
    }

    /// 660 requests without a bad one show 1 %. Further ones are taken for bad or good, as is worse.
    #[test]
    fn what_may_be_from_before_is_bounded_and_not_believed() {
        use Reason::{OverBudget, UnsureCounts, WithinBudget};
        let unsure = |requests: u64, bad: u64| {
            let [requests, bad] = [requests, bad].map(Count::new);
            let slow = vec![bad];
            Some(UnsureTally { requests, errors: bad, timed: requests, slow })
        };
        let good = |it: &mut ProductionEvidence| it.routes[0].unsure = unsure(5_000, 0);
        assert_eq!(of_api(good), [WithinBudget; 2]);
        let bad = |it: &mut ProductionEvidence| it.routes[0].unsure = unsure(5_000, 40);
        assert_eq!(of_api(bad), [UnsureCounts; 2]);
        // One bad request of ten fails, unless thousands of good ones may belong to them.
        let failing = |many: u64| {
            move |it: &mut ProductionEvidence| {
                it.routes[0].errors = counts(1);
                it.routes[0].unsure = unsure(many, 0);
            }
        };
        assert_eq!(of_api(failing(10))[0], OverBudget);
        assert_eq!(of_api(failing(50_000))[0], UnsureCounts);
        // By hand: the bound of 0 of 660 is 1 - 0.05^(1/660) = 0.0045288, so (2.989 + 3) / 663.
        let contract = Contract::parse(CONTRACT).unwrap();
        let mut evidence = evidence();
        evidence.routes[0].unsure = unsure(100, 3);
        let share = Production::of(&contract, evidence).results[0].shares[0];
        assert_eq!(share.upper_ppm.get(), 9_034);
        assert_eq!((share.unsure, share.uncounted), (Some(Count::new(100)), None));
    }

    #[test]
    fn what_had_begun_and_not_ended_is_taken_for_the_worse() {
        use Reason::{OverBudget, Unfinished, WithinBudget};
        let of =
            |number| move |it: &mut ProductionEvidence| it.unfinished = Some(Count::new(number));
        assert_eq!(of_api(of(3)), [WithinBudget; 2]);
        assert_eq!(of_api(of(40)), [Unfinished; 2]);
        let failing = |number| {
            move |it: &mut ProductionEvidence| {
                it.routes[0].errors = counts(1);
                it.unfinished = Some(Count::new(number));
            }
        };
        assert_eq!(of_api(failing(10))[0], OverBudget);
        assert_eq!(of_api(failing(50_000))[0], Unfinished);
        let contract = Contract::parse(CONTRACT).unwrap();
        let mut first = ProductionEvidence { rule: ProductionRule::One, ..evidence() };
        first.unfinished = Some(Count::new(1));
        let refused = first.validate(&contract).unwrap_err().to_string();
        assert!(refused.contains("is 1, which knows no doubts"), "{refused}");
    }

    /// After a deployment that renames `/a`, of which half of the time has requests.
    #[test]
    fn a_route_that_is_replaced_by_another_one_is_not_decided() {
        use Reason::{RoutesChanged, WithinBudget};
        let renamed = |first: u64, requests: u64| {
            move |it: &mut ProductionEvidence| {
                let half = [vec![Count::new(40); 30], vec![Count::ZERO; 30]].concat();
                it.routes[0].requests.clone_from(&half);
                it.routes[0].timed = half;
                it.other_routes = vec![OtherRoute {
                    method: "GET".to_owned(),
                    route: "/v2/a".to_owned(),
                    requests: Count::new(requests),
                    first_window: Some(Count::new(first)),
                }];
            }
        };
        assert_eq!(of_api(renamed(30, 300)), [RoutesChanged; 2]);
        assert_eq!(of_api(renamed(29, 10)), [RoutesChanged; 2]);
        // Another one that began before, or has next to no requests, has not taken its place.
        assert_eq!(of_api(renamed(12, 300)), [WithinBudget; 2]);
        assert_eq!(of_api(renamed(30, 9)), [WithinBudget; 2]);
    }

    #[test]
    fn what_only_one_of_two_metrics_counts_is_taken_for_the_worse() {
        use Reason::{CountsDisagree, OverBudget, WithinBudget};
        // The histogram has one of ten requests.
        let partial = |it: &mut ProductionEvidence| {
            it.routes[0].requests = counts(100);
        };
        assert_eq!(of_api(partial), [WithinBudget, CountsDisagree]);
        let fewer_counted = |it: &mut ProductionEvidence| it.routes[0].timed = counts(100);
        assert_eq!(of_api(fewer_counted), [CountsDisagree, WithinBudget]);
        let untimed = |it: &mut ProductionEvidence| {
            for route in &mut it.routes {
                route.timed = counts(0);
            }
        };
        assert_eq!(of_api(untimed), [WithinBudget, CountsDisagree]);
        // A request that is in flight at one end changes nothing.
        let one = |it: &mut ProductionEvidence| it.routes[0].requests[59] = Count::new(11);
        assert_eq!(of_api(one), [WithinBudget; 2]);
        // What is slow is slow, whatever else was not timed.
        let slow = |it: &mut ProductionEvidence| {
            it.routes[0].requests = counts(20);
            it.routes[0].slow[0].at_most = counts(5);
        };
        assert_eq!(of_api(slow), [WithinBudget, OverBudget]);
    }

    #[test]
    fn counts_that_are_of_no_single_process_decide_nothing() {
        use Reason::{CountersFell, HistogramBroken, SeveralProcesses, WithinBudget};
        let with = |doubts: &[CounterDoubt]| {
            let doubts = doubts.to_vec();
            of_api(|it| it.doubts = doubts)
        };
        assert_eq!(with(&[CounterDoubt::SeveralProcesses]), [SeveralProcesses; 2]);
        assert_eq!(with(&[CounterDoubt::CountersFell]), [CountersFell; 2]);
        // The counter of requests is another metric.
        assert_eq!(with(&[CounterDoubt::HistogramBroken]), [WithinBudget, HistogramBroken]);
        // The first rule knows none of it.
        let contract = Contract::parse(CONTRACT).unwrap();
        let old = |change: fn(&mut ProductionEvidence)| {
            let mut evidence = ProductionEvidence { rule: ProductionRule::One, ..evidence() };
            change(&mut evidence);
            evidence.validate(&contract).map_err(|error| error.to_string())
        };
        assert_eq!(old(|_| {}), Ok(()));
        for change in [
            |it: &mut ProductionEvidence| it.doubts = vec![CounterDoubt::CountersFell],
            |it: &mut ProductionEvidence| {
                it.routes[0].unsure =
                    Some(UnsureTally { slow: counts(0)[..1].to_vec(), ..UnsureTally::default() });
            },
            |it: &mut ProductionEvidence| {
                it.late = Some(LateStart { asked_from: it.from.clone(), source_is_younger: true });
            },
        ] {
            assert!(old(change).unwrap_err().contains("knows no doubts"));
        }
    }

    #[test]
    fn the_mix_is_of_all_requests() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let mut evidence = evidence();
        let other = |route: &str, requests| OtherRoute {
            method: "GET".to_owned(),
            route: route.to_owned(),
            requests: Count::new(requests),
            first_window: None,
        };
        evidence.other_routes = vec![other("/c", 300), other("/d", 0)];
        evidence.other_requests = Count::new(240);
        evidence.validate(&contract).unwrap();
        let mix = Production::of(&contract, evidence).mix;
        let shares: Vec<_> = mix
            .iter()
            .map(|it| (it.route.as_str(), it.share_ppm.get(), it.under_contract))
            .collect();
        assert_eq!(shares, [("/a", 500_000, true), ("/b", 50_000, true), ("/c", 250_000, false)]);
    }

    #[test]
    fn evidence_that_contradicts_itself_is_refused() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let refused = |change: fn(&mut ProductionEvidence), said: &str| {
            let mut evidence = evidence();
            change(&mut evidence);
            let error = evidence.validate(&contract).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        };
        refused(|it| it.routes[0].errors[3] = Count::new(11), "are not of its requests");
        refused(|it| it.routes[0].slow[0].at_most[3] = Count::new(11), "counts what was not timed");
        refused(|it| it.routes[0].slow[0].edge_below_ns = None, "one edge at its limit");
        refused(
            |it| it.routes[0].slow[0].limit_ns = Nanos::new(5),
            "are not those of the contract",
        );
        refused(|it| it.routes.truncate(1), "are not those of the contract");
        refused(|it| it.routes.swap(0, 1), "are not those of the contract");
        refused(|it| it.routes[0].requests.truncate(59), "one for each window");
        refused(|it| it.windows = Count::new(61), "above 60");
        refused(|it| it.live_budgets = vec!["1".to_owned()], "lacks that of the contract");
        refused(|it| it.contract_budgets = Some("1".to_owned()), "is no SHA-256");
        refused(|it| it.from = "\u{1b}".to_owned(), "no printable text");
        refused(|it| it.from = "3000".to_owned(), "is before `from`");
        refused(|it| it.gap_ppm = Ppm::new(1_000_001), "more than all");
        refused(|it| it.routes[0].requests[0] = Count::new((1 << 53) + 1), "one for each window");
        refused(|it| it.doubts = vec![CounterDoubt::CountersFell; 2], "not sorted, each once");
        refused(|it| it.routes[0].unsure = Some(UnsureTally::default()), "of its own requests");
        refused(
            |it| it.late = Some(LateStart { asked_from: "3".to_owned(), source_is_younger: false }),
            "no printable time before",
        );
    }
}
