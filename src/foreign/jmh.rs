//! The results of JMH as JSON: `-rf json`.
//!
//! An iteration of JMH runs for a time that is set, and tells the mean of it. JMH does not tell how many
//! operations it had: about as many as fit into that time. So a sample has that many iterations.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Benchmarks, ForeignError, Suite, json_document,
    seconds::{Clocked, samples_of_means, told, unit_ns},
    shown, whole,
};
use crate::operation::CaseEvidence;

/// One benchmark with its parameters, in one mode; other fields are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JmhResult {
    benchmark: String,
    mode: String,
    threads: Option<u64>,
    measurement_time: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    primary_metric: JmhMetric,
}

/// JMH writes what is no number as the text `NaN`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JmhMetric {
    score_unit: String,
    score: Option<Value>,
    /// By fork and iteration.
    #[serde(default)]
    raw_data: Vec<Vec<Value>>,
    /// By fork and iteration: pairs of a time and how often it was.
    #[serde(default)]
    raw_data_histogram: Vec<Vec<Vec<(f64, f64)>>>,
}

/// Reads all results. A name is that of the method, then `/` and the value of its parameter; of several,
/// `/name=value,name=value`. Where a method was measured in several modes, its names begin with the mode.
///
/// # Errors
///
/// [`ForeignError`] when they are no results of JMH.
pub fn read_jmh(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let results: Vec<JmhResult> = json_document(bytes, "no results of JMH (`-rf json`)")?;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for result in &results {
        *names.entry(result.name()).or_default() += 1;
    }
    let mut benchmarks = Benchmarks::default();
    for result in &results {
        let name = result.name();
        let is_only = names.get(&name) == Some(&1);
        let name = if is_only { name } else { format!("{}:{name}", result.mode) };
        benchmarks.add(name, result.observed())?;
    }
    benchmarks.suite("the results of JMH have no benchmark")
}

impl JmhResult {
    fn name(&self) -> String {
        let mut parameters = self.params.iter();
        let parameters = match (parameters.next(), self.params.len()) {
            (None, _) => return self.benchmark.clone(),
            (Some((_, value)), 1) => value.clone(),
            _ => {
                let pairs = self.params.iter().map(|(name, value)| format!("{name}={value}"));
                pairs.collect::<Vec<_>>().join(",")
            }
        };
        format!("{}/{parameters}", self.benchmark)
    }

    fn observed(&self) -> Result<CaseEvidence, String> {
        let metric = &self.primary_metric;
        let unit = metric.score_unit.as_str();
        let is_rate = self.mode == "thrpt";
        let ns = match (is_rate, unit.strip_prefix("ops/"), unit.strip_suffix("/op")) {
            (true, Some(unit), _) | (false, _, Some(unit)) => unit_ns(unit),
            _ => None,
        };
        let ns = ns.ok_or_else(|| {
            format!("its unit is `{}` in mode `{}`", shown(unit), shown(&self.mode))
        })?;
        if self.mode == "sample" && !metric.raw_data_histogram.is_empty() {
            let iterations = metric.raw_data_histogram.iter().flatten();
            return samples_of_means(iterations.map(|it| of_histogram(it, ns)));
        }
        // Each of the threads has the whole time, and the rate is of all.
        let threads = self.threads.map_or(1.0, as_f64);
        let mean_ns = |score: f64| if is_rate { ns * threads / score } else { ns * score };
        if metric.raw_data.is_empty() {
            let score = metric.score.as_ref().and_then(Value::as_f64);
            return told(Clocked { mean: score.map(mean_ns), ..Clocked::default() });
        }
        let scores = metric.raw_data.iter().flatten().map(Value::as_f64);
        samples_of_means(scores.map(|score| {
            let mean = score.map(mean_ns);
            (self.operations(mean), mean)
        }))
    }

    /// About how many operations an iteration had, each of which took so many nanoseconds.
    fn operations(&self, mean_ns: Option<f64>) -> u64 {
        if self.mode == "ss" {
            return 1;
        }
        let time = self.measurement_time.as_deref().and_then(|it| it.split_once(' '));
        let time =
            time.and_then(|(number, unit)| Some(number.parse::<f64>().ok()? * unit_ns(unit)?));
        let operations = time.zip(mean_ns).map(|(time, mean)| (time / mean).round());
        whole(operations).unwrap_or(1).max(1)
    }
}

/// How many operations an iteration had, and their mean.
fn of_histogram(pairs: &[(f64, f64)], unit_ns: f64) -> (u64, Option<f64>) {
    let count: f64 = pairs.iter().map(|(_, count)| count).sum();
    let total: f64 = pairs.iter().map(|(time, count)| time * count).sum();
    (whole(Some(count)).unwrap_or(0), Some(total / count * unit_ns))
}

#[expect(clippy::cast_precision_loss, reason = "a number of threads")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
