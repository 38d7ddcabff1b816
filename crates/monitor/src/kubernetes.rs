//! Rules and scraping as resources of the Prometheus Operator.

use serde::Serialize;
use serde_json::{Value, json};

use crate::rule::RuleGroup;

/// Names of resources have no `_`, and begin and end with a letter or a digit.
fn resource_name(service: &str) -> String {
    let name = service.replace('_', "-").replace("..", ".");
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "service".to_owned() } else { name.to_owned() }
}

/// A `PrometheusRule`; its groups are those of the files.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrometheusRule<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Value,
    spec: RuleSpec<'a>,
}

#[derive(Debug, Serialize)]
struct RuleSpec<'a> {
    groups: Vec<&'a RuleGroup>,
}

pub(crate) fn prometheus_rule<'a>(service: &str, groups: Vec<&'a RuleGroup>) -> PrometheusRule<'a> {
    PrometheusRule {
        api_version: "monitoring.coreos.com/v1",
        kind: "PrometheusRule",
        metadata: json!({ "name": resource_name(service) }),
        spec: RuleSpec { groups },
    }
}

/// It finds services by the label `app.kubernetes.io/name`, whose value becomes `job`.
pub(crate) fn service_monitor(service: &str) -> Value {
    let label = "app.kubernetes.io/name";
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": { "name": resource_name(service) },
        "spec": {
            "endpoints": [{ "interval": "5s", "path": "/metrics", "port": "http" }],
            "jobLabel": label,
            "selector": { "matchLabels": { label: service } },
        },
    })
}
