//! Bencher Metric Format, which Bencher and others chart: benchmarks, and of each its measures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Document, Report, Style, measures, outside::name};
use crate::passport::HashError;

/// A value, and what was seen around it.
#[derive(Serialize)]
struct BencherFigure {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// One object; without a benchmark where the document is no passport.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    let mut benchmarks: BTreeMap<String, BTreeMap<&str, BencherFigure>> = BTreeMap::new();
    if let Document::Passport(passport) = &report.document {
        for measure in measures::of(passport) {
            let (lower_value, upper_value) = measure.bounds.unzip();
            let metric = BencherFigure { value: measure.value, lower_value, upper_value };
            benchmarks.entry(name(measure.subject)).or_default().insert(measure.name, metric);
        }
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&benchmarks).unwrap_or_default()))
}
