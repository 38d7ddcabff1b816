//! Instructions of a check: a worker under valgrind's callgrind, which counts every one.
//!
//! A process of its own warms each check up and then sends a fixed number of samples, of which only
//! what the service does is collected (`src/probe/collected.rs`). It counts the thread that asks the
//! service and the tasks that run on it. What it cannot see: work on other threads, the kernel, and
//! what an instruction costs: waiting for memory is no instruction. Valgrind hides some of a
//! processor's extensions (SHA, AVX-512) from programs, which then take another way.
//!
//! NOTE: Equal code does not always give equal counts. On a busy machine of two processors, runs of
//! one build differed by up to 0.0002 % for a check without input (20 runs), 0.02 % for one that
//! waits for a task (10; not at all in 20 others), 0.007 % for a page of a database (5), and 0.14 %
//! for one that reports live memory and times (8). Builds of changed source were not compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
};

use thiserror::Error;

use super::{
    FIXTURE_TIME, OBSERVE_TIME, Side, WorkerError, callgrind_file, prepared,
    process::{Placement, Worker, copy_path},
    temporary_directory,
};
use crate::{
    clock::Clock,
    contract::Check,
    paired::{FunctionCost, Instructions},
    probe::COLLECTED,
    units::Nanos,
    worker::protocol::{Answer, Question, Seen},
};

/// Requests that are counted, about, and before them as many that warm the check up: what is done
/// only every few requests, such as the allocator's housekeeping, has its share in each.
const REQUESTS: u64 = 20;

/// Samples of a check with many requests, at least.
const SAMPLES_MIN: u64 = 2;

/// Time to write the figures down.
const DUMP_TIME: Nanos = Nanos::new(60_000_000_000);

/// Why instructions of a check are not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InstructionsError {
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
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// What was counted of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The instructions.
    pub instructions: Instructions,
    /// What each sample was like.
    pub response: Seen,
}

/// What became of each check, by its id.
pub type Outcomes = BTreeMap<String, Result<Executed, InstructionsError>>;

/// Counts the instructions of each check; those after an interruption are left out.
///
/// # Errors
///
/// [`InstructionsError::Unavailable`] when nothing can be counted here, as valgrind is missing. What
/// goes wrong with a check is its outcome.
pub fn count_instructions(
    side: &Side,
    checks: &[&Check],
    (clock, stop): (&dyn Clock, &dyn Fn() -> bool),
    progress: &mut dyn FnMut(&Check),
) -> Result<Outcomes, InstructionsError> {
    find_valgrind(Path::new(VALGRIND))?;
    let directory = temporary_directory()?;
    // Without debug information, which takes valgrind longer to read than to count by. The names of
    // functions stay.
    let side = prepared(side, directory.path(), "instructions")?;
    fill_cache(&side, checks, directory.path(), (clock, stop))?;
    let mut outcomes = Outcomes::new();
    for check in checks {
        progress(check);
        let outcome = count(&side, check, directory.path(), (clock, stop));
        let interrupted = outcome == Err(InstructionsError::Interrupted);
        if interrupted {
            break;
        }
        outcomes.insert(check.id(), outcome);
    }
    Ok(outcomes)
}

/// The program.
const VALGRIND: &str = "valgrind";

fn find_valgrind(program: &Path) -> Result<(), InstructionsError> {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let message = match found {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("`valgrind --version` fails: {status}"),
        Err(error) if error.kind() == ErrorKind::NotFound => "valgrind is not installed".to_owned(),
        Err(error) => format!("valgrind cannot be started: {error}"),
    };
    Err(InstructionsError::Unavailable(message))
}

/// Samples that are counted of a check. Their number changes the count a little, so it follows from
/// the contract alone and is the same for all builds.
fn samples(check: &Check) -> u32 {
    let samples = (REQUESTS / check.requests_per_sample().max(1)).max(SAMPLES_MIN);
    u32::try_from(samples).unwrap_or(u32::MAX)
}

/// Has a worker bring itself into the state of every fixture, without valgrind: what it keeps of
/// them is made quickly, and the first process that is counted finds as much as the later ones. What
/// goes wrong goes wrong again when it is counted, and is told then.
fn fill_cache(
    side: &Side,
    checks: &[&Check],
    directory: &Path,
    (clock, stop): (&dyn Clock, &dyn Fn() -> bool),
) -> Result<(), InstructionsError> {
    let placement = Placement { cpu: None, padding: 0, layout: 0 };
    let interrupted = |error: WorkerError| match error {
        WorkerError::Interrupted => Err(InstructionsError::Interrupted),
        _ => Ok(()),
    };
    let copy = copy_path(directory, "fixtures");
    let mut worker = match Worker::start(side, &copy, placement, (clock, stop)) {
        Ok((worker, _)) => worker,
        Err(error) => return interrupted(error),
    };
    let mut filled = BTreeSet::new();
    for check in checks.iter().filter(|check| filled.insert(&check.fixture)) {
        let question = Question::Prepare { check: check.id(), samples: 1, time: Nanos::ZERO };
        if let Err(error) = worker.ask(&question, FIXTURE_TIME) {
            interrupted(error)?;
        }
    }
    Ok(())
}

fn count(
    side: &Side,
    check: &Check,
    directory: &Path,
    (clock, stop): (&dyn Clock, &dyn Fn() -> bool),
) -> Result<Executed, InstructionsError> {
    let unavailable = |message: String| InstructionsError::Unavailable(message);
    let out = directory.join("callgrind.out");
    let executable = copy_path(directory, "instructions");
    fs::copy(&side.executable, &executable)
        .map_err(|error| unavailable(format!("cannot copy the executable: {error}")))?;
    let mut command = under_callgrind(&executable, &out);
    // Also of valgrind, which is perhaps killed.
    command.env("TMPDIR", directory);
    let placement = Placement { cpu: None, padding: 0, layout: 0 };
    let (mut worker, _) = Worker::start_by(command, side, placement, (clock, stop))?;
    let samples = samples(check);
    let question = Question::Instructions { check: check.id(), warmup: samples, samples };
    let response = match worker.ask(&question, OBSERVE_TIME)? {
        Answer::Executed { response: Some(response) } => response,
        Answer::Executed { response: None } => {
            return Err(WorkerError::AnswersDiffer { side: side.label.clone() }.into());
        }
        other => return Err(worker.unexpected(&other).into()),
    };
    let expected = check.requests.iter().cycle().map(|request| request.status);
    if let Some((is, expected)) =
        response.statuses.iter().zip(expected).find(|(is, expected)| **is != *expected)
    {
        return Err(unavailable(format!("status {is} instead of {expected} under valgrind")));
    }
    worker.finish(DUMP_TIME)?;
    let bytes = fs::read(&out)
        .map_err(|error| unavailable(format!("callgrind wrote no figures: {error}")))?;
    let _ = fs::remove_file(&out);
    let profile = callgrind_file::parse(&bytes).map_err(|error| unavailable(error.to_string()))?;
    if profile.total == 0 {
        return Err(unavailable(
            "the executable has no symbols: build it without `strip`".to_owned(),
        ));
    }
    let instructions = Instructions {
        total: profile.total,
        samples: u64::from(samples),
        functions: readable(profile.functions, profile.total),
    };
    Ok(Executed { instructions, response })
}

/// Callgrind, up to the executable.
fn under_callgrind(executable: &Path, out: &Path) -> Command {
    let mut file = OsString::from("--callgrind-out-file=");
    // A percent sign has a meaning in this option.
    file.push(out.to_string_lossy().replace('%', "%%"));
    let mut command = Command::new(VALGRIND);
    command
        .args(["--tool=callgrind", "--quiet"])
        // What the user set up for other runs would change the count.
        .arg("--command-line-only=yes")
        .arg(format!("--toggle-collect={COLLECTED}"))
        // Versions of valgrind differ in what they know of Rust's names.
        .args(["--demangle=no", "--dump-line=no"])
        .arg(file)
        .arg(executable);
    command
}

/// Functions by the names that people know them by. Instances of one generic function may have the
/// same name, and count as one.
fn readable(symbols: BTreeMap<String, FunctionCost>, total: u64) -> BTreeMap<String, FunctionCost> {
    let mut functions: BTreeMap<String, FunctionCost> = BTreeMap::new();
    for (symbol, cost) in symbols {
        // Those that only wait for the work to be done, or were not in it.
        if cost == FunctionCost::default() {
            continue;
        }
        // Without its hash, which differs between builds.
        let name = format!("{:#}", rustc_demangle::demangle(&symbol));
        let function = functions.entry(name).or_default();
        function.own = function.own.saturating_add(cost.own);
        function.inclusive = function.inclusive.saturating_add(cost.inclusive).min(total);
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_never_taken_for_a_count() {
        let missing = find_valgrind(Path::new("/nowhere/valgrind"));
        let expected = InstructionsError::Unavailable("valgrind is not installed".to_owned());
        assert_eq!(missing, Err(expected));
        assert!(matches!(
            find_valgrind(Path::new("false")),
            Err(InstructionsError::Unavailable(message)) if message.contains("fails")
        ));
    }

    #[test]
    fn functions_have_the_names_that_people_know() {
        let cost = |own, inclusive| FunctionCost { own, inclusive };
        let symbols = BTreeMap::from([
            ("_ZN4work4once17h0123456789abcdefE".to_owned(), cost(1, 60)),
            ("_ZN4work4once17hfedcba9876543210E".to_owned(), cost(2, 60)),
            ("_RNvC4work5twice".to_owned(), cost(3, 3)),
            ("malloc".to_owned(), cost(4, 4)),
            ("outside".to_owned(), cost(0, 0)),
        ]);
        let expected = BTreeMap::from([
            ("work::once".to_owned(), cost(3, 100)),
            ("work::twice".to_owned(), cost(3, 3)),
            ("malloc".to_owned(), cost(4, 4)),
        ]);
        assert_eq!(readable(symbols, 100), expected);
    }
}
