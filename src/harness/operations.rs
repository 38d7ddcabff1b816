//! Operations of a target: each measured in a process of its own, up to its deadline.
//!
//! The target starts itself again for one operation ([`FLAG`]). That process measures the sizes one
//! after the other, in several passes, and writes each as a line after each pass; what it has written is
//! kept, whatever happens to it later. A panic fails the size that it happened at. An operation that never returns, that exits or
//! crashes ends its own process: the deadline kills that process with all its threads. It cannot kill
//! what that process started itself, and an operation that fills the machine's memory slows others
//! until then.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    code::{CodePass, Measurable},
    lock::lock,
};
use crate::{
    clock::{Clock, SystemClock},
    contract::{Contract, Operation},
    operation::{CaseEvidence, FailureKind},
    passport::MeasuredCase,
    text::escaped,
    timestamp::rfc3339,
    units::Nanos,
};

/// The argument with which a target measures the one operation that the next argument names.
pub(super) const FLAG: &str = "--perf-passport-operation";

/// Stands before each line that the process writes of itself; the code may print others.
const MARK: &[u8] = b"perf-passport-case: ";
/// The longest line that is kept; a longer one is no case.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Between two looks at a process that is about to end.
const POLL: Duration = Duration::from_millis(2);

/// A case as the process writes it.
#[derive(Serialize, Deserialize)]
struct OperationLine {
    size: Option<u64>,
    timestamp: String,
    evidence: CaseEvidence,
}

/// Which operation the arguments of this process ask for alone.
pub(super) fn asked_for() -> Option<OsString> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == FLAG).then(|| arguments.next().unwrap_or_default())
}

/// Measures one operation in this process, and writes its cases to standard output.
pub(super) fn answer(
    contract: &Contract,
    code: &[Box<dyn Measurable>],
    name: &OsString,
) -> ExitCode {
    let code = code.iter().find(|code| name == code.name());
    let operation = code.and_then(|code| contract.operation(code.name()));
    let Some((code, operation)) = code.zip(operation) else { return ExitCode::from(2) };
    // They are told as evidence, and nowhere else.
    std::panic::set_hook(Box::new(note_panic));
    let clock = SystemClock::start();
    let mut lines: BTreeMap<Option<u64>, OperationLine> = BTreeMap::new();
    for pass in CodePass::all(operation, &contract.sampling) {
        for size in operation.cases() {
            let line = lines.entry(size).or_insert_with(|| OperationLine {
                size,
                timestamp: rfc3339(clock.now()),
                evidence: CaseEvidence::default(),
            });
            if line.evidence.failure.is_some() {
                continue;
            }
            line.add(observe(code.as_ref(), size, &pass, &clock));
            if write(line).is_err() {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

impl OperationLine {
    /// Adds what a later pass measured; only the first one counts.
    fn add(&mut self, more: CaseEvidence) {
        if self.evidence == CaseEvidence::default() || more.failure.is_some() {
            self.evidence = more;
        } else {
            self.evidence.add_samples(&more.samples);
        }
    }
}

/// Measures one case in one pass; a panic, which must be noted, is its failure.
pub(super) fn observe(
    code: &dyn Measurable,
    size: Option<u64>,
    pass: &CodePass,
    clock: &dyn Clock,
) -> CaseEvidence {
    let measure = || code.measure(size, pass, clock);
    catch_unwind(AssertUnwindSafe(measure)).unwrap_or_else(|_| {
        crate::allocation::set_counting(true);
        CaseEvidence::failed(FailureKind::Panicked, &noted_panic())
    })
}

fn write(line: &OperationLine) -> io::Result<()> {
    // What the code printed may not have ended its line.
    let mut bytes = b"\n".to_vec();
    bytes.extend_from_slice(MARK);
    serde_json::to_writer(&mut bytes, line)?;
    bytes.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&bytes)?;
    out.flush()
}

/// The message and place of the last panic.
static PANIC: Mutex<String> = Mutex::new(String::new());

pub(super) fn note_panic(information: &PanicHookInfo<'_>) {
    let payload = information.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = information.location().map(|it| format!(", at {}:{}", it.file(), it.line()));
    let message = text.unwrap_or("a panic without a message");
    let message = format!("{message}{}", place.unwrap_or_default());
    *lock(&PANIC) = message;
}

pub(super) fn noted_panic() -> String {
    lock(&PANIC).clone()
}

/// Measures one operation in a process of its own.
///
/// # Errors
///
/// Why no process could be started.
pub(super) fn measure(operation: &Operation) -> Result<Vec<MeasuredCase>, String> {
    let failed = |error: io::Error| format!("cannot measure in a process of its own: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args([FLAG, &operation.name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let out = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        if let Some(out) = out {
            read_lines(out, &|line| drop(sender.send(line)));
        }
    });
    let clock = SystemClock::start();
    // A line of a later pass takes the place of the one before.
    let mut lines: BTreeMap<Option<u64>, OperationLine> = BTreeMap::new();
    let ended = loop {
        let left = operation.deadline.saturating_sub(clock.elapsed());
        match receiver.recv_timeout(left.to_duration()) {
            Ok(line) => drop(lines.insert(line.size, line)),
            Err(mpsc::RecvTimeoutError::Disconnected) => break true,
            Err(mpsc::RecvTimeoutError::Timeout) => break false,
        }
    };
    let why = end(&mut child, ended, &clock, operation.deadline);
    // Whatever else holds the pipe open is not waited for.
    drop(reader);
    let sizes = operation.cases().into_iter();
    Ok(sizes.map(|size| case(operation, size, &mut lines, &why)).collect())
}

/// Ends the process, and says why it has no more cases.
fn end(
    child: &mut Child,
    mut ended: bool,
    clock: &dyn Clock,
    deadline: Nanos,
) -> (FailureKind, String) {
    // One that closed its output may still run.
    while ended {
        match child.try_wait() {
            Ok(Some(status)) => {
                return (FailureKind::Panicked, format!("its process ended early: {status}"));
            }
            Ok(None) if clock.elapsed() < deadline => thread::sleep(POLL),
            Ok(None) => ended = false,
            Err(error) => {
                let message = format!("its process cannot be waited for: {error}");
                return (FailureKind::Panicked, message);
            }
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    (FailureKind::Deadline, format!("ended after {deadline}"))
}

fn case(
    operation: &Operation,
    size: Option<u64>,
    lines: &mut BTreeMap<Option<u64>, OperationLine>,
    (kind, message): &(FailureKind, String),
) -> MeasuredCase {
    let line = lines.remove(&size).unwrap_or_else(|| {
        let now = rfc3339(SystemClock::start().now());
        let evidence = CaseEvidence::failed(*kind, &escaped(message));
        OperationLine { size, timestamp: now, evidence }
    });
    let OperationLine { timestamp, evidence, .. } = line;
    MeasuredCase {
        operation: operation.name.clone(),
        size,
        timestamp,
        evidence,
        baseline: None,
        paired: None,
        paired_parts: BTreeMap::new(),
        instructions: None,
    }
}

/// Gives each case that is written to `take`, until the other side closes.
fn read_lines(mut out: impl Read, take: &dyn Fn(OperationLine)) {
    let (mut line, mut dropped) = (Vec::new(), false);
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let read = match out.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for byte in &buffer[..read] {
            if *byte == b'\n' {
                let written = line.strip_prefix(MARK).filter(|_| !dropped);
                let case = written.and_then(|it| serde_json::from_slice::<OperationLine>(it).ok());
                if let Some(case) = case.filter(|it| it.evidence.validate().is_ok()) {
                    take(case);
                }
                line.clear();
                dropped = false;
            } else if line.len() < LINE_BYTES_MAX {
                line.push(*byte);
            } else {
                dropped = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn cases_are_found_between_what_the_code_prints() {
        let line = |size| {
            let evidence = CaseEvidence::failed(FailureKind::Panicked, "no");
            serde_json::to_string(&OperationLine { size, timestamp: "now".to_owned(), evidence })
                .unwrap()
        };
        let text = format!(
            "hello\nperf-passport-case: {}\nperf-passport-case: nonsense\n{}\n\nperf-passport-case: {}\n\
             perf-passport-case: {{\"size\"",
            line(None),
            "x".repeat(LINE_BYTES_MAX + 10),
            line(Some(7)),
        );
        let found = RefCell::new(Vec::new());
        read_lines(text.as_bytes(), &|line| found.borrow_mut().push(line.size));
        assert_eq!(found.into_inner(), [None, Some(7)]);
    }
}
