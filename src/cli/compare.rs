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
    compare_causes,
    compare_instructions::{Counted, instruction_counts},
    compare_items::{Selecting, failure, selected},
    compare_servers::ServerArguments,
    compare_sides::{Builds, SideArguments, start_guard},
    exit::{Code, Failure},
    input, measure, terminal,
};
use crate::{
    clock::{Clock, SystemClock},
    compare::{
        self, CheckCauses, Item, Progress, Servers, Side, Sides, Subjects, Task,
        TemporaryDirectory, WorkerError,
    },
    contract::{Check, Contract},
    environment::Build,
    paired::{Paired, Policy},
    passport::{Comparison, MeasuredCase, Passport, ProbeKind},
    pipeline::{self, Circumstances, Run},
    report,
    store::{self, StoreError},
    text::{escaped, hex},
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
    #[command(flatten)]
    selecting: Selecting,
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
pub(super) enum Compared {
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

    /// The same, with workers that need not fill databases before each thing that they do.
    fn with_caches(
        self,
        checks: &[&Check],
        directory: &TemporaryDirectory,
        watch: (&dyn Clock, &dyn Fn() -> bool),
    ) -> Result<Self, WorkerError> {
        match self {
            Self::Workers(sides) => {
                let sides = compare::with_caches(*sides, checks, directory, watch)?;
                Ok(Self::Workers(Box::new(sides)))
            }
            Self::Servers(_) => Ok(self),
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
        start_guard();
        let (sides, builds) = arguments.sides.sides(&arguments.contract, &stop)?;
        (Compared::Workers(Box::new(sides)), builds)
    };
    let contract = read_contract(arguments, &compared)?;
    let outcome = compare(arguments, &contract, compared, builds, &stop)?;
    let kept = store::keep(&arguments.artifacts_dir, &outcome.passport);
    let filed = match &kept {
        Ok(path) => compare_causes::keep(path, &outcome.passport, &outcome.causes),
        Err(_) => Ok(Vec::new()),
    };
    print(arguments, &outcome.passport, &compare_causes::text(&outcome.causes))?;
    let (kept, filed) = (kept?, filed?);
    let filed = filed.iter().map(|path| format!("causes   {}\n", terminal::path(path)));
    if arguments.output_format == Format::Text {
        let filed: String = filed.collect();
        terminal::print(&format!("passport {}\n{filed}", terminal::path(&kept)))?;
    } else {
        filed.for_each(|line| terminal::note(line.trim_end()));
    }
    if stop() {
        return Ok(Code::Interrupted.into());
    }
    match outcome.fault {
        Some(fault) => terminal::error(&fault),
        None => outcome.sessions_kept?,
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
    /// Why checks got worse; empty where none did, and of servers.
    causes: Vec<CheckCauses>,
    /// Why it was not brought to its end.
    fault: Option<String>,
    /// Whether its sessions are there for the next comparison. That they are not takes nothing from
    /// this one.
    sessions_kept: Result<(), StoreError>,
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
    compared: Compared,
    builds: Builds,
    stop: &dyn Fn() -> bool,
) -> Result<Outcome, Failure> {
    let clock = SystemClock::start();
    let (items, checks_not_compared) =
        selected(&arguments.selecting, contract, &compared, (&clock, stop))?;
    let checks: Vec<&Check> = items.iter().filter_map(Item::check).collect();
    let policy = match &compared {
        Compared::Workers(_) => Policy::for_suite(items.len() as u64, builds.are_relinked()),
        Compared::Servers(_) => Policy::for_servers(items.len() as u64),
    };
    let comparison = Comparison {
        policy,
        baseline: builds.baseline,
        current: builds.current,
        anchor: builds.anchor,
        checks_not_compared,
    };
    terminal::note(&format!("observing {} of each side", counted(&items)));
    let directory = TemporaryDirectory::new()
        .map_err(|error| failure(WorkerError::NoDirectory(error.to_string())))?;
    let compared = &compared.with_caches(&checks, &directory, (&clock, stop)).map_err(failure)?;
    let (before, mut after, mut fault) =
        observe(contract, compared, &items, (&clock, stop)).map_err(failure)?;
    let mut sessions_kept = Ok(());
    if fault.is_none() {
        let counted = compared.counted(arguments.no_instructions);
        let counts = instruction_counts(counted, &checks, &policy, (&clock, stop));
        for measured in &mut after.run.measured {
            measured.instructions = counts.get(&measured.check).cloned();
        }
        let sessions_path = sessions_path(&arguments.artifacts_dir, &comparison);
        let mut task = Task {
            contract,
            items: items.iter().copied().filter(|it| both_ran(*it, &before, &after)).collect(),
            subjects: compared.subjects(),
            policy,
            time_max: Nanos::new(u64::from(arguments.time_budget).saturating_mul(1_000_000_000)),
            known: sessions_path.as_deref().map(read_sessions).transpose()?.unwrap_or_default(),
            slower: Ppm::new(0),
            seed: uuid::Uuid::now_v7().as_u64_pair().1,
            clock: &clock,
            stop,
            progress: &mut |progress| match progress {
                Progress::Session { number, items } => {
                    terminal::note(&format!("session {number}: {items} to decide"));
                }
                Progress::Failed(error) => {
                    terminal::note(&escaped(&format!("session failed: {error}")));
                }
            },
        };
        let ran = compare::run(&mut task);
        let sessions = ran.unwrap_or_else(|error| {
            fault = Some(error.to_string());
            std::mem::take(&mut task.known)
        });
        if let Some(path) = sessions_path {
            let bytes = serde_json::to_vec(&sessions).map_err(Failure::usage)?;
            sessions_kept = store::write_bytes(&path, &bytes);
        }
        for measured in &mut after.run.measured {
            measured.paired = sessions.get(&measured.check).cloned();
        }
        for item in &items {
            if let Some(case) = case_of(&mut after.run.operations, *item) {
                case.paired = sessions.get(&item.id()).cloned();
            }
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
        Compared::Workers(sides) => compare_causes::find(&passport, &checks, sides, (&clock, stop)),
        Compared::Servers(_) => Vec::new(),
    };
    Ok(Outcome { passport, causes, fault, sessions_kept })
}

/// `20 checks and 3 operations`.
fn counted(items: &[Item<'_>]) -> String {
    let checks = items.iter().filter(|it| it.check().is_some()).count();
    match (checks, items.len() - checks) {
        (checks, 0) => format!("{checks} checks"),
        (0, operations) => format!("{operations} operations"),
        (checks, operations) => format!("{checks} checks and {operations} operations"),
    }
}

/// What was observed of an operation at a size.
fn case_of<'r>(cases: &'r mut [MeasuredCase], item: Item<'_>) -> Option<&'r mut MeasuredCase> {
    let Item::Case(operation, size) = item else { return None };
    cases.iter_mut().find(|it| it.operation == operation.name && it.size == size)
}

/// Whether an operation ran to its end on both sides: one that panics has no time to compare.
fn both_ran(item: Item<'_>, before: &Seen, after: &Seen) -> bool {
    let Item::Case(operation, size) = item else { return true };
    [before, after].iter().all(|seen| {
        let mut cases = seen.run.operations.iter();
        let case = cases.find(|it| it.operation == operation.name && it.size == size);
        case.is_some_and(|it| it.evidence.failure.is_none() && !it.evidence.samples.is_empty())
    })
}

/// Asks both sides what each item does and costs by itself, and what went wrong with the current
/// one. Without a baseline nothing can be said.
fn observe(
    contract: &Contract,
    compared: &Compared,
    items: &[Item<'_>],
    (clock, stop): (&dyn Clock, &dyn Fn() -> bool),
) -> Result<(Seen, Seen, Option<String>), WorkerError> {
    let checks: Vec<&Check> = items.iter().filter_map(Item::check).collect();
    match compared {
        Compared::Workers(sides) => {
            let observe =
                |side: &Side, samples: u32| -> Result<(Seen, Option<WorkerError>), WorkerError> {
                    let observed = compare::observe(side, &checks, samples, (clock, stop))?;
                    let operations = match observed.fault {
                        None => compare::observe_operations(side, items, samples, (clock, stop))?,
                        Some(_) => Vec::new(),
                    };
                    let run = Run {
                        timestamp: observed.timestamp,
                        complete: observed.fault.is_none(),
                        measured: observed.measured,
                        operations,
                    };
                    Ok((Seen { run, build: Some(observed.build) }, observed.fault))
                };
            let (before, fault) = observe(&sides.baseline, BASELINE_SAMPLES)?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            let (after, fault) = observe(&sides.current, contract.sampling.samples)?;
            if let (true, Some(fault)) = (after.run.measured.is_empty(), &fault) {
                return Err(fault.clone());
            }
            Ok((before, after, fault.map(|it| it.to_string())))
        }
        Compared::Servers(servers) => {
            let observe = |server| servers.observe(server, contract, &checks, (clock, stop));
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
            }
            text.push_str(causes);
            text.push('\n');
            text.push_str(&report::summary_lines(passport, style));
            text
        }
    };
    Ok(terminal::print(&text)?)
}
