//! The summaries of k6: what `handleSummary` is given as JSON, or the file of `--summary-export`.
//!
//! Only trends of times are read. k6 keeps no samples in them, so they are told.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Benchmarks, ForeignError, Suite, json_document,
    seconds::{Clocked, told},
    shown, whole,
};
use crate::{operation::CaseEvidence, units::Count};

const MS: f64 = 1e6;

#[derive(Deserialize)]
struct K6Summary {
    metrics: BTreeMap<String, K6Metric>,
}

/// A metric: of `handleSummary` with its values apart, of `--summary-export` among the other fields.
#[derive(Deserialize)]
struct K6Metric {
    #[serde(rename = "type")]
    kind: Option<String>,
    contains: Option<String>,
    values: Option<TrendValues>,
    #[serde(flatten)]
    flat: TrendValues,
}

/// Milliseconds of a trend.
#[derive(Deserialize)]
struct TrendValues {
    avg: Option<f64>,
    min: Option<f64>,
    med: Option<f64>,
    max: Option<f64>,
    #[serde(rename = "p(95)")]
    p95: Option<f64>,
    count: Option<f64>,
}

/// Reads all trends, by their names.
///
/// # Errors
///
/// [`ForeignError`] when it is no summary of k6, or has no trend.
pub fn read_k6(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let summary: K6Summary = json_document(bytes, "no summary of k6")?;
    let mut benchmarks = Benchmarks::default();
    for (name, metric) in summary.metrics {
        let values = metric.values.as_ref().unwrap_or(&metric.flat);
        let is_trend = metric.kind.as_deref().unwrap_or("trend") == "trend";
        if !is_trend || values.avg.or(values.med).is_none() {
            continue;
        }
        benchmarks.add(name, observed(metric.contains.as_deref(), values))?;
    }
    benchmarks.suite("the summary of k6 has no trend")
}

fn observed(contains: Option<&str>, values: &TrendValues) -> Result<CaseEvidence, String> {
    if let Some(other) = contains.filter(|it| *it != "time") {
        return Err(format!("it is no time: k6 says that it contains `{}`", shown(other)));
    }
    let ns = |ms: Option<f64>| ms.map(|it| it * MS);
    told(Clocked {
        mean: ns(values.avg),
        min: ns(values.min),
        p50: ns(values.med),
        p95: ns(values.p95),
        max: ns(values.max),
        samples: whole(values.count).map(Count::new),
        ..Clocked::default()
    })
}
