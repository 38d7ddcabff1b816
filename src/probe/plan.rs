//! What one sample of a check sends: [`SamplePlan`] knows its requests, their values and their rows.
//!
//! A check without values sends its requests as they are. In a flow, setup and the steps before those
//! that are measured are sent first, and the rest of the steps and the teardown afterwards. None of that is
//! timed or counted; neither is filling in values, nor reading a row. The plan judges no response.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    error::ProbeError,
    exchange::Exchange,
    materials::{Materials, PlanError},
    planned::PlannedRequest,
    request::{PreparedRequest, SetupRequest},
    rows::Rows,
    target::{Pass, Probe},
    values::Values,
};
use crate::contract::{Check, RequestSpec, ServiceLife};

/// Rows from the first on whose responses are compared.
pub(crate) const ROWS_COMPARED: u64 = 20;

/// A response of a sample, with what is known of its run.
pub(crate) struct Answered<'a> {
    /// The number of its request among those that are measured.
    pub(crate) request: usize,
    pub(crate) exchange: Exchange,
    /// The values so far, those of this response included.
    pub(crate) values: &'a Values,
    /// The place of the row in the order of the rows; 0 where there are none.
    pub(crate) row: u64,
}

/// Whether a run goes on after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continue {
    Yes,
    /// It is not as expected, so that nothing can be captured of it.
    No,
}

/// What one sample of a check sends.
#[derive(Debug)]
pub struct SamplePlan {
    requests: Vec<MeasuredRequest>,
    frame: Option<Frame>,
    rows: Option<Rows>,
    /// How many rows were used since the beginning.
    position: u64,
    /// What the setup captured, where it is sent once.
    held: Values,
    /// Whether setup was sent and teardown is due.
    is_open: bool,
    renews: bool,
    rounds: u32,
    inputs: BTreeMap<String, String>,
    secrets: Vec<(String, String)>,
}

/// A request that is measured.
#[derive(Debug)]
enum MeasuredRequest {
    Fixed(Box<PreparedRequest>),
    Filled { setup: Vec<PlannedRequest>, request: Box<PlannedRequest> },
}

/// What belongs to a run of a flow beside what is measured.
#[derive(Debug)]
struct Frame {
    setup: Vec<PlannedRequest>,
    before: Vec<PlannedRequest>,
    after: Vec<PlannedRequest>,
    teardown: Vec<PlannedRequest>,
    around_each_sample: bool,
}

impl SamplePlan {
    /// The plan of a check whose files are in this directory. `lookup` knows variables.
    ///
    /// # Errors
    ///
    /// The first variable that is not set, or what is wrong with a file.
    pub fn new(
        check: &Check,
        directory: &Path,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, PlanError> {
        let has_values = check.has_values();
        let (inputs, secrets) = (BTreeMap::new(), Vec::new());
        let mut from = Materials { directory, lookup, has_values, inputs, secrets };
        let requests = check.requests.iter().map(|spec| MeasuredRequest::new(spec, &mut from));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        let frame = match &check.flow {
            None => None,
            Some(flow) => Some(Frame {
                setup: planned(&flow.setup, &mut from)?,
                before: planned(&flow.before, &mut from)?,
                after: planned(&flow.after, &mut from)?,
                teardown: planned(&flow.teardown, &mut from)?,
                around_each_sample: flow.around_each_sample,
            }),
        };
        let rows = check.rows.as_ref().map(|spec| Rows::open(spec, directory)).transpose();
        let rows = rows.map_err(PlanError::Input)?;
        let named = check.all_requests().flat_map(|it| &it.captures);
        let captured: Vec<String> = named.map(|it| it.name.clone()).collect();
        let rows = rows.map(|it| it.beside(captured)).transpose().map_err(PlanError::Input)?;
        let Materials { mut inputs, secrets, .. } = from;
        if let Some((name, sha256)) = rows.as_ref().and_then(Rows::digest) {
            inputs.insert(name.to_owned(), sha256.to_owned());
        }
        let plan = Self {
            requests,
            frame,
            rows,
            position: 0,
            held: Values::default(),
            is_open: false,
            renews: check.service_life == ServiceLife::Sample,
            rounds: check.rounds,
            inputs,
            secrets,
        };
        plan.check_columns(check)?;
        Ok(plan.with_names_of_rows())
    }

    /// Every name that nothing captures is a column.
    fn check_columns(&self, check: &Check) -> Result<(), PlanError> {
        let Some(columns) = self.rows.as_ref().and_then(Rows::columns) else { return Ok(()) };
        let captured: Vec<&str> =
            check.all_requests().flat_map(|it| &it.captures).map(|it| it.name.as_str()).collect();
        let known = |name: &str| columns.contains(&name) || captured.contains(&name);
        let mut names = self.all_planned().flat_map(PlannedRequest::names);
        let Some(unknown) = names.find(|name| !known(name)) else { return Ok(()) };
        let file = check.rows.as_ref().and_then(|it| it.file()).unwrap_or_default();
        let file = crate::text::printable(file.as_bytes(), 200);
        Err(PlanError::Input(format!("`{file}` has no column `{unknown}`, which a request uses")))
    }

    /// The plan whose rows know which of their values are sent.
    fn with_names_of_rows(mut self) -> Self {
        let names = self.all_planned().flat_map(PlannedRequest::names).map(str::to_owned);
        let names: BTreeSet<String> = names.collect();
        if let Some(rows) = &mut self.rows {
            rows.send(names);
        }
        self
    }

    fn all_planned(&self) -> impl Iterator<Item = &PlannedRequest> {
        let own = self.requests.iter().filter_map(|it| match it {
            MeasuredRequest::Fixed(_) => None,
            MeasuredRequest::Filled { setup, request } => {
                Some(setup.iter().chain([request.as_ref()]))
            }
        });
        let own = own.flatten();
        let frame = self
            .frame
            .iter()
            .flat_map(|it| [&it.setup, &it.before, &it.after, &it.teardown].into_iter().flatten());
        own.chain(frame)
    }

    /// The requests of one round that have no values.
    pub fn fixed_requests(&self) -> impl Iterator<Item = &PreparedRequest> {
        self.requests.iter().filter_map(|it| match it {
            MeasuredRequest::Fixed(request) => Some(request.as_ref()),
            MeasuredRequest::Filled { .. } => None,
        })
    }

    /// The files that its requests are made of, with their SHA-256.
    pub(crate) fn inputs(&self) -> &BTreeMap<String, String> {
        &self.inputs
    }

    /// The variables that were filled in, each with its value: for who must leave them out.
    pub(crate) fn secrets(&self) -> &[(String, String)] {
        &self.secrets
    }

    /// Samples that it takes to see every row whose responses are compared.
    pub(crate) fn rows_compared(&self) -> u64 {
        self.rows.as_ref().map_or(0, |it| it.count().min(ROWS_COMPARED))
    }

    /// How many rows there are; 0 where the check has none.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.as_ref().map_or(0, Rows::count)
    }

    /// Begins with the first row again: each pass over a check asks for the same rows.
    pub(crate) fn restart(&mut self) {
        self.position = 0;
    }

    /// Sends one sample. Each response to a request that is measured is told to `each`.
    ///
    /// # Errors
    ///
    /// What the probe says, or that a request could not be made of what came before. What goes wrong
    /// after the last measured response is told too; by then the sample is over.
    pub(crate) fn run(
        &mut self,
        probe: &mut dyn Probe,
        pass: Pass,
        each: &mut dyn FnMut(Answered<'_>) -> Continue,
    ) -> Result<(), ProbeError> {
        if self.renews && (self.frame.is_none() || probe.can_renew()) {
            probe.renew()?;
        }
        let row = self.position;
        let mut values = match &mut self.rows {
            None => Values::default(),
            Some(rows) => {
                self.position = (self.position + 1) % rows.count();
                rows.values(row).map_err(ProbeError::Input)?
            }
        };
        self.open(probe, pass, &mut values)?;
        let ran = self.measure(probe, pass, &mut values, &mut |request, exchange, values| {
            each(Answered { request, exchange, values, row })
        });
        let around_each = self.frame.as_ref().is_some_and(|it| it.around_each_sample);
        let torn_down = if around_each { self.tear_down(probe, pass, &values) } else { Ok(()) };
        ran.and(torn_down)
    }

    /// Sends the setup, where it is due.
    fn open(
        &mut self,
        probe: &mut dyn Probe,
        pass: Pass,
        values: &mut Values,
    ) -> Result<(), ProbeError> {
        let Some(frame) = &self.frame else { return Ok(()) };
        if !self.is_open {
            let sent = send_all(&frame.setup, probe, pass, values);
            self.is_open = true;
            self.held = values.clone();
            if sent.is_err() {
                // What was set up in part is taken away as far as that goes, and begun again.
                let _ = self.tear_down(probe, pass, values);
                return sent;
            }
        }
        for (name, value) in self.held.captured() {
            values.capture(name, value.to_owned());
        }
        Ok(())
    }

    fn measure(
        &self,
        probe: &mut dyn Probe,
        pass: Pass,
        values: &mut Values,
        each: &mut dyn FnMut(usize, Exchange, &Values) -> Continue,
    ) -> Result<(), ProbeError> {
        if let Some(frame) = &self.frame {
            send_all(&frame.before, probe, pass, values)?;
        }
        for _ in 0..self.rounds {
            for (number, request) in self.requests.iter().enumerate() {
                match request {
                    MeasuredRequest::Fixed(request) => {
                        each(number, probe.send(request, pass)?, values);
                    }
                    MeasuredRequest::Filled { setup, request } => {
                        send_all(setup, probe, pass, values)?;
                        let filled = fill(request, values)?;
                        let mut exchange = probe.send(&filled, pass)?;
                        let is_expected = exchange.status == request.status;
                        // Of a response that is not as expected too, so that nothing of it is shown.
                        let captured = request.capture(&exchange, values);
                        let captured = if is_expected { captured } else { Ok(()) };
                        exchange.headers.retain(|(name, _)| request.compares_header(name));
                        let goes_on = each(number, exchange, values);
                        captured.map_err(|problem| not_captured(request, &problem))?;
                        if goes_on == Continue::No && self.frame.is_some() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        // What is wrong with a later step is told by the check of that step.
        if let Some(frame) = &self.frame {
            let _ = send_all(&frame.after, probe, pass, values);
        }
        Ok(())
    }

    fn tear_down(
        &mut self,
        probe: &mut dyn Probe,
        pass: Pass,
        values: &Values,
    ) -> Result<(), ProbeError> {
        let Some(frame) = self.frame.as_ref().filter(|_| self.is_open) else { return Ok(()) };
        self.is_open = false;
        let mut values = values.clone();
        // The rest is sent whatever became of one of them: it cleans up.
        let mut first = Ok(());
        for request in &frame.teardown {
            let sent = send_all(std::slice::from_ref(request), probe, pass, &mut values);
            first = first.and(sent.map_err(|error| match error {
                ProbeError::NotSetUp { request, message }
                | ProbeError::Values { request, problem: message } => {
                    ProbeError::NotTornDown { request, message }
                }
                other => other,
            }));
        }
        first
    }

    /// Sends the teardown, where it is still due: no more samples are sent to this service.
    ///
    /// # Errors
    ///
    /// [`ProbeError::NotTornDown`].
    pub fn end(&mut self, probe: &mut dyn Probe, pass: Pass) -> Result<(), ProbeError> {
        let held = self.held.clone();
        let ended = self.tear_down(probe, pass, &held);
        self.held = Values::default();
        ended
    }
}

impl MeasuredRequest {
    fn new(spec: &RequestSpec, from: &mut Materials<'_>) -> Result<Self, PlanError> {
        let setup = planned(&spec.setup, from)?;
        let request = PlannedRequest::new(spec, from)?;
        if from.has_values {
            return Ok(Self::Filled { setup, request: Box::new(request) });
        }
        let filled = |it: &PlannedRequest| it.filled(&Values::default()).map_err(PlanError::Input);
        let steps =
            setup.iter().map(|it| Ok(SetupRequest { request: filled(it)?, status: it.status }));
        let setup = steps.collect::<Result<Vec<_>, PlanError>>()?;
        Ok(Self::Fixed(Box::new(PreparedRequest { setup, ..filled(&request)? })))
    }
}

fn planned(
    specs: &[RequestSpec],
    from: &mut Materials<'_>,
) -> Result<Vec<PlannedRequest>, PlanError> {
    specs.iter().map(|spec| PlannedRequest::new(spec, from)).collect()
}

fn fill(request: &PlannedRequest, values: &Values) -> Result<PreparedRequest, ProbeError> {
    request.filled(values).map_err(|problem| not_captured(request, &problem))
}

fn not_captured(request: &PlannedRequest, problem: &str) -> ProbeError {
    ProbeError::Values { request: request.shown.clone(), problem: problem.to_owned() }
}

/// Sends requests that are not measured, one after the other.
fn send_all(
    requests: &[PlannedRequest],
    probe: &mut dyn Probe,
    pass: Pass,
    values: &mut Values,
) -> Result<(), ProbeError> {
    let unhurried = pass == Pass::Instructions;
    for request in requests {
        let filled = fill(request, values)?;
        let message = match probe.send(&filled, Pass::Setup { unhurried }) {
            Ok(answer) if answer.status == request.status => {
                let captured = request.capture(&answer, values);
                captured.map_err(|problem| not_captured(request, &problem))?;
                continue;
            }
            Ok(answer) => format!("status {} and not {}", answer.status, request.status),
            Err(error) => error.to_string(),
        };
        let message = values.hide(&message);
        return Err(ProbeError::NotSetUp { request: request.shown.clone(), message });
    }
    Ok(())
}
