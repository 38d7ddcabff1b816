//! Recording rules: what alerts and panels read of an objective. `observe` reads raw samples instead.
//!
//! Names are `level:metric:operation`. A share has a series also where nothing failed. Where no bucket of any
//! instance ends at the latency of the objective, no share is recorded, and `LatencyAbsent` says so.

use std::collections::BTreeMap;

use perf_passport::contract::{Contract, Objective};

use crate::{
    alerts::{Kind, burns, recorded_requests},
    budgets::seconds,
    promql::{FAILED, Names, any_of, edge_forms, matching},
    rule::{Rule, RuleGroup},
};

/// The windows of the levels of an objective, each once, as `(text, minutes)`.
fn windows(objective: &Objective) -> Vec<String> {
    let mut windows: BTreeMap<u32, String> = BTreeMap::new();
    for burn in burns(objective) {
        for window in [burn.long, burn.short] {
            let minutes = window.trim_end_matches('m').parse().unwrap_or_default();
            windows.insert(minutes, window);
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
    let edge = seconds(objective.latency);
    let mut rules = vec![
        record(
            "slo:objective:ratio".to_owned(),
            constant(names, &format!("{}e-6", objective.share.get())),
        ),
        record("slo:latency:seconds".to_owned(), constant(names, &edge)),
    ];
    for window in windows(objective) {
        rules.push(record(
            recorded_requests(&window),
            format!("sum by (job) ({})", requests(objective, names, "increase", &window)),
        ));
        for kind in Kind::ALL {
            rules.push(record(kind.recorded(&window), share(objective, names, kind, &window)));
        }
    }
    rules
}

/// A number with the label of the service.
fn constant(names: &Names<'_>, number: &str) -> String {
    format!("label_replace(vector({number}), \"job\", \"{}\", \"\", \"\")", names.service.name)
}

fn requests(objective: &Objective, names: &Names<'_>, function: &str, window: &str) -> String {
    names.over(function, (objective, &names.service.requests, &[]), window)
}

/// The share of requests that fail, or are too slow, as an expression.
pub(crate) fn share(objective: &Objective, names: &Names<'_>, kind: Kind, window: &str) -> String {
    let service = names.service;
    match kind {
        Kind::Errors => {
            let errors = [matching(&service.status_label, FAILED)];
            let failed = names.over("rate", (objective, &service.requests, &errors), window);
            let all = requests(objective, names, "rate", window);
            format!(
                "(sum by (job) ({failed}) or 0 * sum by (job) ({all}))\n/\nsum by (job) ({all})"
            )
        }
        Kind::Slow => {
            let forms = edge_forms(&seconds(objective.latency));
            let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
            let bucket = format!("{}_bucket", service.metric);
            let count = format!("{}_count", service.metric);
            let within = [any_of("le", &forms)];
            let within = names.over("rate", (objective, &bucket, &within), window);
            let all = names.over("rate", (objective, &count, &[]), window);
            format!("1 - sum by (job) ({within})\n/\nsum by (job) ({all})")
        }
    }
}
