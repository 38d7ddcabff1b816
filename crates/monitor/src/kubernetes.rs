//! Rules and scraping as resources of the Prometheus Operator.

use perf_passport::contract::WatchedService;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{rule::RuleGroup, scrape, settings::Settings};

/// The label of Kubernetes that has the name of a service.
pub(crate) const NAME_LABEL: &str = "app.kubernetes.io/name";

/// The key, and the end of the name, of the secret with the token that the service wants.
const TOKEN: &str = "scrape-token";

/// Names of resources have no `_`, and begin and end with a letter or a digit.
fn resource_name(service: &str) -> String {
    let name = service.replace('_', "-").replace("..", ".");
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "service".to_owned() } else { name.to_owned() }
}

/// A `PrometheusRule`; its groups are those of the files.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrometheusRule {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    metadata: Value,
    pub(crate) spec: RuleSpec,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RuleSpec {
    pub(crate) groups: Vec<RuleGroup>,
}

pub(crate) const API_VERSION: &str = "monitoring.coreos.com/v1";

pub(crate) fn prometheus_rule(service: &str, groups: Vec<RuleGroup>) -> PrometheusRule {
    PrometheusRule {
        api_version: API_VERSION.to_owned(),
        kind: "PrometheusRule".to_owned(),
        metadata: json!({ "name": resource_name(service) }),
        spec: RuleSpec { groups },
    }
}

/// It finds services by the label `app.kubernetes.io/name`, whose value becomes `job`. What the rules look
/// for besides is put on their series.
pub(crate) fn service_monitor(service: &WatchedService, settings: &Settings) -> Value {
    let name = resource_name(&service.name);
    let mut endpoint = json!({ "interval": "5s", "path": "/metrics", "port": "http" });
    let labels = scrape::labels(service);
    if !labels.is_empty() {
        // `$1` would be a part of what was matched.
        let set = |(label, value): (&str, &str)| json!({ "replacement": value.replace('$', "$$"), "targetLabel": label });
        endpoint["relabelings"] = labels.into_iter().map(set).collect();
    }
    if settings.scrape_token {
        let secret = json!({ "key": TOKEN, "name": format!("{name}-{TOKEN}") });
        endpoint["authorization"] = json!({ "credentials": secret });
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": "ServiceMonitor",
        "metadata": { "name": name },
        "spec": {
            "endpoints": [endpoint],
            "jobLabel": NAME_LABEL,
            "selector": { "matchLabels": { NAME_LABEL: service.name } },
        },
    })
}
