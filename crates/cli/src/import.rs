//! `passport import`: take over what others measured.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};

use super::{
    clock,
    contract_file::read_contract,
    document::write_passport,
    exit::{Code, Failure},
    measure,
    output::Output,
    terminal,
};
use perf_passport::{
    clock::Clock,
    files,
    foreign::{self, ForeignError, Suite, Taken},
    passport::{self, ImportError, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run},
    report::{Report, Scope, SummaryLine},
    store,
    text::{counted, escaped, printable},
    timestamp::rfc3339,
    units::{BYTES_PER_MB, Bytes},
};

/// The largest file of another tool that is read.
const FILE_MAX: Bytes = Bytes::new(512 * BYTES_PER_MB);
/// Benchmarks that a note lists.
const LISTED: usize = 10;

/// Take over what others measured: the benchmarks of another tool, held against the operations of a
/// contract, or a passport of the original `MathLedger` scripts.
///
/// Figures of an original passport show no evidence, so every claim of the result abstains; what
/// cannot be known is said in its annotations.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    tool: Option<Tool>,
    /// The original passport
    #[arg(value_name = "FILE", required = true)]
    original: Option<PathBuf>,
    /// What follows the name of a tool that is none
    #[arg(hide = true)]
    rest: Vec<PathBuf>,
    /// Where the imported passport is written
    #[arg(short, long, value_name = "FILE", default_value = "imported_performance_passport.json")]
    output: PathBuf,
    #[command(flatten)]
    format: Output,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// The directory of a criterion suite, such as target/criterion
    Criterion {
        /// The directory
        #[arg(value_name = "DIR", default_value = "target/criterion")]
        directory: PathBuf,
        /// What the suite measured: criterion does not write it down
        #[arg(long, value_enum, default_value = "time")]
        measured: Measured,
        #[command(flatten)]
        holding: Holding,
    },
    /// The output of `cargo criterion --message-format=json`
    CargoCriterion {
        /// The file
        #[arg(value_name = "FILE")]
        messages: PathBuf,
        #[command(flatten)]
        holding: Holding,
    },
    /// The file of `hyperfine --export-json`
    Hyperfine {
        /// The file
        #[arg(value_name = "FILE")]
        export: PathBuf,
        #[command(flatten)]
        holding: Holding,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Measured {
    Time,
    Allocations,
    Bytes,
}

/// What benchmarks are held against.
#[derive(Debug, Args)]
struct Holding {
    /// The contract with the operations
    #[arg(long, value_name = "FILE", default_value = "passport.toml")]
    contract: PathBuf,
    /// Compare with this passport
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Where the passport is written
    #[arg(short, long, value_name = "FILE", default_value = "performance_passport.json")]
    output: PathBuf,
    #[command(flatten)]
    format: Output,
    /// No colours
    #[arg(long)]
    ci: bool,
}

pub(super) fn run(arguments: &ImportArguments) -> Result<ExitCode, Failure> {
    match &arguments.tool {
        None => original(arguments),
        Some(Tool::Criterion { directory, measured, holding }) => {
            let measured = match measured {
                Measured::Time => foreign::MeasuredQuantity::Time,
                Measured::Allocations => foreign::MeasuredQuantity::Allocations,
                Measured::Bytes => foreign::MeasuredQuantity::AllocatedBytes,
            };
            hold(holding, "criterion", directory, || foreign::read_criterion(directory, measured))
        }
        Some(Tool::CargoCriterion { messages, holding }) => {
            hold(holding, "cargo-criterion", messages, || {
                foreign::read_cargo_criterion(&bytes(messages)?)
            })
        }
        Some(Tool::Hyperfine { export, holding }) => {
            hold(holding, "hyperfine", export, || foreign::read_hyperfine(&bytes(export)?))
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, ForeignError> {
    let failed = |source| ForeignError::Read { path: path.to_owned(), source };
    files::read(path, FILE_MAX).map_err(failed)
}

/// Holds the benchmarks of a suite against a contract, and writes their passport.
fn hold(
    holding: &Holding,
    tool: &str,
    from: &Path,
    read: impl FnOnce() -> Result<Suite, ForeignError>,
) -> Result<ExitCode, Failure> {
    let contract = read_contract(&holding.contract)?;
    if contract.operations.is_empty() {
        return Err(Failure::usage(anyhow!(
            "contract `{}` has no [[operation]] to hold benchmarks against",
            holding.contract.display()
        )));
    }
    let baseline = holding.baseline.as_deref().map(measure::read_baseline).transpose()?;
    let suite = read().map_err(|error| match error {
        error @ ForeignError::Read { .. } => Failure::usage(error),
        error => Failure::usage(anyhow!("cannot import `{}`: {error}", from.display())),
    })?;
    let timestamp = rfc3339(clock::started()?.now());
    let Taken { cases, missing, unnamed } = suite.take(&contract, &timestamp);
    if cases.is_empty() {
        return Err(Failure::usage(anyhow!(
            "contract `{}` names no benchmark of `{}`: {}",
            holding.contract.display(),
            from.display(),
            missing.first().map_or("", String::as_str)
        )));
    }
    let run = Run { timestamp, measured: Vec::new(), operations: cases, complete: true };
    let directory = holding.contract.parent().filter(|it| !it.as_os_str().is_empty());
    let around =
        Circumstances::current(ProbeKind::Samples, tool, directory.unwrap_or(Path::new(".")));
    let passport = pipeline::passport(&contract, run, around, baseline.as_ref())?;
    let written = write_passport(&holding.output, &passport);
    let code = Code::of(&passport);
    let report = report(&passport, &missing, code);
    holding.format.print_beside(Some(&holding.output), &report, holding.ci)?;
    written?;
    holding.format.note_written("", "passport", &holding.output)?;
    if !unnamed.is_empty() {
        terminal::note(&left_out(&unnamed));
    }
    for sentence in &missing {
        terminal::note(sentence);
    }
    // Of what the contract names and the suite lacks nothing is known; a failure outweighs that.
    match code {
        Code::Failed => Ok(Code::Failed.into()),
        _ if !missing.is_empty() => Ok(Code::Usage.into()),
        code => Ok(code.into()),
    }
}

/// The report of a suite. What lacks something that the contract names is no PASS, as the exit code says.
fn report<'a>(passport: &'a Passport, missing: &[String], code: Code) -> Report<'a> {
    if missing.is_empty() {
        return Report::of_passport(passport, Scope::Measured);
    }
    let mut report = Report::of_passport(passport, Scope::Whole);
    if code != Code::Failed {
        report.summary.pop();
        report.summary.push(SummaryLine::plain(format!(
            "NOT WHOLE: the suite lacks {} of the contract",
            counted(missing.len() as u64, "benchmark")
        )));
    }
    report
}

/// Benchmarks that the contract does not name.
fn left_out(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{}`", printable(name.as_bytes(), 120)))
        .collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "nothing is claimed of {} that the contract does not name: {}{more}",
        counted(names.len() as u64, "benchmark"),
        shown.join(", ")
    )
}

/// Takes over a passport of the original scripts.
fn original(arguments: &ImportArguments) -> Result<ExitCode, Failure> {
    let Some(original) = &arguments.original else {
        return Err(Failure::usage(anyhow!("there is nothing to import: name a file")));
    };
    let path = original.display();
    if !arguments.rest.is_empty() {
        return Err(Failure::usage(anyhow!(
            "results of `{path}` are not read: `passport import` takes one original passport, or the \
             name of a tool (criterion, cargo-criterion, hyperfine) and its file"
        )));
    }
    let bytes = store::read_bytes(original)?;
    let passport = passport::import(&bytes).map_err(|error| {
        let code = if matches!(error, ImportError::Hash) { Code::Failed } else { Code::Usage };
        Failure::new(code, anyhow!("cannot import `{path}`: {error}"))
    })?;
    write_passport(&arguments.output, &passport)?;
    let mut report = Report::of_passport(&passport, Scope::Measured);
    let annotations = passport.annotations.iter().filter(|(name, _)| name.starts_with("import."));
    let lines = annotations.map(|(name, value)| format!("{}: {}", escaped(name), escaped(value)));
    report.summary.extend(lines.map(SummaryLine::plain));
    arguments.format.print_beside(Some(&arguments.output), &report, true)?;
    arguments.format.note_written("", "passport", &arguments.output)?;
    Ok(Code::Pass.into())
}
