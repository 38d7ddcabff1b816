//! `passport baseline`: accept what is measured now.

use std::{
    io,
    path::{Component, Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    baseline_naming as naming,
    document::{is_standard_output, write_passport},
    exit::{Code, Failure},
    measure::{self, Measuring},
    selection::Selection,
    terminal,
};
use perf_passport::{
    contract::Contract,
    files::{self, Destination},
    passport::{Passport, TestResult},
    report::Report,
    store,
    text::{counted, escaped},
    units::{BYTES_PER_MB, Bytes},
};

/// The largest file that is looked into before it is replaced.
const BASELINE_MAX: Bytes = Bytes::new(64 * BYTES_PER_MB);

/// The file that is written where neither the user nor the contract names one.
pub(super) const DEFAULT: &str = "baseline_performance_passport.json";

/// Measure every check and accept the passport as the baseline.
///
/// Of a running service every check on the state that it is in. A baseline that is there is replaced, and
/// what that changes is printed.
#[derive(Debug, Args)]
pub(super) struct BaselineArguments {
    #[command(flatten)]
    measuring: Measuring,
    /// Where the baseline is written; the contract's file when left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Accept a run in which required claims failed or abstained
    #[arg(long)]
    accept_failing: bool,
    /// Measure nothing where a baseline is there, and leave it as it is
    #[arg(long, conflicts_with = "reset")]
    if_missing: bool,
    /// Replace what is there also where checks are lost by it, and compare with nothing
    #[arg(long)]
    reset: bool,
}

pub(super) fn run(arguments: &BaselineArguments) -> Result<ExitCode, Failure> {
    let measuring = &arguments.measuring;
    let contract = measuring.read_contract()?;
    let path = measuring
        .baseline_path(arguments.output.as_ref(), &contract)
        .unwrap_or_else(|| PathBuf::from(DEFAULT));
    if let (None, Some(named)) = (&arguments.output, &contract.document.baseline) {
        refuse_outside(measuring.directory(), Path::new(named))?;
    }
    if arguments.if_missing && path.exists() {
        return leave(arguments, &path);
    }
    refuse_what_is_no_baseline(arguments, &path)?;
    let selection = measuring.select(&contract)?;
    refuse_a_part(measuring, &contract, &selection)?;
    if !arguments.reset {
        refuse_loss(&path, &contract, &selection)?;
    }
    let outcome = measuring.run(&contract, &selection, None)?;
    outcome.print_beside(&path, &measuring.output, measuring.ci)?;
    let code = outcome.code();
    if outcome.interrupted {
        terminal::note("interrupted: the baseline is unchanged");
        return Ok(code.into());
    }
    if code != Code::Pass && !arguments.accept_failing {
        return Err(Failure::new(
            code,
            anyhow!(
                "this run is not accepted and `{}` is not written: mend what failed, or give --accept-failing",
                path.display()
            ),
        ));
    }
    let before = if arguments.reset { reset(&path) } else { changes(&path, &outcome.passport) };
    write_passport(&path, &outcome.passport)?;
    measuring.output.note_written(&before, "baseline", &path)?;
    for line in [left_out(&contract, &selection), naming::advice(measuring, &contract, &path)] {
        line.map_or(Ok(()), |it| measuring.output.note_beside(&path, &it))?;
    }
    Ok(Code::Pass.into())
}

/// Refuses to replace the contract, and what is no passport unless the user says so.
fn refuse_what_is_no_baseline(arguments: &BaselineArguments, path: &Path) -> Result<(), Failure> {
    if !path.is_file() || is_standard_output(path) {
        return Ok(());
    }
    let whole = |it: &Path| it.canonicalize().ok();
    let shown = path.display();
    if whole(path) == whole(arguments.measuring.contract_path()) {
        return Err(Failure::usage(anyhow!("`{shown}` is the contract: give --output FILE")));
    }
    let bytes = files::read(path, BASELINE_MAX).unwrap_or_default();
    let known: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let is_passport = known.is_some_and(|it| it.get("test_results").is_some());
    if is_passport || arguments.reset || arguments.output.is_some() {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "`{shown}` is no passport, and is not replaced: give --output FILE, or --reset"
    )))
}

/// Leaves a baseline as it is, which must be one.
fn leave(arguments: &BaselineArguments, path: &Path) -> Result<ExitCode, Failure> {
    let there = measure::read_baseline(path)?;
    let (path, timestamp) = (terminal::path(path), escaped(&there.timestamp));
    let line = format!("baseline {path} is there, of {timestamp}: it is left as it is");
    arguments.measuring.output.note(&line)?;
    Ok(Code::Pass.into())
}

/// A baseline holds all that can be measured: of a service in process every check, and of a running one
/// those on the state that it is in.
fn refuse_a_part(
    measuring: &Measuring,
    contract: &Contract,
    selection: &Selection,
) -> Result<(), Failure> {
    let measurable = measuring.measurable(contract);
    let left_out = measurable.len().saturating_sub(selection.checks.len());
    if left_out == 0 {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "a baseline holds every check, and {left_out} of {} would be left out: give neither \
         --endpoint nor --fixture",
        measurable.len()
    )))
}

/// Refuses to replace a baseline that has what this run does not measure, though it is in the contract.
fn refuse_loss(path: &Path, contract: &Contract, selection: &Selection) -> Result<(), Failure> {
    if selection.left_out(contract) == 0 || !path.is_file() {
        return Ok(());
    }
    let Ok(there) = store::read(path) else { return Ok(()) };
    let lost = |it: &&TestResult| {
        contract.check(&it.test_name).is_some() && !selection.checks.contains(&it.test_name)
    };
    let lost = there.test_results.iter().filter(lost).count() as u64;
    if lost == 0 {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "`{}` holds {} on other fixtures, which would be lost: give --output FILE, and that file to \
         `check` with --baseline FILE, or replace it all the same with --reset",
        path.display(),
        counted(lost, "check")
    )))
}

/// That the baseline is of a part of the contract; `None` where it is of all of it.
fn left_out(contract: &Contract, selection: &Selection) -> Option<String> {
    let left_out = selection.left_out(contract);
    (left_out > 0).then(|| {
        let all = counted(contract.checks.len() as u64, "check");
        let held = contract.checks.len() - left_out;
        format!("it holds {held} of {all}: those on the state that the service is in")
    })
}

/// What is replaced without a look at what changes.
fn reset(path: &Path) -> String {
    if !path.is_file() || is_standard_output(path) {
        return String::new();
    }
    let was = match store::read(path) {
        Ok(before) => format!("the baseline of {}", escaped(&before.timestamp)),
        Err(_) => "what was there and is no sound passport".to_owned(),
    };
    format!("\nreset: {was} is replaced, and compared with nothing\n")
}

/// A contract, which may be a stranger's, names no file outside of its own directory to be replaced.
fn refuse_outside(directory: &Path, named: &Path) -> Result<(), Failure> {
    if is_below(directory, named).unwrap_or(false) {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "the contract's baseline `{}` is not a file below the contract's directory: give --output \
         FILE to write there all the same",
        named.display()
    )))
}

/// Whether what is written to this path in a directory is a file below it, also where links lead.
fn is_below(directory: &Path, named: &Path) -> io::Result<bool> {
    // Where a directory is not there yet, nobody knows what is above it.
    if named.components().any(|it| it == Component::ParentDir) {
        return Ok(false);
    }
    let whole = directory.canonicalize()?;
    let Destination::File(file) = Destination::of(&whole.join(named))? else { return Ok(false) };
    let there = file.ancestors().skip(1).find_map(|it| it.canonicalize().ok());
    Ok(there.is_some_and(|it| it.starts_with(&whole)))
}

/// What accepting this passport changes, as lines.
fn changes(path: &Path, accepted: &Passport) -> String {
    // What a device or a FIFO holds is no baseline.
    if !path.is_file() || is_standard_output(path) {
        return String::new();
    }
    match store::read(path) {
        Ok(before) => {
            let found = Report::of_differences(&before, accepted);
            let head = if found.head.is_empty() { "no change of" } else { "changes to" };
            let lines: String = found.head.iter().flat_map(|it| [it.as_str(), "\n"]).collect();
            format!("\n{head} the baseline before, of {}\n{lines}", escaped(&before.timestamp))
        }
        // It is replaced all the same: that may be why it is renewed.
        Err(error) => {
            terminal::note(&format!("nothing to compare with: {}", escaped(&error.to_string())));
            String::new()
        }
    }
}
