//! The command line: reads arguments, files and the environment, calls the library, prints.
//!
//! One file for each command, each with its arguments and a `run`. Standard output holds what was
//! asked for, standard error progress and errors. Nothing is decided here that a library user could
//! not decide with the library alone.

mod baseline;
mod baseline_naming;
#[cfg(target_os = "linux")]
mod calibrate;
#[cfg(target_os = "linux")]
mod calibrate_plot;
mod check;
mod clock;
mod comment;
#[cfg(target_os = "linux")]
mod compare;
#[cfg(target_os = "linux")]
mod compare_causes;
#[cfg(target_os = "linux")]
mod compare_failure;
#[cfg(target_os = "linux")]
mod compare_servers;
#[cfg(target_os = "linux")]
mod compare_sides;
mod contract;
mod contract_file;
mod diff;
mod document;
mod duration;
mod exit;
#[cfg(target_os = "linux")]
mod flame_graph;
mod format;
mod generate;
mod history;
mod import;
mod init;
#[cfg(target_os = "linux")]
mod kept_graphs;
mod limits;
mod measure;
#[cfg(target_os = "linux")]
mod measure_code;
mod monitor;
mod observe;
mod outcome;
mod output;
#[cfg(target_os = "linux")]
mod profile;
mod report;
mod selection;
#[cfg(feature = "ledger")]
mod serve;
mod schema;
mod show;
mod terminal;
mod tool_file;
mod validate;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Failure;
use perf_passport::allocation::{CountingAllocator, OracleAllocator};

/// Performance passports: measure what endpoints cost, hold it against a contract, and prove it.
#[derive(Debug, Parser)]
#[command(
    name = "passport",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 pass; 1 a required claim failed; 2 usage, configuration or contract; \
                  3 could not measure; 4 a required claim abstained; 130 interrupted."
)]
struct ProgramArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure every check, compare with the baseline, file the passport, and gate.
    Check(check::CheckArguments),
    /// Measure every check and write the passport.
    Generate(generate::GenerateArguments),
    /// Measure every check and accept the passport as the baseline.
    Baseline(baseline::BaselineArguments),
    /// Hold one endpoint against its budgets.
    Validate(validate::ValidateArguments),
    /// Verify passports offline: hashes, summaries and verdicts follow from the evidence.
    Verify(verify::VerifyArguments),
    /// Compare two builds side by side.
    #[cfg(target_os = "linux")]
    Compare(Box<compare::CompareArguments>),
    /// Find out how often `compare` is wrong on this machine, and what it finds.
    #[cfg(target_os = "linux")]
    Calibrate(calibrate::CalibrateArguments),
    /// Show what a check of one build allocates and executes, and where.
    #[cfg(target_os = "linux")]
    Profile(profile::ProfileArguments),
    /// Hold the counters of a running service against the contract.
    Observe(Box<observe::ObserveArguments>),
    /// Print a passport.
    Show(show::ShowArguments),
    /// Print what changed between two passports, claim by claim.
    Diff(diff::DiffArguments),
    /// Write what a run measured as one comment on its pull request.
    Comment(comment::CommentArguments),
    /// Render metrics JSON as text, and time that.
    Format(format::FormatArguments),
    /// Keep passports, and find what changed, at which commit.
    History(Box<history::HistoryArguments>),
    /// Make files for watching a running service, of its contract, and check them.
    Monitor(monitor::MonitorArguments),
    /// Write static pages of a history, of a directory of passports, or of one passport.
    Report(Box<report::ReportArguments>),
    /// Take over what others measured: ten tools, and original passports.
    Import(import::ImportArguments),
    /// Write the first contract, what runs it, and a workflow.
    Init(init::InitArguments),
    /// Make contracts of what others wrote.
    Contract(contract::ContractArguments),
    /// Print the JSON Schema of the contract or of the passport.
    Schema(schema::SchemaArguments),
    /// Run the reference service.
    #[cfg(feature = "ledger")]
    Serve(serve::ServeArguments),
}

/// Counts allocations for each request; asks dhat only while an oracle pass runs.
#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(ended) = perf_passport_compare::supervisor::run_if_asked() {
        return ended;
    }
    limits::take_as_errors();
    let arguments = match ProgramArguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return terminal::refuse(&refusal),
    };
    let done = match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Baseline(arguments) => baseline::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Compare(arguments) => compare::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Observe(arguments) => observe::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Comment(arguments) => comment::run(&arguments),
        Command::Format(arguments) => format::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Monitor(arguments) => monitor::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Contract(arguments) => contract::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        #[cfg(feature = "ledger")]
        Command::Serve(arguments) => serve::run(&arguments),
    };
    done.unwrap_or_else(|failure: Failure| {
        terminal::error(&failure);
        failure.code.into()
    })
}
