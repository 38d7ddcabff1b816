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
    compare_instructions::{Counted, instruction_counts},
    compare_servers::{ServerArguments, refuse_what_cannot_be_asked},
    compare_sides::{Builds, SideArguments},
    exit::{Code, Failure},
    input, measure, terminal,
};
use crate::{
    clock::{Clock, SystemClock},
    compare::{self, Progress, Servers, Side, Sides, Subjects, Task, WorkerError},
    contract::{Check, Contract},
    environment::Build,
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
    #[command(flatten)]
    servers: ServerArguments,
    /// How much slower is too much: 0.05 is 5 %; the contract's when left out
    #[arg(long, value_name = "RATIO")]
    regression_threshold: Option<f64>,
    /// Begin no session after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    time_budget: u32,
    /// Do not count the instructions of workers under valgrind, where that is installed
    #[arg(long)]
    no_instructions: bool,
    /// Compare only this endpoint, check (`endpoint/variant`) or path; may be repeated
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
    /// Compare only checks on this fixture: the state that the servers are in
    #[arg(long, value_name = "NAME")]
    fixture: Option<String>,
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

/// What is compared.
enum Compared {
    Workers(Box<Sides>),
    Servers(Box<Servers<'static>>),
}

impl Compared {
    fn subjects(&self) -> Subjects<'_> {
        match self {
            Self::Workers(sides) => Subjects::Workers(sides),
            Self::Servers(servers) => Subjects::Servers(servers),
        }
    }

    /// Whose instructions are counted.
    fn counted(&self, nobodys: bool) -> Counted<'_> {
        match self {
            Self::Servers(_) => Counted::Servers,
            Self::Workers(_) if nobodys => Counted::Nothing,
            Self::Workers(sides) => Counted::Workers(sides),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let interrupted = measure::watch_signals()?;
    let stop = || interrupted.load(Ordering::Relaxed);
    let (compared, builds) = if let Some((servers, builds)) = arguments.servers.servers()? {
        (Compared::Servers(Box::new(servers)), builds)
    } else {
        let (sides, builds) = arguments.sides.sides(&arguments.contract, &stop)?;
        (Compared::Workers(Box::new(sides)), builds)
    };
    let contract = read_contract(arguments, &compared)?;
    let outcome = compare(arguments, &contract, &compared, builds, &stop)?;
    let kept = store::keep(&arguments.artifacts_dir, &outcome.passport);
    print(arguments, &outcome.passport, &outcome.causes)?;
    let kept = kept?;
    if arguments.output_format == Format::Text {
        terminal::print(&format!("passport {}\n", terminal::path(&kept)))?;
    }
    if stop() {
        return Ok(Code::Interrupted.into());
    }
    if let Some(fault) = outcome.fault {
        terminal::error(&fault);
    }
    Ok(Code::of(&outcome.passport).into())
}

/// The contract of the current side, with the tolerance that was asked for.
fn read_contract(arguments: &Arguments, compared: &Compared) -> Result<Contract, Failure> {
    let contract = match compared {
        Compared::Servers(_) => measure::read_contract(&arguments.contract)?,
        Compared::Workers(sides) => {
            let current = &sides.current;
            Contract::parse(&current.contract).map_err(|error| {
                let (path, label) = (terminal::path(&arguments.contract), &current.label);
                Failure::usage(anyhow!("cannot read contract `{path}` of `{label}`: {error}"))
            })?
        }
    };
    let Some(ratio) = arguments.regression_threshold else { return Ok(contract) };
    contract.with_regression_percent(ratio * 100.0).map_err(|error| {
        Failure::usage(anyhow!("--regression-threshold is not a ratio such as 0.05: {error}"))
    })
}

/// What a comparison came to.
struct Outcome {
    passport: Passport,
    /// Why a check got worse; empty where nobody knows.
    causes: String,
    /// Why it was not brought to its end.
    fault: Option<String>,
}

/// What a side does and costs by itself.
struct Seen {
    run: Run,
    /// The build of a worker.
    build: Option<Build>,
}

fn compare(
    arguments: &Arguments,
    contract: &Contract,
    compared: &Compared,
    builds: Builds,
    stop: &dyn Fn() -> bool,
) -> Result<Outcome, Failure> {
    let clock = SystemClock::start();
    let (checks, checks_not_compared) = selected(arguments, contract, compared)?;
    let policy = match compared {
        Compared::Workers(_) => Policy::for_suite(checks.len() as u64, builds.are_relinked()),
        Compared::Servers(_) => Policy::for_servers(checks.len() as u64),
    };
    let comparison = Comparison {
        policy,
        baseline: builds.baseline,
        current: builds.current,
        anchor: builds.anchor,
        checks_not_compared,
    };
    terminal::note(&format!("observing {} checks of each side", checks.len()));
    let (before, mut after, mut fault) =
        observe(contract, compared, &checks, (&clock, stop)).map_err(failure)?;
    if fault.is_none() {
        let counted = compared.counted(arguments.no_instructions);
        let counts = instruction_counts(counted, &checks, &policy, (&clock, stop));
        for measured in &mut after.run.measured {
            measured.instructions = counts.get(&measured.check).cloned();
        }
        let sessions_path = sessions_path(&arguments.artifacts_dir, &comparison);
        let mut task = Task {
            contract,
            checks: checks.clone(),
            subjects: compared.subjects(),
            policy,
            time_max: Nanos::new(u64::from(arguments.time_budget).saturating_mul(1_000_000_000)),
            known: sessions_path.as_deref().map(read_sessions).transpose()?.unwrap_or_default(),
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
        let ran = compare::run(&mut task);
        let sessions = ran.unwrap_or_else(|error| {
            fault = Some(error.to_string());
            std::mem::take(&mut task.known)
        });
        if let Some(path) = sessions_path {
            store::write_bytes(&path, &serde_json::to_vec(&sessions).map_err(Failure::usage)?)?;
        }
        for measured in &mut after.run.measured {
            measured.paired = sessions.get(&measured.check).cloned();
        }
        let given_up = sessions.values().find(|paired| compare::is_given_up(paired));
        fault = fault.or_else(|| given_up.and_then(|paired| paired.first_failure.clone()));
    }
    let probe = match compared {
        Compared::Workers(_) => ProbeKind::InProcess,
        Compared::Servers(_) => ProbeKind::Http,
    };
    let target = comparison.current.url.clone().unwrap_or_else(|| contract.name.clone());
    let circumstances = |build: Option<Build>, comparison: Option<Comparison>| {
        let here = arguments.contract.parent().filter(|it| !it.as_os_str().is_empty());
        let here = here.unwrap_or(Path::new("."));
        let mut circumstances = Circumstances::current(probe, target.as_str(), here);
        circumstances.provenance.build = build;
        circumstances.comparison = comparison;
        circumstances
    };
    after.run.complete &= !stop() && fault.is_none();
    let baseline =
        pipeline::passport(contract, before.run, circumstances(before.build, None), None)?;
    let around = circumstances(after.build, Some(comparison));
    let passport = pipeline::passport(contract, after.run, around, Some(&baseline))?;
    let causes = match compared {
        Compared::Workers(sides) => causes(&passport, &checks, sides, (&clock, stop)),
        Compared::Servers(_) => String::new(),
    };
    Ok(Outcome { passport, causes, fault })
}

/// The checks to compare, and the names of those that only one side has.
fn selected<'a>(
    arguments: &Arguments,
    contract: &'a Contract,
    compared: &Compared,
) -> Result<(Vec<&'a Check>, Vec<String>), Failure> {
    let (checks, others) = match compared {
        Compared::Servers(_) => (contract.checks.iter().collect(), Vec::new()),
        Compared::Workers(sides) => {
            let theirs = Contract::parse(&sides.baseline.contract).map_err(|error| {
                Failure::usage(anyhow!("cannot read the contract of the baseline: {error}"))
            })?;
            both_have(contract, &theirs)
        }
    };
    if checks.is_empty() {
        return Err(Failure::usage(match compared {
            Compared::Workers(_) => anyhow!("the two sides have no check in common"),
            Compared::Servers(_) => anyhow!("the contract has no check that servers are asked for"),
        }));
    }
    let running = matches!(compared, Compared::Servers(_));
    let on_fixture = measure::on_fixture(&checks, arguments.fixture.as_deref(), running)?;
    let named = measure::named(checks, &arguments.endpoint)?;
    let checks = measure::both(&named, &on_fixture)?;
    if let Compared::Servers(servers) = compared {
        refuse_what_cannot_be_asked(servers, contract, &checks)?;
    }
    Ok((checks, others))
}

/// Asks both sides what each check does and costs by itself, and what went wrong with the current
/// one. Without a baseline nothing can be said.
fn observe(
    contract: &Contract,
    compared: &Compared,
    checks: &[&Check],
    (clock, stop): (&dyn Clock, &dyn Fn() -> bool),
) -> Result<(Seen, Seen, Option<String>), WorkerError> {
    match compared {
        Compared::Workers(sides) => {
            let observe = |side: &Side, samples: u32| {
                let observed = compare::observe(side, checks, samples, (clock, stop))?;
                let run = Run {
                    timestamp: observed.timestamp,
                    complete: true,
                    measured: observed.measured,
                    operations: Vec::new(),
                };
                Ok(Seen { run, build: Some(observed.build) })
            };
            let before = observe(&sides.baseline, BASELINE_SAMPLES)?;
            Ok((before, observe(&sides.current, contract.sampling.samples)?, None))
        }
        Compared::Servers(servers) => {
            let observe = |server| servers.observe(server, contract, checks, (clock, stop));
            let (before, fault) = observe(&servers.baseline)?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            let (after, fault) = observe(&servers.current)?;
            let seen = |run| Seen { run, build: None };
            Ok((seen(before), seen(after), fault.map(|it| it.to_string())))
        }
    }
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
/// roll the dice anew. `None` of servers: nobody tells which build a command starts.
fn sessions_path(directory: &Path, comparison: &Comparison) -> Option<PathBuf> {
    let mut digest = Sha256::new();
    let builds =
        [Some(&comparison.baseline), Some(&comparison.current), comparison.anchor.as_ref()];
    for build in builds.into_iter().flatten() {
        digest.update(build.executable_sha256.as_ref()?);
    }
    digest.update(format!("{:?}", comparison.policy));
    let name = hex(&digest.finalize());
    Some(directory.join("sessions").join(format!("{}.json", &name[..32])))
}

fn read_sessions(path: &Path) -> Result<BTreeMap<String, Paired>, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        let path = terminal::path(path);
        Failure::usage(anyhow!("cannot read the sessions `{path}`, delete them: {why}"))
    };
    match input::read(path, SESSIONS_MAX) {
        Ok(bytes) => {
            let mut known: BTreeMap<String, Paired> =
                serde_json::from_slice(&bytes).map_err(|error| refused(&error))?;
            // What could not be measured then may be now.
            for paired in known.values_mut() {
                (paired.failed_sessions, paired.first_failure) = (0, None);
            }
            Ok(known)
        }
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
