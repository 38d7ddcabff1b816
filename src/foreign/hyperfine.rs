//! The exports of hyperfine: `hyperfine --export-json`, of version 1 and of version 2.
//!
//! The memory that hyperfine tells is what a process had resident, not a heap: it is not taken over.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{BENCHMARKS_MAX, Benchmark, ForeignError, Suite, json_problem, shown, timed};
use crate::operation::CaseEvidence;

#[derive(Deserialize)]
struct Export {
    results: Vec<HyperfineRun>,
}

/// One command; other fields are passed over.
#[derive(Deserialize)]
struct HyperfineRun {
    command: String,
    /// Of version 2.
    name: Option<String>,
    /// Seconds, of version 1.
    times: Option<Vec<Option<f64>>>,
    #[serde(default)]
    exit_codes: Vec<Option<i64>>,
    /// Of version 2.
    measurements: Option<Vec<Measurement>>,
}

#[derive(Deserialize)]
struct Measurement {
    time_wall_clock: Quantity,
    exit_code: Option<i64>,
}

#[derive(Deserialize)]
struct Quantity {
    value: Option<f64>,
    unit: String,
}

/// Reads all commands of an export.
///
/// # Errors
///
/// [`ForeignError`] when it is no export of hyperfine, or has no command.
pub fn read_hyperfine(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let export: Export = serde_json::from_slice(bytes).map_err(|error| {
        ForeignError::Foreign(format!("no export of hyperfine: {}", json_problem(&error)))
    })?;
    if export.results.len() > BENCHMARKS_MAX {
        return Err(ForeignError::TooLarge(format!("more than {BENCHMARKS_MAX} commands")));
    }
    let mut benchmarks: BTreeMap<String, Benchmark> = BTreeMap::new();
    for run in &export.results {
        let name = run.name.as_ref().unwrap_or(&run.command).clone();
        let mut observed = observed(run);
        if benchmarks.contains_key(&name) {
            observed = Err(format!("there are two of the name `{}`", shown(&name)));
        }
        benchmarks.insert(name, Benchmark { timestamp: String::new(), observed });
    }
    Suite::of("the export of hyperfine has no command", benchmarks)
}

fn observed(run: &HyperfineRun) -> Result<CaseEvidence, String> {
    let (times, codes) = match (&run.times, &run.measurements) {
        (Some(times), _) => (times.clone(), run.exit_codes.clone()),
        (None, Some(measurements)) => {
            if let Some(other) =
                measurements.iter().map(|it| &it.time_wall_clock.unit).find(|it| *it != "second")
            {
                return Err(format!("its unit is `{}`, not `second`", shown(other)));
            }
            let times = measurements.iter().map(|it| it.time_wall_clock.value).collect();
            (times, measurements.iter().map(|it| it.exit_code).collect())
        }
        (None, None) => return Err("it has no `times`: is it of another version?".to_owned()),
    };
    if times.is_empty() {
        return Err("it has no sample".to_owned());
    }
    // What failed did other work than what was asked for.
    if let Some(code) = codes.iter().flatten().find(|code| **code != 0) {
        return Err(format!("a run of it ended with exit code {code}"));
    }
    let seconds: Vec<f64> = times
        .iter()
        .enumerate()
        .map(|(place, time)| {
            let fits = time.filter(|it| it.is_finite() && *it >= 0.0);
            fits.ok_or_else(|| format!("time {} is not a finite number of seconds", place + 1))
        })
        .collect::<Result<_, String>>()?;
    timed(seconds.into_iter().map(|seconds| (1, seconds * 1e9)))
}
