//! `passport compare`: two builds side by side.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use super::{
    compare_causes::causes,
    compare_sides::{Builds, SideArguments},
    exit::{Code, Failure},
    input, measure, terminal,
};
use crate::{
    clock::SystemClock,
    compare::{self, Observed, Progress, Side, Sides, Task, WorkerError},
    contract::{Check, Contract},
    paired::{Paired, Policy},
    passport::{Comparison, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run},
    report, store,
    text::hex,
    units::{BYTES_PER_MB, Bytes, Nanos, Ppm},
};

/// Samples of the baseline: enough for what its responses are and what they allocate.
const BASELINE_SAMPLES: u32 = 20;

/// The largest file of kept sessions that is read.
const SESSIONS_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// Compare two builds side by side: what changed, and whether it is slower.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The contract
    #[arg(long, value_name = "FILE", default_value = "passport.toml")]
    contract: PathBuf,
    #[command(flatten)]
    sides: SideArguments,
    /// How much slower is too much: 0.05 is 5 %; the contract's when left out
    #[arg(long, value_name = "RATIO")]
    regression_threshold: Option<f64>,
    /// Begin no session after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    time_budget: u32,
    /// Compare only this endpoint, check (`endpoint/variant`) or path; may be repeated
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
    /// How to print the outcome
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    output_format: Format,
    /// Where passports and sessions are filed
    #[arg(long, value_name = "DIR", default_value = "artifacts/performance")]
    artifacts_dir: PathBuf,
    /// Plain lines
    #[arg(long)]
    ci: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// The passport
    Json,
    /// A table for a pull request
    Markdown,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let interrupted = measure::watch_signals()?;
    let stop = || interrupted.load(Ordering::Relaxed);
    let (sides, builds) = arguments.sides.sides(&arguments.contract, &stop)?;
    let contract = read_contract(arguments, &sides.current)?;
    let (passport, causes) = compare(arguments, &contract, &sides, builds, &stop)?;
    let kept = store::keep(&arguments.artifacts_dir, &passport);
    print(arguments, &passport, &causes)?;
    let kept = kept?;
    if arguments.output_format == Format::Text {
        terminal::print(&format!("passport {}\n", terminal::path(&kept)))?;
    }
    let code = if stop() { Code::Interrupted } else { Code::of(&passport) };
    Ok(code.into())
}

/// The contract of the current side, with the tolerance that was asked for.
fn read_contract(arguments: &Arguments, current: &Side) -> Result<Contract, Failure> {
    let contract = Contract::parse(&current.contract).map_err(|error| {
        let path = terminal::path(&arguments.contract);
        Failure::usage(anyhow!("cannot read contract `{path}` of `{}`: {error}", current.label))
    })?;
    let Some(ratio) = arguments.regression_threshold else { return Ok(contract) };
    contract.with_regression_percent(ratio * 100.0).map_err(|error| {
        Failure::usage(anyhow!("--regression-threshold is not a ratio such as 0.05: {error}"))
    })
}

fn compare(
    arguments: &Arguments,
    contract: &Contract,
    sides: &Sides,
    builds: Builds,
    stop: &dyn Fn() -> bool,
) -> Result<(Passport, String), Failure> {
    let clock = SystemClock::start();
    let theirs = Contract::parse(&sides.baseline.contract).map_err(|error| {
        Failure::usage(anyhow!("cannot read the contract of the baseline: {error}"))
    })?;
    let (checks, checks_not_compared) = both_have(contract, &theirs);
    if checks.is_empty() {
        return Err(Failure::usage(anyhow!("the two sides have no check in common")));
    }
    let checks = measure::named(checks, &arguments.endpoint)?;
    let relinked = builds.are_relinked();
    let policy = Policy::for_suite(checks.len() as u64, relinked);
    let comparison = Comparison {
        policy,
        baseline: builds.baseline,
        current: builds.current,
        anchor: builds.anchor,
        checks_not_compared,
    };
    terminal::note(&format!("observing {} checks of each side", checks.len()));
    let observe = |side: &Side, samples: u32| {
        compare::observe(side, &checks, samples, (&clock, stop)).map_err(failure)
    };
    let before = observe(&sides.baseline, BASELINE_SAMPLES)?;
    let mut after = observe(&sides.current, contract.sampling.samples)?;

    let sessions_path = sessions_path(&arguments.artifacts_dir, &comparison);
    let known = read_sessions(&sessions_path)?;
    let mut task = Task {
        contract,
        checks: checks.clone(),
        sides,
        policy,
        time_max: Nanos::new(u64::from(arguments.time_budget).saturating_mul(1_000_000_000)),
        known,
        slower: Ppm::new(0),
        seed: uuid::Uuid::now_v7().as_u64_pair().1,
        clock: &clock,
        stop,
        progress: &mut |progress| match progress {
            Progress::Session { number, checks } => {
                terminal::note(&format!("session {number}: {checks} checks to decide"));
            }
            Progress::Failed(error) => terminal::note(&format!("session failed: {error}")),
        },
    };
    let sessions = compare::run(&mut task).map_err(failure)?;
    let bytes = serde_json::to_vec(&sessions).map_err(Failure::usage)?;
    store::write_bytes(&sessions_path, &bytes)?;
    for measured in &mut after.measured {
        measured.paired = sessions.get(&measured.check).cloned();
    }
    let circumstances = |observed: &Observed, comparison: Option<Comparison>| {
        let here = arguments.contract.parent().filter(|it| !it.as_os_str().is_empty());
        let mut circumstances = Circumstances::current(
            ProbeKind::InProcess,
            contract.name.as_str(),
            here.unwrap_or(Path::new(".")),
        );
        circumstances.provenance.build = Some(observed.build.clone());
        circumstances.comparison = comparison;
        circumstances
    };
    let run = |observed: Observed| Run {
        timestamp: observed.timestamp,
        complete: !stop(),
        measured: observed.measured,
        operations: Vec::new(),
    };
    let around = circumstances(&before, None);
    let baseline = pipeline::passport(contract, run(before), around, None)?;
    let around = circumstances(&after, Some(comparison));
    let passport = pipeline::passport(contract, run(after), around, Some(&baseline))?;
    let causes = causes(&passport, &checks, sides, (&clock, stop));
    Ok((passport, causes))
}

fn failure(error: WorkerError) -> Failure {
    let code = match error {
        WorkerError::Interrupted => Code::Interrupted,
        _ => Code::NotMeasured,
    };
    Failure::new(code, error)
}

/// The checks that both contracts have and that ask for the same; the names of all others.
fn both_have<'a>(ours: &'a Contract, theirs: &Contract) -> (Vec<&'a Check>, Vec<String>) {
    let (mut both, mut others) = (Vec::new(), Vec::new());
    for check in &ours.checks {
        let same = theirs.check(&check.id()).is_some_and(|it| {
            it.requests == check.requests
                && it.rounds == check.rounds
                && it.fixture == check.fixture
        });
        if same { both.push(check) } else { others.push(check.id()) }
    }
    let only_theirs = theirs.checks.iter().map(Check::id).filter(|id| ours.check(id).is_none());
    others.extend(only_theirs);
    (both, others)
}

/// Sessions of the same builds are kept, so that comparing them again adds evidence and does not
/// roll the dice anew.
fn sessions_path(directory: &Path, comparison: &Comparison) -> PathBuf {
    let mut digest = Sha256::new();
    let builds =
        [Some(&comparison.baseline), Some(&comparison.current), comparison.anchor.as_ref()];
    for build in builds.into_iter().flatten() {
        digest.update(&build.executable_sha256);
    }
    digest.update(format!("{:?}", comparison.policy));
    let name = hex(&digest.finalize());
    directory.join("sessions").join(format!("{}.json", &name[..32]))
}

fn read_sessions(path: &Path) -> Result<BTreeMap<String, Paired>, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        let path = terminal::path(path);
        Failure::usage(anyhow!("cannot read the sessions `{path}`, delete them: {why}"))
    };
    match input::read(path, SESSIONS_MAX) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| refused(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(refused(&error)),
    }
}

fn print(arguments: &Arguments, passport: &Passport, causes: &str) -> Result<(), Failure> {
    let style = terminal::style(arguments.ci);
    let text = match arguments.output_format {
        Format::Json => String::from_utf8_lossy(&passport.to_bytes()?).into_owned(),
        Format::Markdown if causes.is_empty() => report::comparison_markdown(passport),
        Format::Markdown => {
            format!("{}\n```text\n{causes}```\n", report::comparison_markdown(passport))
        }
        Format::Text => {
            let mut text = report::comparison_table(passport);
            let faults = report::claims_at_fault(passport, style);
            if !faults.is_empty() {
                text.push('\n');
                text.push_str(&faults);
                text.push_str(causes);
            }
            text.push('\n');
            text.push_str(&report::summary_lines(passport, style));
            text
        }
    };
    Ok(terminal::print(&text)?)
}
