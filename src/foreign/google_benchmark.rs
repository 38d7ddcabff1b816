//! The files of Google Benchmark: `--benchmark_out=FILE --benchmark_out_format=json`.
//!
//! Each repetition is a sample of its iterations. Where there are aggregates alone, they are told.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Benchmarks, ForeignError, Suite, json_document,
    seconds::{Clocked, samples_of_means, told, unit_ns},
    shown,
};
use crate::{operation::CaseEvidence, units::Count};

#[derive(Deserialize)]
struct GoogleFile {
    benchmarks: Vec<GoogleRun>,
}

/// A repetition or an aggregate of repetitions; other fields are passed over.
#[derive(Deserialize)]
struct GoogleRun {
    name: String,
    run_name: Option<String>,
    run_type: Option<String>,
    aggregate_name: Option<String>,
    repetitions: Option<u64>,
    iterations: Option<u64>,
    real_time: Option<f64>,
    time_unit: Option<String>,
    error_message: Option<String>,
    #[serde(default)]
    error_occurred: bool,
}

/// Reads all benchmarks of a file, by the time of the clock (`real_time`).
///
/// # Errors
///
/// [`ForeignError`] when it is no file of Google Benchmark, or has no benchmark.
pub fn read_google_benchmark(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let export: GoogleFile = json_document(bytes, "no file of Google Benchmark")?;
    let mut runs: BTreeMap<String, Vec<GoogleRun>> = BTreeMap::new();
    for run in export.benchmarks {
        // What says how the time grows is of several benchmarks.
        if matches!(run.aggregate_name.as_deref(), Some("BigO" | "RMS")) {
            continue;
        }
        let name = run.run_name.as_ref().unwrap_or(&run.name).clone();
        runs.entry(name).or_default().push(run);
    }
    let mut benchmarks = Benchmarks::default();
    for (name, runs) in runs {
        let observed = observed(&runs);
        benchmarks.add(name, observed)?;
    }
    benchmarks.suite("the file of Google Benchmark has no benchmark")
}

fn observed(runs: &[GoogleRun]) -> Result<CaseEvidence, String> {
    if let Some(run) = runs.iter().find(|it| it.error_occurred) {
        let message = run.error_message.as_deref().unwrap_or_default();
        return Err(format!("it ended with an error: {}", shown(message)));
    }
    let is_aggregate = |it: &&GoogleRun| it.run_type.as_deref() == Some("aggregate");
    let (aggregates, repetitions): (Vec<&GoogleRun>, Vec<&GoogleRun>) =
        runs.iter().partition(is_aggregate);
    if repetitions.is_empty() {
        return told_by(&aggregates);
    }
    let samples: Vec<(u64, Option<f64>)> = repetitions
        .into_iter()
        .map(|it| Ok((it.iterations.unwrap_or(0), Some(it.real_time_ns()?))))
        .collect::<Result<_, String>>()?;
    samples_of_means(samples.into_iter())
}

fn told_by(aggregates: &[&GoogleRun]) -> Result<CaseEvidence, String> {
    let of = |name: &str| {
        let found = aggregates.iter().find(|it| it.aggregate_name.as_deref() == Some(name));
        found.map(|it| it.real_time_ns()).transpose()
    };
    let samples = aggregates.iter().find_map(|it| it.repetitions).map(Count::new);
    told(Clocked {
        mean: of("mean")?,
        min: of("min")?,
        p50: of("median")?,
        max: of("max")?,
        samples,
        ..Clocked::default()
    })
}

impl GoogleRun {
    fn real_time_ns(&self) -> Result<f64, String> {
        let unit = self.time_unit.as_deref().unwrap_or("ns");
        let unit = unit_ns(unit).ok_or_else(|| format!("its unit is `{}`", shown(unit)))?;
        Ok(self.real_time.ok_or("it has no `real_time`")? * unit)
    }
}
