//! `passport validate`: one endpoint against its budgets.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{document::write_passport, exit::Failure, measure::Measuring, outcome::Gating};
use perf_passport::{
    claim::Claim,
    contract::{Check, SubjectId},
    passport::Passport,
    text::escaped,
};

/// The endpoint that is validated unless another is named, or it is the only one.
const DEFAULT_ENDPOINT: &str = "/metrics";

/// Hold one endpoint (/metrics, or the only one, unless --endpoint says otherwise) against its budgets.
#[derive(Debug, Args)]
pub(super) struct ValidateArguments {
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    gating: Gating,
    /// Write the passport of the validation here
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &ValidateArguments) -> Result<ExitCode, Failure> {
    let contract = arguments.measuring.read_contract()?;
    let selection = if arguments.measuring.endpoint.is_empty() {
        let asks_for_default = |check: &&Check| {
            check.rounds == 1 && check.requests.iter().all(|it| it.path == DEFAULT_ENDPOINT)
        };
        let mut checks: Vec<&Check> = contract.checks.iter().filter(asks_for_default).collect();
        if checks.is_empty() {
            let names: BTreeSet<&str> =
                contract.checks.iter().map(|it| it.endpoint.as_str()).collect();
            if names.len() > 1 {
                return Err(Failure::usage(anyhow::anyhow!(
                    "no check asks for {DEFAULT_ENDPOINT}: give --endpoint NAME"
                )));
            }
            // Where there is one endpoint, that is the one which is meant.
            checks = contract.checks.iter().collect();
        }
        arguments.measuring.select_of(&contract, &checks)?
    } else {
        arguments.measuring.select(&contract)?
    };
    let outcome = arguments.measuring.run(&contract, &selection, None)?;
    if let Some(path) = &arguments.output {
        write_passport(path, &outcome.passport)?;
    }
    let mut report = outcome.report();
    if arguments.measuring.verbose {
        report.details = every_claim(&outcome.passport);
    }
    let measuring = &arguments.measuring;
    measuring.output.print_beside(arguments.output.as_deref(), &report, measuring.ci)?;
    Ok(arguments.gating.take(outcome.code()).into())
}

/// One line for each claim, whatever its verdict.
fn every_claim(passport: &Passport) -> String {
    let line = |(subject, claim): (SubjectId<'_>, &Claim)| {
        format!(
            "{:<7}  {}: {}: {} (limit {}): {}\n",
            claim.verdict,
            escaped(subject.name()),
            claim.kind,
            claim.show_observed(),
            claim.show_limit(),
            claim.reason.sentence()
        )
    };
    passport.claims().map(line).collect()
}
