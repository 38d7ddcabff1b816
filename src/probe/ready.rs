//! Waiting until a service is ready: [`wait_until_ready`] asks it what [`ReadyWhen`] says.
//!
//! A service may answer before it can serve, as one does that fills its caches, or stands behind a
//! balancer. So it is asked for what the contract calls ready; where the contract says nothing, for the
//! first check. This judges no check: a service that goes on answering something else is measured, and
//! its status then fails.

use reqwest::Request;

use super::{
    error::ProbeError,
    http::HttpTarget,
    http_client::{HttpClient, Stopwatch},
    plan::SamplePlan,
    request::PreparedRequest,
};
use crate::{
    clock::Clock,
    contract::{Check, Contract},
    units::Nanos,
};

/// The first pause between two attempts to reach a service; each further one is twice as long.
const PAUSE_MIN: Nanos = Nanos::new(50_000_000);
/// The longest pause.
const PAUSE_MAX: Nanos = Nanos::new(500_000_000);
/// How often a wait asks whether it should stop.
const STOP_INTERVAL: Nanos = Nanos::new(50_000_000);

/// Statuses by which a service, or a balancer before it, says that it is not there yet.
const NOT_YET: std::ops::RangeInclusive<u16> = 502..=504;

/// How long another status than the first check expects is not believed to be meant.
const PATIENCE: Nanos = Nanos::new(5_000_000_000);

/// Methods that change nothing.
const SAFE_METHODS: [&str; 2] = ["GET", "HEAD"];

/// When a service counts as ready.
#[derive(Debug, Clone)]
pub struct ReadyWhen {
    request: PreparedRequest,
    /// The status that it must answer; any but those of [`NOT_YET`] when `None`.
    status: Option<u16>,
    /// Whether the contract says so, and not the first check.
    is_told: bool,
}

/// How a service answered in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// As it should.
    Ready,
    /// With another status than the first check expects, for so long that it seems to be meant.
    Otherwise,
}

impl ReadyWhen {
    /// What the contract says of it. Where it says nothing, the first of these checks that changes
    /// nothing must have its status; where there is none, any answer will do. `lookup` fills in headers.
    pub fn of(
        contract: &Contract,
        checks: &[&Check],
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        if let Some(told) = &contract.document.target.ready {
            return Self {
                status: Some(told.status),
                is_told: true,
                ..Self::any_answer(&told.path)
            };
        }
        // What has values is not asked out of its order.
        let fixed = || checks.iter().filter(|check| !check.has_values());
        let first = fixed().next().map_or("/", |check| check.requests[0].path.as_str());
        let is_safe = |check: &&&Check| {
            let it = &check.requests[0];
            SAFE_METHODS.contains(&it.method.as_str()) && it.setup.is_empty()
        };
        let prepared = fixed().find(is_safe).and_then(|check| {
            let plan = SamplePlan::new(check, &contract.directory, lookup).ok()?;
            let request = plan.fixed_requests().next()?.clone();
            Some(Self { request, status: Some(check.requests[0].status), is_told: false })
        });
        prepared.unwrap_or_else(|| Self::any_answer(first))
    }

    /// Any answer to `GET path`.
    pub fn any_answer(path: &str) -> Self {
        let request = PreparedRequest {
            setup: Vec::new(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            compare_headers: Vec::new(),
        };
        Self { request, status: None, is_told: false }
    }

    /// The same, but any status will do that the contract does not ask for.
    #[must_use]
    pub fn with_any_status(self) -> Self {
        let status = self.status.filter(|_| self.is_told);
        Self { status, ..self }
    }

    /// Whether a service that answers so is ready.
    fn is_met_by(&self, status: u16) -> bool {
        self.status.map_or(!NOT_YET.contains(&status), |wanted| wanted == status)
    }

    /// What is said of another status.
    fn refusal(&self, status: u16) -> String {
        let PreparedRequest { method, path, .. } = &self.request;
        let instead = self.status.map_or(String::new(), |wanted| format!(" instead of {wanted}"));
        format!("it is not ready: {method} {path} answers {status}{instead}")
    }
}

/// Asks until the service is ready.
///
/// `deadline` counts from the call, by `clock`: no attempt and no pause goes beyond it. `stop` is
/// asked about every 50 ms, and ends the wait when it says so. Where the contract does not say when the
/// service is ready, another status is waited for to end for 5 s, and one of 502 to 504 for the whole
/// time.
///
/// # Errors
///
/// [`ProbeError::Unreachable`] with what the last attempt said, when there was no response, or never
/// the status that the contract asks for; [`ProbeError::Request`] and [`ProbeError::Setup`] at once, as
/// waiting mends neither.
pub fn wait_until_ready(
    target: &HttpTarget,
    when: &ReadyWhen,
    deadline: Nanos,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
) -> Result<Awaited, ProbeError> {
    // What makes no request is found before anybody is waited for.
    target.request(&when.request)?;
    let watch = Stopwatch::start(clock, deadline);
    let client = target.client()?;
    let left = || Nanos::from_duration(watch.left());
    let mut last = "there was no time to try".to_owned();
    // Whether the last attempt was answered, and since when by a status that may be meant.
    let (mut is_answered, mut otherwise_since) = (false, None);
    let mut pause = PAUSE_MIN;
    while !stop() && left() > Nanos::ZERO {
        let limit = left().min(target.timeout());
        let request = target.request(&when.request)?;
        match attempt(&client, request, &Stopwatch::start(clock, limit), stop) {
            Ok(status) if when.is_met_by(status) => return Ok(Awaited::Ready),
            Ok(status) => {
                (last, is_answered) = (when.refusal(status), true);
                if when.is_told || NOT_YET.contains(&status) {
                    otherwise_since = None;
                } else {
                    let since = *otherwise_since.get_or_insert(watch.elapsed());
                    if watch.elapsed().saturating_sub(since) >= PATIENCE {
                        return Ok(Awaited::Otherwise);
                    }
                }
            }
            Err(error) => {
                (is_answered, otherwise_since) = (false, None);
                last = match error {
                    ProbeError::Unreachable { message, .. } => message,
                    error => error.to_string(),
                };
            }
        }
        let pausing = Stopwatch::start(clock, pause.min(left()));
        while !stop() && !pausing.left().is_zero() {
            std::thread::sleep(pausing.left().min(STOP_INTERVAL.to_duration()));
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
    if is_answered && !when.is_told && !stop() {
        return Ok(Awaited::Otherwise);
    }
    Err(ProbeError::Unreachable { target: target.shown(), message: last })
}

/// One attempt: the status of a response, whose body is not waited for.
fn attempt(
    client: &HttpClient,
    request: Request,
    watch: &Stopwatch<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<u16, ProbeError> {
    client.run(async {
        let mut response = std::pin::pin!(client.headers(request, watch));
        loop {
            let turn = tokio::time::timeout(STOP_INTERVAL.to_duration(), response.as_mut()).await;
            match turn {
                Ok(done) => return done.map(|response| response.status().as_u16()),
                Err(_) if stop() => return Err(ProbeError::Broken("interrupted".to_owned())),
                Err(_) => {}
            }
        }
    })
}
