//! `passport show`: print a passport.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    outcome, terminal,
};
use perf_passport::{store, text::escaped};

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
    let mut head = String::new();
    // A sound passport may still be a stranger's.
    let mut line = |text: String| head.push_str(&format!("{}\n", escaped(&text)));
    line(format!("{} by {}, run {}", passport.timestamp, passport.cartographer, passport.run_id));
    if arguments.verbose {
        let provenance = &passport.provenance;
        let build = provenance.build.as_ref().map_or("build unknown".to_owned(), |it| {
            format!(
                "{}, opt-level {}, debug assertions {}, {}",
                it.rustc, it.opt_level, it.debug_assertions, it.target
            )
        });
        line(format!("target {}, {build}", provenance.target));
        let commit = provenance.source.commit.as_deref().unwrap_or("unknown");
        let dirty = if provenance.source.dirty == Some(true) { ", dirty tree" } else { "" };
        line(format!("commit {commit}{dirty}"));
        for (name, value) in &passport.annotations {
            line(format!("{name}: {value}"));
        }
    }
    head.push('\n');
    terminal::print(&head)?;
    outcome::print_report(&passport, arguments.ci)?;
    Ok(Code::Pass.into())
}
