//! The files of pytest-benchmark: `pytest --benchmark-json=FILE`, or what `--benchmark-save` keeps.
//!
//! What is kept without `--benchmark-save-data` has no samples, and is told.

use serde::Deserialize;

use super::{
    Benchmarks, ForeignError, Suite, json_document,
    seconds::{Clocked, samples_of_means, told},
};
use crate::{operation::CaseEvidence, units::Count};

#[derive(Deserialize)]
struct PytestFile {
    benchmarks: Vec<PytestRun>,
}

/// One test; other fields are passed over.
#[derive(Deserialize)]
struct PytestRun {
    fullname: String,
    stats: PytestTimes,
}

/// Times of one call, in seconds.
#[derive(Deserialize)]
struct PytestTimes {
    /// The mean of each round; only there where they are saved.
    data: Option<Vec<Option<f64>>>,
    /// Calls in a round.
    iterations: Option<u64>,
    rounds: Option<u64>,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    median: Option<f64>,
}

/// Reads all tests of a file. They have the names that pytest calls them by: `test_file.py::test_name[parameter]`.
///
/// # Errors
///
/// [`ForeignError`] when it is no file of pytest-benchmark, or has no test.
pub fn read_pytest_benchmark(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let export: PytestFile = json_document(bytes, "no file of pytest-benchmark")?;
    let mut benchmarks = Benchmarks::default();
    for run in export.benchmarks {
        benchmarks.add(run.fullname, observed(&run.stats))?;
    }
    benchmarks.suite("the file of pytest-benchmark has no test")
}

fn observed(stats: &PytestTimes) -> Result<CaseEvidence, String> {
    let iterations = stats.iterations.ok_or("it has no `iterations`")?;
    if let Some(means) = &stats.data {
        return samples_of_means(means.iter().map(|mean| (iterations, mean.map(|it| it * 1e9))));
    }
    let ns = |seconds: Option<f64>| seconds.map(|it| it * 1e9);
    told(Clocked {
        mean: ns(stats.mean),
        min: ns(stats.min),
        p50: ns(stats.median),
        max: ns(stats.max),
        samples: stats.rounds.map(Count::new),
        ..Clocked::default()
    })
}
