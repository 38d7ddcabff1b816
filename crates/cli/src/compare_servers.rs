//! What `passport compare` compares when it is servers: commands that start them, or base URLs.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::{
    compare_sides::{Builds, MYSELF},
    exit::Failure,
    measure::variable,
};
use perf_passport::{
    contract::{Check, Contract},
    passport::ComparedBuild,
    pipeline::MissingVariable,
    probe::{HttpSettings, HttpTarget, PreparedRequest},
    units::Nanos,
};
use perf_passport_compare::{CommandLine, Server, ServerAt, Servers};

/// How long a server that is starting is waited for, unless the user says otherwise.
const WAIT_SECONDS: u32 = 30;

/// The servers of a comparison, in one of two ways.
#[derive(Debug, Args)]
pub(super) struct ServerArguments {
    /// Start the baseline's server with this command, on the port in PORT and in `{port}`; no shell
    /// reads it
    #[arg(long, value_name = "CMD", requires = "current_cmd", conflicts_with_all = NOT_COMMANDS)]
    baseline_cmd: Option<String>,
    /// Start the server to compare with it
    #[arg(long, value_name = "CMD", requires = "baseline_cmd", conflicts_with_all = NOT_COMMANDS)]
    current_cmd: Option<String>,
    /// Start a server that was accepted, so that small steps do not add up
    #[arg(long, value_name = "CMD", requires = "baseline_cmd", conflicts_with_all = NOT_COMMANDS)]
    anchor_cmd: Option<String>,
    /// The base URL of the baseline's server, which runs already
    #[arg(long, value_name = "URL", requires = "current_url", conflicts_with_all = BUILDS)]
    baseline_url: Option<String>,
    /// The base URL of the server to compare with it
    #[arg(long, value_name = "URL", requires = "baseline_url", conflicts_with_all = BUILDS)]
    current_url: Option<String>,
    /// The base URL of a server that was accepted
    #[arg(long, value_name = "URL", requires = "baseline_url", conflicts_with_all = BUILDS)]
    anchor_url: Option<String>,
    /// Wait so many seconds for a server to answer; 30 when left out
    #[arg(long, value_name = "SECONDS", conflicts_with_all = BUILDS)]
    wait_timeout: Option<u32>,
}

const BUILDS: [&str; 6] =
    ["baseline_branch", "current_branch", "anchor", "baseline_exe", "current_exe", "anchor_exe"];

const NOT_COMMANDS: [&str; 9] = [
    "baseline_branch",
    "current_branch",
    "anchor",
    "baseline_exe",
    "current_exe",
    "anchor_exe",
    "baseline_url",
    "current_url",
    "anchor_url",
];

impl ServerArguments {
    /// The servers that were asked for; `None` when none were.
    pub(super) fn servers(&self) -> Result<Option<(Servers<'static>, Builds)>, Failure> {
        let command = |label: &str, text: &str| -> Result<One, Failure> {
            let command = CommandLine::parse(text).map_err(|error| {
                Failure::usage(anyhow!("cannot start the server of {label}: {error}"))
            })?;
            let shown = Some(command.shown());
            Ok(one(label, ServerAt::Command(command), |build| build.command = shown))
        };
        let url = |label: &str, text: &str| -> Result<One, Failure> {
            let url = Some(text.to_owned());
            Ok(one(label, ServerAt::Url(text.to_owned()), |build| build.url = url))
        };
        let (baseline, current, anchor) = match (
            (self.baseline_cmd.as_deref(), self.current_cmd.as_deref()),
            (self.baseline_url.as_deref(), self.current_url.as_deref()),
        ) {
            ((Some(baseline), Some(current)), _) => (
                command("baseline", baseline)?,
                command("current", current)?,
                self.anchor_cmd.as_deref().map(|it| command("anchor", it)).transpose()?,
            ),
            (_, (Some(baseline), Some(current))) => (
                url("baseline", baseline)?,
                url("current", current)?,
                self.anchor_url.as_deref().map(|it| url("anchor", it)).transpose()?,
            ),
            _ if self.wait_timeout.is_some() => {
                return Err(Failure::usage(anyhow!(
                    "--wait-timeout is for servers: give --baseline-cmd and --current-cmd, or leave \
                     it out"
                )));
            }
            _ => return Ok(None),
        };
        let (anchor, anchor_build) = anchor.unzip();
        let seconds = u64::from(self.wait_timeout.unwrap_or(WAIT_SECONDS));
        let servers = Servers {
            baseline: baseline.0,
            current: current.0,
            anchor,
            supervisor: PathBuf::from(MYSELF),
            wait_max: Nanos::new(seconds * 1_000_000_000),
            environment: &variable,
        };
        let builds = Builds {
            baseline: baseline.1,
            current: current.1,
            anchor: anchor_build,
            // Nobody tells which build a command starts.
            sources: None,
        };
        Ok(Some((servers, builds)))
    }
}

/// A server, and what is recorded of it.
type One = (Server, ComparedBuild);

fn one(label: &str, at: ServerAt, record: impl FnOnce(&mut ComparedBuild)) -> One {
    let mut build = ComparedBuild { label: label.to_owned(), ..ComparedBuild::default() };
    record(&mut build);
    (Server { label: label.to_owned(), at }, build)
}

/// Refuses base URLs that are none and variables that are not set, before anything is started.
pub(super) fn refuse_what_cannot_be_asked(
    servers: &Servers<'_>,
    contract: &Contract,
    checks: &[&Check],
) -> Result<(), Failure> {
    let all = [Some(&servers.baseline), Some(&servers.current), servers.anchor.as_ref()];
    for server in all.into_iter().flatten() {
        let ServerAt::Url(url) = &server.at else { continue };
        HttpTarget::new(HttpSettings {
            base_url: url.clone(),
            timeout: contract.sampling.timeout,
            body_max: contract.sampling.body_max,
            pid: None,
        })
        .map_err(|error| Failure::usage(anyhow!("{}: {error}", server.label)))?;
    }
    for check in checks {
        for request in &check.requests {
            PreparedRequest::new(request, &variable)
                .map_err(|variable| MissingVariable { check: check.id(), variable })?;
        }
    }
    Ok(())
}
