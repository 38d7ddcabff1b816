//! `passport contract`: make contracts of what others wrote.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{
    document::{self, is_standard_output},
    exit::{Code, Failure},
    terminal,
    tool_file::ToolFile,
};
use perf_passport::{
    contract::{Contract, ContractOutline},
    files,
    foreign::convert_thresholds,
    text::{counted, escaped, printable},
    units::{BYTES_PER_MB, Bytes, Count},
};

/// The longest name that a note shows.
const NAME_LENGTH_MAX: usize = 160;

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
    /// Make a contract of what another tool measured, or of thresholds
    ///
    /// The name of a tool and its file: each benchmark becomes an operation, whose mean is to stay below ten
    /// times its own and whose allocations are to stay as they are. Of an `sla_thresholds.json` or a file of
    /// service level objectives: what has no counterpart in a contract is told on standard error.
    Import(ContractImportArguments),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct ContractImportArguments {
    #[command(subcommand)]
    tool: Option<ToolFile<Made>>,
    /// The thresholds; `//` comments are passed over
    #[arg(value_name = "FILE", required = true)]
    thresholds: Option<PathBuf>,
    /// An operation that the thresholds of a suite are for; may be repeated
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
    #[command(flatten)]
    made: Made,
}

/// The contract that is made.
#[derive(Debug, Args)]
struct Made {
    /// Where the contract is written; standard output when left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &ContractArguments) -> Result<ExitCode, Failure> {
    let ContractCommand::Import(arguments) = &arguments.command;
    let (contract, notes, made) = match (&arguments.tool, &arguments.thresholds) {
        (Some(tool), _) => of_suite(tool)?,
        (None, Some(thresholds)) => {
            let (contract, notes) = of_thresholds(thresholds, &arguments.operation)?;
            (contract, notes, &arguments.made)
        }
        (None, None) => {
            return Err(Failure::usage(anyhow!("there is nothing to import: name a file")));
        }
    };
    match &made.output {
        Some(output) if output.is_file() && !is_standard_output(output) => {
            return Err(Failure::usage(anyhow!(
                "`{}` is there already and is left as it is: name another with --output",
                output.display()
            )));
        }
        Some(output) => {
            document::write(output, contract.as_bytes())?;
            if !is_standard_output(output) {
                terminal::print(&format!("contract {}\n", terminal::path(output)))?;
            }
        }
        None => terminal::print(&contract)?,
    }
    for note in &notes {
        terminal::note(note);
    }
    Ok(Code::Pass.into())
}

/// The contract of thresholds, and what has no counterpart in it.
fn of_thresholds(
    thresholds: &Path,
    operation: &[String],
) -> Result<(String, Vec<String>), Failure> {
    let path = thresholds.display();
    let bytes = files::read(thresholds, FILE_MAX)
        .map_err(|error| Failure::usage(anyhow!("cannot read `{path}`: {error}")))?;
    let text = str::from_utf8(&bytes)
        .map_err(|error| Failure::usage(anyhow!("cannot read `{path}`: {error}")))?;
    let converted = convert_thresholds(text, operation)
        .map_err(|error| Failure::usage(anyhow!("cannot import `{path}`: {error}")))?;
    let notes = converted.unmapped.iter().map(|it| format!("not mapped: {it}")).collect();
    Ok((converted.contract, notes))
}

/// The contract of what a tool measured, and the benchmarks that cannot be used.
fn of_suite(tool: &ToolFile<Made>) -> Result<(String, Vec<String>, &Made), Failure> {
    let suite = tool.read()?;
    let (path, made) = tool.parts();
    let operations = suite.operations();
    if operations.is_empty() {
        let path = path.display();
        return Err(Failure::usage(anyhow!("no benchmark in `{path}` can be used")));
    }
    let text = ContractOutline {
        name: "benchmarks".to_owned(),
        comment: vec![format!(
            "Made by `passport contract import {}`. A budget of time is ten times what was measured.",
            tool.tool()
        )],
        operations,
        ..ContractOutline::default()
    }
    .to_toml();
    Contract::parse(&text)
        .map_err(|error| Failure::usage(anyhow!("no contract can be made of it: {error}")))?;
    let list = suite.list();
    let unusable = list.iter().filter_map(|it| {
        let name = printable(it.name.as_bytes(), NAME_LENGTH_MAX);
        it.problem.map(|why| format!("left out: `{name}`: {}", escaped(why)))
    });
    let told = list.iter().filter(|it| it.mean_ps.is_some() && it.samples == Count::ZERO).count();
    let abstain = (told > 0).then(|| {
        let told = counted(told as u64, "benchmark");
        format!("claims on the time of {told} abstain, as the tool keeps no samples of it")
    });
    Ok((text, unusable.chain(abstain).collect(), made))
}
