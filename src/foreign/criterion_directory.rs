//! A directory of criterion, such as `target/criterion`.
//!
//! Each benchmark has a directory, and in it `new` with `benchmark.json` (its names) and `sample.json`
//! (raw samples); a baseline that was saved by a name has a directory of that name beside it. Criterion writes the names last, so a run that was cut short has none.

use std::{collections::BTreeMap, ffi::OsStr, fs, io, path::Path};

use serde::Deserialize;

use super::{
    BENCHMARKS_MAX, Benchmark, ForeignError, MeasuredQuantity, Suite, evidence, json_problem,
};
use crate::{
    files,
    timestamp::{can_be_written, rfc3339},
    units::Bytes,
};

/// The newest run of a benchmark.
const NEWEST: &str = "new";
const NAMES: &str = "benchmark.json";
const SAMPLES: &str = "sample.json";
const DEPTH_MAX: usize = 16;
const ENTRIES_MAX: usize = 1_000_000;
const FILE_MAX: Bytes = Bytes::new(16 * 1024 * 1024);

/// What criterion calls a benchmark; other fields are passed over.
#[derive(Deserialize)]
struct Names {
    full_id: String,
}

/// Raw samples; numbers may be missing where criterion had none to write.
#[derive(Deserialize)]
struct RawSamples {
    iters: Vec<Option<f64>>,
    times: Vec<Option<f64>>,
}

/// Reads the newest run of all benchmarks below a directory of criterion.
///
/// Links are not followed.
///
/// # Errors
///
/// [`ForeignError`] when the directory cannot be read, is beyond a million entries, or has no benchmark.
pub fn read_criterion(directory: &Path, measured: MeasuredQuantity) -> Result<Suite, ForeignError> {
    let hint = if directory.join("data").is_dir() {
        "it is cargo-criterion's: take over its messages, `cargo criterion --message-format=json`, \
         with `passport import cargo-criterion`"
    } else {
        "run `cargo bench` first, and name the directory that criterion writes, such as \
         target/criterion"
    };
    let benchmarks = runs_of_name(directory, OsStr::new(NEWEST), measured)?;
    Suite::of(
        &format!("`{}` has no benchmark of criterion: {hint}", directory.display()),
        benchmarks,
    )
}

/// Reads the baseline of this name, as `cargo bench -- --save-baseline NAME` keeps it, of all benchmarks.
///
/// # Errors
///
/// As [`read_criterion`], and when no benchmark has a baseline of this name.
pub fn read_criterion_baseline(
    directory: &Path,
    name: &str,
    measured: MeasuredQuantity,
) -> Result<Suite, ForeignError> {
    let benchmarks = runs_of_name(directory, OsStr::new(name), measured)?;
    Suite::of(
        &format!(
            "no benchmark in `{}` has a saved baseline `{}`: \
             `cargo bench -- --save-baseline NAME` keeps one",
            directory.display(),
            super::shown(name)
        ),
        benchmarks,
    )
}

/// All runs of a name below a directory.
fn runs_of_name(
    directory: &Path,
    run: &OsStr,
    measured: MeasuredQuantity,
) -> Result<BTreeMap<String, Benchmark>, ForeignError> {
    let mut benchmarks = BTreeMap::new();
    let mut waiting = vec![(directory.to_owned(), 0_usize)];
    let mut entries = 0_usize;
    while let Some((at, depth)) = waiting.pop() {
        let failed = |source| ForeignError::Read { path: at.clone(), source };
        for entry in fs::read_dir(&at).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            entries += 1;
            if entries > ENTRIES_MAX || benchmarks.len() > BENCHMARKS_MAX {
                let message =
                    format!("`{}` is too large to be criterion's directory", directory.display());
                return Err(ForeignError::TooLarge(message));
            }
            let is_directory = entry.file_type().is_ok_and(|it| it.is_dir());
            if !is_directory || depth >= DEPTH_MAX {
                continue;
            }
            let path = entry.path();
            // A group or a benchmark may have the name of the run.
            let is_run = entry.file_name() == run;
            let holds_more = !is_run || holds_directories(&path);
            if is_run && (!holds_more || holds_a_run(&path)) {
                let (name, benchmark) = benchmark(directory, &path, measured);
                benchmarks.insert(name, benchmark);
            }
            if holds_more {
                waiting.push((path, depth + 1));
            }
        }
    }
    Ok(benchmarks)
}

/// Whether criterion wrote a run into a directory, of which a part may be missing.
fn holds_a_run(directory: &Path) -> bool {
    [NAMES, SAMPLES].iter().any(|it| directory.join(it).is_file())
}

/// Whether there are directories in a directory: what is a run alone has none.
fn holds_directories(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|it| it.file_type()).any(|it| it.is_ok_and(|it| it.is_dir()))
}

/// The benchmark whose run is in this directory, and its name.
fn benchmark(root: &Path, run: &Path, measured: MeasuredQuantity) -> (String, Benchmark) {
    let parent = run.parent().unwrap_or(run);
    let by_directory = || {
        let relative = parent.strip_prefix(root).unwrap_or(parent);
        let parts = relative.components().map(|it| it.as_os_str().to_string_lossy().into_owned());
        parts.collect::<Vec<_>>().join("/")
    };
    let (name, named) = match read::<Names>(&run.join(NAMES)) {
        Ok(names) => (names.full_id, Ok(())),
        Err(why) => (by_directory(), Err(format!("{NAMES}: {why}"))),
    };
    let path = run.join(SAMPLES);
    let samples = read::<RawSamples>(&path).and_then(|it| evidence(measured, &it.iters, &it.times));
    let samples = samples.map_err(|why| format!("{SAMPLES}: {why}"));
    let modified = fs::metadata(&path).and_then(|it| it.modified());
    let timestamp = modified.as_ref().map_or_else(|_| String::new(), |it| rfc3339(*it));
    let dated = match modified {
        Ok(at) if !can_be_written(at) => {
            Err(format!("{SAMPLES}: it is dated before 1970 or after 9999: run the suite again"))
        }
        _ => Ok(()),
    };
    let observed = named.and(dated).and(samples);
    (name, Benchmark { timestamp, observed })
}

/// Reads a small file of JSON.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let bytes = files::read(path, FILE_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "it is missing: was the run cut short?".to_owned(),
        io::ErrorKind::FileTooLarge => error.to_string(),
        _ => format!("it cannot be read: {error}"),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| json_problem(&error))
}
