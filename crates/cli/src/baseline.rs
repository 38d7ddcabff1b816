//! `passport baseline`: accept what is measured now.

use std::{
    io,
    path::{Component, Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    document::{is_standard_output, write_passport},
    exit::{Code, Failure},
    measure::Measuring,
    terminal,
};
use perf_passport::{files::Destination, passport::Passport, report::Report, store, text::escaped};

/// Measure every check and accept the passport as the baseline.
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
}

pub(super) fn run(arguments: &BaselineArguments) -> Result<ExitCode, Failure> {
    let measuring = &arguments.measuring;
    let contract = measuring.read_contract()?;
    let path = measuring
        .baseline_path(arguments.output.as_ref(), &contract)
        .unwrap_or_else(|| PathBuf::from("baseline_performance_passport.json"));
    if let (None, Some(named)) = (&arguments.output, &contract.document.baseline) {
        refuse_outside(measuring.directory(), Path::new(named))?;
    }
    let selection = measuring.select(&contract)?;
    let left_out = selection.left_out(&contract);
    if left_out > 0 {
        return Err(Failure::usage(anyhow!(
            "a baseline holds every check, and {left_out} of {} would be left out: give neither \
             --endpoint nor --fixture",
            contract.checks.len()
        )));
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
                "this run is not accepted and `{}` is unchanged: mend it, or give --accept-failing",
                path.display()
            ),
        ));
    }
    let changes = changes(&path, &outcome.passport);
    write_passport(&path, &outcome.passport)?;
    measuring.output.note_written(&changes, "baseline", &path)?;
    Ok(Code::Pass.into())
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
