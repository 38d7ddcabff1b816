//! A worker process: started, asked, and gone when it is dropped.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufReader, Read},
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::{
    process::{Signal, kill_process_group},
    thread::{CpuSet, sched_setaffinity},
};

use perf_passport::{
    contract::Contract,
    environment::Build,
    text::printable,
    units::Nanos,
    worker::{
        FLAG,
        protocol::{self, Answer, Question, VERSION},
    },
};

use crate::{
    error::{LAST_WORDS, WorkerError},
    guard::Guarded,
    process_group::pid,
    side::Side,
    watch::Watch,
};

/// How often a wait looks whether the comparison was interrupted.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// What a worker wrote on its standard error last, at most.
pub(super) const STDERR_MAX: usize = 300;

/// The first question. Only a contract that names files is said where they are: a worker of before knows
/// no such contract.
fn hello(side: &Side) -> Question {
    let contract = Contract::parse(&side.contract).ok();
    let names_files = contract.is_some_and(|it| !it.files().is_empty());
    let directory = names_files.then(|| side.files.canonicalize().unwrap_or(side.files.clone()));
    Question::Hello { version: VERSION, contract: side.contract.clone(), directory }
}

/// The largest padding of an environment: a page, which moves the stack by any multiple of its
/// alignment.
pub(super) const PADDING_MAX: usize = 4_096;

/// How a worker is placed; random for each, so that no build is favoured by its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    /// The processor that it may run on; any when `None`.
    pub(super) cpu: Option<usize>,
    /// Bytes that its environment is larger.
    pub(super) padding: usize,
    /// Picks one of the executables that are the same code at other addresses.
    pub(super) layout: usize,
}

impl Placement {
    /// As the system likes it.
    pub(super) const ANYWHERE: Self = Self { cpu: None, padding: 0, layout: 0 };
}

/// A running worker.
pub(super) struct Worker<'a> {
    label: String,
    child: Child,
    /// Let go of once the child is gone.
    _guarded: Guarded,
    stream: UnixStream,
    answers: mpsc::Receiver<io::Result<Answer>>,
    stderr: mpsc::Receiver<String>,
    watch: Watch<'a>,
}

impl<'a> Worker<'a> {
    /// Starts a fresh copy of the executable and gives it its contract. What it writes to the
    /// temporary directory is put beside the copy: it is killed, and removes nothing.
    pub(super) fn start(
        side: &Side,
        copy: &Path,
        placement: Placement,
        watch: Watch<'a>,
    ) -> Result<(Self, Build), WorkerError> {
        fs::copy(&side.executable, copy).map_err(|error| WorkerError::NotStarted {
            side: side.label.clone(),
            message: format!("cannot copy it: {error}"),
        })?;
        let mut command = Command::new(copy);
        if let Some(directory) = copy.parent() {
            command.env("TMPDIR", directory);
        }
        Self::start_by(command, side, placement, watch)
    }

    /// Starts the command, which becomes the side's worker with the arguments that are added, and
    /// gives it its contract.
    pub(super) fn start_by(
        command: Command,
        side: &Side,
        placement: Placement,
        watch: Watch<'a>,
    ) -> Result<(Self, Build), WorkerError> {
        let mut worker = Self::begin(command, side, placement, watch)?;
        let build = worker.wait_until_ready()?;
        Ok((worker, build))
    }

    /// The same without waiting for it, which is done by [`Worker::wait_until_ready`].
    pub(super) fn begin(
        mut command: Command,
        side: &Side,
        placement: Placement,
        watch: Watch<'a>,
    ) -> Result<Self, WorkerError> {
        let label = side.label.clone();
        let failed = |what: &str, error: &dyn std::fmt::Display| WorkerError::NotStarted {
            side: label.clone(),
            message: format!("{what}: {error}"),
        };
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed("no socket", &error))?;
        command
            .args(&side.arguments)
            .arg(FLAG)
            .envs(side.environment.iter().map(|(name, value)| (name, value)))
            .env("PERF_PASSPORT_PADDING", "x".repeat(placement.padding))
            .current_dir(&side.directory)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = spawn(&mut command).map_err(|error| failed("cannot start it", &error))?;
        let guarded = Guarded::of(&child);
        drop(command);
        if let Some(cpu) = placement.cpu {
            let mut set = CpuSet::new();
            set.set(cpu);
            // Before its contract is sent it has done nothing worth a processor. A thread that it
            // may have by now only reads what it is asked.
            let pinned = sched_setaffinity(pid(&child), &set);
            if let Err(error) = pinned {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed("cannot pin it to a processor", &error));
            }
        }
        let stderr = tail(child.stderr.take());
        let answers = ours.try_clone().map(answers).map_err(|error| failed("no socket", &error))?;
        let stream = ours;
        // A process that never reads would else be waited for as long as a contract does not fit.
        let patience = Duration::from_nanos(START_TIME.get());
        stream.set_write_timeout(Some(patience)).map_err(|error| failed("no socket", &error))?;
        let mut worker = Self { label, child, _guarded: guarded, stream, answers, stderr, watch };
        worker.tell(&hello(side))?;
        Ok(worker)
    }

    /// Waits until it can be asked; its build.
    pub(super) fn wait_until_ready(&mut self) -> Result<Build, WorkerError> {
        match self.hear(START_TIME)? {
            Answer::Ready { build } => Ok(build),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Asks, and waits for the answer until the time is over.
    pub(super) fn ask(&mut self, question: &Question, time: Nanos) -> Result<Answer, WorkerError> {
        self.tell(question)?;
        self.hear(time)
    }

    /// Asks, and waits for nothing.
    pub(super) fn tell(&mut self, question: &Question) -> Result<(), WorkerError> {
        protocol::write(&mut self.stream, question).map_err(|_| self.died())
    }

    /// Waits for the answer to the question before, until the time is over.
    pub(super) fn hear(&mut self, time: Nanos) -> Result<Answer, WorkerError> {
        let started = self.watch.clock.elapsed();
        loop {
            match self.answers.recv_timeout(TICK) {
                Ok(Ok(Answer::Failed(message))) => {
                    let message = printable(message.as_bytes(), STDERR_MAX);
                    return Err(WorkerError::Refused { side: self.label.clone(), message });
                }
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(WorkerError::Nonsense { side: self.label.clone() });
                }
                Ok(Err(_)) | Err(mpsc::RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if self.watch.is_over() {
                return Err(WorkerError::Interrupted);
            }
            if self.watch.clock.elapsed().saturating_sub(started) >= time {
                return Err(WorkerError::Hangs { side: self.label.clone(), after: time });
            }
        }
    }

    /// Of which side it is.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// The error for an answer to another question.
    pub(super) fn unexpected(&self, _: &Answer) -> WorkerError {
        WorkerError::Nonsense { side: self.label.clone() }
    }

    fn died(&mut self) -> WorkerError {
        // The socket closes a moment before the process can be waited for.
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            thread::sleep(TICK);
        }
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "it closed its input".to_owned(),
        };
        let said = self.stderr.recv_timeout(TICK).unwrap_or_default();
        let message = if said.is_empty() { status } else { format!("{status}{LAST_WORDS}{said}") };
        WorkerError::Died { side: self.label.clone(), message }
    }
}

/// Starts a process from a file that was just written.
///
/// A process that another thread of this program starts meanwhile holds the file open for writing,
/// until it is a program of its own a moment later; so long the system refuses to start it.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(TICK),
            spawned => return spawned,
        }
    }
    command.spawn()
}

/// How often a file that is busy is tried again.
const BUSY_TRIES: u32 = 100;

/// Time to read a contract and start a runtime.
const START_TIME: Nanos = Nanos::new(20_000_000_000);

impl Drop for Worker<'_> {
    /// Kills the worker with what it started, and waits for it.
    fn drop(&mut self) {
        if let Some(group) = pid(&self.child) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers(stream: UnixStream) -> mpsc::Receiver<io::Result<Answer>> {
    // A worker that answers without being asked fills the socket, and not the memory.
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        while let Some(answer) = protocol::read::<Answer>(&mut stream).transpose() {
            let broken = answer.is_err();
            if sender.send(answer).is_err() || broken {
                return;
            }
        }
    });
    receiver
}

/// The last words of a process, once it ended.
pub(super) fn tail(stderr: Option<std::process::ChildStderr>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut chunk = [0; 1_024];
        let Some(mut stderr) = stderr else { return };
        while let Ok(read @ 1..) = stderr.read(&mut chunk) {
            kept.extend_from_slice(&chunk[..read]);
            let surplus = kept.len().saturating_sub(STDERR_MAX);
            kept.drain(..surplus);
        }
        let _ =
            sender.send(without_secrets(&printable(kept.trim_ascii(), STDERR_MAX), env::vars_os()));
    });
    receiver
}

/// What the names of variables have in them that are secrets.
const SECRET_NAMES: [&str; 5] = ["SECRET", "TOKEN", "PASSW", "KEY", "CREDENTIAL"];

/// What is shorter is no secret, and would be found everywhere.
const SECRET_MIN: usize = 6;

/// The text with `${NAME}` in the place of the values of variables that are secrets by their names: what a server
/// or a worker says last may repeat one, and logs are read by many.
fn without_secrets(text: &str, variables: impl Iterator<Item = (OsString, OsString)>) -> String {
    let is_secret = |name: &str, value: &str| {
        let name = name.to_ascii_uppercase();
        value.len() >= SECRET_MIN && SECRET_NAMES.iter().any(|it| name.contains(it))
    };
    let known = variables.filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let shown = printable(value.as_bytes(), usize::MAX);
        is_secret(&name, &value).then_some((name, shown))
    });
    let mut known: Vec<(String, String)> = known.collect();
    // The longer first: one may be a part of another.
    known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    known
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("${{{name}}}")))
}

/// The processors that this process may use.
pub(super) fn allowed_cpus() -> Vec<usize> {
    rustix::thread::sched_getaffinity(None)
        .map(|set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
        .unwrap_or_default()
}

/// Keeps this thread on one processor until it is dropped.
pub(super) struct OnCpu {
    /// Where it may be otherwise; `None` where nobody knows.
    before: Option<CpuSet>,
}

impl OnCpu {
    /// Moves this thread to the processor. That it cannot be moved changes what is measured, for all
    /// sides alike, and is no error.
    pub(super) fn stay(cpu: usize) -> Self {
        let before = rustix::thread::sched_getaffinity(None).ok();
        let mut set = CpuSet::new();
        set.set(cpu);
        let moved = before.is_some() && sched_setaffinity(None, &set).is_ok();
        Self { before: before.filter(|_| moved) }
    }
}

impl Drop for OnCpu {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = sched_setaffinity(None, before);
        }
    }
}

/// The name of a copy in a session's directory.
pub(super) fn copy_path(directory: &Path, role: &str) -> PathBuf {
    directory.join(OsString::from(format!("worker-{role}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_a_processor_and_is_free_again() {
        let before = allowed_cpus();
        let cpu = *before.last().unwrap();
        let here = OnCpu::stay(cpu);
        assert_eq!(allowed_cpus(), [cpu]);
        drop(here);
        assert_eq!(allowed_cpus(), before);
    }

    #[test]
    fn last_words_have_no_secrets_of_variables() {
        let variables = [
            ("API_TOKEN", "hunter2"),
            ("api_token_long", "hunter2-and-more"),
            ("DB_PASSWORD", "aa\"b\\c"),
            ("SHORT_KEY", "12345"),
            ("LANG", "en_GB.UTF-8"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let said = printable(br#"hunter2-and-more, hunter2; aa"b\c 12345 en_GB.UTF-8"#, 200);
        assert_eq!(
            without_secrets(&said, variables.into_iter()),
            "${api_token_long}, ${API_TOKEN}; ${DB_PASSWORD} 12345 en_GB.UTF-8"
        );
    }
}
