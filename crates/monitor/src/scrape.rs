//! The configuration of Prometheus: what it scrapes, and which rules it has.

use perf_passport::contract::{Contract, WatchedService};
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// A scrape that is longer is no scrape.
const BODY_MAX: &str = "16MB";
const SAMPLES_MAX: u32 = 50_000;

pub(crate) fn configuration(
    contract: &Contract,
    service: &WatchedService,
    settings: &Settings,
) -> Value {
    let url = contract.document.target.url.as_deref().unwrap_or_default();
    let scheme = if url.starts_with("https://") { "https" } else { "http" };
    // The rules look for them.
    let labels: Map<String, Value> = service
        .selector
        .iter()
        .filter(|it| it.operator == "=")
        .map(|it| (it.label.clone(), json!(it.value)))
        .collect();
    json!({
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": ["alertmanager:9093"] }] }] },
        "global": { "evaluation_interval": "15s", "scrape_interval": "15s" },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [{
            "body_size_limit": BODY_MAX,
            "job_name": service.name,
            "metrics_path": "/metrics",
            "sample_limit": SAMPLES_MAX,
            "scheme": scheme,
            "scrape_interval": "5s",
            "static_configs": [{ "labels": labels, "targets": [settings.target] }],
        }],
    })
}
