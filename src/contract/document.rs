//! The contract as it is written: the tables and keys of `passport.toml`.
//!
//! [`ContractDocument`] mirrors the file key by key and is what the contract digest covers; an
//! unknown key is an error. It resolves nothing: defaults, inheritance and cross references are
//! worked out in [`super::resolve`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BudgetsDocument, ClaimKind, CompareBody, FlowDocument, HeaderTemplate, HistoryDocument,
    NotNegative, ObjectiveDocument, OperationDocument, PartDocument, Positive, RowsDocument,
    ServiceDocument, SetupDocument, ToleranceDocument, request_document::request_table,
};

/// The contract format that this version reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// One `passport.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ContractDocument {
    /// The contract format; this version reads 1.
    pub schema_version: u32,
    /// What is under contract: lowercase letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The accepted passport to compare with, relative to the contract file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Where the checks are measured.
    #[serde(default)]
    pub target: TargetDocument,
    /// How many samples are taken, and for how long.
    #[serde(default)]
    pub sampling: SamplingDocument,
    /// Budgets of every check that does not set its own.
    #[serde(default)]
    pub budgets: BudgetsDocument,
    /// How much worse than the baseline a check may be.
    #[serde(default)]
    pub tolerance: ToleranceDocument,
    /// Claims that must be proved: one that fails exits 1, one that abstains exits 4. When left
    /// out: all but `instructions-change`, `latency-change` and `latency-drift`; two builds that are
    /// measured side by side must prove the latter two in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<Vec<ClaimKind>>,
    /// Free text carried into each passport.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How stored passports are looked at over commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryDocument>,
    /// How the running service is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceDocument>,
    /// What the running service must keep, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slo: BTreeMap<String, ObjectiveDocument>,
    /// The states of the service that need more than a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixture: Vec<FixtureDocument>,
    /// The endpoints, in the order they are measured.
    #[serde(default)]
    pub endpoint: Vec<EndpointDocument>,
    /// Sequences of checks measured as one sample.
    #[serde(default)]
    pub scenario: Vec<ScenarioDocument>,
    /// Requests that belong together, with state and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<FlowDocument>,
    /// Pieces of code, measured by a harness or by another tool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation: Vec<OperationDocument>,
}

/// `[target]`: a service that this program can build in process, or a base URL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetDocument {
    /// The name of a service that is driven in process, such as `ledger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The base URL of a running service, such as `http://127.0.0.1:8000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The fixture that a running service has loaded: its state. Checks on others are left out, and
    /// `--fixture` replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<String>,
    /// When a running service is ready; by default when the first check has its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyDocument>,
    /// The seed of the fixtures; at most 2^53.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(max = 9_007_199_254_740_992_u64)))]
    pub seed: u64,
}

/// `ready = { path, status }`: what a running service answers once it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadyDocument {
    /// Path and query, starting with `/`, asked by `GET` without the headers of any check.
    pub path: String,
    /// The status, 100 to 599. Default 200.
    #[serde(default = "ok_status")]
    pub status: u16,
}

const fn ok_status() -> u16 {
    200
}

/// `[[fixture]]`: a state of the service, which endpoints name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FixtureDocument {
    /// Its name, which some endpoint or variant has as its `fixture`.
    pub name: String,
    /// Whether one service in process answers all checks on it. Only for what is read and not
    /// written: then no check sees what another one left. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}

/// What gets a service in process of its own, made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fresh {
    /// Each check.
    Check,
    /// Each sample of the check.
    Sample,
}

/// `[sampling]`: how much evidence is gathered for each check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SamplingDocument {
    /// Latency samples of each check; more are taken while a budget is undecided.
    pub samples: u32,
    /// Requests whose allocations are counted, one at a time.
    pub counted: u32,
    /// Requests at most until the counts are stable.
    pub warmup_max: u32,
    /// Samples after which the heap of a service must have stopped to grow; 1 to 1e5. Default 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_growth_samples: Option<u32>,
    /// Seconds in a session of a comparison for which a server is warmed up at most, while its time
    /// still falls; at most 1e6. Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_seconds_max: Option<Positive>,
    /// Seconds after which no further samples are taken; at most 1e6. Default 60 for the latency of a
    /// check, which takes no more than 2 where its budgets are decided by then; and 2 for warming up, for
    /// counting, and for an operation at a size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_max: Option<Positive>,
    /// Seconds for one request, from the first byte sent to the last received; at most 1e6.
    pub timeout_seconds: Positive,
    /// The largest response body that is read.
    pub body_mb_max: Positive,
}

impl Default for SamplingDocument {
    fn default() -> Self {
        Self {
            samples: 1000,
            counted: 20,
            warmup_max: 400,
            heap_growth_samples: None,
            warm_seconds_max: None,
            seconds_max: None,
            timeout_seconds: Positive::new(10.0),
            body_mb_max: Positive::new(16.0),
        }
    }
}

/// Defines a table that holds the keys which an endpoint and its variants share.
macro_rules! endpoint_document {
    ($(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* }) => {
        request_table!(
            $(#[$doc])*
            $name {
                /// A name, unique where it stands: lowercase letters, digits, `-`, `_` and `.`.
                name: String,
                /// Path and query, starting with `/`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                path: Option<String>,
                /// The template by which a running service counts the request, such as `/orders/{id}`.
                /// Default the path without its query.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                route: Option<String>,
            }
            sent {
                /// Rows whose values the samples use as `{name}`, one sample a row.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                rows: Option<RowsDocument>,
                /// The state of the service, by the name of a fixture. Default `default`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                fixture: Option<String>,
                /// What gets a service of its own in process. Default `check`, but where the fixture is
                /// shared.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                fresh: Option<Fresh>,
                /// Requests that are sent before each one that is measured, and are not measured.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                setup: Option<Vec<SetupDocument>>,
                /// The expected status. Default 200.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                status: Option<u16>,
                /// The expected media type, such as `application/json`; not checked unless given.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                content_type: Option<String>,
            }
            compared {
                /// Marks a check as slow, so that a test run can leave it out.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                slow: Option<bool>,
                /// Budgets that differ from the contract's.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                budgets: Option<BudgetsDocument>,
                /// Tolerances that differ from the contract's.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                tolerance: Option<ToleranceDocument>,
                $($(#[$meta])* $field: $type,)*
            }
        );
    };
}

endpoint_document!(
    /// `[[endpoint]]`: one route, measured in one or more variants.
    EndpointDocument {
        /// The variants; when there is none, the endpoint is one check named `default`.
        #[serde(default)]
        variant: Vec<VariantDocument>,
    }
);

endpoint_document!(
    /// `[[endpoint.variant]]`: an endpoint in one situation; a key here replaces the endpoint's.
    VariantDocument {}
);

/// `[[scenario]]`: checks sent one after the other, several rounds to a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScenarioDocument {
    /// A name, unique among scenarios and endpoints.
    pub name: String,
    /// How often the steps are repeated within one sample, of at most 1000 requests.
    pub rounds: u32,
    /// Checks as `endpoint/variant`, all on the same fixture.
    pub steps: Vec<String>,
    /// What gets a service of its own in process. Default `sample` where it is that of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Fresh>,
    /// Marks the scenario as slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<bool>,
    /// Budgets of one request; the sample's limit is the budget times its requests (peak heap: the
    /// budget itself).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<BudgetsDocument>,
    /// Tolerances that differ from the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<ToleranceDocument>,
}

impl ContractDocument {
    /// Sets the tolerance of latency and peak heap for every check, and that of time for every
    /// operation.
    pub(super) fn set_regression_percent(&mut self, percent: NotNegative) {
        self.tolerance.regression_percent = Some(percent);
        let endpoints = self.endpoint.iter_mut();
        let own = endpoints.flat_map(|endpoint| {
            let variants = endpoint.variant.iter_mut().map(|variant| &mut variant.tolerance);
            variants.chain([&mut endpoint.tolerance])
        });
        let scenarios = self.scenario.iter_mut().map(|scenario| &mut scenario.tolerance);
        let flows = self.flow.iter_mut().flat_map(|flow| {
            flow.step.iter_mut().map(|step| &mut step.tolerance).chain([&mut flow.tolerance])
        });
        for tolerance in own.chain(scenarios).chain(flows).flatten() {
            tolerance.regression_percent = None;
        }
        for operation in &mut self.operation {
            operation.tolerance.latency_percent = Some(percent);
        }
    }
}
