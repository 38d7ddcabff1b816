//! `[service]` and `[slo.NAME]` as they are written.

use serde::{Deserialize, Serialize};

use super::{Percentage, Positive};

/// `[service]`: how the running service is watched. What is left out is as the telemetry of
/// `perf-passport-meter` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceDocument {
    /// The value of the label `job`: lowercase letters, digits, `-`, `_` and `.`. Default the contract's
    /// name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The histogram of the duration of requests, in seconds. Default `http_request_duration_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The counter of requests. Default `http_requests_total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<String>,
    /// The gauge of requests that are being answered. Default `http_active_requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// The label of the route. Default `route`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_label: Option<String>,
    /// The label of the method. Default `method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method_label: Option<String>,
    /// The label of the status, which is a class (`2xx`) or a code (`200`). Default `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_label: Option<String>,
    /// The gauge whose label `budgets` has the digest of the budgets that are live. Default
    /// `passport_build_info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_info: Option<String>,
    /// Further matchers of every series of the service, such as `env="production"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Where the pages of alerts are; the name of the page is put after it. Default `runbooks/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
}

/// `[slo.NAME]`: the share of requests of some endpoints that must be answered, and in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ObjectiveDocument {
    /// Endpoints, flows, or checks of them as `endpoint/variant`.
    pub endpoints: Vec<String>,
    /// The share in percent, of availability and of latency; 50 to 99.999.
    pub objective: Percentage,
    /// The days that the share is of, such as `30d`; `7d` to `90d`. Default `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The time that the share of requests must be within, in milliseconds; at most 1e6. Default the
    /// smallest latency budget of the endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Positive>,
}
