//! `passport calibrate`: how often a comparison is wrong on this machine, and what it finds.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::{
    calibrate_plot::plot,
    clock,
    compare_sides::harness_or_default,
    compare_sides::start_guard,
    contract_file::{directory_of, read_contract},
    duration,
    exit::{Code, Failure},
    measure,
    output::Output,
    terminal,
};
use perf_passport::{
    contract::{Check, CheckSelection},
    files,
    pipeline::WorkKind,
    report::{Format, Style, render},
    store,
    text::escaped,
    units::{BYTES_PER_MB, Bytes, Nanos, Ppm},
};
use perf_passport_compare::{
    SessionProgress, Watch, WorkerError,
    calibrate::{self, Arm, Calibration, CalibrationError, CalibrationRequest},
    checkout::Project,
};

/// The largest calibration that is read.
const CALIBRATION_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// The most work that can be added: twice the time.
const SLOWER_MAX: f64 = 100.0;

/// Find out how often `compare` is wrong on this machine, and what it finds.
#[derive(Debug, Args)]
pub(super) struct CalibrateArguments {
    /// The contract
    #[arg(long, value_name = "FILE", default_value = "passport.toml")]
    contract: PathBuf,
    /// The test target to build from the working tree, made with this library's harness
    #[arg(long, value_name = "NAME")]
    harness: Option<String>,
    /// Build it so many times more, each with another function that nothing calls
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=1_000))]
    rebuilds: u64,
    /// Comparisons of each kind; 0 prints what is known, and builds nothing
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: u32,
    /// Work that is added to the current side, in percent of its time; 0 is none
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "0,2,5,10")]
    slower: Vec<f64>,
    /// What this work consists of
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Work::Arithmetic)]
    work: Work,
    /// Threads that never rest meanwhile
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "0,2", value_parser = clap::value_parser!(u32).range(..=1_024))]
    busy: Vec<u32>,
    /// A comparison holds sessions for so long, such as 20s or 2m
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = duration::parse)]
    time_budget: Nanos,
    /// Only this endpoint, check (`endpoint/variant`) or path; may be repeated
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
    /// Where the calibration is kept, and added to
    #[arg(long, value_name = "DIR", default_value = "artifacts/calibration")]
    output_dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Instructions
    Arithmetic,
    /// Loads from random places, which counting instructions does not find; for checks that take
    /// thirty microseconds or more, as a load is not divisible
    Memory,
}

impl From<Work> for WorkKind {
    fn from(work: Work) -> Self {
        match work {
            Work::Arithmetic => Self::Arithmetic,
            Work::Memory => Self::Memory,
        }
    }
}

pub(super) fn run(arguments: &CalibrateArguments) -> Result<ExitCode, Failure> {
    arguments.output.refuse_of_passports("a calibration")?;
    let interrupted = measure::watch_signals()?;
    let stop = || interrupted.load(Ordering::Relaxed);
    let arms = arms(arguments)?;
    let contract = read_contract(&arguments.contract)?;
    let all: Vec<&Check> = contract.checks.iter().collect();
    let checks = CheckSelection { names: &arguments.endpoint, fixture: None }.select(&all)?;
    let known = read(arguments)?;
    if arguments.runs == 0 {
        return show(arguments, known.as_ref());
    }
    start_guard();
    let project = Project {
        repository: directory_of(&arguments.contract),
        contract: &arguments.contract,
        harness: harness_or_default(arguments.harness.as_deref(), &arguments.contract),
        written: Some(&arguments.output_dir),
        cache: None,
    };
    let request = CalibrationRequest {
        contract: &contract,
        checks: &checks,
        project,
        rebuilds: arguments.rebuilds,
        runs: arguments.runs,
        arms: &arms,
        time_max: arguments.time_budget,
    };
    let watch = Watch { clock: &clock::started()?, stop: &stop };
    let say = &mut |line: &str| terminal::note(&escaped(line));
    let mut calibration = request.begin(known, watch, say).map_err(|error| match error {
        CalibrationError::AnotherCalibration => refused(arguments, &error),
        CalibrationError::Checkout(error) => error.into(),
        CalibrationError::Worker(error) => error.into(),
        _ => Failure::usage(error),
    })?;
    loop {
        let trial = match calibration.hold_next(&mut say_failed) {
            Ok(Some(trial)) => trial,
            Ok(None) => break,
            Err(WorkerError::Interrupted) => return Ok(Code::Interrupted.into()),
            Err(error) => return Err(error.into()),
        };
        terminal::note(&line(trial));
        // After each: what is known is kept when the rest is interrupted.
        write(&arguments.output_dir, calibration.calibration())?;
    }
    arguments.output.print(&calibrate::report(calibration.calibration()), true)?;
    Ok(Code::Pass.into())
}

/// Prints what is known, and writes its document and plot again.
fn show(arguments: &CalibrateArguments, known: Option<&Calibration>) -> Result<ExitCode, Failure> {
    let Some(known) = known else {
        let path = arguments.output_dir.join(FILE);
        let path = terminal::path(&path);
        return Err(Failure::usage(anyhow!("there is no calibration `{path}` to print")));
    };
    write(&arguments.output_dir, known)?;
    arguments.output.print(&calibrate::report(known), true)?;
    Ok(Code::Pass.into())
}

fn say_failed(progress: SessionProgress<'_>) {
    if let SessionProgress::Failed(error) = progress {
        terminal::note(&escaped(&format!("session failed: {error}")));
    }
}

fn arms(arguments: &CalibrateArguments) -> Result<Vec<Arm>, Failure> {
    let mut arms = Vec::new();
    for busy in &arguments.busy {
        for percent in &arguments.slower {
            if !(0.0..=SLOWER_MAX).contains(percent) {
                return Err(Failure::usage(anyhow!(
                    "--slower is a percentage from 0 to {SLOWER_MAX}"
                )));
            }
            #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "checked")]
            let slower_ppm = Ppm::new((percent * 1e4).round() as u64);
            let work = arguments.work.into();
            arms.push(Arm { slower_ppm, work, busy: *busy });
        }
    }
    Ok(arms)
}

const FILE: &str = "calibration.json";

/// The calibration so far, if there is one.
fn read(arguments: &CalibrateArguments) -> Result<Option<Calibration>, Failure> {
    match files::read(&arguments.output_dir.join(FILE), CALIBRATION_MAX) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(known) => Ok(Some(known)),
            Err(error) => Err(refused(arguments, &error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(arguments, &error)),
    }
}

fn refused(arguments: &CalibrateArguments, why: &dyn std::fmt::Display) -> Failure {
    let path = arguments.output_dir.join(FILE);
    Failure::usage(anyhow!("cannot add to the calibration `{}`: {why}", terminal::path(&path)))
}

fn line(trial: &calibrate::Trial) -> String {
    use perf_passport::paired::Outcome;
    let of = |outcome: Outcome| trial.decisions.iter().filter(|it| it.outcome == outcome).count();
    let (passed, failed) = (of(Outcome::Within), of(Outcome::Beyond));
    format!(
        "+{} ppm, {} busy, build {}: {passed} PASS, {failed} FAIL, {} ABSTAIN in {} s",
        trial.arm.slower_ppm.get(),
        trial.arm.busy,
        trial.rebuilt.map_or_else(|| "-".to_owned(), |it| it.to_string()),
        trial.decisions.len() - passed - failed,
        trial.seconds,
    )
}

fn write(directory: &Path, calibration: &Calibration) -> Result<(), Failure> {
    let json = serde_json::to_vec_pretty(calibration).map_err(Failure::usage)?;
    let plot = plot(calibration).map_err(Failure::usage)?;
    let markdown = render(&calibrate::report(calibration), Format::Markdown, Style::Plain)?;
    store::write_bytes(&directory.join(FILE), &json)?;
    store::write_bytes(&directory.join("calibration.md"), markdown.as_bytes())?;
    store::write_bytes(&directory.join("calibration.svg"), plot.as_bytes())?;
    Ok(())
}
