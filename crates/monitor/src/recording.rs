//! Recording rules: what alerts and panels read of an objective. `observe` reads raw samples instead.
//!
//! Names are `level:metric:operation`. A share has a series also where nothing failed.
//!
//! The share of slow requests is of the instances that had a bucket which ends at the latency of the objective
//! in each sample of the window. Requests from before an edge would else all be taken for slow ones. Where no
//! instance had it, no share is recorded, and `LatencyAbsent` says which instance still has none.

use std::collections::BTreeMap;

use perf_passport::contract::{Contract, Objective};

use crate::{
    alerts::{Kind, burns},
    budgets::seconds,
    promql::{FAILED, Names, any_of, edge_forms, matching},
    rule::{Rule, RuleGroup},
};

/// A window that a level of an objective looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) minutes: u32,
    /// As Prometheus writes it.
    pub(crate) text: String,
    /// Whether it is the long one of a level, which has a floor.
    pub(crate) is_long: bool,
}

/// The windows of the levels of an objective, each once, the shortest first.
pub(crate) fn windows(objective: &Objective) -> Vec<Window> {
    let mut windows: BTreeMap<u32, Window> = BTreeMap::new();
    for burn in burns(objective) {
        for (text, is_long) in [(burn.long, true), (burn.short, false)] {
            let minutes = text.trim_end_matches('m').parse().unwrap_or_default();
            let window = windows.entry(minutes).or_insert(Window { minutes, text, is_long });
            window.is_long |= is_long;
        }
    }
    windows.into_values().collect()
}

/// One group for each objective.
pub(crate) fn groups(contract: &Contract, names: &Names<'_>) -> Vec<RuleGroup> {
    let group = |objective: &Objective| RuleGroup {
        name: format!("{} objective {}", names.service.name, objective.name),
        rules: rules(objective, names),
        others: BTreeMap::new(),
    };
    contract.objectives.iter().map(group).collect()
}

fn rules(objective: &Objective, names: &Names<'_>) -> Vec<Rule> {
    let slo = BTreeMap::from([("slo".to_owned(), objective.name.clone())]);
    let record = |name: String, expr: String| Rule {
        record: Some(name),
        expr,
        labels: slo.clone(),
        ..Rule::default()
    };
    let mut rules = Vec::new();
    for Window { text, is_long, .. } in windows(objective) {
        for kind in Kind::ALL {
            if is_long {
                rules.push(record(kind.counted(&text), counted(objective, names, kind, &text)));
            }
            rules.push(record(kind.recorded(&text), share(objective, names, kind, &text)));
        }
    }
    rules
}

/// The number of the requests that a share is of.
fn counted(objective: &Objective, names: &Names<'_>, kind: Kind, window: &str) -> String {
    match kind {
        Kind::Errors => {
            let requests = (objective, names.service.requests.as_str(), &[][..]);
            format!("sum by (job) ({})", names.over("increase", requests, window))
        }
        Kind::Slow => {
            let all = Timed { objective, names, window }.of_complete("increase", "count", &[]);
            format!("sum by (job) ({all})")
        }
    }
}

/// The share of requests that fail, or are too slow, as an expression.
pub(crate) fn share(objective: &Objective, names: &Names<'_>, kind: Kind, window: &str) -> String {
    let service = names.service;
    match kind {
        Kind::Errors => {
            let errors = [matching(&service.status_label, FAILED)];
            let failed = names.over("rate", (objective, &service.requests, &errors), window);
            let all = names.over("rate", (objective, &service.requests, &[]), window);
            format!(
                "(sum by (job) ({failed}) or 0 * sum by (job) ({all}))\n/\nsum by (job) ({all})"
            )
        }
        Kind::Slow => {
            let timed = Timed { objective, names, window };
            let within = timed.of_complete("rate", "bucket", &timed.edge());
            let all = timed.of_complete("rate", "count", &[]);
            format!("1 - sum by (job) ({within})\n/\nsum by (job) ({all})")
        }
    }
}

/// The requests of an objective as its histogram has them.
struct Timed<'a> {
    objective: &'a Objective,
    names: &'a Names<'a>,
    window: &'a str,
}

impl Timed<'_> {
    /// The bucket that ends at the latency.
    fn edge(&self) -> [String; 1] {
        let forms = edge_forms(&seconds(self.objective.latency));
        [any_of("le", &forms.iter().map(String::as_str).collect::<Vec<_>>())]
    }

    fn over(&self, function: &str, of: &str, matchers: &[String]) -> String {
        let metric = format!("{}_{of}", self.names.service.metric);
        self.names.over(function, (self.objective, &metric, matchers), self.window)
    }

    /// A function of time over `_bucket` or `_count`, of the instances in whose samples no edge is missing.
    fn of_complete(&self, function: &str, of: &str, matchers: &[String]) -> String {
        let samples = |of: &str, matchers: &[String]| {
            let counted = self.over("count_over_time", of, matchers);
            format!("sum by (job, instance) ({counted})")
        };
        format!(
            "({})\nand on (job, instance)\n({} == {})",
            self.over(function, of, matchers),
            samples("bucket", &self.edge()),
            samples("count", &[])
        )
    }
}
