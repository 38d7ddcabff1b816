//! `passport generate`: measure and write a passport.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    document::write_passport,
    exit::Failure,
    measure::{self, Measuring},
    outcome::Gating,
};

/// Measure every check and write the passport.
#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    gating: Gating,
    /// Where the passport is written
    #[arg(short, long, value_name = "FILE", default_value = "performance_passport.json")]
    output: PathBuf,
    /// Compare with this passport
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

pub(super) fn run(arguments: &GenerateArguments) -> Result<ExitCode, Failure> {
    let measuring = &arguments.measuring;
    let contract = measuring.read_contract()?;
    let selection = measuring.select(&contract)?;
    let baseline = arguments.baseline.as_deref().map(measure::read_baseline).transpose()?;
    let outcome = measuring.run(&contract, &selection, baseline.as_ref())?;
    let written = write_passport(&arguments.output, &outcome.passport);
    outcome.print_beside(&arguments.output, &measuring.output, measuring.ci)?;
    written?;
    measuring.output.note_written("", "passport", &arguments.output)?;
    Ok(arguments.gating.take(outcome.code()).into())
}
