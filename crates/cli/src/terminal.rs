//! What reaches the terminal: output, progress and errors.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use perf_passport::{
    contract::Check, evidence::Evidence, pipeline::Progress, report::Style,
    statistics::SummaryStatistics, text::escaped,
};

/// Writes to standard output. A reader that has gone away is not an error.
///
/// # Errors
///
/// Any other error of standard output, such as a full disk behind it.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes to standard output, as [`print()`] does.
///
/// # Errors
///
/// Those of [`print()`].
pub(super) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to standard output"),
    }
}

/// A path as it can be shown on a terminal.
pub(super) fn path(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Writes one line to standard error; that nobody reads it is nobody's error.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes an error as one line of ASCII to standard error.
pub(super) fn error(error: &dyn Display) {
    note(&format!("passport: {}", escaped(&error.to_string())));
}

/// Prints what clap says: help and version to standard output with 0, wrong usage to standard error
/// with 2, where what the user wrote is repeated in ASCII.
pub(super) fn refuse(refusal: &clap::Error) -> ExitCode {
    let plain = refusal.render().to_string();
    if refusal.use_stderr() && !plain.is_ascii() {
        for line in plain.lines() {
            note(&escaped(line));
        }
    } else {
        // As with every other output, that nobody reads it is nobody's error.
        let _ = refusal.print();
    }
    ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(u8::MAX))
}

/// Colour only on a terminal that knows colours.
pub(super) fn style(ci: bool) -> Style {
    let wanted = !ci && std::env::var_os("NO_COLOR").is_none();
    let colour = wanted && io::stdout().is_terminal() && !is_dumb();
    if colour { Style::Colour } else { Style::Plain }
}

/// Whether the terminal shows text and nothing else: no colour, and no line that is written again.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|it| it == "dumb")
}

/// Shows what a run is doing: a bar on a terminal, plain lines otherwise.
pub(super) struct Reporter {
    bar: Option<ProgressBar>,
    verbose: bool,
}

impl Reporter {
    pub(super) fn new(checks: usize, ci: bool, verbose: bool) -> Self {
        let bar = (!ci && io::stderr().is_terminal() && !is_dumb()).then(|| {
            let bar = ProgressBar::with_draw_target(
                Some(checks as u64),
                ProgressDrawTarget::stderr_with_hz(10),
            );
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
            bar.set_style(
                style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("#>-"),
            );
            bar
        });
        Self { bar, verbose }
    }

    pub(super) fn show(&self, progress: Progress<'_>) {
        match (progress, &self.bar) {
            (Progress::Fixture(name), Some(bar)) => bar.set_message(format!("loading {name}")),
            (Progress::Fixture(name), None) => note(&format!("loading fixture {name}")),
            (Progress::Check(check), Some(bar)) => bar.set_message(check.id()),
            (Progress::Check(_), None) => {}
            (Progress::Measured(check, evidence), Some(bar)) => {
                bar.inc(1);
                if self.verbose {
                    bar.suspend(|| note(&measured(check, evidence)));
                }
            }
            (Progress::Measured(check, evidence), None) => note(&measured(check, evidence)),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn measured(check: &Check, evidence: &Evidence) -> String {
    let summary = SummaryStatistics::of(&evidence.latency);
    let figure = |value: Option<perf_passport::units::Nanos>| {
        value.map_or_else(|| "-".to_owned(), |it| it.to_string())
    };
    let allocations = evidence.counts.as_ref().map_or_else(
        || "allocations not observed".to_owned(),
        |counts| {
            let beyond = counts.unattributed_allocations.filter(|it| it.max > 0);
            let beyond = beyond.map(|it| format!(", {} unattributed", it.max)).unwrap_or_default();
            format!("{} allocations{beyond}", counts.allocations.max)
        },
    );
    format!(
        "measured {}: {allocations}, p50 {}, p99 {}, {} samples after {} to warm up",
        check.id(),
        figure(summary.and_then(|it| it.p50)),
        figure(summary.and_then(|it| it.p99)),
        evidence.latency.samples(),
        evidence.warmup_samples,
    )
}
