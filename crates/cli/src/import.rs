//! `passport import`: take over what others measured.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;

use super::{
    clock,
    contract_file::read_contract,
    document::write_passport,
    exit::{Code, Failure},
    measure,
    output::Output,
    terminal,
    tool_file::{TOOLS, ToolFile},
};
use perf_passport::{
    clock::Clock,
    foreign::{ListedBenchmark, Suite, Taken},
    passport::{self, ImportError, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run},
    report::{Column, Document as ReportDocument, Report, Row, Scope, SummaryLine, Table},
    store,
    text::{counted, escaped, printable},
    timestamp::rfc3339,
    units::{Count, Picos},
};

/// The longest name that is printed.
const NAME_LENGTH_MAX: usize = 160;
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
    tool: Option<ToolFile<Holding>>,
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

/// What benchmarks are held against.
#[derive(Debug, Args)]
struct Holding {
    /// Print what there is, without a contract, and write nothing
    #[arg(long, conflicts_with_all = ["contract", "baseline", "output"])]
    list: bool,
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
    let Some(source) = &arguments.tool else { return original(arguments) };
    let (from, holding) = source.parts();
    if holding.list {
        holding.format.refuse_of_passports("a list")?;
        let suite = source.read()?;
        holding.format.print(&listed(&suite, source.tool())?, holding.ci)?;
        return Ok(Code::Pass.into());
    }
    hold(source, from, holding)
}

/// Holds the benchmarks of a suite against a contract, and writes their passport.
fn hold(source: &ToolFile<Holding>, from: &Path, holding: &Holding) -> Result<ExitCode, Failure> {
    let contract = read_contract(&holding.contract)?;
    if contract.operations.is_empty() {
        return Err(Failure::usage(anyhow!(
            "contract `{}` has no [[operation]] to hold benchmarks against",
            holding.contract.display()
        )));
    }
    let baseline = holding.baseline.as_deref().map(measure::read_baseline).transpose()?;
    let suite = source.read()?;
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
    let around = Circumstances::current(
        ProbeKind::Samples,
        source.tool(),
        directory.unwrap_or(Path::new(".")),
    );
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

/// One benchmark of a list, for programs.
#[derive(Serialize)]
struct ListEntry<'a> {
    name: &'a str,
    mean_ps: Option<u64>,
    samples: u64,
    allocations: Option<u64>,
    instructions: Option<u64>,
    problem: Option<&'a str>,
}

/// What a suite has, in any format.
fn listed<'a>(suite: &Suite, tool: &str) -> Result<Report<'a>, Failure> {
    let list = suite.list();
    let entries: Vec<ListEntry<'_>> = list
        .iter()
        .map(|it| ListEntry {
            name: it.name,
            mean_ps: it.mean_ps.map(Picos::get),
            samples: it.samples.get(),
            allocations: it.allocations.map(Count::get),
            instructions: it.instructions.map(Count::get),
            problem: it.problem,
        })
        .collect();
    let document = serde_json::to_string_pretty(&entries).map_err(Failure::usage)?;
    let title = format!("{} of {tool}", counted(list.len() as u64, "benchmark"));
    let row = |it: &ListedBenchmark<'_>| Row {
        name: printable(it.name.as_bytes(), NAME_LENGTH_MAX),
        verdict: None,
        cells: vec![
            or_dash(it.mean_ps),
            it.samples.to_string(),
            or_dash(it.allocations),
            or_dash(it.instructions),
        ],
    };
    let problem = |it: &ListedBenchmark<'_>| {
        let name = printable(it.name.as_bytes(), NAME_LENGTH_MAX);
        it.problem.map(|why| format!("{name}: {}", escaped(why)))
    };
    let mut report = Report::new(title.clone(), ReportDocument::Json(document));
    report.tables = vec![Table {
        title: "",
        of: "benchmark",
        columns: ["mean", "samples", "allocations", "instructions"].map(Column::new).to_vec(),
        rows: list.iter().map(row).collect(),
        lines: list.iter().filter_map(problem).collect(),
    }];
    report.summary = vec![SummaryLine::plain(title)];
    Ok(report)
}

fn or_dash(figure: Option<impl ToString>) -> String {
    figure.map_or_else(|| "-".to_owned(), |it| it.to_string())
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
             name of a tool ({TOOLS}) and its file"
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
