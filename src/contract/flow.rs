//! `[[flow]]`, resolved: requests that belong together.
//!
//! A flow becomes checks: one for each step, named `flow/step`, and [`WHOLE`] for all of them. A sample
//! of each is one run of the whole flow, of which that step, or all steps, are counted and timed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BodySpec, ContractError, EndpointDocument, Flow, FlowDocument, FlowState, RequestSpec,
    RowsSource, RowsSpec, ServiceLife, StepDocument, placeholder,
};
use crate::units::Nanos;

/// The name of the check of all steps; no step has it.
pub(super) const WHOLE: &str = "all";

const WEIGHT_MAX: u32 = 1_000_000;
const WAIT_SECONDS_LIMIT: f64 = 1e6;
/// Steps of a flow at most, those of setup and teardown included.
const STEPS_MAX: usize = 200;

impl EndpointDocument {
    /// The endpoint that asks what a step asks.
    pub(super) fn of_step(step: &StepDocument) -> Self {
        let step = step.clone();
        Self {
            name: step.name,
            path: Some(step.path),
            route: step.route,
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
        let nanos =
            |seconds: f64| Nanos::from_duration(std::time::Duration::from_secs_f64(seconds));
        Ok(Flow { name: self.name.clone(), weight, wait_min: nanos(least), wait_max: nanos(most) })
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
            let label =
                format!("{key} request {} `{} {}`", place + 1, request.method, request.path);
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
                let message =
                    format!("`{}` is captured twice, or is the name of a row", capture.name);
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
                        captured_by
                            .get(needed.as_str())
                            .is_some_and(|it| (number..=*by).contains(it))
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

/// A teardown that is sent once has nothing of the steps, which were sent many times by then. Errors are
/// within the flow.
pub(super) fn check_teardown(
    teardown: &[RequestSpec],
    steps: &[RequestSpec],
) -> Result<(), ContractError> {
    let captured = |name: &str| steps.iter().flat_map(|it| &it.captures).any(|it| it.name == name);
    for at in Placed::all("teardown", teardown) {
        let used = at.request.names_used().into_iter().find(|(_, name)| captured(name));
        let Some((key, name)) = used else { continue };
        let message = format!(
            "{} uses `{{{name}}}`, which a step captures, and is sent once after all samples: write \
             `state = \"sample\"` to send it after each of them, or make it a step",
            at.label
        );
        return Err(ContractError::meaning(key, message).within(at.key, at.place));
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
        for text in self.body.iter().flat_map(BodySpec::texts) {
            used.extend(placeholder::names(text).map(|name| ("name", name)));
        }
        used
    }
}
