//! `passport contract`: make contracts of what others wrote.

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{
    document::{self, is_standard_output},
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{
    files,
    foreign::convert_thresholds,
    units::{BYTES_PER_MB, Bytes},
};

/// The largest threshold file that is read.
const FILE_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// Make contracts of what others wrote.
#[derive(Debug, Args)]
pub(super) struct ContractArguments {
    #[command(subcommand)]
    command: ContractCommand,
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// Make a contract of an `sla_thresholds.json` or of a file of service level objectives
    ///
    /// What has no counterpart in a contract is told on standard error.
    Import {
        /// The thresholds; `//` comments are passed over
        #[arg(value_name = "FILE")]
        thresholds: PathBuf,
        /// An operation that the thresholds of a suite are for; may be repeated
        #[arg(long, value_name = "NAME")]
        operation: Vec<String>,
        /// Where the contract is written; standard output when left out
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: &ContractArguments) -> Result<ExitCode, Failure> {
    let ContractCommand::Import { thresholds, operation, output } = &arguments.command;
    let path = thresholds.display();
    let bytes = files::read(thresholds, FILE_MAX)
        .map_err(|error| Failure::usage(anyhow!("cannot read `{path}`: {error}")))?;
    let text = str::from_utf8(&bytes)
        .map_err(|error| Failure::usage(anyhow!("cannot read `{path}`: {error}")))?;
    let converted = convert_thresholds(text, operation)
        .map_err(|error| Failure::usage(anyhow!("cannot import `{path}`: {error}")))?;
    match output {
        Some(output) if output.is_file() && !is_standard_output(output) => {
            return Err(Failure::usage(anyhow!(
                "`{}` is there already and is left as it is: name another with --output",
                output.display()
            )));
        }
        Some(output) => {
            document::write(output, converted.contract.as_bytes())?;
            if !is_standard_output(output) {
                terminal::print(&format!("contract {}\n", terminal::path(output)))?;
            }
        }
        None => terminal::print(&converted.contract)?,
    }
    for sentence in &converted.unmapped {
        terminal::note(&format!("not mapped: {sentence}"));
    }
    Ok(Code::Pass.into())
}
