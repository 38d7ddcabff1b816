//! Servers that take turns in a session, asked over HTTP.
//!
//! Each takes turns over a connection of its own, which is kept, with one request in flight. What a
//! round trip takes is mostly not the service's doing; which part of it counts is decided in
//! `session.rs`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use perf_passport::{
    contract::{Check, Contract},
    pipeline::Turns,
    probe::{
        Awaited, Exchange, HttpProbe, Pass, PlanError, PreparedRequest, Probe, ProbeError,
        ReadyWhen, SamplePlan,
    },
    process_memory::ProcessMemory,
    statistics::are_fine,
    text::printable,
    units::{Nanos, Ppm},
    worker::protocol::Seen,
};

use crate::{
    error::{ServerProblem, WorkerError},
    floor::{Floor, Script},
    item::Item,
    process::{Placement, STDERR_MAX},
    server::{Ports, ServerProcess, ServerStart},
    servers::{ReachableServer, Server, ServerAt, Servers, target},
    subject::{LatencyKind, Readiness, Role, Starter, Subject, Turn, TurnRequest},
    watch::Watch,
};

/// Samples that tell what a check is like, twice: the first ones may find a server that still loads what it
/// needs.
const FIRST_SAMPLES: u32 = 20;

/// What the floor is called where something is wrong with it.
const FLOOR_LABEL: &str = "the floor (a part of this program)";

/// Starts what takes turns over HTTP.
pub(super) struct ServerStarter<'s> {
    servers: &'s Servers<'s>,
    contract: &'s Contract,
    ports: Ports,
    /// When a server is ready; any answer will do once one went on to answer otherwise.
    ready: RefCell<ReadyWhen>,
    /// The connections to servers that run already, while a session holds them.
    probes: RefCell<BTreeMap<String, Weak<RefCell<HttpProbe>>>>,
    /// What the baseline answers, for the floor to answer as well.
    heard: RefCell<Script>,
    watch: Watch<'s>,
}

impl<'s> ServerStarter<'s> {
    /// A starter for sessions of these checks.
    pub(crate) fn new(
        servers: &'s Servers<'s>,
        contract: &'s Contract,
        checks: &[&Check],
        watch: Watch<'s>,
    ) -> Self {
        Self {
            servers,
            contract,
            ports: Ports::default(),
            ready: RefCell::new(ReadyWhen::of(contract, checks, servers.environment)),
            probes: RefCell::default(),
            heard: RefCell::default(),
            watch,
        }
    }
}

impl Starter for ServerStarter<'_> {
    /// A server that runs already is there once, so it is its own control: then all have their turns
    /// twice, so that all have equal shares. Nothing is known of where it runs, so it is not held
    /// against a floor.
    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::Baseline, Role::Current, Role::Control];
        let anchor = self.servers.sides.anchor.as_ref();
        roles.extend(anchor.map(|_| Role::Anchor));
        if self.servers.are_running() {
            roles.push(Role::CurrentAgain);
            roles.extend(anchor.map(|_| Role::AnchorAgain));
        } else {
            roles.push(Role::Floor);
        }
        roles
    }

    /// Otherwise each exchange would wake a processor that sleeps twice, which takes longer than the
    /// service and is not the same twice.
    ///
    /// PERF: sessions of a server of 34 us against itself, above the floor, on two processors: round
    /// trips of 60 us and effects with a standard deviation of 0.5 % on the servers' processor, 114 us
    /// and 0.7 % on the other one, 133 us and 1.0 % where the system chooses.
    fn asks_from_their_cpu(&self) -> bool {
        !self.servers.are_running()
    }

    fn start(
        &self,
        role: Role,
        placement: Placement,
        _: &std::path::Path,
    ) -> Result<Box<dyn Subject + '_>, WorkerError> {
        let servers = self.servers;
        let server = match role {
            Role::Baseline | Role::Control | Role::Floor => &servers.sides.baseline,
            Role::Current | Role::CurrentAgain => &servers.sides.current,
            Role::Anchor | Role::AnchorAgain => {
                servers.sides.anchor.as_ref().unwrap_or(&servers.sides.baseline)
            }
        };
        let error = |message: String| WorkerError::Server {
            side: server.label.clone(),
            problem: ServerProblem::NotStarted(message),
        };
        let (reached, floor) = if role == Role::Floor {
            let floor = Floor::start(placement.cpu).map_err(|it| error(it.to_string()))?;
            let target = target(&floor.url(), self.contract).map_err(|it| error(it.to_string()))?;
            (ReachableServer { target, process: None }, Some(floor))
        } else {
            let start = ServerStart { ports: &self.ports, placement };
            (servers.reach(server, self.contract, start, self.watch)?, None)
        };
        let probe = self.probe(server, &reached).map_err(|it| error(it.to_string()))?;
        Ok(Box::new(ServerSubject {
            starter: self,
            role,
            server,
            probe: Some(probe),
            turns: None,
            reached,
            floor,
        }))
    }
}

impl ServerStarter<'_> {
    /// A connection to the server. Whoever takes turns with a server that runs already does so over
    /// the same one: a server may serve one connection after the other.
    fn probe(
        &self,
        server: &Server,
        reached: &ReachableServer<'_>,
    ) -> Result<Rc<RefCell<HttpProbe>>, ProbeError> {
        let mut probes = self.probes.borrow_mut();
        let runs_already = matches!(server.at, ServerAt::Url(_));
        let known = probes.get(&server.label).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|_| runs_already) {
            return Ok(known);
        }
        let probe = Rc::new(RefCell::new(reached.target.http_probe()?));
        probes.insert(server.label.clone(), Rc::downgrade(&probe));
        Ok(probe)
    }
}

/// A server that takes turns.
struct ServerSubject<'s> {
    starter: &'s ServerStarter<'s>,
    role: Role,
    server: &'s Server,
    /// `None` once it is to end: a server may wait for the end of its connections.
    probe: Option<Rc<RefCell<HttpProbe>>>,
    turns: Option<Turns<'s>>,
    reached: ReachableServer<'s>,
    floor: Option<Floor>,
}

impl ServerSubject<'_> {
    /// Whether to go on: where a server ended, somebody else may answer on its port.
    fn goes_on(&self) -> Result<(), WorkerError> {
        if self.starter.watch.is_over() {
            return Err(WorkerError::Interrupted);
        }
        match self.reached.process.as_ref().and_then(ServerProcess::ended) {
            Some(message) => Err(self.error(ServerProblem::Died(message.to_owned()))),
            None => Ok(()),
        }
    }

    fn error(&self, problem: ServerProblem) -> WorkerError {
        WorkerError::Server { side: self.label().to_owned(), problem }
    }

    /// What a request that failed says of the server.
    fn fault(&self, error: &ProbeError) -> WorkerError {
        let process = self.reached.process.as_ref();
        self.error(match error {
            // It was waited for long enough to be sure that it runs.
            ProbeError::Timeout { after, phase } => match process.and_then(ServerProcess::ended) {
                Some(message) => ServerProblem::Died(message.to_owned()),
                None => ServerProblem::Hangs { after: *after, phase },
            },
            error => process.and_then(ServerProcess::died).unwrap_or_else(|| {
                ServerProblem::BrokeOff(printable(error.to_string().as_bytes(), STDERR_MAX))
            }),
        })
    }

    fn take(&mut self, samples: u32) -> Result<Turn, WorkerError> {
        let Some((turns, probe)) = self.turns.as_mut().zip(self.probe.as_ref()) else {
            return Err(self.out_of_order());
        };
        let batch = turns.batch(&mut *probe.borrow_mut(), samples, Ppm::new(0));
        let batch = batch.map_err(|error| self.fault(&error))?;
        let response = batch.seen.map(Seen::from);
        Ok(Turn { latencies: batch.latencies, told: batch.told, response })
    }

    fn out_of_order(&self) -> WorkerError {
        self.error(ServerProblem::BrokeOff("asked out of order".to_owned()))
    }

    /// Sends the first samples; the last of them.
    fn first_turns(&mut self) -> Result<Turn, WorkerError> {
        self.take(FIRST_SAMPLES)?;
        self.goes_on()?;
        self.take(FIRST_SAMPLES)
    }

    /// Keeps what is answered to each request, for the floor.
    fn listen(&mut self) -> Result<(), WorkerError> {
        let Some((turns, probe)) = self.turns.as_mut().zip(self.probe.as_ref()) else {
            return Err(self.out_of_order());
        };
        let mut probe = probe.borrow_mut();
        let mut script = Script::default();
        let opened_before = probe.connections_opened();
        let with_headers = turns.check().has_values();
        // The floor begins from the beginning: what is sent once comes before the first sample alone.
        let heard = turns.end(&mut *probe).and_then(|()| {
            let script = &mut script;
            turns.send_one(&mut Listening { probe: &mut probe, script, with_headers })?;
            script.begin_turns();
            turns.send_one(&mut Listening { probe: &mut probe, script, with_headers })
        });
        let opened = probe.connections_opened().saturating_sub(opened_before);
        drop(probe);
        heard.map_err(|error| self.fault(&error))?;
        if opened.get() >= script.len() {
            script.close_after_each();
        }
        self.starter.heard.replace(script);
        Ok(())
    }

    /// Ends the turns of the item before, with what that sends at its end.
    fn end_turns(&mut self) {
        if let Some((mut turns, probe)) = self.turns.take().zip(self.probe.as_ref()) {
            // What it leaves behind is told by the observation.
            let _ = turns.end(&mut *probe.borrow_mut());
        }
    }
}

/// A connection of which everything is written down.
struct Listening<'l> {
    probe: &'l mut HttpProbe,
    script: &'l mut Script,
    with_headers: bool,
}

impl Probe for Listening<'_> {
    fn send(&mut self, request: &PreparedRequest, pass: Pass) -> Result<Exchange, ProbeError> {
        let heard = self.probe.send(request, pass)?;
        if self.with_headers {
            self.script.add_with_headers(request, &heard);
        } else {
            self.script.add(request, &heard);
        }
        Ok(heard)
    }

    fn process_memory(&mut self) -> Option<ProcessMemory> {
        None
    }

    fn cpu_pressure(&mut self) -> Option<Nanos> {
        None
    }

    fn counts_apart(&self) -> bool {
        false
    }
}

impl Subject for ServerSubject<'_> {
    fn ready(&mut self) -> Result<(), WorkerError> {
        if self.floor.is_some() {
            return Ok(());
        }
        let when = self.starter.ready.borrow().clone();
        let (servers, watch) = (self.starter.servers, self.starter.watch);
        if self.reached.wait(servers, self.server, &when, watch)? == Awaited::Otherwise {
            self.starter.ready.replace(when.with_any_status());
        }
        Ok(())
    }

    fn prepare(&mut self, item: Item<'_>) -> Result<Readiness, WorkerError> {
        self.goes_on()?;
        let Item::Check(check) = item else {
            let message = "a server runs no operations".to_owned();
            return Err(self.error(ServerProblem::BrokeOff(message)));
        };
        if let Some(floor) = &self.floor {
            floor.play(self.starter.heard.borrow().clone());
        }
        self.end_turns();
        let directory = &self.starter.contract.directory;
        let plan = SamplePlan::new(check, directory, self.starter.servers.environment);
        let plan = plan.map_err(|error| {
            self.error(ServerProblem::BrokeOff(match error {
                PlanError::Variable(name) => format!("the variable {name} is not set"),
                PlanError::Input(problem) => problem,
            }))
        })?;
        self.turns = Some(Turns::new(check.clone(), plan, self.starter.watch.clock));
        let turn = self.first_turns()?;
        if self.role == Role::Baseline {
            self.listen()?;
        }
        let side = || self.label().to_owned();
        let response = turn.response.ok_or_else(|| WorkerError::AnswersDiffer { side: side() })?;
        let response = Some(response);
        let tells = turn.told.is_some_and(|told| are_fine(&told));
        let measures = if tells { LatencyKind::RoundTripAndWork } else { LatencyKind::RoundTrip };
        let latency = median(&turn.latencies);
        Ok(Readiness { latency, iterations: None, response, measures })
    }

    /// What is to be slower is made so when the turns are summed up.
    fn batch(&mut self, request: TurnRequest, _: Nanos) -> Result<Turn, WorkerError> {
        self.goes_on()?;
        self.take(request.samples)
    }

    fn label(&self) -> &str {
        if self.floor.is_some() { FLOOR_LABEL } else { &self.server.label }
    }

    /// What runs already was warmed up by whoever else asked it.
    fn may_make_code(&self) -> bool {
        self.reached.process.as_ref().is_some_and(ServerProcess::may_make_code)
    }

    fn begin_to_end(&mut self) {
        self.end_turns();
        self.probe = None;
        if let Some(process) = &mut self.reached.process {
            process.begin_to_end();
        }
    }
}

fn median(times: &[Nanos]) -> Nanos {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
