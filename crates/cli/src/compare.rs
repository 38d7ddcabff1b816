//! `passport compare`: two builds side by side.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
};

use clap::Args;

use super::{
    clock, compare_causes,
    compare_servers::ServerArguments,
    compare_sides::{SideArguments, start_guard},
    contract_file::{self, compared_contract_or_paths},
    duration,
    exit::{Code, Failure},
    measure,
    outcome::Gating,
    output::Output,
    terminal,
};
use perf_passport::{
    contract::CheckSelection,
    passport::Passport,
    report::Report,
    store::{self, StoreError},
    text::{counted, escaped},
    units::Nanos,
};
use perf_passport_compare::{
    BuildSource, ComparisonProgress, ComparisonRequest, ItemSelection, SessionProgress, Watch,
};

/// Compare two builds side by side: what changed, and whether it is slower.
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// The contract; `passport.toml` when left out
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    #[command(flatten)]
    sides: SideArguments,
    #[command(flatten)]
    servers: ServerArguments,
    /// How much slower is too much: 0.05 is 5 %; the contract's when left out
    #[arg(long, value_name = "RATIO")]
    regression_threshold: Option<f64>,
    /// Hold sessions for so long, such as 20s or 2m
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = duration::parse)]
    time_budget: Nanos,
    /// Do not count the instructions of workers under valgrind, where that is installed
    #[arg(long)]
    no_instructions: bool,
    /// Compare only this endpoint, check (`endpoint/variant`) or path; may be repeated. Of servers and
    /// without a contract: GET this path
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
    /// Compare only this operation, or it at one size (`operation/size`); may be repeated
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
    /// Compare only checks on this fixture: the state that the servers are in
    #[arg(long, value_name = "NAME")]
    fixture: Option<String>,
    #[command(flatten)]
    gating: Gating,
    #[command(flatten)]
    output: Output,
    /// Where passports and sessions are filed
    #[arg(long, value_name = "DIR", default_value = "artifacts/performance")]
    artifacts_dir: PathBuf,
    /// Plain lines
    #[arg(long)]
    ci: bool,
}

pub(super) fn run(arguments: &CompareArguments) -> Result<ExitCode, Failure> {
    let interrupted = measure::watch_signals()?;
    let stop = || interrupted.load(Ordering::Relaxed);
    let watch = Watch { clock: &clock::started()?, stop: &stop };

    let request = arguments.request()?;
    // To find that out in the end would be late.
    store::try_directory(&arguments.artifacts_dir)?;
    // Passports are filed before causes are looked for, which takes long.
    let mut kept = None;
    let outcome = request.run(watch, &mut |progress| match progress {
        ComparisonProgress::Decided { passport, baseline } => {
            kept = Some(KeptPassports::keep(&arguments.artifacts_dir, passport, baseline));
        }
        other => note(other),
    })?;
    let causes = match kept.as_ref().map(|it| &it.passport) {
        Some(Ok(path)) => compare_causes::keep(path, &outcome.passport, &outcome.causes),
        _ => Ok(Vec::new()),
    };

    // What came out is printed also when it cannot be filed.
    let said = compare_causes::text(&outcome.causes);
    let mut report = Report::of_comparison(&outcome.passport, &said);
    report.places = compare_causes::places(&outcome.causes);
    arguments.output.print(&report, arguments.ci)?;
    if let Some(KeptPassports { passport, baseline }) = kept {
        arguments.say_where(&passport?, baseline?.as_deref(), &causes?)?;
    }
    if stop() {
        return Ok(Code::Interrupted.into());
    }
    if let Some(fault) = outcome.fault {
        terminal::error(&fault);
    } else if let Err(error) = outcome.sessions_kept {
        terminal::error(&escaped(&error.to_string()));
    }
    Ok(arguments.gating.take(Code::of(&outcome.passport)).into())
}

impl CompareArguments {
    fn contract_path(&self) -> &Path {
        self.contract.as_deref().unwrap_or(Path::new(contract_file::DEFAULT))
    }

    fn request(&self) -> Result<ComparisonRequest<'_>, Failure> {
        let source = if let Some(servers) = self.servers.servers()? {
            let contract = compared_contract_or_paths(self.contract.as_deref(), &self.endpoint)?;
            BuildSource::Servers { servers: Box::new(servers), contract }
        } else {
            start_guard();
            self.sides.source(self.contract_path(), &self.artifacts_dir)?
        };
        let names = self.endpoint.as_slice();
        let checks = CheckSelection { names, fixture: self.fixture.as_deref() };
        Ok(ComparisonRequest {
            contract_path: self.contract_path(),
            selection: ItemSelection { checks, operations: &self.operation },
            regression_percent: self.regression_threshold.map(|ratio| ratio * 100.0),
            time_max: self.time_budget,
            counts_instructions: !self.no_instructions,
            sessions_directory: Some(&self.artifacts_dir),
            ..ComparisonRequest::of(source)
        })
    }

    /// Says where everything is filed.
    fn say_where(
        &self,
        passport: &Path,
        baseline: Option<&Path>,
        causes: &[PathBuf],
    ) -> Result<(), Failure> {
        let say = |what: &str, path| self.output.note(&format!("{what} {}", terminal::path(path)));
        say("passport", passport)?;
        baseline.map_or(Ok(()), |path| say("baseline", path))?;
        causes.iter().try_for_each(|path| say("causes  ", path))
    }
}

/// Where the passports of a comparison are filed.
struct KeptPassports {
    passport: Result<PathBuf, StoreError>,
    /// `None` where the passport could not be filed.
    baseline: Result<Option<PathBuf>, StoreError>,
}

impl KeptPassports {
    fn keep(directory: &Path, passport: &Passport, baseline: &Passport) -> Self {
        let passport = store::keep(directory, passport);
        let baseline = match &passport {
            Ok(path) => {
                let name = format!("baseline_{}.json", store::run_name(path));
                let path = path.with_file_name(name);
                store::write(&path, baseline).map(|()| Some(path))
            }
            Err(_) => Ok(None),
        };
        Self { passport, baseline }
    }
}

/// Says what a comparison is doing.
fn note(progress: ComparisonProgress<'_>) {
    let line = match progress {
        ComparisonProgress::Building { role, reference } => format!("{role}: {reference}"),
        ComparisonProgress::BuildOutput(line) => line.to_owned(),
        ComparisonProgress::SessionsUnreadable { path, reason } => {
            let path = path.display();
            format!("cannot read the sessions `{path}`, new ones are held: {reason}")
        }
        ComparisonProgress::SessionsKept { items } => {
            format!("sessions of an earlier comparison of these builds count for {items} of them")
        }
        ComparisonProgress::Observing { checks, operations } => {
            format!("observing {} of each side", counted_items(checks, operations))
        }
        ComparisonProgress::SameCode { items } => {
            format!("the same code: {items} of them did the same, and are not measured further")
        }
        ComparisonProgress::CountingInstructions { items } => {
            format!("counting the instructions of {items} of them on both sides")
        }
        ComparisonProgress::Sessions(SessionProgress::Round { first, sessions, items }) => {
            let numbers = match sessions {
                1 => format!("session {first}"),
                _ => format!("sessions {first} to {}", first + sessions as u64 - 1),
            };
            format!("{numbers}: {items} to decide")
        }
        ComparisonProgress::Sessions(SessionProgress::Failed(error)) => {
            format!("session failed: {error}")
        }
        ComparisonProgress::SeekingCauses { items, left_out } => {
            let more = if left_out > 0 {
                format!(", and not into {left_out} more")
            } else {
                String::new()
            };
            format!("looking into {items} of them on both sides{more}")
        }
        _ => return,
    };
    terminal::note(&escaped(&line));
}

/// `20 checks and 3 operations`.
fn counted_items(checks: usize, operations: usize) -> String {
    let of_checks = counted(checks as u64, "check");
    let of_operations = counted(operations as u64, "operation");
    match (checks, operations) {
        (_, 0) => of_checks,
        (0, _) => of_operations,
        _ => format!("{of_checks} and {of_operations}"),
    }
}
