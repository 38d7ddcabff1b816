//! Servers that are compared: those that a comparison starts, and those that run already.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use perf_passport::{
    contract::{Check, Contract},
    passport::MappedCode,
    pipeline::{self, Run, RunContext},
    probe::{Awaited, HttpSettings, HttpTarget, ProbeError, ReadyWhen, wait_until_ready},
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
    /// It is started by one of these commands, of which there is one at least, afresh for each session,
    /// on a port that it is told. Several start builds of the same code, each of which has its code
    /// elsewhere.
    Commands(Vec<CommandLine>),
    /// It runs already, at this base URL.
    Url(String),
}

impl Server {
    /// How many builds of it there are.
    pub(crate) fn builds(&self) -> usize {
        match &self.at {
            ServerAt::Commands(commands) => commands.len(),
            ServerAt::Url(_) => 1,
        }
    }
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
    /// The machine code that it has mapped, where that is known of one that we started.
    pub(crate) mapped_code: Option<MappedCode>,
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
        reached.wait(self, server, &ReadyWhen::of(contract, checks, self.environment), watch)?;
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
        // Now that it has answered all, it has loaded what it loads late.
        // Of one of several builds that says nothing.
        let mapped_code = process.and_then(ServerProcess::mapped_code);
        let mapped_code = mapped_code.filter(|_| server.builds() == 1);
        let failed = run.measured.iter().find(|it| it.evidence.failed_samples > Count::ZERO);
        if failed.is_none() && run.complete {
            return Ok(ServerObservations { run, mapped_code, fault: None });
        }
        if watch.is_over() {
            let fault = Some(WorkerError::Interrupted);
            return Ok(ServerObservations { run, mapped_code, fault });
        }
        let failed = failed.map(|it| ServerProblem::FailsAt {
            check: it.check.clone(),
            message: it.evidence.first_failure.clone().unwrap_or_default(),
        });
        let died = process.and_then(ServerProcess::died);
        Ok(ServerObservations { run, mapped_code, fault: died.or(failed).map(error) })
    }

    /// Starts each of several builds of a server once, as sessions are to start them; how many of them are
    /// different: the same code twice is one build.
    ///
    /// # Errors
    ///
    /// What is wrong with the first one that does not get ready.
    pub(crate) fn try_builds(
        &self,
        server: &Server,
        contract: &Contract,
        checks: &[&Check],
        watch: Watch<'_>,
    ) -> Result<Count, WorkerError> {
        let ServerAt::Commands(commands) = &server.at else { return Ok(Count::new(1)) };
        let (ports, builds) = (Ports::default(), commands.len());
        let mut codes = Vec::new();
        let when = ReadyWhen::of(contract, checks, self.environment);
        for (number, command) in commands.iter().enumerate().filter(|_| builds > 1) {
            let label = format!("{} (build {} of {builds})", server.label, number + 1);
            let build = Server { label, at: ServerAt::Commands(vec![command.clone()]) };
            let start = ServerStart { ports: &ports, placement: Placement::ANYWHERE };
            let reached = self.reach(&build, contract, start, watch)?;
            reached.wait(self, &build, &when, watch)?;
            let code = reached.process.as_ref().and_then(ServerProcess::mapped_code);
            codes.push(code.map(|it| it.mapped_sha256));
        }
        Ok(different(&codes))
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
            ServerAt::Commands(commands) => {
                let picked = start.placement.layout.checked_rem(commands.len());
                let command = picked.and_then(|it| commands.get(it)).ok_or_else(|| {
                    let problem = ServerProblem::NotStarted("there is no command".to_owned());
                    WorkerError::Server { side: server.label.clone(), problem }
                })?;
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
    /// Waits until it is ready.
    pub(crate) fn wait(
        &self,
        servers: &Servers<'_>,
        server: &Server,
        when: &ReadyWhen,
        watch: Watch<'_>,
    ) -> Result<Awaited, WorkerError> {
        let error = |problem| WorkerError::Server { side: server.label.clone(), problem };
        let process = self.process.as_ref();
        let left = process.map_or(Ok(servers.wait_max), |process| {
            process.wait_until_it_listens(servers.wait_max)
        })?;
        let left = if process.is_some() { left.max(FIRST_ANSWER_TIME) } else { left };
        let is_over = || watch.is_over() || process.is_some_and(|it| it.ended().is_some());
        match wait_until_ready(&self.target, when, left, watch.clock, &is_over) {
            Ok(awaited) => Ok(awaited),
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

/// How many builds are surely different ones, by the digests of their code: one whose code nobody knows may
/// be the same as any other.
fn different(codes: &[Option<String>]) -> Count {
    let known: BTreeSet<&String> = codes.iter().flatten().collect();
    Count::new(known.len().max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_that_nobody_knows_are_no_further_ones() {
        let of = |codes: &[&str]| {
            let codes: Vec<Option<String>> =
                codes.iter().map(|it| (!it.is_empty()).then(|| (*it).to_owned())).collect();
            different(&codes).get()
        };
        assert_eq!((of(&[]), of(&["", ""]), of(&["a", ""]), of(&["a", "a"])), (1, 1, 1, 1));
        assert_eq!(of(&["a", "", "b", "a"]), 2);
    }
}
