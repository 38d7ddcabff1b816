//! The expressions of dashboards: whether Prometheus can read them, and whether their metrics exist.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::contract::WatchedService;
use serde_json::Value;

use super::read::NamedRules;
use crate::{
    metrics::METRICS,
    rule::{Rule, RuleFile, RuleGroup},
};

/// Every expression of a dashboard, with the title of its panel.
pub(super) fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let title = panel["title"].as_str().unwrap_or_default();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap_or_default();
            found.push((title.to_owned(), expression.to_owned()));
        }
    }
    found
}

/// What Grafana asks, with a window in the place of its own.
pub(super) fn asked(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$__range", "1h")
}

/// A file of rules that is read only where every expression is.
pub(super) fn as_rules(expressions: &[String]) -> RuleFile {
    let rule = |(index, expression): (usize, &String)| Rule {
        record: Some(format!("panel:{index}")),
        expr: asked(expression),
        ..Rule::default()
    };
    let rules = expressions.iter().enumerate().map(rule).collect();
    RuleFile {
        groups: vec![RuleGroup { name: "panels".to_owned(), rules, others: BTreeMap::new() }],
    }
}

/// The names of all series that there can be.
pub(super) fn known(service: &WatchedService, rules: &[NamedRules]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str, is_histogram: bool| {
        if is_histogram {
            names.extend(["_bucket", "_count", "_sum"].map(|it| format!("{name}{it}")));
        } else {
            names.insert(name.to_owned());
        }
    };
    for (name, is_histogram) in METRICS {
        add(name, *is_histogram);
    }
    add(&service.metric, true);
    for name in [&service.requests, &service.active, &service.build_info] {
        add(name, false);
    }
    let groups = rules.iter().flat_map(|it| &it.rules.groups);
    for recorded in groups.flat_map(|it| &it.rules).filter_map(|it| it.record.as_deref()) {
        add(recorded, false);
    }
    names
}

/// The names before a brace: those of series.
pub(super) fn metrics(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    let (mut names, mut name, mut in_text, mut escapes) =
        (BTreeSet::new(), String::new(), false, false);
    for c in expression.chars() {
        if in_text {
            in_text = escapes || c != '"';
            escapes = !escapes && c == '\\';
            continue;
        }
        if c == '{' && !name.is_empty() {
            names.insert(name.clone());
        }
        in_text = c == '"';
        if is_name(c) { name.push(c) } else { name.clear() }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_what_stands_before_a_brace() {
        let of = |text| metrics(text).into_iter().collect::<Vec<_>>();
        assert_eq!(
            of("sum by (le) (rate(a_b{c=\"d{\\\"e{\"}[5m])) / slo:x:y{}"),
            ["a_b", "slo:x:y"]
        );
    }
}
