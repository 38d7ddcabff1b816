//! Ends what a comparison started when that is killed outright.
//!
//! A worker ends by itself, because the system closes its socket. What it started does not, nor do
//! cargo, a compiler and a build script. So there is one process more, the guard: this very program,
//! which is told over a pipe which process groups live. The system closes the pipe when the comparison
//! ends, however that was, and the guard kills the groups that are left. Servers have a
//! [supervisor](super::supervisor) each, which also finds what left its group.
//!
//! The children of a process are the whole process's, so the guard is too: there is one, and without
//! [`start`] none. What is started in a session of its own, as a compiler cache is, is not ended.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::process_group::pid;

/// The only argument of a guard.
pub(super) const GUARD: &str = "--perf-passport-guard";

static GUARDING: Mutex<Option<Child>> = Mutex::new(None);

/// Starts the guard of this process; `program` is one whose `main` begins with
/// [`run_if_asked`](super::supervisor::run_if_asked). There is never a second one.
///
/// # Errors
///
/// When it cannot be started. Then what a killed comparison started lives on until it ends by itself.
pub fn start(program: &Path) -> io::Result<()> {
    let mut guarding = GUARDING.lock().unwrap_or_else(PoisonError::into_inner);
    if guarding.is_some() {
        return Ok(());
    }
    let guard = Command::new(program)
        .arg(GUARD)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the comparison.
        .process_group(0)
        .spawn()?;
    *guarding = Some(guard);
    Ok(())
}

/// A process group that is ended with this process, until it is dropped.
pub(super) struct Guarded(Option<Pid>);

impl Guarded {
    /// The group that this child leads.
    pub(super) fn of(child: &Child) -> Self {
        let group = pid(child);
        tell('+', group);
        Self(group)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(sign: char, group: Option<Pid>) {
    let mut guard = GUARDING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(line) = guard.as_mut().and_then(|it| it.stdin.as_mut()) else { return };
    let Some(group) = group else { return };
    // In one piece, so that no line is half there when this process is killed. A guard that is gone
    // guards nothing, and nothing depends on it.
    let _ = line.write_all(format!("{sign}{}\n", group.as_raw_nonzero()).as_bytes());
}

/// Is the guard until the other end of standard input is closed.
pub(super) fn serve() -> ExitCode {
    for group in living(io::stdin().lock()).into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    ExitCode::SUCCESS
}

/// The groups that live when the lines are over.
fn living(lines: impl BufRead) -> BTreeSet<i32> {
    let mut groups = BTreeSet::new();
    for line in lines.lines().map_while(Result::ok) {
        // To the system, group 1 is every process.
        let number = |text: &str| text.parse::<i32>().ok().filter(|it| *it > 1);
        if let Some(group) = line.strip_prefix('+').and_then(number) {
            groups.insert(group);
        } else if let Some(group) = line.strip_prefix('-').and_then(number) {
            groups.remove(&group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_ended_are_left_alone_and_so_is_what_is_no_group() {
        let text = "+12\n+34\n-12\n+56\nnonsense\n+\n-78\n+9x\n";
        assert_eq!(Vec::from_iter(living(text.as_bytes())), [34, 56]);
        // Each of these would end every process.
        for text in ["+0\n", "+1\n", "+-1\n", "+-12\n"] {
            assert!(living(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
