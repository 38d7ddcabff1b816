//! Servers that are compared: those that a comparison starts, and those that run already.

use std::{fmt, path::PathBuf};

use perf_passport::{
    contract::{Check, Contract},
    pipeline::{self, Run, RunContext},
    probe::{HttpSettings, HttpTarget, ProbeError, wait_until_up},
    text::printable,
    units::{Count, Nanos},
};

use crate::{
    command_line::CommandLine,
    error::{ServerProblem, WorkerError},
    process::{Placement, STDERR_MAX},
    server::{Ports, ServerProcess, ServerStart},
    side::Sides,
    watch::Watch,
};

/// The least time to answer a first request, however long it took to listen.
const FIRST_ANSWER_TIME: Nanos = Nanos::new(1_000_000_000);

/// A server that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What people call it: `baseline`.
    pub label: String,
    /// Where it is.
    pub at: ServerAt,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAt {
    /// It is started by this command, afresh for each session, on a port that it is told.
    Command(CommandLine),
    /// It runs already, at this base URL.
    Url(String),
}

/// The servers of a comparison: all of them started, or all of them running.
#[derive(Clone)]
pub struct Servers<'a> {
    /// Each of them.
    pub sides: Sides<Server>,
    /// The program that looks after a server: one whose `main` begins with
    /// [`supervisor::run_if_asked`](super::supervisor::run_if_asked).
    pub supervisor: PathBuf,
    /// How long a server may take to answer a first request.
    pub wait_max: Nanos,
    /// Environment variables that headers may name.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl fmt::Debug for Servers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("sides", &self.sides).finish_non_exhaustive()
    }
}

/// What a server says of its checks.
#[derive(Debug)]
pub(crate) struct ServerObservations {
    /// What each check does and costs by itself.
    pub(crate) run: Run,
    /// What went wrong, where anything did.
    pub(crate) fault: Option<WorkerError>,
}

/// A server that can be asked.
pub(crate) struct ReachableServer<'s> {
    pub(crate) target: HttpTarget,
    /// `None` of one that runs already.
    pub(crate) process: Option<ServerProcess<'s>>,
}

impl Servers<'_> {
    /// Whether one of them runs already, and so is the same process in each session.
    pub(crate) fn are_running(&self) -> bool {
        self.sides.iter().any(|it| matches!(it.at, ServerAt::Url(_)))
    }

    /// Asks a server what each check does and costs by itself. What goes wrong with a check is
    /// evidence, and said as well.
    ///
    /// # Errors
    ///
    /// When the server cannot be started or reached.
    pub(crate) fn observe(
        &self,
        server: &Server,
        contract: &Contract,
        checks: &[&Check],
        watch: Watch<'_>,
    ) -> Result<ServerObservations, WorkerError> {
        let ports = Ports::default();
        let start = ServerStart { ports: &ports, placement: Placement::ANYWHERE };
        let reached = self.reach(server, contract, start, watch)?;
        reached.wait(self, server, contract, watch)?;
        let error = |problem| WorkerError::Server { side: server.label.clone(), problem };
        let process = reached.process.as_ref();
        let mut target = reached.target.clone();
        let mut context = RunContext {
            target: &mut target,
            clock: watch.clock,
            environment: self.environment,
            stop: &|| watch.is_over() || process.is_some_and(|it| it.ended().is_some()),
            progress: &mut |_| {},
        };
        let asked_for = |check: &Check| checks.iter().any(|it| it.has_id(&check.id()));
        let run = pipeline::measure(contract, &mut context, &asked_for)
            .map_err(|missing| error(ServerProblem::NotStarted(missing.to_string())))?;
        let failed = run.measured.iter().find(|it| it.evidence.failed_samples > Count::ZERO);
        if failed.is_none() && run.complete {
            return Ok(ServerObservations { run, fault: None });
        }
        if watch.is_over() {
            return Ok(ServerObservations { run, fault: Some(WorkerError::Interrupted) });
        }
        let failed = failed.map(|it| ServerProblem::FailsAt {
            check: it.check.clone(),
            message: it.evidence.first_failure.clone().unwrap_or_default(),
        });
        let died = process.and_then(ServerProcess::died);
        Ok(ServerObservations { run, fault: died.or(failed).map(error) })
    }

    /// Starts a server that does not run already.
    pub(crate) fn reach<'s>(
        &'s self,
        server: &'s Server,
        contract: &Contract,
        start: ServerStart<'_>,
        watch: Watch<'s>,
    ) -> Result<ReachableServer<'s>, WorkerError> {
        let process = match &server.at {
            ServerAt::Url(_) => None,
            ServerAt::Command(command) => {
                Some(ServerProcess::start(&server.label, command, &self.supervisor, start, watch)?)
            }
        };
        let url = match (&server.at, &process) {
            (ServerAt::Url(url), _) => url.clone(),
            (_, process) => {
                format!("http://127.0.0.1:{}", process.as_ref().map_or(0, |it| it.port))
            }
        };
        let target = target(&url, contract).map_err(|error| WorkerError::Server {
            side: server.label.clone(),
            problem: ServerProblem::NotStarted(error.to_string()),
        })?;
        Ok(ReachableServer { target, process })
    }
}

impl ReachableServer<'_> {
    /// Waits until a first request is answered, whatever the answer.
    pub(crate) fn wait(
        &self,
        servers: &Servers<'_>,
        server: &Server,
        contract: &Contract,
        watch: Watch<'_>,
    ) -> Result<(), WorkerError> {
        let error = |problem| WorkerError::Server { side: server.label.clone(), problem };
        let process = self.process.as_ref();
        let left = process.map_or(Ok(servers.wait_max), |process| {
            process.wait_until_it_listens(servers.wait_max)
        })?;
        let left = if process.is_some() { left.max(FIRST_ANSWER_TIME) } else { left };
        let path = contract.checks.first().map_or("/", |it| it.requests[0].path.as_str());
        let is_over = || watch.is_over() || process.is_some_and(|it| it.ended().is_some());
        match wait_until_up(&self.target, path, left, watch.clock, &is_over) {
            Ok(()) => Ok(()),
            Err(_) if watch.is_over() => Err(WorkerError::Interrupted),
            Err(failed) => {
                let message = match failed {
                    ProbeError::Unreachable { message, .. } => message,
                    other => other.to_string(),
                };
                let message = printable(message.as_bytes(), STDERR_MAX);
                let unanswered = ServerProblem::Unanswered { after: servers.wait_max, message };
                Err(error(process.and_then(ServerProcess::ended_early).unwrap_or(unanswered)))
            }
        }
    }
}

/// A server at this base URL, asked as the contract says.
pub(crate) fn target(url: &str, contract: &Contract) -> Result<HttpTarget, ProbeError> {
    HttpTarget::new(HttpSettings {
        base_url: url.to_owned(),
        timeout: contract.sampling.timeout,
        body_max: contract.sampling.body_max,
        pid: None,
        ca_file: None,
    })
}
