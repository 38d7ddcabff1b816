//! What github-action-benchmark charts as `customSmallerIsBetter`: a list of figures.

use serde::Serialize;

use super::{Document, Report, Style, measures, outside::name};
use crate::passport::HashError;

/// One figure; all are texts but the value.
#[derive(Serialize)]
struct BenchmarkEntry {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
}

/// One list; empty where the document is no passport.
#[expect(clippy::unnecessary_wraps, reason = "other formats can fail")]
pub(super) fn render(report: &Report<'_>, _: Style) -> Result<String, HashError> {
    let mut entries = Vec::new();
    if let Document::Passport(passport) = &report.document {
        entries.extend(measures::of(passport).into_iter().map(|it| BenchmarkEntry {
            name: format!("{} {}", name(it.subject), it.name),
            unit: it.unit,
            value: it.value,
            range: it.bounds.map(|(least, most)| format!("{least} .. {most}")),
        }));
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&entries).unwrap_or_default()))
}
