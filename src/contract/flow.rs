//! `[[flow]]`: requests that belong together, as written and resolved.
//!
//! A flow becomes checks: one for each step, named `flow/step`, and [`WHOLE`] for all of them. A sample
//! of each is one run of the whole flow, of which that step, or all steps, are counted and timed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    BudgetsDocument, CaptureDocument, CompareBody, ContractError, EndpointDocument, HeaderTemplate,
    NotNegative, PartDocument, RequestSpec, RowsDocument, RowsSource, RowsSpec, ServiceLife, SetupDocument,
    ToleranceDocument, placeholder,
};
use crate::units::Nanos;

/// The name of the check of all steps; no step has it.
pub(super) const WHOLE: &str = "all";

const WEIGHT_MAX: u32 = 1_000_000;
const WAIT_SECONDS_LIMIT: f64 = 1e6;
/// Steps of a flow at most, those of setup and teardown included.
const STEPS_MAX: usize = 200;

/// `[[flow]]`: requests that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlowDocument {
    /// A name, unique among flows, scenarios and endpoints.
    pub name: String,
    /// The state of the service, by the name of a fixture. Default `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<String>,
    /// How fresh the service is. Default `check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FlowState>,
    /// Rows whose values the runs use as `{name}`, one run a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsDocument>,
    /// Requests before the steps, which are not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Vec<SetupDocument>>,
    /// The steps, in their order.
    pub step: Vec<StepDocument>,
    /// Requests after the steps, which are not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teardown: Option<Vec<SetupDocument>>,
    /// Marks the flow as slow, so that a test run can leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<bool>,
    /// How often users of a load take this flow, among the weights of all; 1 to 1e6. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Seconds that a user of a load waits after a run, at least and at most. No wait unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<[NotNegative; 2]>,
    /// What one run of all steps may cost; the contract's budget times the steps where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<BudgetsDocument>,
    /// Tolerances that differ from the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<ToleranceDocument>,
}

/// How fresh the service of a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    /// Each sample has a service of its own in process; setup and teardown are sent around each.
    Sample,
    /// Each check has; setup and teardown are sent once around its samples.
    Check,
    /// One service in process answers all checks of the fixture that share it; setup and teardown are as
    /// those of a check.
    Shared,
}

/// `[[flow.step]]`: a request of a flow that is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepDocument {
    /// A name, unique in the flow, and not `all`: lowercase letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Path and query; `{name}` stands for a value, which is encoded. A path that begins with one is
    /// that value, such as a captured `location`.
    pub path: String,
    /// The HTTP method. Default `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Request headers; `${NAME}` stands for a variable and `{name}` for a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, HeaderTemplate>>,
    /// The request body, with variables and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Or a file relative to the contract, sent as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_file: Option<String>,
    /// Or fields of a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<BTreeMap<String, String>>,
    /// Or parts of the type `multipart/form-data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Vec<PartDocument>>,
    /// The expected status. Default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The expected media type; not checked unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Values of the response that later steps use as `{name}`. They may differ between two responses,
    /// wherever they come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<BTreeMap<String, CaptureDocument>>,
    /// JSON pointers of what legitimately differs between two responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<String>>,
    /// How bodies are compared. Default `bytes`, and `json` where something is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_body: Option<CompareBody>,
    /// Response headers that are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_headers: Option<Vec<String>>,
    /// What the step may cost, where that differs from the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<BudgetsDocument>,
    /// Tolerances that differ from the flow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<ToleranceDocument>,
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

impl EndpointDocument {
    /// The endpoint that asks what a step asks.
    pub(super) fn of_step(step: &StepDocument) -> Self {
        let step = step.clone();
        Self {
            name: step.name,
            path: Some(step.path),
            method: step.method,
            headers: step.headers,
            body: step.body,
            body_file: step.body_file,
            form: step.form,
            multipart: step.multipart,
            rows: None,
            fixture: None,
            fresh: None,
            setup: None,
            status: step.status,
            content_type: step.content_type,
            ignore: step.ignore,
            compare_body: step.compare_body,
            compare_headers: step.compare_headers,
            slow: None,
            budgets: step.budgets,
            tolerance: step.tolerance,
            variant: Vec::new(),
        }
    }
}

impl FlowDocument {
    pub(super) fn service_life(&self) -> ServiceLife {
        match self.state {
            Some(FlowState::Sample) => ServiceLife::Sample,
            Some(FlowState::Check) | None => ServiceLife::Check,
            Some(FlowState::Shared) => ServiceLife::Process,
        }
    }

    /// How users of a load take it. Errors are within the flow.
    pub(super) fn users(&self) -> Result<Flow, ContractError> {
        let weight = self.weight.unwrap_or(1);
        if !(1..=WEIGHT_MAX).contains(&weight) {
            let message = format!("weight {weight} is not 1 to {WEIGHT_MAX}");
            return Err(ContractError::meaning("weight", message));
        }
        let [least, most] = self.wait_seconds.map_or([0.0; 2], |it| it.map(f64::from));
        if least > most || most > WAIT_SECONDS_LIMIT {
            let message = format!(
                "wait_seconds = [{least}, {most}] are not the least and the most, of at most \
                 {WAIT_SECONDS_LIMIT:e}"
            );
            return Err(ContractError::meaning("wait_seconds", message));
        }
        let nanos = |seconds: f64| Nanos::from_duration(std::time::Duration::from_secs_f64(seconds));
        Ok(Flow {
            name: self.name.clone(),
            weight,
            wait_min: nanos(least),
            wait_max: nanos(most),
        })
    }

    /// What is wrong with the steps as a whole. Errors are within the flow.
    pub(super) fn check_steps(&self) -> Result<(), ContractError> {
        if self.step.is_empty() {
            let message = format!("flow `{}` has no [[flow.step]]", self.name.escape_default());
            return Err(ContractError::meaning("name", message));
        }
        let lists = [&self.setup, &self.teardown].into_iter().flatten();
        if self.step.len() + lists.map(Vec::len).sum::<usize>() > STEPS_MAX {
            let message = format!("flow `{}` has more than {STEPS_MAX} requests", self.name);
            return Err(ContractError::meaning("step", message));
        }
        let mut names = BTreeSet::new();
        for (place, step) in self.step.iter().enumerate() {
            let name = &step.name;
            let message = if name == WHOLE {
                format!("a step cannot be named `{WHOLE}`, which is the name of all steps together")
            } else if !names.insert(name) {
                format!("step `{}` is defined twice", name.escape_default())
            } else {
                continue;
            };
            return Err(ContractError::meaning("name", message).within("step", place));
        }
        Ok(())
    }
}

/// One request with its place in the contract.
pub(super) struct Placed<'a> {
    /// What it is called in messages.
    pub(super) label: String,
    pub(super) key: &'static str,
    pub(super) place: usize,
    pub(super) request: &'a RequestSpec,
}

impl<'a> Placed<'a> {
    pub(super) fn all(
        key: &'static str,
        requests: &'a [RequestSpec],
    ) -> impl Iterator<Item = Placed<'a>> {
        requests.iter().enumerate().map(move |(place, request)| {
            let label = format!("{key} request {} `{} {}`", place + 1, request.method, request.path);
            Placed { label, key, place, request }
        })
    }
}

/// Every name that a request uses is there by then: of a row, or captured by a request before it. Names
/// that nothing captures are columns where rows come from a file, which says later whether it has them.
/// Errors are within the table that has these requests.
pub(super) fn check_names(
    requests: &[Placed<'_>],
    rows: Option<&RowsSpec>,
) -> Result<(), ContractError> {
    let mut captured_by: BTreeMap<&str, usize> = BTreeMap::new();
    let of_range = match rows.map(|it| &it.source) {
        Some(RowsSource::Range { name, .. }) => Some(name.as_str()),
        _ => None,
    };
    let wrong = |at: &Placed<'_>, key: &str, message: String| {
        Err(ContractError::meaning(key, message).within(at.key, at.place))
    };
    for (number, at) in requests.iter().enumerate() {
        for capture in &at.request.captures {
            let twice = captured_by.insert(&capture.name, number).is_some();
            if twice || of_range == Some(&capture.name) {
                let message = format!("`{}` is captured twice, or is the name of a row", capture.name);
                return wrong(at, "capture", message);
            }
        }
    }
    let from_file = rows.is_some_and(|it| it.file().is_some());
    for (number, at) in requests.iter().enumerate() {
        for (key, name) in at.request.names_used() {
            let message = match captured_by.get(name.as_str()) {
                Some(by) if *by < number => continue,
                None if from_file || of_range == Some(&name) => continue,
                None => format!(
                    "{} uses `{{{name}}}`, which nothing before it captures; `{{{{{name}}}}}` is that \
                     text",
                    at.label
                ),
                Some(by) if *by == number => {
                    format!("{} uses `{{{name}}}`, which is of its own response", at.label)
                }
                Some(by) => {
                    let later = &requests[*by];
                    // It needs something of this request, or of one between the two.
                    let circle = later.request.names_used().iter().any(|(_, needed)| {
                        captured_by.get(needed.as_str()).is_some_and(|it| (number..=*by).contains(it))
                    });
                    let problem =
                        if circle { "the two go in a circle" } else { "put that one first" };
                    format!(
                        "{} uses `{{{name}}}`, which only {} captures, after it: {problem}",
                        at.label, later.label
                    )
                }
            };
            return wrong(at, key, message);
        }
    }
    Ok(())
}

impl RequestSpec {
    /// The names of values that it uses, each with the key where it does.
    pub(super) fn names_used(&self) -> Vec<(&'static str, String)> {
        let mut used: Vec<(&'static str, String)> = Vec::new();
        used.extend(placeholder::names(&self.path).map(|name| ("path", name)));
        for (_, value) in &self.headers {
            used.extend(placeholder::names(value.as_str()).map(|name| ("headers", name)));
        }
        for text in self.body.iter().flat_map(super::BodySpec::texts) {
            used.extend(placeholder::names(text).map(|name| ("name", name)));
        }
        used
    }
}
