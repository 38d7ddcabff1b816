//! Bencher Metric Format: benchmarks, and of each its measures with a value and perhaps two bounds.
//!
//! The format has no samples, so times are told. `latency` is in nanoseconds, `throughput` a rate per second.
//! Counts are taken over where they have the names that this program gives them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Benchmarks, ForeignError, Suite, json_document,
    seconds::{Clocked, evidence, told},
    whole,
};
use crate::{
    evidence::Range,
    operation::{CaseEvidence, ToldFigures},
    units::Count,
};

#[derive(Deserialize)]
struct BencherMetric {
    value: Option<f64>,
    lower_value: Option<f64>,
    upper_value: Option<f64>,
}

type BencherMeasures = BTreeMap<String, BencherMetric>;

/// Reads all benchmarks.
///
/// # Errors
///
/// [`ForeignError`] when it is no such document, or has no benchmark.
pub fn read_bencher(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let document: BTreeMap<String, BencherMeasures> = json_document(
        bytes,
        "no Bencher Metric Format (an object of benchmarks and their measures)",
    )?;
    let mut benchmarks = Benchmarks::default();
    for (name, measures) in document {
        benchmarks.add(name, observed(&measures))?;
    }
    benchmarks.suite("the document has no benchmark")
}

fn observed(measures: &BencherMeasures) -> Result<CaseEvidence, String> {
    let time = match (measures.get("latency"), measures.get("throughput")) {
        (Some(latency), _) => Some(told(clocked(latency, |ns| ns))?),
        (None, Some(rate)) => Some(told(clocked(rate, |rate| 1e9 / rate))?),
        (None, None) => None,
    };
    let count = |name: &str| measures.get(name).map(|it| count_of(name, it)).transpose();
    let allocations = count("allocations")?.map(Range::of);
    let allocated_bytes = count("allocated-bytes")?.map(Range::of);
    let heap_peak_bytes = count("heap-peak")?.map(Range::of);
    let instructions = count("instructions")?.map(Count::new);
    let is_counted = allocations.or(allocated_bytes).or(heap_peak_bytes).is_some();
    let figures = ToldFigures { instructions, ..time.and_then(|it| it.told).unwrap_or_default() };
    let observed = if figures == ToldFigures::default() {
        CaseEvidence::default()
    } else {
        evidence(figures)?
    };
    if !is_counted && observed.told.is_none() {
        let names: Vec<&str> = measures.keys().map(String::as_str).take(3).collect();
        let names = super::shown(&names.join(", "));
        return Err(format!("it has no measure that is known, such as `latency`, but `{names}`"));
    }
    Ok(CaseEvidence {
        counted: Count::new(u64::from(is_counted)),
        allocations,
        allocated_bytes,
        heap_peak_bytes,
        ..observed
    })
}

/// A rate turns the bounds around.
fn clocked(metric: &BencherMetric, ns: impl Fn(f64) -> f64) -> Clocked {
    let [mean, one, other] =
        [metric.value, metric.lower_value, metric.upper_value].map(|it| it.map(&ns));
    let (mean_lower, mean_upper) = match (one, other) {
        (Some(one), Some(other)) if one > other => (Some(other), Some(one)),
        bounds => bounds,
    };
    Clocked { mean, mean_lower, mean_upper, ..Clocked::default() }
}

fn count_of(name: &str, metric: &BencherMetric) -> Result<u64, String> {
    whole(metric.value).ok_or_else(|| format!("its `{name}` is no count up to 2^53"))
}
