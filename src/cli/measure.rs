//! What every command that measures has in common.

use std::{
    collections::BTreeSet,
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::anyhow;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{
    exit::{Code, Failure},
    input,
    terminal::{self, Reporter},
};
use crate::{
    clock::{Clock, SystemClock},
    contract::{Check, Contract},
    passport::{Passport, ProbeKind},
    pipeline::{self, Circumstances, Session},
    probe::{HttpSettings, HttpTarget, Target, wait_until_up},
    process_memory, report, store,
    units::{BYTES_PER_MB, Bytes, Nanos},
};

/// How long a service that is starting is waited for, unless the user says otherwise.
const WAIT_SECONDS: u32 = 60;

/// The largest contract that is read.
const CONTRACT_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// Arguments of every command that measures.
#[derive(Debug, Args)]
pub(super) struct Measuring {
    /// The contract
    #[arg(long, value_name = "FILE", default_value = "passport.toml")]
    pub(super) contract: PathBuf,
    /// Measure the service at this base URL instead of the contract's target
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Read process memory of this process, the running service
    #[arg(long)]
    pid: Option<u32>,
    /// Wait so many seconds for a running service to answer; 60 when left out
    #[arg(long, value_name = "SECONDS")]
    wait_timeout: Option<u32>,
    /// Measure only checks on this fixture: the state that the service at --api-url is in
    #[arg(long, value_name = "NAME")]
    fixture: Option<String>,
    /// Measure only this endpoint, check (`endpoint/variant`) or path; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) endpoint: Vec<String>,
    /// Take so many latency samples of each check
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) iterations: Option<u32>,
    /// The database of the reference service in process: `postgres://...`; SQLite otherwise
    #[cfg(feature = "ledger")]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Plain lines instead of a progress bar and colours
    #[arg(long)]
    pub(super) ci: bool,
    /// Say more
    #[arg(short, long)]
    pub(super) verbose: bool,
}

/// The checks to measure, by [`Check::id`], in the order of the contract; never empty.
pub(super) struct Selection(Vec<String>);

impl Selection {
    /// Checks of the contract that are not among them.
    pub(super) fn left_out(&self, contract: &Contract) -> usize {
        contract.checks.len() - self.0.len()
    }
}

/// A passport that was just measured, and whether the user cut it short.
pub(super) struct Outcome {
    pub(super) passport: Passport,
    pub(super) interrupted: bool,
}

impl Outcome {
    /// The exit code of a command that gates on the checks that were selected.
    pub(super) fn code(&self) -> Code {
        if self.interrupted { Code::Interrupted } else { Code::of(&self.passport) }
    }
}

impl Measuring {
    /// Reads the contract, with the samples that `--iterations` asks for, and refuses arguments that
    /// are not for its target.
    pub(super) fn read_contract(&self) -> Result<Contract, Failure> {
        let mut contract = read_contract(&self.contract)?;
        if let Some(samples) = self.iterations {
            contract.sampling.samples = samples;
        }
        self.refuse_what_does_not_apply(&contract)?;
        Ok(contract)
    }

    /// The directory of the contract: what it names is relative to it.
    pub(super) fn directory(&self) -> &Path {
        let parent = self.contract.parent();
        parent.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
        Selection(selected): &Selection,
        baseline: Option<&Passport>,
    ) -> Result<Outcome, Failure> {
        let interrupted = watch_signals()?;
        let stop = || interrupted.load(Ordering::Relaxed);
        let clock = SystemClock::start();
        let (mut target, kind, name) = self.target(contract, &clock, &stop)?;
        let reporter = Reporter::new(selected.len(), self.ci, self.verbose);
        let run = pipeline::measure(
            contract,
            &mut Session {
                target: target.as_mut(),
                clock: &clock,
                environment: &variable,
                stop: &stop,
                progress: &mut |progress| reporter.show(progress),
            },
            &|check: &Check| selected.contains(&check.id()),
        );
        reporter.finish();
        let circumstances = Circumstances::current(kind, name, self.directory());
        let passport = pipeline::passport(contract, run?, circumstances, baseline)?;
        Ok(Outcome { passport, interrupted: stop() })
    }

    /// Refuses what would be read and not heeded.
    fn refuse_what_does_not_apply(&self, contract: &Contract) -> Result<(), Failure> {
        let running = self.api_url.is_some() || contract.document.target.url.is_some();
        let needs_running = [("--pid", self.pid), ("--wait-timeout", self.wait_timeout)];
        if let Some((name, _)) = needs_running.iter().find(|(_, it)| !running && it.is_some()) {
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
        self.select_of(contract, &contract.checks.iter().collect::<Vec<_>>())
    }

    /// Those of some checks of the contract that `--fixture` and `--endpoint` select.
    pub(super) fn select_of(
        &self,
        contract: &Contract,
        checks: &[&Check],
    ) -> Result<Selection, Failure> {
        if contract.checks.is_empty() {
            return Err(Failure::usage(anyhow!(
                "the contract has operations alone: they are measured by a test target of yours that \
                 uses the harness, or taken over by `passport import criterion`"
            )));
        }
        let running = self.api_url.is_some() || contract.document.target.url.is_some();
        let on_fixture = on_fixture(checks, self.fixture.as_deref(), running)?;
        let named = named(checks.to_vec(), &self.endpoint)?;
        let selected = both(&named, &on_fixture)?;
        Ok(Selection(selected.iter().map(|check| check.id()).collect()))
    }

    fn target(
        &self,
        contract: &Contract,
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
            })
            .map_err(Failure::usage)?;
            let seconds = u64::from(self.wait_timeout.unwrap_or(WAIT_SECONDS));
            let deadline = Nanos::from_duration(std::time::Duration::from_secs(seconds));
            let path = contract.checks.first().map_or("/", |it| it.requests[0].path.as_str());
            match wait_until_up(&target, path, deadline, clock, stop) {
                Err(_) if stop() => {
                    return Err(Failure::new(Code::Interrupted, anyhow!("interrupted")));
                }
                waited => waited?,
            }
            return Ok((Box::new(target), ProbeKind::Http, url.clone()));
        }
        let Some(service) = &written.service else {
            return Err(Failure::usage(anyhow!(
                "contract `{}` names no [target]: give --api-url URL",
                self.contract.display()
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
        use crate::{ledger, probe::InProcessTarget, text::escaped};
        if name != "ledger" {
            return Err(unknown_service(name));
        }
        // Besides the fixtures that hold rows there is the one that holds none that can be read.
        let known = |name: &&str| *name == "broken" || name.parse::<ledger::Fixture>().is_ok();
        if let Some(name) = contract.fixtures().into_iter().find(|name| !known(name)) {
            return Err(Failure::usage(anyhow!(
                "contract `{}` has checks on fixture `{}`, and service `ledger` knows empty, zeros, \
                 normal, huge and broken",
                self.contract.display(),
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
        Ok((Box::new(InProcessTarget::new(contract.sampling, factory)?), kind))
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

/// Reads a contract from a file.
pub(super) fn read_contract(path: &Path) -> Result<Contract, Failure> {
    let text = contract_text(path)?;
    Contract::parse(&text).map_err(|error| unreadable(path, &error))
}

/// The text of a contract, whatever is in it.
pub(super) fn contract_text(path: &Path) -> Result<String, Failure> {
    let refused = |why: &dyn Display| unreadable(path, why);
    let bytes = input::read(path, CONTRACT_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            refused(&"there is none; write one, or name it with --contract FILE")
        }
        _ => refused(&error),
    })?;
    let text = str::from_utf8(&bytes).map_err(|error| refused(&error))?;
    Ok(text.to_owned())
}

fn unreadable(contract: &Path, why: &dyn Display) -> Failure {
    Failure::usage(anyhow!("cannot read contract `{}`: {why}", contract.display()))
}

/// Those of some checks that are named by endpoint, check or path; all when no name is given.
pub(super) fn named<'a>(
    mut checks: Vec<&'a Check>,
    wanted: &[String],
) -> Result<Vec<&'a Check>, Failure> {
    for name in wanted {
        if !checks.iter().any(|check| names(check, name)) {
            return Err(Failure::usage(anyhow!("no endpoint, check or path is named `{name}`")));
        }
    }
    checks.retain(|check| wanted.is_empty() || wanted.iter().any(|name| names(check, name)));
    Ok(checks)
}

/// Those of some checks that are on a fixture; all when none is named. A running service is in one
/// state, so then one must be named where there are several.
pub(super) fn on_fixture<'a>(
    checks: &[&'a Check],
    wanted: Option<&str>,
    running: bool,
) -> Result<Vec<&'a Check>, Failure> {
    let mut fixtures: Vec<&str> = checks.iter().map(|it| it.fixture.as_str()).collect();
    let mut seen = BTreeSet::new();
    fixtures.retain(|name| seen.insert(*name));
    if let Some(name) = wanted.filter(|name| !fixtures.contains(name)) {
        return Err(Failure::usage(anyhow!(
            "no check is on fixture `{name}`; the contract has {}",
            fixtures.join(", ")
        )));
    }
    if running && wanted.is_none() && fixtures.len() > 1 {
        return Err(Failure::usage(anyhow!(
            "a running service is in one state, and the contract has checks on {}: say which \
             with --fixture",
            fixtures.join(", ")
        )));
    }
    let mut checks = checks.to_vec();
    checks.retain(|check| wanted.is_none_or(|name| check.fixture == name));
    Ok(checks)
}

/// The checks that are in both selections, of which there is at least one.
pub(super) fn both<'a>(some: &[&'a Check], others: &[&Check]) -> Result<Vec<&'a Check>, Failure> {
    let in_others = |check: &&Check| others.iter().any(|it| it.id() == check.id());
    let both: Vec<&Check> = some.iter().copied().filter(in_others).collect();
    if both.is_empty() {
        return Err(Failure::usage(anyhow!("no check is left to measure")));
    }
    Ok(both)
}

fn unknown_service(name: &str) -> Failure {
    Failure::usage(anyhow!(
        "this program cannot build service `{name}` in process: give --api-url URL, or measure your \
         own service from a test of yours"
    ))
}

/// Whether a check goes by this name: endpoint, `endpoint/variant`, or the path it asks for.
fn names(check: &Check, name: &str) -> bool {
    check.endpoint == name
        || check.id() == name
        || check.requests.iter().any(|request| request.path == name)
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

/// Prints table, claims at fault and summary.
pub(super) fn print_report(passport: &Passport, ci: bool) -> Result<(), Failure> {
    let style = terminal::style(ci);
    let mut text = report::passport_table(passport, style);
    let operations = report::operations_table(passport, style);
    if !text.is_empty() && !operations.is_empty() {
        text.push('\n');
    }
    text.push_str(&operations);
    let faults = report::claims_at_fault(passport, style);
    if !faults.is_empty() {
        text.push('\n');
        text.push_str(&faults);
    }
    text.push('\n');
    text.push_str(&report::summary_lines(passport, style));
    Ok(terminal::print(&text)?)
}

/// The first Ctrl-C (or SIGTERM) sets the flag, the second ends the process with 130.
pub(super) fn watch_signals() -> Result<Arc<AtomicBool>, Failure> {
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
    std::env::var(name).ok()
}
