//! `passport diff`: what changed between two passports.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    output::Output,
};
use perf_passport::{report::Report, store};

/// Print what changed between two passports, claim by claim.
#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The earlier passport
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The later passport
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// Exit with 1 when anything differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &DiffArguments) -> Result<ExitCode, Failure> {
    arguments.output.refuse_of_passports("a difference")?;
    let before = store::read(&arguments.before)?;
    let after = store::read(&arguments.after)?;
    let report = Report::of_differences(&before, &after);
    arguments.output.print(&report, true)?;
    let differs = !report.head.is_empty() || before.passport_hash != after.passport_hash;
    let code = if arguments.exit_code && differs { Code::Failed } else { Code::Pass };
    Ok(code.into())
}
