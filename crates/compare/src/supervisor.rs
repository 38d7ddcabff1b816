//! The process between a comparison and a server that it starts: it ends the server when the
//! comparison is gone, however that ended.
//!
//! A process that is killed outright ends nothing by itself. So a server is started by a supervisor,
//! whose standard input is a pipe from the comparison: the system closes it when the comparison
//! ends. The supervisor then ends the server with all that it started, also what left the process
//! group and what has no parent any more, because the supervisor is the one that inherits such
//! processes ([`set_child_subreaper`]). Should the supervisor itself be killed, the system kills the
//! server: between the two there is a process that asks for that, and then becomes the server.
//!
//! The supervisor is the very program that compares: whoever compares servers calls [`run_if_asked`] first thing in `main`. On its standard output it says how the
//! server ended, in one line.
//!
//! [`set_child_subreaper`]: rustix::process::set_child_subreaper

use std::{
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    process::{
        Pid, Signal, getpid, getppid, kill_process, kill_process_group, set_child_subreaper,
        set_parent_process_death_signal,
    },
    thread::{CpuSet, sched_setaffinity},
};

use crate::guard;

/// The first argument of a supervisor. After it come the processor that the server may run on, or
/// [`ANY_CPU`], and the words of the command.
pub(super) const SUPERVISE: &str = "--perf-passport-supervise";

/// Stands for any processor.
pub(super) const ANY_CPU: &str = "any";

/// The first argument of what becomes the server. After it come the process that it is to outlive by
/// nothing, and what the supervisor was told.
const BECOME: &str = "--perf-passport-become";

/// Starts what the report of a server that could not be started begins with.
pub(super) const NOT_STARTED: &str = "not started: ";

/// Starts what the report of a server that ended begins with.
pub(super) const ENDED: &str = "ended: ";

/// This very program, also when its file was replaced since.
const MYSELF: &str = "/proc/self/exe";

/// How often it is looked whether a process is gone.
const TICK: Duration = Duration::from_millis(5);

/// Ticks that a server may take to end when it is asked to.
const GRACE_TICKS: u32 = 100;

/// Ticks that it may take to be killed.
const KILL_TICKS: u32 = 400;

/// Is the supervisor of a server, or the [guard] of a comparison, if that is what this
/// process was started for: then its exit code, once the server or the comparison is gone.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next()?;
    let rest: Vec<OsString> = arguments.collect();
    if first == SUPERVISE {
        Some(supervise(&rest))
    } else if first == BECOME {
        Some(become_server(&rest))
    } else if first == guard::GUARD {
        Some(guard::serve())
    } else {
        None
    }
}

/// Starts the server, and ends it when the other end of standard input is closed.
fn supervise(arguments: &[OsString]) -> ExitCode {
    let me = getpid();
    let started = set_child_subreaper(Some(me)).map_err(io::Error::from).and_then(|()| {
        Command::new(MYSELF)
            .arg(BECOME)
            .arg(me.as_raw_nonzero().to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
    });
    let mut server = match started {
        Ok(server) => server,
        Err(error) => {
            report(&mut io::stdout(), &format!("{NOT_STARTED}{error}"));
            return ExitCode::FAILURE;
        }
    };
    let group = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        end(group);
    });
    let ended = server.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    report(&mut io::stdout(), &format!("{ENDED}{ended}"));
    end(group)
}

/// Becomes the server.
fn become_server(arguments: &[OsString]) -> ExitCode {
    // A copy that is closed when this becomes the server, whose own output nobody reads.
    let Ok(mut output) = io::stdout().as_fd().try_clone_to_owned().map(fs::File::from) else {
        return ExitCode::FAILURE;
    };
    let error = match become_command(arguments) {
        Ok(mut command) => command.stdout(Stdio::null()).exec(),
        Err(error) => error,
    };
    report(&mut output, &format!("{NOT_STARTED}{error}"));
    ExitCode::FAILURE
}

/// Makes this process what the server is to be, but for its program.
fn become_command(arguments: &[OsString]) -> io::Result<Command> {
    let [parent, cpu, program, words @ ..] = arguments else {
        return Err(io::Error::other("there is no command"));
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that was asked for.
    let alive = getppid().map(|it| it.as_raw_nonzero().to_string());
    if alive.is_none_or(|it| *parent != *it) {
        return Err(io::Error::other("the supervisor is gone"));
    }
    if let Some(cpu) = cpu.to_str().and_then(|it| it.parse::<usize>().ok()) {
        if cpu >= CpuSet::MAX_CPU {
            return Err(io::Error::other("there is no such processor"));
        }
        let mut set = CpuSet::new();
        set.set(cpu);
        // Every thread and process that the server starts inherits it.
        sched_setaffinity(None, &set)?;
    }
    let mut command = Command::new(program);
    command.args(words);
    Ok(command)
}

fn report(to: &mut impl Write, line: &str) {
    // That nobody reads it is nobody's error.
    let _ = writeln!(to, "{}", line.replace('\n', " ")).and_then(|()| to.flush());
}

/// Ends all that is left of the server, and this process.
#[expect(clippy::exit, reason = "another thread waits for the server, or for the comparison")]
fn end(group: Option<Pid>) -> ! {
    static ENDING: Mutex<()> = Mutex::new(());
    // Never unlocked: who comes second waits for the end of the process.
    let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    let me = getpid();
    for tick in 0..GRACE_TICKS + KILL_TICKS {
        // While there is a child, no stranger has the number of its group.
        let left = children(me);
        if left.is_empty() {
            break;
        }
        if tick == 0 {
            let _ = group.map(|group| kill_process_group(group, Signal::TERM));
        }
        if tick >= GRACE_TICKS {
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            // Children of these become children of this process.
            for child in left {
                let _ = kill_process(child, Signal::KILL);
            }
        }
        thread::sleep(TICK);
    }
    std::process::exit(0)
}

/// The living children of a process.
fn children(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| is_child(*id, parent)).filter_map(Pid::from_raw).collect()
}

fn is_child(id: i32, parent: Pid) -> bool {
    let stat = fs::read(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name may hold anything, also a parenthesis: what follows the last one is numbers.
    let Some(end) = stat.iter().rposition(|byte| *byte == b')') else { return false };
    let rest = String::from_utf8_lossy(&stat[end + 1..]);
    let mut fields = rest.split_ascii_whitespace();
    let alive = fields.next().is_some_and(|state| state != "Z" && state != "X");
    alive && fields.next() == Some(&parent.as_raw_nonzero().to_string())
}
