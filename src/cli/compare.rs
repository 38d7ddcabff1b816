//! `passport compare`: two builds side by side.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    measure, terminal,
};
use crate::{
    clock::SystemClock,
    compare::{self, Progress, Side, Sides, Task},
    contract::{Check, Contract},
    paired::{Outcome, Policy, decide},
    units::Nanos,
};

/// Arguments of `passport compare`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The contract
    #[arg(long, value_name = "FILE", default_value = "passport.toml")]
    contract: PathBuf,
    /// The executable of the baseline, a harness target
    #[arg(long, value_name = "FILE")]
    baseline_exe: PathBuf,
    /// The executable to compare with it
    #[arg(long, value_name = "FILE")]
    current_exe: PathBuf,
    /// Begin no session after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    time_budget: u32,
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Compare only this endpoint or check (`endpoint/variant`); may be repeated
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let text = std::fs::read_to_string(&arguments.contract).map_err(Failure::usage)?;
    let contract = Contract::parse(&text).map_err(Failure::usage)?;
    let side = |label: &str, executable: &PathBuf| Side {
        label: label.to_owned(),
        executable: executable.clone(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: PathBuf::from("."),
        contract: text.clone(),
    };
    let sides = Sides {
        baseline: side("baseline", &arguments.baseline_exe),
        current: side("current", &arguments.current_exe),
        anchor: None,
    };
    let checks: Vec<&Check> = contract
        .checks
        .iter()
        .filter(|check| {
            arguments.endpoint.is_empty()
                || arguments.endpoint.iter().any(|it| *it == check.id() || *it == check.endpoint)
        })
        .collect();
    let policy = Policy::for_suite(checks.len() as u64);
    let clock = SystemClock::start();
    let interrupted = measure::watch_signals()?;
    let stop = || interrupted.load(std::sync::atomic::Ordering::Relaxed);
    let mut task = Task {
        contract: &contract,
        checks: checks.clone(),
        sides: &sides,
        policy,
        time_max: Nanos::new(u64::from(arguments.time_budget) * 1_000_000_000),
        known: BTreeMap::new(),
        seed: uuid::Uuid::now_v7().as_u64_pair().1,
        clock: &clock,
        stop: &stop,
        progress: &mut |progress| match progress {
            Progress::Session { number, checks } => {
                terminal::note(&format!("session {number}: {checks} checks"));
            }
            Progress::Failed(error) => terminal::note(&format!("session failed: {error}")),
        },
    };
    let seen = compare::run(&mut task).map_err(|error| Failure::new(Code::NotMeasured, error))?;
    let mut out = String::new();
    for check in checks {
        let Some(paired) = seen.get(&check.id()) else { continue };
        let decision = decide(&policy, check.tolerance.regression_ppm, paired);
        let verdict = match decision.outcome {
            Outcome::Within => "PASS",
            Outcome::Beyond => "FAIL",
            _ => "ABSTAIN",
        };
        #[expect(clippy::cast_precision_loss, reason = "display")]
        let pp = |effect: i64| format!("{:+.2}", effect as f64 / 1e4);
        let _ = writeln!(
            out,
            "{verdict:8} {:26} {:>6} [{:>6} {:>6}] control {:>6} [{:>6} {:>6}] injected {:>6} [{:>6} {:>6}] {} sessions {} pairs {} {:?}",
            check.id(),
            pp(decision.current.median),
            pp(decision.current.lower),
            pp(decision.current.upper),
            pp(decision.control.median),
            pp(decision.control.lower),
            pp(decision.control.upper),
            pp(decision.injected.median),
            pp(decision.injected.lower),
            pp(decision.injected.upper),
            decision.sessions,
            paired.sessions.first().map_or(0, |it| it.current.len()),
            paired.sessions.first().map_or(Nanos::ZERO, |it| it.baseline_ns),
            paired.first_failure,
        );
    }
    if let Some(path) = &arguments.dump {
        let _ = std::fs::write(path, serde_json::to_vec(&seen).unwrap_or_default());
    }
    terminal::print(&out)?;
    Ok(Code::Pass.into())
}
