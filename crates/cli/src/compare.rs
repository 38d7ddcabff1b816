//! `passport compare`: two builds side by side.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    compare_causes,
    compare_instructions::{Counted, instruction_counts},
    compare_items::{Selected, Selecting, failure, selected},
    compare_observe::{Observed, case_of, is_comparable, observe},
    compare_servers::ServerArguments,
    compare_sessions::{KeptSessions, Known},
    compare_sides::{Builds, SideArguments, start_guard},
    exit::{Code, Failure},
    measure,
    output::Output,
    terminal,
};
use perf_passport::{
    clock::SystemClock,
    contract::{Check, Contract},
    environment::Build,
    paired::Policy,
    passport::{Comparison, Passport, ProbeKind},
    pipeline::{self, Circumstances},
    report::Report,
    store::{self, StoreError},
    text::{self, escaped},
    units::{Nanos, Ppm},
};
use perf_passport_compare::{
    self as compare, Item, Progress, Servers, Sides, Subjects, Task, TemporaryDirectory, Watch,
    WorkerError,
};

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
    /// Hold sessions for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 75)]
    time_budget: u32,
    /// Do not count the instructions of workers under valgrind, where that is installed
    #[arg(long)]
    no_instructions: bool,
    #[command(flatten)]
    selecting: Selecting,
    #[command(flatten)]
    output: Output,
    /// Where passports and sessions are filed
    #[arg(long, value_name = "DIR", default_value = "artifacts/performance")]
    artifacts_dir: PathBuf,
    /// Plain lines
    #[arg(long)]
    ci: bool,
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
        watch: Watch<'_>,
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
    let directory = TemporaryDirectory::new()
        .map_err(|error| failure(WorkerError::NoDirectory(error.to_string())))?;
    let (compared, builds) = if let Some((servers, builds)) = arguments.servers.servers()? {
        (Compared::Servers(Box::new(servers)), builds)
    } else {
        start_guard();
        let places = (arguments.artifacts_dir.as_path(), directory.path());
        let (sides, builds) = arguments.sides.sides(&arguments.contract, places, &stop)?;
        (Compared::Workers(Box::new(sides)), builds)
    };
    let contract = read_contract(arguments, &compared)?;
    let clock = SystemClock::start();
    let watch: Watch<'_> = (&clock, &stop);
    let selected = selected(&arguments.selecting, &contract, &compared, watch)?;
    let checks = checks_of(&selected.items);
    terminal::note(&format!("observing {} of each side", counted(&selected.items)));
    let compared = compared.with_caches(&checks, &directory, watch).map_err(failure)?;
    let outcome = compare(arguments, &contract, &compared, (builds, selected), watch)?;
    // Before causes are looked for, which takes long.
    let kept = store::keep(&arguments.artifacts_dir, &outcome.passport);
    let baseline_kept = match &kept {
        Ok(path) => {
            let path = path.with_file_name(format!("baseline_{}.json", store::run_name(path)));
            store::write(&path, &outcome.baseline).map(|()| Some(path))
        }
        Err(_) => Ok(None),
    };
    let causes = match &compared {
        Compared::Workers(sides) => compare_causes::find(&outcome.passport, &checks, sides, watch),
        Compared::Servers(_) => Vec::new(),
    };
    let filed = match &kept {
        Ok(path) => compare_causes::keep(path, &outcome.passport, &causes),
        Err(_) => Ok(Vec::new()),
    };
    let causes = compare_causes::text(&causes);
    let report = Report::of_comparison(&outcome.passport, &causes);
    arguments.output.print(&report, arguments.ci)?;
    let (kept, baseline_kept, filed) = (kept?, baseline_kept?, filed?);
    arguments.output.note(&format!("passport {}", terminal::path(&kept)))?;
    if let Some(path) = baseline_kept {
        arguments.output.note(&format!("baseline {}", terminal::path(&path)))?;
    }
    for path in filed {
        arguments.output.note(&format!("causes   {}", terminal::path(&path)))?;
    }
    if stop() {
        return Ok(Code::Interrupted.into());
    }
    match outcome.fault {
        Some(fault) => terminal::error(&fault),
        None => {
            if let Err(error) = outcome.sessions_kept {
                terminal::error(&escaped(&error.to_string()));
            }
        }
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
    /// What was observed of the baseline, whose figures the passport has.
    baseline: Passport,
    /// Why it was not brought to its end.
    fault: Option<String>,
    /// Whether its sessions are there for the next comparison. That they are not takes nothing from
    /// this one.
    sessions_kept: Result<(), StoreError>,
}

fn compare(
    arguments: &Arguments,
    contract: &Contract,
    compared: &Compared,
    (builds, selected): (Builds, Selected<'_>),
    (clock, stop): Watch<'_>,
) -> Result<Outcome, Failure> {
    let Selected { items, not_compared, not_anchored } = selected;
    let policy = match compared {
        Compared::Workers(_) => Policy::for_suite(items.len() as u64, builds.are_relinked()),
        Compared::Servers(_) => Policy::for_servers(items.len() as u64),
    };
    let mut comparison = Comparison {
        policy,
        baseline: builds.baseline,
        current: builds.current,
        anchor: builds.anchor,
        checks_not_compared: not_compared,
        checks_not_in_anchor: not_anchored,
    };
    let sources = builds.sources.as_deref();
    let kept = KeptSessions::of(&arguments.artifacts_dir, (&comparison, sources), contract);
    let known = kept.read();
    comparison.policy.checks = policy.checks.max(known.checks);
    let policy = comparison.policy;
    let Observed { before, mut after, mut fault, answers_otherwise } =
        observe(contract, compared, (&items, &comparison.checks_not_in_anchor), (clock, stop))
            .map_err(failure)?;
    comparison.checks_not_in_anchor.extend(answers_otherwise);
    let mut sessions_kept = Ok(());
    if fault.is_none() {
        let checks = checks_of(&items);
        let counted = compared.counted(arguments.no_instructions);
        let counts = instruction_counts(counted, &checks, &policy, (clock, stop));
        for measured in &mut after.run.measured {
            measured.instructions = counts.get(&measured.check).cloned();
        }
        let mut task = Task {
            contract,
            items: items.iter().copied().filter(|it| is_comparable(*it, &before, &after)).collect(),
            not_anchored: &comparison.checks_not_in_anchor,
            subjects: compared.subjects(),
            policy,
            time_max: Nanos::new(u64::from(arguments.time_budget).saturating_mul(1_000_000_000)),
            known: known.for_items(&comparison, &items),
            slower: Ppm::new(0),
            seed: uuid::Uuid::now_v7().as_u64_pair().1,
            clock,
            stop,
            progress: &mut |progress| match progress {
                Progress::Round { first, sessions, items } => {
                    let numbers = match sessions {
                        1 => format!("session {first}"),
                        _ => format!("sessions {first} to {}", first + sessions as u64 - 1),
                    };
                    terminal::note(&format!("{numbers}: {items} to decide"));
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
        let known = Known { checks: policy.checks, sessions };
        sessions_kept = kept.write(&known);
        let sessions = known.sessions;
        for measured in &mut after.run.measured {
            measured.paired = sessions.get(&measured.check).cloned();
        }
        for item in &items {
            if let Some(case) = case_of(&mut after.run.operations, *item) {
                case.paired = sessions.get(&item.id()).cloned();
            }
        }
        let mut unmeasured = sessions.values().filter_map(compare::why_unmeasured);
        fault = fault.or_else(|| unmeasured.next().map(str::to_owned));
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
    Ok(Outcome { passport, baseline, fault, sessions_kept })
}

pub(super) fn checks_of<'a>(items: &[Item<'a>]) -> Vec<&'a Check> {
    items.iter().filter_map(Item::check).collect()
}

/// `20 checks and 3 operations`.
fn counted(items: &[Item<'_>]) -> String {
    let checks = items.iter().filter(|it| it.check().is_some()).count();
    let operations = text::counted((items.len() - checks) as u64, "operation");
    let of_checks = text::counted(checks as u64, "check");
    match (checks, items.len() - checks) {
        (_, 0) => of_checks,
        (0, _) => operations,
        _ => format!("{of_checks} and {operations}"),
    }
}
