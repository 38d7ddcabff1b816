//! Resources of the Prometheus Operator: whether they have the rules that were checked, and whether what they
//! find is what the rules look for.

use std::{collections::BTreeMap, path::Path};

use perf_passport::{contract::WatchedService, text::escaped};
use serde_json::Value;

use super::{CheckReport, read::NamedRules};
use crate::{
    error::MonitorError,
    kubernetes::{API_VERSION, NAME_LABEL, PrometheusRule},
    named_file::one,
    rule::RuleGroup,
    scrape,
};

/// # Errors
///
/// [`MonitorError::Unreadable`] where a file is there and no text.
pub(super) fn check(
    directory: &Path,
    service: &WatchedService,
    rules: &[NamedRules],
    report: &mut CheckReport,
) -> Result<(), MonitorError> {
    let directory = directory.join("kubernetes");
    if let Some(text) = one(&directory.join("prometheus_rule.yaml"))? {
        prometheus_rule(&text, rules, report);
    }
    if let Some(text) = one(&directory.join("service_monitor.yaml"))? {
        let wrong = match serde_norway::from_str(&text) {
            Ok(monitor) => service_monitor(&monitor, service),
            Err(error) => vec![escaped(&error.to_string())],
        };
        report.tell(
            wrong.is_empty(),
            "the ServiceMonitor finds the service that the rules look for",
            &format!("kubernetes/service_monitor.yaml:\n  {}", wrong.join("\n  ")),
        );
    }
    Ok(())
}

fn prometheus_rule(text: &str, rules: &[NamedRules], report: &mut CheckReport) {
    const FILE: &str = "kubernetes/prometheus_rule.yaml";
    let resource: PrometheusRule = match serde_norway::from_str(text) {
        Ok(resource) => resource,
        Err(error) => {
            report.failed.push(format!("{FILE}: {}", escaped(&error.to_string())));
            return;
        }
    };
    let is_one = resource.api_version == API_VERSION && resource.kind == "PrometheusRule";
    report.tell(is_one, "it is a PrometheusRule", &format!("{FILE} is no PrometheusRule"));
    let by_name = |groups: Vec<&RuleGroup>| -> BTreeMap<String, RuleGroup> {
        groups.into_iter().map(|it| (it.name.clone(), it.clone())).collect()
    };
    let own = by_name(resource.spec.groups.iter().collect());
    let others = by_name(rules.iter().flat_map(|it| &it.rules.groups).collect());
    let names = own.keys().chain(others.keys());
    let differs = names.filter(|name| own.get(*name) != others.get(*name));
    let mut differs: Vec<String> = differs.map(|it| escaped(it)).collect();
    differs.sort_unstable();
    differs.dedup();
    report.tell(
        differs.is_empty() && own.len() == resource.spec.groups.len(),
        "the PrometheusRule has the rules that were checked",
        &format!(
            "{FILE} has other rules than prometheus/rules in the groups {}: `passport monitor \
             kubernetes` writes it",
            differs.join(", ")
        ),
    );
}

/// What is wrong with a `ServiceMonitor`.
fn service_monitor(monitor: &Value, service: &WatchedService) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    hold(
        monitor["apiVersion"] == API_VERSION && monitor["kind"] == "ServiceMonitor",
        "it is no ServiceMonitor".to_owned(),
    );
    let spec = &monitor["spec"];
    hold(
        spec["jobLabel"] == NAME_LABEL
            && spec["selector"]["matchLabels"][NAME_LABEL] == service.name.as_str(),
        format!("the series that it finds do not have the label job=\"{}\"", service.name),
    );
    let endpoints = spec["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    hold(!endpoints.is_empty(), "it has no endpoint".to_owned());
    for (label, value) in scrape::labels(service) {
        let sets = |endpoint: &Value| {
            let relabelings = endpoint["relabelings"].as_array().into_iter().flatten();
            relabelings.into_iter().any(|it| {
                it["targetLabel"] == label && it["replacement"] == value.replace('$', "$$").as_str()
            })
        };
        hold(
            endpoints.iter().all(sets),
            format!("an endpoint does not set the label {label} that the rules look for"),
        );
    }
    wrong
}
