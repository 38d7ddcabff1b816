//! The configuration of Prometheus: what it scrapes, and which rules it has.
//!
//! A scrape beyond its limits is no scrape, and the service looks down. So the limits are beyond what our
//! telemetry can show, whatever strangers ask for: `crates/monitor/tests/it` has it at its limits.

use perf_passport::contract::{Contract, WatchedService};
use serde_json::{Map, Value, json};

use crate::{budgets::Budgets, settings::Settings};

/// Where Prometheus finds the token that the service wants.
const SCRAPE_TOKEN: &str = "/run/secrets/scrape_token";

/// Label sets of requests that our telemetry shows at most: eight for each of 500 routes, and those of all
/// others.
const REQUEST_SETS_MAX: usize = 8 * 500 + 100;
/// Lines of a histogram beside its buckets: `+Inf`, the sum, the number, and the counter of requests.
const FURTHER_LINES: usize = 4;
/// Edges that a histogram has without a contract.
const DEFAULT_EDGES: usize = 16;
/// Samples of all other metrics: five families of 2,001 label sets with such histograms, and failures of
/// which there are none.
const OTHER_SAMPLES_MAX: usize = 5 * 2_001 * (DEFAULT_EDGES + FURTHER_LINES) + 20 * 502;
/// Bytes of a line with a label value of 256 bytes, each of which is escaped.
const LINE_MAX: usize = 700;

/// Samples that a scrape of our telemetry has at most.
fn samples_max(budgets: &Budgets) -> usize {
    let edges = (budgets.edges().len() + DEFAULT_EDGES).min(200);
    REQUEST_SETS_MAX * (edges + FURTHER_LINES) + OTHER_SAMPLES_MAX
}

/// The labels that series of the service have, as far as the selector of the rules says which.
pub(crate) fn labels(service: &WatchedService) -> Vec<(&str, &str)> {
    let equal = service.selector.iter().filter(|it| it.operator == "=");
    equal.map(|it| (it.label.as_str(), it.value.as_str())).collect()
}

/// What of the selector no label of a target makes true.
pub(crate) fn comments(service: &WatchedService) -> Vec<String> {
    let others = service.selector.iter().filter(|it| it.operator != "=");
    let comment = |it: &perf_passport::contract::LabelMatcher| {
        format!(
            "The rules look for {}{}{}: see that the targets have such a label.",
            it.label,
            it.operator,
            crate::promql::quoted(&it.value)
        )
    };
    others.map(comment).collect()
}

pub(crate) fn configuration(
    contract: &Contract,
    service: &WatchedService,
    budgets: &Budgets,
    settings: &Settings,
) -> Value {
    let url = contract.document.target.url.as_deref().unwrap_or_default();
    let scheme = if url.starts_with("https://") { "https" } else { "http" };
    let labels: Map<String, Value> = labels(service)
        .into_iter()
        .map(|(label, value)| (label.to_owned(), json!(value)))
        .collect();
    let samples = samples_max(budgets);
    let mut scraped = json!({
        "body_size_limit": format!("{}MB", (samples * LINE_MAX).div_ceil(1 << 20)),
        "job_name": service.name,
        "metrics_path": "/metrics",
        "sample_limit": samples,
        "scheme": scheme,
        "scrape_interval": "5s",
        "static_configs": [{ "labels": labels, "targets": [settings.target] }],
    });
    if settings.scrape_token {
        scraped["authorization"] = json!({ "credentials_file": SCRAPE_TOKEN });
    }
    json!({
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": ["alertmanager:9093"] }] }] },
        "global": { "evaluation_interval": "15s", "scrape_interval": "15s" },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [scraped],
    })
}
