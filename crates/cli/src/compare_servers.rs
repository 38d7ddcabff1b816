//! Which servers `passport compare` compares: commands that start them, or base URLs.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::{compare_sides::MYSELF, duration, exit::Failure, measure::variable};
use perf_passport::units::Nanos;
use perf_passport_compare::{CommandLine, Server, ServerAt, Servers, Sides};

/// How long a server that is starting is waited for, unless the user says otherwise.
const WAIT: Nanos = Nanos::new(30_000_000_000);

/// The servers of a comparison, in one of two ways.
#[derive(Debug, Args)]
pub(super) struct ServerArguments {
    /// Start the baseline's server with this command, on the port in PORT and in `{port}`; no shell
    /// reads it. May be repeated for other builds of the same code, of which each session takes one
    #[arg(long, value_name = "CMD", requires = "current_cmd", conflicts_with_all = NOT_COMMANDS)]
    baseline_cmd: Vec<String>,
    /// Start the server to compare with it; may be repeated
    #[arg(long, value_name = "CMD", requires = "baseline_cmd", conflicts_with_all = NOT_COMMANDS)]
    current_cmd: Vec<String>,
    /// Start a server that was accepted, so that small steps do not add up; may be repeated
    #[arg(long, value_name = "CMD", requires = "baseline_cmd", conflicts_with_all = NOT_COMMANDS)]
    anchor_cmd: Vec<String>,
    /// The base URL of the baseline's server, which runs already
    #[arg(long, value_name = "URL", requires = "current_url", conflicts_with_all = BUILDS)]
    baseline_url: Option<String>,
    /// The base URL of the server to compare with it
    #[arg(long, value_name = "URL", requires = "baseline_url", conflicts_with_all = BUILDS)]
    current_url: Option<String>,
    /// The base URL of a server that was accepted
    #[arg(long, value_name = "URL", requires = "baseline_url", conflicts_with_all = BUILDS)]
    anchor_url: Option<String>,
    /// Wait so long for a server to answer, such as 20s or 2m; 30s when left out
    #[arg(long, value_name = "TIME", conflicts_with_all = BUILDS, value_parser = duration::parse)]
    wait_timeout: Option<Nanos>,
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
    pub(super) fn servers(&self) -> Result<Option<Servers<'static>>, Failure> {
        let anchor = Some(&self.anchor_cmd).filter(|it| !it.is_empty());
        let sides = match (&self.baseline_url, &self.current_url) {
            _ if !self.baseline_cmd.is_empty() => Sides {
                baseline: started("baseline", &self.baseline_cmd)?,
                current: started("current", &self.current_cmd)?,
                anchor: anchor.map(|it| started("anchor", it)).transpose()?,
            },
            (Some(baseline), Some(current)) => Sides {
                baseline: running("baseline", baseline),
                current: running("current", current),
                anchor: self.anchor_url.as_ref().map(|it| running("anchor", it)),
            },
            _ if self.wait_timeout.is_some() => {
                return Err(Failure::usage(anyhow!(
                    "--wait-timeout is for servers: give --baseline-cmd and --current-cmd, or leave \
                     it out"
                )));
            }
            _ => return Ok(None),
        };
        Ok(Some(Servers {
            sides,
            supervisor: PathBuf::from(MYSELF),
            wait_max: self.wait_timeout.unwrap_or(WAIT),
            environment: &variable,
        }))
    }
}

/// A server that any of these commands starts.
fn started(label: &str, commands: &[String]) -> Result<Server, Failure> {
    let parsed: Result<Vec<_>, _> = commands.iter().map(|it| CommandLine::parse(it)).collect();
    let commands = parsed
        .map_err(|error| Failure::usage(anyhow!("cannot start the server of {label}: {error}")))?;
    Ok(Server { label: label.to_owned(), at: ServerAt::Commands(commands) })
}

/// A server that runs at this base URL.
fn running(label: &str, url: &str) -> Server {
    Server { label: label.to_owned(), at: ServerAt::Url(url.to_owned()) }
}
