//! Contracts that are measured in a fraction of a second.

/// The reference service in process, on rows that load at once.
pub(crate) const LEDGER: &str = r#"schema_version = 1
name = "small"
baseline = "baseline.json"

[target]
service = "ledger"
seed = 7

[sampling]
samples = 40
counted = 3

[budgets]
latency_ms_max = 1000
latency_quantile = "p50"

[[endpoint]]
name = "health"
path = "/health"
content_type = "application/json"
ignore = ["/timestamp", "/dependencies/database/latency_ms"]
fixture = "empty"

[[endpoint]]
name = "metrics"
path = "/metrics"
content_type = "application/json"
ignore = ["/generated_at", "/performance"]
fixture = "normal"
"#;

/// The same without a baseline.
pub(crate) fn ledger() -> String {
    LEDGER.replace("baseline = \"baseline.json\"\n", "")
}

/// A contract for a running service that tells nothing of its own cost.
pub(crate) fn running(url: &str) -> String {
    format!(
        r#"schema_version = 1
name = "running"
required = ["status", "content-type", "deterministic", "latency"]

[target]
url = "{url}"

[sampling]
samples = 30
warmup_max = 5

[budgets]
latency_ms_max = 1000
latency_quantile = "p50"

[[endpoint]]
name = "orders"
path = "/orders"
content_type = "application/json"
"#
    )
}
