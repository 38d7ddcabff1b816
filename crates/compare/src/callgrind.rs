//! A worker under valgrind's callgrind, which counts every instruction of its samples.
//!
//! The worker warms each check up and then sends a fixed number of samples, of which only what the
//! service does is collected (`src/probe/collected.rs`). Callgrind writes a file of its own for each
//! sample, so that who reads them sees which samples did something else than the others, such as the
//! allocator's housekeeping. One process counts all checks: to start it takes longer than to count.
//!
//! Counted is the thread that asks the service and the tasks that run on it. What is not seen: work on
//! other threads, the kernel, and what an instruction costs: waiting for memory is no instruction.
//! Valgrind hides some of a processor's extensions (SHA, AVX-512) from programs, which then take
//! another way. Nothing here compares two builds.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use thiserror::Error;

use perf_passport::{
    probe::{COLLECTED, SAMPLE_ENDS},
    units::Nanos,
    worker::protocol::{Answer, Seen},
};

use crate::{
    callgrind_file::{self, Profile},
    count_plan::CountPlan,
    error::WorkerError,
    process::{Placement, Worker},
    side::Side,
    watch::Watch,
    workplace::{with_cache, without_debug_information},
};

/// Time to count one item, with bringing its service into its state.
const COUNT_TIME: Nanos = Nanos::new(120_000_000_000);

/// Why instructions of a check are not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InstructionsError {
    /// There is nobody who could count.
    #[error("instructions are not known: valgrind is not installed")]
    ValgrindMissing,
    /// Nobody can count here, or the worker could not do its work.
    #[error("instructions are not known: {0}")]
    Unavailable(String),
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl From<WorkerError> for InstructionsError {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Interrupted => Self::Interrupted,
            error => Self::Unavailable(error.recorded()),
        }
    }
}

/// Why a check was not counted, and whether its worker can be asked for others all the same.
#[derive(Debug)]
pub(super) struct CountFailure {
    pub(super) why: InstructionsError,
    pub(super) ends_the_worker: bool,
}

impl From<WorkerError> for CountFailure {
    fn from(error: WorkerError) -> Self {
        // What was refused, or was answered otherwise, was answered.
        let ends_the_worker =
            !matches!(error, WorkerError::Refused { .. } | WorkerError::AnswersDiffer { .. });
        Self { why: error.into(), ends_the_worker }
    }
}

impl CountFailure {
    fn of_check(message: String) -> Self {
        Self { why: InstructionsError::Unavailable(message), ends_the_worker: false }
    }
}

/// The program.
const VALGRIND: &str = "valgrind";

/// Finds out whether there is somebody who can count.
pub(super) fn find_valgrind() -> Result<(), InstructionsError> {
    find(Path::new(VALGRIND))
}

fn find(program: &Path) -> Result<(), InstructionsError> {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let message = match found {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("`valgrind --version` fails: {status}"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(InstructionsError::ValgrindMissing);
        }
        Err(error) => format!("valgrind cannot be started: {error}"),
    };
    Err(InstructionsError::Unavailable(message))
}

/// A side that is ready to be counted, in a directory of its own: with an executable without debug
/// information, which valgrind would take longer to read than to count by. The names of functions
/// stay.
///
/// The length of the path is a part of what a process finds on its stack, so `role` should be as long
/// for all sides.
pub(super) fn countable(side: &Side, directory: &Path, role: &str) -> Result<Side, WorkerError> {
    let side = with_cache(side, directory, role)?;
    Ok(without_debug_information(side, directory, role))
}

/// A worker that is counted; gone when it is dropped.
pub(super) struct CountedWorker<'a> {
    worker: Worker<'a>,
    label: String,
    /// The file that callgrind names those after which it writes.
    out: PathBuf,
    /// Files that were read.
    parts: u32,
}

/// Where a worker is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountPlace<'a> {
    /// Where callgrind and the worker write.
    pub(super) directory: &'a Path,
    /// Names the files of this worker.
    pub(super) role: &'a str,
    /// Bytes by which its environment is larger.
    pub(super) padding: usize,
}

/// What was counted of an item.
pub(super) struct CountedSamples {
    /// One for each sample.
    pub(super) samples: Vec<Profile>,
    /// What each of them was like; `None` of code, which answers nothing.
    pub(super) response: Option<Seen>,
}

impl<'a> CountedWorker<'a> {
    /// Starts a process of a side that was made [`countable`], without waiting for it.
    pub(super) fn begin(
        side: &Side,
        place: &CountPlace<'_>,
        watch: Watch<'a>,
    ) -> Result<Self, WorkerError> {
        Self::begin_with(None, side, place, watch)
    }

    /// The same, with functions told apart by so many of their callers.
    pub(super) fn begin_by_callers(
        callers: usize,
        side: &Side,
        place: &CountPlace<'_>,
        watch: Watch<'a>,
    ) -> Result<Self, WorkerError> {
        Self::begin_with(Some(callers), side, place, watch)
    }

    fn begin_with(
        callers: Option<usize>,
        side: &Side,
        place: &CountPlace<'_>,
        watch: Watch<'a>,
    ) -> Result<Self, WorkerError> {
        let CountPlace { directory, role, padding } = *place;
        let out = directory.join(format!("callgrind-{role}"));
        let mut command = under_callgrind(&side.executable, &out, callers);
        // Also of valgrind, which is killed.
        command.env("TMPDIR", directory);
        let placement = Placement { padding, ..Placement::ANYWHERE };
        let worker = Worker::begin(command, side, placement, watch)?;
        Ok(Self { worker, label: side.label.clone(), out, parts: 0 })
    }

    /// Waits until it can be asked.
    pub(super) fn wait_until_ready(&mut self) -> Result<(), WorkerError> {
        self.worker.wait_until_ready().map(drop)
    }

    /// Asks for so many samples of an item, and waits for nothing.
    pub(super) fn ask(&mut self, plan: &CountPlan<'_>, samples: u32) -> Result<(), WorkerError> {
        self.worker.tell(&plan.of_instructions(samples))
    }

    /// Waits for what was counted of the item that was asked for.
    pub(super) fn answer(
        &mut self,
        plan: &CountPlan<'_>,
        samples: u32,
    ) -> Result<CountedSamples, CountFailure> {
        let answer = self.worker.hear(COUNT_TIME);
        // They are there before the answer is; also those of samples before one that went wrong.
        let parts = self
            .take_parts()
            .map_err(|error| CountFailure::of_check(format!("cannot read the figures: {error}")))?;
        let response = match answer? {
            Answer::ExecutedCase if plan.item().check().is_none() => None,
            Answer::Executed { response: Some(response) } => Some(response),
            Answer::Executed { response: None } => {
                return Err(WorkerError::AnswersDiffer { side: self.label.clone() }.into());
            }
            other => return Err(self.worker.unexpected(&other).into()),
        };
        let asked = plan.item().check().zip(response.as_ref());
        let unexpected = asked.and_then(|(check, it)| check.unexpected_status(&it.statuses));
        if let Some((is, expected)) = unexpected {
            let message = format!("status {is} instead of {expected} under valgrind");
            return Err(CountFailure::of_check(message));
        }
        // The first is of the warm-up.
        let counted = parts.get(1..).unwrap_or_default();
        if counted.len() != samples as usize {
            return Err(CountFailure::of_check(format!(
                "callgrind wrote {} parts for {samples} samples: is the executable built \
                 with this version, and without `strip`?",
                parts.len()
            )));
        }
        let samples = counted.iter().map(|bytes| match callgrind_file::parse(bytes) {
            Ok(profile) if profile.total > 0 => Ok(profile),
            Ok(_) => Err(CountFailure::of_check("a sample without an instruction".to_owned())),
            Err(error) => Err(CountFailure::of_check(error.to_string())),
        });
        Ok(CountedSamples { samples: samples.collect::<Result<_, _>>()?, response })
    }

    /// What callgrind wrote since the last time, in order.
    fn take_parts(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        loop {
            let mut path = self.out.clone().into_os_string();
            path.push(format!(".{}", self.parts + 1));
            match fs::read(&path) {
                Ok(bytes) => parts.push(bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(parts),
                Err(error) => return Err(error),
            }
            fs::remove_file(&path)?;
            self.parts += 1;
        }
    }
}

/// How the executable is started so that its samples are counted.
fn under_callgrind(executable: &Path, out: &Path, callers: Option<usize>) -> Command {
    let mut file = OsString::from("--callgrind-out-file=");
    // A percent sign has a meaning in this option.
    file.push(out.to_string_lossy().replace('%', "%%"));
    let mut command = Command::new(VALGRIND);
    command
        .args(["--tool=callgrind", "--quiet"])
        // What the user set up for other runs would change the count.
        .arg("--command-line-only=yes")
        .arg(format!("--toggle-collect={COLLECTED}"))
        .arg(format!("--dump-after={SAMPLE_ENDS}"))
        // Nobody debugs it.
        .arg("--vgdb=no")
        // Versions of valgrind differ in what they know of Rust's names.
        .args(["--demangle=no", "--dump-line=no"])
        .args(callers.map(|callers| format!("--separate-callers={callers}")))
        .arg(file)
        .arg(executable);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_in_no_error_that_is_filed() {
        let (side, message) = ("current".to_owned(), "signal: 9; the key is hunter2".to_owned());
        let filed = InstructionsError::from(WorkerError::Died { side, message }).to_string();
        assert!(filed.ends_with("not known: the worker of current died: signal: 9"), "{filed}");
    }

    #[test]
    fn what_is_missing_is_said_and_never_taken_for_a_count() {
        assert_eq!(find(Path::new("/nowhere/valgrind")), Err(InstructionsError::ValgrindMissing));
        let said = InstructionsError::ValgrindMissing.to_string();
        assert_eq!(said, "instructions are not known: valgrind is not installed");
        assert!(matches!(
            find(Path::new("false")),
            Err(InstructionsError::Unavailable(message)) if message.contains("fails")
        ));
    }
}
