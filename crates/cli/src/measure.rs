//! What every command that measures has in common.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::anyhow;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

#[cfg(target_os = "linux")]
use super::measure_code::{self, CodeArguments, HarnessTarget};
use super::{
    clock,
    contract_file::{self, contract_or_paths, directory_of},
    duration,
    exit::{Code, Failure},
    limits,
    outcome::CommandOutcome,
    output::Output,
    selection::Selection,
    terminal::{self, Reporter},
};
use perf_passport::{
    clock::Clock,
    contract::{Check, CheckSelection, Contract},
    passport::{Passport, ProbeKind, SaidCommit},
    pipeline::{self, Circumstances, Progress, Run, RunContext},
    probe::{HttpSettings, HttpTarget, ReadyWhen, Target, wait_until_ready},
    process_memory, store,
    text::printable,
    timestamp::rfc3339,
    units::Nanos,
};
#[cfg(target_os = "linux")]
use perf_passport_compare::Watch;
use perf_passport_history::git::{NamedCommit, Repository};

/// How long a service that is starting is waited for, unless the user says otherwise.
const WAIT: Nanos = Nanos::new(60_000_000_000);

/// Arguments of every command that measures.
#[derive(Debug, Args)]
pub(super) struct Measuring {
    /// The contract; `passport.toml` when left out
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// Measure the service at this base URL instead of the contract's target
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Read process memory of this process, the running service
    #[arg(long)]
    pid: Option<u32>,
    /// Trust the certificates in this file (PEM) too, for a running service at an https URL
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Wait so long for a running service to answer, such as 20s or 2m; 60s when left out
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    wait_timeout: Option<Nanos>,
    /// The commit that the service at --api-url was built from: the passport says that it was said
    #[arg(long, value_name = "REF")]
    commit: Option<String>,
    /// Measure only checks on this fixture: the state that the service at --api-url is in
    #[arg(long, value_name = "NAME")]
    fixture: Option<String>,
    /// Measure only this endpoint, check (`endpoint/variant`) or path; may be repeated. With --api-url and
    /// no contract: GET this path
    #[arg(long, value_name = "NAME")]
    pub(super) endpoint: Vec<String>,
    #[cfg(target_os = "linux")]
    #[command(flatten)]
    code: CodeArguments,
    /// Take so many latency samples of each check
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) iterations: Option<u32>,
    /// The database of the reference service in process: `postgres://...`; SQLite otherwise
    #[cfg(feature = "ledger")]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
    /// Plain lines instead of a progress bar and colours
    #[arg(long)]
    pub(super) ci: bool,
    /// Say more
    #[arg(short, long)]
    pub(super) verbose: bool,
}

impl Measuring {
    /// Reads the contract, with the samples that `--iterations` asks for, and refuses arguments that
    /// are not for its target.
    pub(super) fn read_contract(&self) -> Result<Contract, Failure> {
        let named = self.contract.as_deref();
        let text = contract_or_paths(named, self.api_url.is_some(), &self.endpoint)?;
        let mut contract = contract_file::parse(self.contract_path(), &text)?;
        if let Some(samples) = self.iterations {
            contract.sampling.samples = samples;
        }
        self.refuse_what_does_not_apply(&contract)?;
        Ok(contract)
    }

    /// The contract's file, which need not be there.
    pub(super) fn contract_path(&self) -> &Path {
        self.contract.as_deref().unwrap_or(Path::new(contract_file::DEFAULT))
    }

    /// The directory of the contract: what it names is relative to it.
    pub(super) fn directory(&self) -> &Path {
        directory_of(self.contract_path())
    }

    /// The baseline's file: the one given, else the contract's.
    pub(super) fn baseline_path(
        &self,
        given: Option<&PathBuf>,
        contract: &Contract,
    ) -> Option<PathBuf> {
        let named = || contract.document.baseline.as_ref().map(|it| self.directory().join(it));
        given.cloned().or_else(named)
    }

    /// Measures these checks and makes their passport.
    pub(super) fn run(
        &self,
        contract: &Contract,
        selection: &Selection,
        baseline: Option<&Passport>,
    ) -> Result<CommandOutcome, Failure> {
        let interrupted = watch_signals()?;
        let stop = || interrupted.load(Ordering::Relaxed);
        let clock = clock::started()?;
        let timestamp = rfc3339(clock.now());
        let said_commit = self.said_commit(contract)?;
        // What cannot be built or started is found before anything is measured.
        #[cfg(target_os = "linux")]
        let watch = Watch { clock: &clock, stop: &stop };
        #[cfg(target_os = "linux")]
        let harness = self.code.open(self.contract_path(), watch)?;
        #[cfg(target_os = "linux")]
        let code = harness.as_ref().map(|it| it.measure_operations(contract, watch)).transpose()?;
        #[cfg(target_os = "linux")]
        let by_harness = harness.filter(|_| self.has_no_target(contract));
        let (mut run, kind, name) = if selection.checks.is_empty() {
            let none =
                Run { timestamp, measured: Vec::new(), operations: Vec::new(), complete: true };
            (none, ProbeKind::InProcess, contract.name.clone())
        } else {
            #[cfg(target_os = "linux")]
            let measured = match &by_harness {
                Some(harness) => self.ask_harness(harness, contract, selection, watch)?,
                None => self.measure_checks(contract, selection, &clock, &stop)?,
            };
            #[cfg(not(target_os = "linux"))]
            let measured = self.measure_checks(contract, selection, &clock, &stop)?;
            measured
        };
        let mut circumstances = Circumstances::current(kind, name, self.directory());
        circumstances.provenance.said_commit = said_commit;
        #[cfg(target_os = "linux")]
        if let Some(code) = code {
            let built = &mut circumstances.provenance.build;
            if selection.checks.is_empty() || by_harness.is_some() {
                *built = Some(code.build);
            } else if built.as_ref().is_some_and(|it| *it != code.build) {
                return Err(Failure::usage(anyhow!(
                    "the target that declares the operations is built with {} at level {}, and not \
                     as this program, so that one passport cannot hold both",
                    code.build.rustc,
                    code.build.opt_level
                )));
            }
            run.operations = code.cases;
            run.complete &= code.complete;
        }
        let passport = pipeline::passport(contract, run, circumstances, baseline)?;
        #[cfg(target_os = "linux")]
        if let Some(sentence) = measure_code::left_out(contract, &passport.operations_left_out)
            && selection.whole
        {
            terminal::note(&sentence);
        }
        Ok(CommandOutcome { passport, interrupted: stop(), whole: selection.whole })
    }

    /// The commit that is said of a running service.
    fn said_commit(&self, contract: &Contract) -> Result<Option<SaidCommit>, Failure> {
        let Some(reference) = &self.commit else { return Ok(None) };
        if !self.measures_running(contract) {
            return Err(Failure::usage(anyhow!(
                "--commit says what a running service was built from, and there is none: give \
                 --api-url URL"
            )));
        }
        let NamedCommit { commit, tree } =
            Repository::needed(self.directory())?.named(reference)?;
        let reference = printable(reference.as_bytes(), 200);
        Ok(Some(SaidCommit { reference, commit, commit_tree: tree }))
    }

    /// Measures these checks, of which there is at least one.
    fn measure_checks(
        &self,
        contract: &Contract,
        selection: &Selection,
        clock: &dyn Clock,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Run, ProbeKind, String), Failure> {
        let selected = |check: &&Check| selection.checks.contains(&check.id());
        let checks: Vec<&Check> = contract.checks.iter().filter(selected).collect();
        let (mut target, kind, name) = self.target(contract, &checks, clock, stop)?;
        let reporter = Reporter::new(selection.checks.len(), self.ci, self.verbose);
        let run = pipeline::measure(
            contract,
            &mut RunContext {
                target: target.as_mut(),
                clock,
                environment: &variable,
                stop,
                progress: &mut |progress| match progress {
                    // Nobody loads anything into a service that runs already.
                    Progress::Fixture(_) if kind == ProbeKind::Http => {}
                    progress => reporter.show(progress),
                },
            },
            &|check: &Check| selection.checks.contains(&check.id()),
        );
        reporter.finish();
        Ok((run?, kind, name))
    }

    /// Measures these checks, of which there is at least one, by a target of the user's.
    #[cfg(target_os = "linux")]
    fn ask_harness(
        &self,
        harness: &HarnessTarget,
        contract: &Contract,
        selection: &Selection,
        watch: Watch<'_>,
    ) -> Result<(Run, ProbeKind, String), Failure> {
        let is_selected = |check: &&Check| selection.checks.contains(&check.id());
        let checks: Vec<&Check> = contract.checks.iter().filter(is_selected).collect();
        let reporter = Reporter::new(checks.len(), self.ci, self.verbose);
        let run = harness.measure_checks(contract, &checks, watch, &mut |it| reporter.show(it));
        reporter.finish();
        Ok((run?, ProbeKind::InProcess, contract.name.clone()))
    }

    /// Whether neither the contract nor the command line says where the checks are measured.
    #[cfg(target_os = "linux")]
    fn has_no_target(&self, contract: &Contract) -> bool {
        !self.measures_running(contract) && contract.document.target.service.is_none()
    }

    /// Refuses what would be read and not heeded.
    fn refuse_what_does_not_apply(&self, contract: &Contract) -> Result<(), Failure> {
        let running = self.measures_running(contract);
        let needs_running = [
            ("--ca-file", self.ca_file.is_some()),
            ("--pid", self.pid.is_some()),
            ("--wait-timeout", self.wait_timeout.is_some()),
        ];
        if let Some((name, _)) = needs_running.iter().find(|(_, given)| !running && *given) {
            return Err(Failure::usage(anyhow!(
                "{name} is for a running service, and the contract's is built in process: give \
                 --api-url URL, or leave it out"
            )));
        }
        #[cfg(feature = "ledger")]
        if running && self.database.is_some() {
            return Err(Failure::usage(anyhow!(
                "--database is for a service that is built in process, and a running one is \
                 measured: leave it out"
            )));
        }
        Ok(())
    }

    /// The checks that `--fixture` and `--endpoint` select; all when neither is given.
    pub(super) fn select(&self, contract: &Contract) -> Result<Selection, Failure> {
        let all: Vec<&Check> = contract.checks.iter().collect();
        let whole = self.selection(contract).is_everything();
        if whole && all.is_empty() && self.measures_code() {
            return Ok(Selection { checks: Vec::new(), whole });
        }
        Ok(Selection { whole, ..self.select_of(contract, &all)? })
    }

    /// What `--fixture` and `--endpoint` ask for. A running service is in one state, which the contract
    /// may tell.
    fn selection<'a>(&'a self, contract: &'a Contract) -> CheckSelection<'a> {
        let state = contract.document.target.fixture.as_deref();
        let state = state.filter(|_| self.measures_running(contract));
        CheckSelection { names: &self.endpoint, fixture: self.fixture.as_deref().or(state) }
    }

    /// The checks that can be measured: all of them in process, and of a running service those on the
    /// state that it is in.
    pub(super) fn measurable<'c>(&self, contract: &'c Contract) -> Vec<&'c Check> {
        let fixture = self.selection(contract).fixture;
        let fixture = fixture.filter(|_| self.measures_running(contract));
        let measurable = |it: &&Check| fixture.is_none_or(|name| it.fixture == name);
        contract.checks.iter().filter(measurable).collect()
    }

    /// Whether a service is measured that runs already.
    fn measures_running(&self, contract: &Contract) -> bool {
        self.api_url.is_some() || contract.document.target.url.is_some()
    }

    /// Whether a target for the operations is named.
    fn measures_code(&self) -> bool {
        #[cfg(target_os = "linux")]
        let given = self.code.are_given();
        #[cfg(not(target_os = "linux"))]
        let given = false;
        given
    }

    /// Those of some checks of the contract that `--fixture` and `--endpoint` select.
    pub(super) fn select_of(
        &self,
        contract: &Contract,
        checks: &[&Check],
    ) -> Result<Selection, Failure> {
        if contract.checks.is_empty() {
            return Err(Failure::usage(anyhow!(
                "the contract has operations alone: give --harness NAME, a test target or benchmark \
                 of yours that declares them, or have them taken over by `passport import criterion`"
            )));
        }
        let running = self.measures_running(contract);
        let wanted = self.selection(contract);
        let selected =
            if running { wanted.select_of_running(checks)? } else { wanted.select(checks)? };
        let checks = selected.iter().map(|check| check.id()).collect();
        Ok(Selection { checks, whole: false })
    }

    fn target(
        &self,
        contract: &Contract,
        checks: &[&Check],
        clock: &dyn Clock,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Box<dyn Target>, ProbeKind, String), Failure> {
        let written = &contract.document.target;
        if let Some(url) = self.api_url.as_ref().or(written.url.as_ref()) {
            if let Some(pid) = self.pid {
                process_memory::read_pid(pid).map_err(|error| {
                    Failure::usage(anyhow!("cannot read the memory of process {pid}: {error}"))
                })?;
            }
            let target = HttpTarget::new(HttpSettings {
                base_url: url.clone(),
                timeout: contract.sampling.timeout,
                body_max: contract.sampling.body_max,
                pid: self.pid,
                ca_file: self.ca_file.clone(),
            })
            .map_err(Failure::usage)?;
            let deadline = self.wait_timeout.unwrap_or(WAIT);
            let when = ReadyWhen::of(contract, checks, &variable);
            match wait_until_ready(&target, &when, deadline, clock, stop) {
                Err(_) if stop() => {
                    return Err(Failure::new(Code::Interrupted, anyhow!("interrupted")));
                }
                waited => waited?,
            };
            return Ok((Box::new(target), ProbeKind::Http, url.clone()));
        }
        let Some(service) = &written.service else {
            return Err(Failure::usage(anyhow!(
                "contract `{}` names no [target]: give --api-url URL, or --harness NAME for a test \
                 target of yours",
                self.contract_path().display()
            )));
        };
        let (target, database) = self.service(contract, service)?;
        Ok((target, ProbeKind::InProcess, format!("{service} ({database})")))
    }

    /// A service that this program knows, and the kind of its database: counts depend on it.
    #[cfg(feature = "ledger")]
    fn service(
        &self,
        contract: &Contract,
        name: &str,
    ) -> Result<(Box<dyn Target>, &'static str), Failure> {
        use perf_passport::{probe::InProcessTarget, text::escaped};
        use perf_passport_ledger as ledger;
        if name != "ledger" {
            return Err(unknown_service(name));
        }
        // Besides the fixtures that hold rows there is the one that holds none that can be read.
        let known = |name: &&str| *name == "broken" || name.parse::<ledger::Fixture>().is_ok();
        if let Some(name) = contract.fixtures().into_iter().find(|name| !known(name)) {
            return Err(Failure::usage(anyhow!(
                "contract `{}` has checks on fixture `{}`, and service `ledger` knows empty, zeros, \
                 normal, huge and broken",
                self.contract_path().display(),
                escaped(name)
            )));
        }
        if self.database.as_deref().is_some_and(|it| !it.starts_with("postgres")) {
            return Err(Failure::usage(anyhow!(
                "--database is not the URL of a PostgreSQL server: write postgres://HOST/NAME, or \
                 leave it out for SQLite"
            )));
        }
        let kind = if self.database.is_some() { "postgresql" } else { "sqlite" };
        let (seed, database) = (contract.document.target.seed, self.database.clone());
        let factory = move |fixture: String| {
            let database = database.clone();
            async move { ledger::service_for_fixture(&fixture, seed, database.as_deref()).await }
        };
        Ok((Box::new(InProcessTarget::new(contract.sampling, factory)), kind))
    }

    #[cfg(not(feature = "ledger"))]
    fn service(
        &self,
        _: &Contract,
        name: &str,
    ) -> Result<(Box<dyn Target>, &'static str), Failure> {
        Err(unknown_service(name))
    }
}

fn unknown_service(name: &str) -> Failure {
    Failure::usage(anyhow!(
        "this program cannot build service `{name}` in process: give --api-url URL, or measure your \
         own service from a test of yours"
    ))
}

/// Reads and verifies the baseline, and refuses one that proves nothing.
pub(super) fn read_baseline(path: &Path) -> Result<Passport, Failure> {
    if !path.exists() {
        return Err(Failure::usage(anyhow!(
            "cannot read baseline `{}`: there is none; make it with `passport baseline`",
            path.display()
        )));
    }
    let baseline = store::read(path)?;
    if let Some(why) = baseline.unfit_as_baseline() {
        return Err(Failure::usage(anyhow!(
            "cannot compare with `{}`: {why}; make one with `passport baseline`",
            path.display()
        )));
    }
    Ok(baseline)
}

/// The first Ctrl-C (or SIGTERM) sets the flag, the second ends the process with 130.
pub(super) fn watch_signals() -> Result<Arc<AtomicBool>, Failure> {
    limits::refuse_too_few_files()?;
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let interrupted = i32::from(Code::Interrupted as u8);
        signal_hook::flag::register_conditional_shutdown(signal, interrupted, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| Failure::usage(anyhow!("cannot watch for signals: {error}")))?;
    }
    Ok(flag)
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    // A secret that nobody gave is empty, as in the pull request of a fork.
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
