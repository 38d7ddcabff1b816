//! `passport show`: print a passport.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    exit::{Code, Failure},
    output::Output,
};
use perf_passport::{
    passport::Passport,
    report::{Report, Scope},
    store,
    text::escaped,
};

/// Print a passport.
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The passport
    #[arg(
        value_name = "FILE",
        default_value = "artifacts/performance/latest_performance_passport.json"
    )]
    passport: PathBuf,
    /// Print annotations, where it was measured, and the harmony of each check as well
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: Output,
    /// No colours
    #[arg(long)]
    ci: bool,
}

pub(super) fn run(arguments: &ShowArguments) -> Result<ExitCode, Failure> {
    let passport = store::read(&arguments.passport)?;
    let mut report = if passport.comparison.is_some() {
        Report::of_comparison(&passport, "")
    } else {
        Report::of_passport(&passport, Scope::Measured)
    };
    report.head = head(&passport, arguments.verbose);
    if arguments.verbose {
        report.add_harmony(&passport);
    }
    arguments.output.print(&report, arguments.ci)?;
    Ok(Code::Pass.into())
}

/// Where a passport comes from. A sound passport may still be a stranger's.
fn head(passport: &Passport, verbose: bool) -> Vec<String> {
    let mut lines = vec![format!(
        "{} by {}, run {}",
        passport.timestamp, passport.cartographer, passport.run_id
    )];
    if verbose {
        let provenance = &passport.provenance;
        let build = provenance.build.as_ref().map_or("build unknown".to_owned(), |it| {
            format!(
                "{}, opt-level {}, debug assertions {}, {}",
                it.rustc, it.opt_level, it.debug_assertions, it.target
            )
        });
        lines.push(format!("target {}, {build}", provenance.target));
        let commit = provenance.source.commit.as_deref().unwrap_or("unknown");
        let dirty = if provenance.source.dirty == Some(true) { ", dirty tree" } else { "" };
        lines.push(format!("commit {commit}{dirty}"));
        if let Some(said) = &provenance.said_commit {
            lines.push(format!("of commit {}, as whoever measured said", said.commit));
        }
        // Behind a word of ours: a log may take a line that begins with `::` for a command.
        let annotations = passport.annotations.iter();
        lines.extend(annotations.map(|(name, value)| format!("annotation {name}: {value}")));
    }
    lines.iter().map(|line| escaped(line)).collect()
}
