//! A contract in which nothing is left to look up: checks, requests, budgets and tolerances.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{
    BodySpec, CaptureSpec, ClaimKind, CompareBody, ContractDocument, HeaderTemplate, Objective,
    Operation, Quantile, RowsSpec, WatchedService,
};
use crate::units::{Bytes, Count, Nanos, Ppm};

/// A contract in which nothing is left to look up.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// What is under contract.
    pub name: String,
    /// The contract as it was written; its digest identifies the contract.
    pub document: ContractDocument,
    /// How much evidence each check gathers.
    pub sampling: Sampling,
    /// The least share of deterministic checks.
    pub deterministic_min: Ppm,
    /// The budgets of one request, where a check has none of its own.
    pub budgets: Budgets,
    /// The tolerance, where a check has none of its own.
    pub tolerance: Tolerance,
    /// The claims that must be proved.
    pub required: Vec<ClaimKind>,
    /// The checks, in the order they are measured; names are unique.
    pub checks: Vec<Check>,
    /// The flows as users of a load take them; names are unique. Their steps are among the checks.
    pub flows: Vec<Flow>,
    /// The operations, in the order of the contract; names are unique.
    pub operations: Vec<Operation>,
    /// How the running service is watched.
    pub service: Option<WatchedService>,
    /// What the running service must keep, by name; empty without a service.
    pub objectives: Vec<Objective>,
    /// Where the files are that the contract names; the directory of this process unless somebody said
    /// so.
    pub directory: PathBuf,
}

/// How much evidence is gathered for each check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Latency samples.
    pub samples: u32,
    /// Requests whose allocations are counted.
    pub counted: u32,
    /// Requests at most until the counts are stable.
    pub warmup_max: u32,
    /// Samples after which the heap of a service must have stopped to grow.
    pub heap_growth_samples: u32,
    /// A server of a comparison is warmed up in a session for so long at most.
    pub warm_time_max: Nanos,
    /// After this long a check takes no further latency samples.
    pub time_max: Nanos,
    /// After this long warming up ends, counting ends, and an operation at a size takes no further
    /// samples.
    pub phase_time_max: Nanos,
    /// For one request, first byte sent to last received.
    pub timeout: Nanos,
    /// The largest body that is read.
    pub body_max: Bytes,
}

/// One thing that is measured: a request, or several that make one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The endpoint, or the scenario.
    pub endpoint: String,
    /// The variant; `default` where the contract names none.
    pub variant: String,
    /// The state of the service.
    pub fixture: String,
    /// How long one service in process answers.
    pub service_life: ServiceLife,
    /// Whether a test run may leave it out.
    pub slow: bool,
    /// What one sample sends, in order; never empty.
    pub requests: Vec<RequestSpec>,
    /// How often `requests` is repeated within one sample; at least 1.
    pub rounds: u32,
    /// Rows that the samples go through.
    pub rows: Option<RowsSpec>,
    /// What else belongs to a sample, where the requests are steps of a flow.
    pub flow: Option<FlowFrame>,
    /// What one sample may cost.
    pub budgets: Budgets,
    /// Which of these budgets the contract writes, and does not leave to the defaults.
    pub written: WrittenBudgets,
    /// How much worse than the baseline it may be.
    pub tolerance: Tolerance,
}

/// A flow as users of a load take it. Its steps are the requests of its check `all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The name, unique in the contract.
    pub name: String,
    /// How often it is taken, among the weights of all flows; at least 1.
    pub weight: u32,
    /// A user waits at least so long after a run.
    pub wait_min: Nanos,
    /// And at most so long, which is no less.
    pub wait_max: Nanos,
}

/// What belongs to a run of a flow beside what a check measures of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowFrame {
    /// Requests before all steps.
    pub setup: Vec<RequestSpec>,
    /// Steps before those that are measured.
    pub before: Vec<RequestSpec>,
    /// Steps after them.
    pub after: Vec<RequestSpec>,
    /// Requests after all steps.
    pub teardown: Vec<RequestSpec>,
    /// Whether setup and teardown are sent around each sample, and not once around all of a check.
    pub around_each_sample: bool,
}

impl FlowFrame {
    /// Every request of it.
    pub fn requests(&self) -> impl Iterator<Item = &RequestSpec> {
        [&self.setup, &self.before, &self.after, &self.teardown].into_iter().flatten()
    }
}

/// How long one service in process answers, until another one is made in the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceLife {
    /// As long as the process: it answers all checks on the fixture that do not want their own.
    Process,
    /// One check.
    Check,
    /// One sample.
    Sample,
}

/// Budgets that a contract writes for a check, or for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenBudgets {
    /// Of allocations.
    pub allocations: bool,
    /// Of peak heap.
    pub heap: bool,
}

/// One HTTP request and the response it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// The HTTP method, in capitals.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The template by which a running service counts the request.
    pub route: String,
    /// Header names in lowercase, with their templates.
    pub headers: Vec<(String, HeaderTemplate)>,
    /// The request body.
    pub body: Option<BodySpec>,
    /// Requests that are sent before it and are not measured; these have none themselves.
    pub setup: Vec<RequestSpec>,
    /// What later requests use of the response.
    pub captures: Vec<CaptureSpec>,
    /// The expected status.
    pub status: u16,
    /// The expected media type, where one is required.
    pub content_type: Option<String>,
    /// JSON pointers of what may differ between two responses.
    pub ignore: Vec<String>,
    /// How bodies are compared; as JSON where something is ignored.
    pub compare_body: CompareBody,
    /// Response headers that are compared, in lowercase.
    pub compare_headers: Vec<String>,
}

/// What one sample may cost; each cost must be strictly less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Latency at [`Budgets::latency_quantile`].
    pub latency_ns_max: Nanos,
    /// The quantile that the latency budget holds.
    pub latency_quantile: Quantile,
    /// Budgets of other quantiles, by rising quantile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_latency: Vec<LatencyBudget>,
    /// Peak heap of one request.
    pub heap_bytes_max: Bytes,
    /// Allocations of one sample.
    pub allocations_max: Count,
    /// Growth of the heap from [`Sampling::heap_growth_samples`] samples to twice as many, where the
    /// contract asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_growth_bytes_max: Option<Bytes>,
    /// Resident memory of the measured process, where a budget was given.
    pub process_memory_bytes_max: Option<Bytes>,
}

/// What one sample may take at a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LatencyBudget {
    /// The quantile.
    pub quantile: Quantile,
    /// The latency, which must be strictly less.
    pub latency_ns_max: Nanos,
}

impl Budgets {
    /// The budget that each check has.
    pub const fn latency(&self) -> LatencyBudget {
        LatencyBudget { quantile: self.latency_quantile, latency_ns_max: self.latency_ns_max }
    }
}

/// How much worse than the baseline a check may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Of latency and peak heap, and of instructions where they have none of their own.
    pub regression_ppm: Ppm,
    /// Of the allocation count.
    pub allocations_ppm: Ppm,
    /// Of instructions, where the contract says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions_ppm: Option<Ppm>,
}

impl Tolerance {
    /// How many more instructions are accepted.
    pub fn of_instructions(&self) -> Ppm {
        self.instructions_ppm.unwrap_or(self.regression_ppm)
    }
}

impl Contract {
    /// Whether the contract lists the claim as one that must be proved.
    pub fn requires(&self, kind: ClaimKind) -> bool {
        self.required.contains(&kind)
    }

    /// Whether the claim must be proved of each check. Where the contract lets some checks differ,
    /// [`ClaimKind::Deterministic`] must not: the share of deterministic checks gates in its place.
    pub fn requires_of_each(&self, kind: ClaimKind) -> bool {
        let share_gates =
            kind == ClaimKind::Deterministic && self.deterministic_min < Ppm::new(1_000_000);
        self.requires(kind) && !share_gates
    }

    /// The same contract, whose files are in this directory.
    #[must_use]
    pub fn in_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..self }
    }

    /// The names of all files that its requests are made of, each once, relative to
    /// [`Contract::directory`].
    pub fn files(&self) -> BTreeSet<&str> {
        self.checks.iter().flat_map(Check::files).collect()
    }

    /// The check with this [`Check::id`].
    pub fn check(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.has_id(id))
    }

    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The names of all cases of operations, as [`Operation::case_name`] gives them.
    pub fn operation_cases(&self) -> BTreeSet<String> {
        let names = |it: &Operation| -> Vec<String> {
            it.cases().into_iter().map(|size| it.case_name(size)).collect()
        };
        self.operations.iter().flat_map(names).collect()
    }

    /// All checks by their [`Check::id`], for who looks for many.
    pub(crate) fn checks_by_id(&self) -> BTreeMap<String, &Check> {
        self.checks.iter().map(|check| (check.id(), check)).collect()
    }

    /// The names of the fixtures in the order they are first used.
    pub fn fixtures(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for check in &self.checks {
            if !names.contains(&check.fixture.as_str()) {
                names.push(&check.fixture);
            }
        }
        names
    }
}

impl RequestSpec {
    /// Whether each body must be JSON: the media type that is due says so, and there is a body.
    pub fn expects_json(&self) -> bool {
        let json = |it: &str| it == "application/json" || it.ends_with("+json");
        self.method != "HEAD" && self.content_type.as_deref().is_some_and(json)
    }
}

impl Check {
    /// `endpoint/variant`: unique in the contract.
    pub fn id(&self) -> String {
        format!("{}/{}", self.endpoint, self.variant)
    }

    /// Whether this is the check's [`Check::id`].
    pub fn has_id(&self, id: &str) -> bool {
        id.split_once('/') == Some((&self.endpoint, &self.variant))
    }

    /// The first of a sample's statuses that is not the expected one, and the expected one.
    pub fn unexpected_status(&self, statuses: &[u16]) -> Option<(u16, u16)> {
        let expected = self.requests.iter().cycle().map(|request| request.status);
        statuses.iter().copied().zip(expected).find(|(is, expected)| is != expected)
    }

    /// Whether its requests have values in them, or its samples anything beside the requests.
    pub fn has_values(&self) -> bool {
        let captures = |it: &RequestSpec| it.setup.iter().any(|step| !step.captures.is_empty());
        self.rows.is_some() || self.flow.is_some() || self.requests.iter().any(captures)
    }

    /// Whether what it answers is summed up of several responses: to several requests, or for several
    /// rows.
    pub fn has_several_responses(&self) -> bool {
        self.requests.len() > 1 || self.rows.is_some()
    }

    /// Every request of a sample, setup and teardown included.
    pub fn all_requests(&self) -> impl Iterator<Item = &RequestSpec> {
        let own = self.requests.iter().flat_map(|it| it.setup.iter().chain([it]));
        own.chain(self.flow.iter().flat_map(FlowFrame::requests))
    }

    /// The files that its requests are made of.
    pub fn files(&self) -> BTreeSet<&str> {
        let bodies = self.all_requests().filter_map(|it| it.body.as_ref());
        let rows = self.rows.as_ref().and_then(RowsSpec::file);
        bodies.flat_map(BodySpec::files).chain(rows).collect()
    }

    /// Requests that are sent for one sample at most.
    pub fn sent_per_sample(&self) -> u64 {
        self.all_requests().count() as u64 * u64::from(self.rounds)
    }

    /// Requests in one sample.
    pub fn requests_per_sample(&self) -> u64 {
        self.requests.len() as u64 * u64::from(self.rounds)
    }
}
