//! Runs git, cargo and rustc: polled, so that an interrupt ends them with all that they started. When
//! this process is killed, the [guard](crate::guard) does.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use perf_passport::environment::REPOSITORY_VARIABLES;
use rustix::process::{Pid, Signal, kill_process_group};

use super::CheckoutError;
use crate::guard::Guarded;

/// How often a wait looks whether it was interrupted.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Ticks that outputs may stay open once a process has ended. A compiler cache that it started
/// inherits them, and never ends.
const GRACE_TICKS: u32 = 50;

/// How commands are run.
pub(super) struct Runner<'a> {
    /// Whether the user interrupted.
    pub(super) stop: &'a dyn Fn() -> bool,
    /// What commands get as their standard input, if anything. A lock is held until the last of
    /// them has ended, also when this process is killed.
    pub(super) lock: Option<&'a File>,
}

/// What a command left.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    /// The lines of its standard error.
    pub(super) said: Vec<String>,
}

impl Finished {
    /// The last of what it said, as one line.
    pub(super) fn reason(&self) -> String {
        /// Lines, from the first one that names an error.
        const LINES_MAX: usize = 12;
        let said: Vec<&str> =
            self.said.iter().map(|it| it.trim()).filter(|it| !it.is_empty()).collect();
        let first = said.iter().position(|it| it.starts_with("error")).unwrap_or_default();
        let first = first.max(said.len().saturating_sub(LINES_MAX));
        let reason = said[first..].join("; ");
        if reason.is_empty() { self.status.to_string() } else { reason }
    }
}

enum Line {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

impl Runner<'_> {
    /// Runs a command to its end; `progress` is told the lines of its standard error.
    pub(super) fn run(
        &self,
        command: &mut Command,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Finished, CheckoutError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| CheckoutError::NotRun { program: program.clone(), source };
        let stdin = match self.lock {
            Some(lock) => Stdio::from(lock.try_clone().map_err(failed)?),
            None => Stdio::null(),
        };
        for name in REPOSITORY_VARIABLES.iter().chain(&["GIT_NO_REPLACE_OBJECTS"]) {
            // What was set for this command stays.
            if !command.get_envs().any(|(set, value)| set == *name && value.is_some()) {
                command.env_remove(name);
            }
        }
        let spawned = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let child = spawned.map_err(failed)?;
        let mut running = Running { _guarded: Guarded::of(&child), child, ended: false };
        let (sender, lines) = mpsc::channel();
        forward(running.child.stdout.take(), sender.clone(), Line::Out);
        forward(running.child.stderr.take(), sender, Line::Err);
        let (mut stdout, mut said) = (Vec::new(), Vec::new());
        let mut status = None;
        let mut ticks = 0;
        loop {
            let closed = match lines.recv_timeout(TICK) {
                Ok(Line::Out(line)) => {
                    stdout.extend(line);
                    continue;
                }
                Ok(Line::Err(line)) => {
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    progress(&line);
                    said.push(line);
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => false,
                Err(mpsc::RecvTimeoutError::Disconnected) => true,
            };
            if (self.stop)() {
                return Err(CheckoutError::Interrupted);
            }
            if status.is_none() {
                status = running.child.try_wait().map_err(failed)?;
                running.ended = status.is_some();
            }
            match status {
                Some(status) if closed || ticks >= GRACE_TICKS => {
                    return Ok(Finished { status, stdout, said });
                }
                Some(_) => ticks += 1,
                // It closes its outputs a moment before it can be waited for.
                None if closed => thread::sleep(Duration::from_millis(1)),
                None => {}
            }
        }
    }

    /// Runs a command that says nothing worth passing on.
    pub(super) fn run_quietly(&self, command: &mut Command) -> Result<Finished, CheckoutError> {
        self.run(command, &mut |_| {})
    }
}

/// A child that does not outlive the wait for it.
struct Running {
    child: Child,
    /// Let go of once the child is gone.
    _guarded: Guarded,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(
    stream: Option<impl Read + Send + 'static>,
    lines: mpsc::Sender<Line>,
    wrap: fn(Vec<u8>) -> Line,
) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match stream.read_until(b'\n', &mut line) {
                Ok(1..) if lines.send(wrap(line)).is_ok() => {}
                _ => return,
            }
        }
    });
}
