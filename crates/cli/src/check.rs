//! `passport check`: the gate.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    baseline, baseline_naming,
    exit::Failure,
    measure::{self, Measuring},
    outcome::Gating,
    terminal,
};
use perf_passport::store;

/// Measure every check, compare with the baseline, file the passport, and gate.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    gating: Gating,
    /// The accepted passport; the contract's when left out
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Where passports are filed
    #[arg(long, value_name = "DIR", default_value = "artifacts/performance")]
    artifacts_dir: PathBuf,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let measuring = &arguments.measuring;
    let contract = measuring.read_contract()?;
    let selection = measuring.select(&contract)?;
    let path = measuring.baseline_path(arguments.baseline.as_ref(), &contract);
    let baseline = path.as_deref().map(measure::read_baseline).transpose()?;
    let outcome = measuring.run(&contract, &selection, baseline.as_ref())?;
    if baseline.is_none() {
        terminal::note("no baseline: only budgets are held");
        let unnamed = measuring.directory().join(baseline::DEFAULT);
        if let Some(advice) = baseline_naming::advice(measuring, &contract, &unnamed) {
            terminal::note(&format!("there is {}, but {advice}", terminal::path(&unnamed)));
        }
    }
    let kept = store::keep(&arguments.artifacts_dir, &outcome.passport);
    outcome.print(&measuring.output, measuring.ci)?;
    measuring.output.note(&format!("passport {}", terminal::path(&kept?)))?;
    Ok(arguments.gating.take(outcome.code()).into())
}
