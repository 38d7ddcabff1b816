//! A server that a comparison starts, through a [`supervisor`](super::supervisor).

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Signal, kill_process_group};

use perf_passport::{passport::MappedCode, text::printable, units::Nanos};

use crate::{
    command_line::CommandLine,
    error::{LAST_WORDS, ServerProblem, WorkerError},
    mapped_code::{mapped_code, may_make_code},
    process::{Placement, STDERR_MAX, TICK, tail},
    process_group::pid,
    supervisor::{ANY_CPU, ENDED, NOT_STARTED, SUPERVISE},
    watch::Watch,
};

/// Ports that are tried: below those that systems give to who connects, so that nobody gets one
/// between the moment that it is found to be free and the moment that the server takes it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Ports that are tried before the system is asked for one.
const PORT_TRIES: usize = 200;

/// The first pause between two attempts to connect; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// Pauses that a supervisor may take to end its server; it kills it after a tenth of that.
const END_TRIES: u32 = 2_500;

/// The longest report of a supervisor.
const REPORT_MAX: u64 = 4_096;

/// Ports that were given to servers: none is given twice.
#[derive(Debug, Default)]
pub(super) struct Ports(RefCell<BTreeSet<u16>>);

impl Ports {
    /// A port of the loopback interface that nobody uses.
    pub(super) fn free(&self) -> std::io::Result<u16> {
        // Not where another comparison on this machine begins to look.
        let random = uuid::Uuid::now_v7().as_u64_pair().1 % u64::from(PORTS.end - PORTS.start);
        self.free_from(PORTS.start + u16::try_from(random).unwrap_or_default())
    }

    fn free_from(&self, first: u16) -> std::io::Result<u16> {
        let mut given = self.0.borrow_mut();
        let candidates = (PORTS.start..PORTS.end)
            .cycle()
            .skip(usize::from(first - PORTS.start))
            .take(PORT_TRIES)
            .chain(std::iter::repeat_n(0, PORT_TRIES));
        let mut last = Err(std::io::Error::other("no port is free"));
        for candidate in candidates {
            let found = TcpListener::bind((Ipv4Addr::LOCALHOST, candidate))
                .and_then(|listener| listener.local_addr());
            match found {
                Ok(address) if given.insert(address.port()) => return Ok(address.port()),
                Ok(_) => {}
                Err(error) => last = Err(error),
            }
        }
        last
    }
}

/// How a server is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerStart<'a> {
    /// Ports that were given away already.
    pub(super) ports: &'a Ports,
    pub(super) placement: Placement,
}

/// A server that was started.
pub(super) struct ServerProcess<'a> {
    label: String,
    pub(super) port: u16,
    supervisor: Child,
    /// Closed, it tells the supervisor to end the server.
    lifeline: Option<ChildStdin>,
    reports: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
    ended: OnceCell<String>,
    watch: Watch<'a>,
}

impl<'a> ServerProcess<'a> {
    /// Starts the command; it is not waited for.
    pub(super) fn start(
        label: &str,
        command: &CommandLine,
        supervisor: &Path,
        ServerStart { ports, placement }: ServerStart<'_>,
        watch: Watch<'a>,
    ) -> Result<Self, WorkerError> {
        let failed = |message: String| {
            let problem = ServerProblem::NotStarted(message);
            WorkerError::Server { side: label.to_owned(), problem }
        };
        let port = ports.free().map_err(|error| failed(format!("no port is free: {error}")))?;
        let cpu = placement.cpu.map_or_else(|| ANY_CPU.to_owned(), |cpu| cpu.to_string());
        let mut supervisor = Command::new(supervisor)
            .arg(SUPERVISE)
            .arg(cpu)
            .args(command.with_port(port))
            .env("PORT", port.to_string())
            .env("PERF_PASSPORT_PADDING", "x".repeat(placement.padding))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the comparison, which then ends its servers.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(format!("no supervisor: {error}")))?;
        Ok(Self {
            label: label.to_owned(),
            port,
            lifeline: supervisor.stdin.take(),
            reports: reports(supervisor.stdout.take()),
            stderr: tail(supervisor.stderr.take()),
            supervisor,
            ended: OnceCell::new(),
            watch,
        })
    }

    /// Waits until something accepts connections on the port; what is left of the time.
    pub(super) fn wait_until_it_listens(&self, time: Nanos) -> Result<Nanos, WorkerError> {
        let clock = self.watch.clock;
        let started = clock.elapsed();
        let mut pause = PAUSE_MIN;
        loop {
            let spent = clock.elapsed().saturating_sub(started);
            if let Some(problem) = self.ended_early() {
                return Err(self.error(problem));
            }
            if self.watch.is_over() {
                return Err(WorkerError::Interrupted);
            }
            if is_listening(self.port) {
                return Ok(time.saturating_sub(spent));
            }
            if spent >= time {
                return Err(self.error(ServerProblem::Silent { port: self.port, after: time }));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(TICK);
        }
    }

    /// What to say of a server that ended before it was asked anything.
    pub(super) fn ended_early(&self) -> Option<ServerProblem> {
        let message = self.ended()?;
        Some(match message.strip_prefix(NOT_STARTED) {
            Some(why) => ServerProblem::NotStarted(why.to_owned()),
            None => ServerProblem::EndedEarly { port: self.port, message: message.to_owned() },
        })
    }

    /// What to say of a server that ended while it was asked.
    ///
    /// A connection is closed a moment before its process can be waited for.
    pub(super) fn died(&self) -> Option<ServerProblem> {
        for _ in 0..25 {
            if let Some(message) = self.ended() {
                return Some(ServerProblem::Died(message.to_owned()));
            }
            thread::sleep(TICK);
        }
        None
    }

    /// How the server ended, with its last words; `None` while it runs.
    pub(super) fn ended(&self) -> Option<&str> {
        if self.ended.get().is_none() {
            let report = match self.reports.try_recv() {
                Err(mpsc::TryRecvError::Empty) => return None,
                Err(mpsc::TryRecvError::Disconnected) => format!("{ENDED}its supervisor is gone"),
                Ok(report) => report,
            };
            let words = match report.strip_prefix(ENDED) {
                None => report,
                Some(status) => {
                    // There are last words once all that could say something is gone.
                    let said = self.stderr.recv_timeout(Duration::from_secs(3));
                    let said = said.unwrap_or_default();
                    if said.is_empty() {
                        status.to_owned()
                    } else {
                        format!("{status}{LAST_WORDS}{said}")
                    }
                }
            };
            let _ = self.ended.set(words);
        }
        self.ended.get().map(String::as_str)
    }

    /// The machine code that its processes have mapped, where that is known.
    pub(super) fn mapped_code(&self) -> Option<MappedCode> {
        mapped_code(self.supervisor.id(), self.port)
    }

    /// Whether its processes may make machine code while they run.
    pub(super) fn may_make_code(&self) -> bool {
        may_make_code(self.supervisor.id(), self.port)
    }

    /// Tells the supervisor to end the server; it is not waited for.
    pub(super) fn begin_to_end(&mut self) {
        drop(self.lifeline.take());
    }

    fn error(&self, problem: ServerProblem) -> WorkerError {
        WorkerError::Server { side: self.label.clone(), problem }
    }
}

impl Drop for ServerProcess<'_> {
    /// Has the server ended, with all that it started, and waits for that.
    fn drop(&mut self) {
        self.begin_to_end();
        for _ in 0..END_TRIES {
            if matches!(self.supervisor.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(PAUSE_MIN);
        }
        // The server dies with its supervisor.
        if let Some(group) = pid(&self.supervisor) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

fn is_listening(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    // Who connects to a port that nobody listens on may be given that very port, and meet itself.
    stream.local_addr().ok() != stream.peer_addr().ok()
}

/// The lines of a supervisor, made printable.
fn reports(stdout: Option<ChildStdout>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        let mut lines = BufReader::new(stdout.take(REPORT_MAX));
        let mut line = Vec::new();
        while let Ok(1..) = lines.read_until(b'\n', &mut line) {
            if sender.send(printable(line.trim_ascii(), STDERR_MAX)).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_and_none_that_is_taken() {
        let ports = Ports::default();
        let all: BTreeSet<u16> = (0..50).map(|_| ports.free_from(31_980).unwrap()).collect();
        assert_eq!(all.len(), 50);
        let free = Ports::default().free().unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, free)).unwrap();
        assert_ne!(Ports::default().free_from(free).unwrap(), free);
    }
}
