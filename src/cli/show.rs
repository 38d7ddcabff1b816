//! `passport show`: print a passport.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    measure, terminal,
};
use crate::store;

/// Print a passport.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The passport
    #[arg(
        value_name = "FILE",
        default_value = "artifacts/performance/latest_performance_passport.json"
    )]
    passport: PathBuf,
    /// Print annotations and where it was measured as well
    #[arg(short, long)]
    verbose: bool,
    /// No colours
    #[arg(long)]
    ci: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let passport = store::read(&arguments.passport)?;
    let mut head =
        format!("{} by {}, run {}\n", passport.timestamp, passport.cartographer, passport.run_id);
    if arguments.verbose {
        let provenance = &passport.provenance;
        let build = &provenance.build;
        head.push_str(&format!(
            "target {}, {}, opt-level {}, debug assertions {}, {}\n",
            provenance.target, build.rustc, build.opt_level, build.debug_assertions, build.target
        ));
        let commit = provenance.source.commit.as_deref().unwrap_or("unknown");
        let dirty = if provenance.source.dirty == Some(true) { ", dirty tree" } else { "" };
        head.push_str(&format!("commit {commit}{dirty}\n"));
        for (name, value) in &passport.annotations {
            head.push_str(&format!("{name}: {value}\n"));
        }
    }
    head.push('\n');
    terminal::print(&head).map_err(Failure::usage)?;
    measure::print_report(&passport, arguments.ci)?;
    Ok(Code::Pass.into())
}
