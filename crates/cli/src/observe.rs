//! `passport observe`: the counters of a running service, held against the contract.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::anyhow;
use clap::Args;

use super::{
    clock,
    contract_file::{self, directory_of, read_contract},
    document::write_passport,
    duration,
    exit::{Code, Failure},
    measure::{variable, watch_signals},
    outcome::Gating,
    output::Output,
    terminal,
};
use perf_passport::{
    clock::{Clock, SystemClock},
    contract::Contract,
    files,
    passport::{ProbeKind, SaidCommit},
    pipeline::{Circumstances, observed_passport},
    production::ProductionEvidence,
    report::{Report, Scope},
    text::printable,
    units::{Bytes, Nanos},
};
use perf_passport_history::git::{NamedCommit, Repository};
use perf_passport_monitor::{
    budgets::Budgets,
    observe::{Access, Credentials, ObserveError, Pace, Prometheus, Scraper},
};

/// What is observed unless the user says otherwise: of a Prometheus, and by scrapes.
const OF_PROMETHEUS: Nanos = Nanos::new(3_600_000_000_000);
const OF_SCRAPES: Nanos = Nanos::new(30_000_000_000);
/// The shortest and the longest time: a second, and 90 days.
const LENGTH_MIN: Nanos = Nanos::new(1_000_000_000);
const LENGTH_MAX: Nanos = Nanos::new(90 * 86_400 * 1_000_000_000);
/// The largest file of a secret.
const SECRET_MAX: Bytes = Bytes::new(65_536);
/// Between two looks at whether the user wants it to end.
const LOOK: Duration = Duration::from_millis(50);
/// Variables of secrets that no file has, and of the host that they are for.
const TOKEN: &str = "PASSPORT_OBSERVE_TOKEN";
const PASSWORD: &str = "PASSPORT_OBSERVE_PASSWORD";
const HOST: &str = "PASSPORT_OBSERVE_HOST";

/// Hold the counters of a running service against the objectives and budgets of the contract, and gate.
#[derive(Debug, Args)]
pub(super) struct ObserveArguments {
    /// The contract, with `[service]`
    #[arg(long, value_name = "FILE", default_value = contract_file::DEFAULT)]
    contract: PathBuf,
    /// Ask the Prometheus at this base URL for what it scraped
    #[arg(long, value_name = "URL", conflicts_with = "scrape", required_unless_present = "scrape")]
    prometheus: Option<String>,
    /// Scrape the service itself, several times; at /metrics where the URL has no path
    #[arg(long, value_name = "URL")]
    scrape: Option<String>,
    /// Observe so much time, such as 30s, 1h or 7d; 1h of a Prometheus and 30s by scrapes when left out
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    length: Option<Nanos>,
    /// Observe until this moment, as RFC 3339 or seconds since 1970; until now when left out
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with = "scrape")]
    at: Option<i64>,
    /// A file with the bearer token; `PASSPORT_OBSERVE_TOKEN` of the environment when left out, where
    /// `PASSPORT_OBSERVE_HOST` names the host of the URL
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    token_file: Option<PathBuf>,
    /// The user of basic authentication
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file with the password; `PASSPORT_OBSERVE_PASSWORD` of the environment when left out, likewise
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM) too, at an https URL
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send the token or password also without TLS to another machine
    #[arg(long)]
    allow_plain_http: bool,
    /// The commit that the service was built from: the passport says that it was said
    #[arg(long, value_name = "REF")]
    commit: Option<String>,
    /// Where the passport is written
    #[arg(short, long, value_name = "FILE", default_value = "production_passport.json")]
    output: PathBuf,
    #[command(flatten)]
    gating: Gating,
    #[command(flatten)]
    format: Output,
    /// No colours
    #[arg(long)]
    ci: bool,
}

pub(super) fn run(arguments: &ObserveArguments) -> Result<ExitCode, Failure> {
    let contract = read_contract(&arguments.contract)?;
    let directory = directory_of(&arguments.contract);
    let said_commit = said_commit(arguments.commit.as_deref(), directory)?;
    let length = arguments.length()?;
    let access = arguments.access()?;
    let budgets = Budgets::of(&contract).map_err(Failure::usage)?;
    let budgets = budgets.map(|it| it.digest());
    let interrupted = watch_signals()?;
    let clock = clock::started()?;
    let (evidence, is_whole) = if arguments.scrape.is_some() {
        scrape(&contract, &access, (length, &clock), budgets, &interrupted)?
    } else {
        let mut prometheus = Prometheus::new(&access, &contract).map_err(failure)?;
        let evidence = prometheus.observe(&contract, arguments.at, length, budgets);
        (evidence.map_err(failure)?, true)
    };
    let mut around = Circumstances::current(ProbeKind::Production, access.shown(), directory);
    around.provenance.said_commit = said_commit;
    let passport = observed_passport(&contract, evidence, around, is_whole)?;
    let written = write_passport(&arguments.output, &passport);
    let report = Report::of_passport(&passport, Scope::Measured);
    arguments.format.print_beside(Some(&arguments.output), &report, arguments.ci)?;
    written?;
    arguments.format.note_written("", "passport", &arguments.output)?;
    let code = if is_whole { Code::of(&passport) } else { Code::Interrupted };
    Ok(arguments.gating.take(code).into())
}

fn scrape(
    contract: &Contract,
    access: &Access,
    (length, clock): (Nanos, &SystemClock),
    budgets: Option<String>,
    interrupted: &AtomicBool,
) -> Result<(ProductionEvidence, bool), Failure> {
    let mut wait = |time: Nanos| {
        let until = clock.elapsed().saturating_add(time);
        loop {
            let left = until.saturating_sub(clock.elapsed()).to_duration();
            if interrupted.load(Ordering::Relaxed) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
    };
    let mut scraper = Scraper::new(access, contract).map_err(failure)?;
    scraper.observe(contract, Pace::of(length), budgets, clock, &mut wait).map_err(failure)
}

impl ObserveArguments {
    fn length(&self) -> Result<Nanos, Failure> {
        let default = if self.scrape.is_some() { OF_SCRAPES } else { OF_PROMETHEUS };
        let length = self.length.unwrap_or(default);
        if (LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return Ok(length);
        }
        Err(Failure::usage(anyhow!("--for is a second at least, and 90 days at most")))
    }

    fn access(&self) -> Result<Access, Failure> {
        let url = self.prometheus.as_ref().or(self.scrape.as_ref()).cloned().unwrap_or_default();
        let (ca_file, allow_plain_http) = (self.ca_file.clone(), self.allow_plain_http);
        let access = Access { url, credentials: Credentials::None, ca_file, allow_plain_http };
        let credentials = match &self.user {
            Some(user) => {
                let file = self.password_file.as_deref();
                let password = secret("--password-file", file, PASSWORD, &access)?;
                let none = || {
                    anyhow!(
                        "--user needs --password-file, or {PASSWORD} in the environment and the host of \
                         the URL in {HOST}"
                    )
                };
                let password = password.ok_or_else(|| Failure::usage(none()))?;
                if user.contains(':') {
                    return Err(Failure::usage(anyhow!("--user holds a colon, which no user can")));
                }
                Credentials::Basic { user: user.clone(), password }
            }
            None => match secret("--token-file", self.token_file.as_deref(), TOKEN, &access)? {
                Some(token) => Credentials::Bearer(token),
                None => Credentials::None,
            },
        };
        Ok(Access { credentials, ..access })
    }
}

/// A secret of a file, or else of the environment.
fn secret(
    of: &str,
    file: Option<&Path>,
    name: &str,
    access: &Access,
) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(secret_of_environment(name, access)) };
    let refused = |why: &dyn std::fmt::Display| {
        Failure::usage(anyhow!("cannot read {of} `{}`: {why}", file.display()))
    };
    let bytes = files::read(file, SECRET_MAX).map_err(|error| refused(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| refused(&"it is not text"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(refused(&"it is empty"));
    }
    Ok(Some(text.to_owned()))
}

/// A secret of the environment, where that says that it is for the host which is asked. A variable may have
/// been set for another one.
fn secret_of_environment(name: &str, access: &Access) -> Option<String> {
    let secret = variable(name)?;
    let of = variable(HOST).unwrap_or_default();
    let is_of_it = [access.host(), access.host_and_port()]
        .into_iter()
        .any(|it| !it.is_empty() && it.eq_ignore_ascii_case(of.trim()));
    if is_of_it {
        return Some(secret);
    }
    terminal::note(&format!("{name} is not sent, as {HOST} does not name the host of the URL"));
    None
}

/// The commit that is said of the service.
fn said_commit(reference: Option<&str>, directory: &Path) -> Result<Option<SaidCommit>, Failure> {
    let Some(reference) = reference else { return Ok(None) };
    let NamedCommit { commit, tree } = Repository::needed(directory)?.named(reference)?;
    let reference = printable(reference.as_bytes(), 200);
    Ok(Some(SaidCommit { reference, commit, commit_tree: tree }))
}

/// A moment in milliseconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    let refused = || "it is neither such as 2026-01-31T12:00:00Z nor seconds since 1970".to_owned();
    let at = match text.parse::<u32>() {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(u64::from(seconds)),
        Err(_) => humantime::parse_rfc3339(text).map_err(|_| refused())?,
    };
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| refused())?;
    i64::try_from(since.as_millis()).map_err(|_| refused())
}

/// What contract and service say against each other is a matter of the contract; else nothing was measured.
fn failure(error: ObserveError) -> Failure {
    let code = if error.is_of_contract() { Code::Usage } else { Code::NotMeasured };
    Failure::new(code, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_or_seconds() {
        assert_eq!(moment("0"), Ok(0));
        assert_eq!(moment("1700000000"), Ok(1_700_000_000_000));
        assert_eq!(moment("2023-11-14T22:13:20.5Z"), Ok(1_700_000_000_500));
        for text in ["", "now", "-1", "2023-11-14", "1.5"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
