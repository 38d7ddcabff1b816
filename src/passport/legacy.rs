//! Importing a passport of the original `MathLedger` scripts.
//!
//! Such a document shows no evidence: one latency sample per variant, the client's memory, net live
//! objects instead of allocations. [`import`] takes its figures over, makes every claim ABSTAIN, and
//! says in the annotations what cannot be known. Its hash, where it has one, is checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    GUARANTEE, HashError, Passport, ProbeKind, Provenance, SCHEMA_VERSION, Summary, TestResult,
    Thresholds,
};
use crate::{
    claim::{Claim, Reason, Unit, Verdict},
    contract::ClaimKind,
    environment::{Source, SystemInfo},
    evidence::Evidence,
    rules::Rules,
    text::{hex, printable},
    units::{Bytes, Count},
};

/// Characters of one text that is taken over.
const TEXT_MAX: usize = 200;

/// Stands for a text that the original does not have.
const UNSAID: &str = "unknown";

/// What the import cannot know; written into each imported passport.
const UNKNOWN: [&str; 5] = [
    "each latency is one sample, taken with a profiler on and without warm-up",
    "memory is the change of the client's resident memory, not the service's; left out",
    "objects are net live objects of the client's collector, not allocations; left out",
    "no response was kept, so behaviour and determinism cannot be recomputed",
    "the stated verdicts follow from no evidence in the document; every claim abstains",
];

/// A document that cannot be imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Not JSON.
    #[error("not JSON, at line {line}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
    },
    /// JSON of another shape.
    #[error(
        "not an original performance passport, which is an object with `test_results`; results of \
         criterion, Go, JMH, pytest-benchmark and other tools are read by `passport import TOOL FILE`: {0}"
    )]
    Foreign(String),
    /// A passport of this program: there is nothing to import.
    #[error("already a passport of this format: read it with `passport show`")]
    Own,
    /// The document's own hash does not fit it.
    #[error("its passport_hash does not fit its contents: it was edited, or cut")]
    Hash,
    /// The result cannot be hashed.
    #[error(transparent)]
    Output(#[from] HashError),
}

#[derive(Deserialize)]
struct Original {
    cartographer: Option<Value>,
    run_id: Option<Value>,
    session_id: Option<Value>,
    timestamp: Option<Value>,
    test_results: Vec<OriginalResult>,
    #[serde(default)]
    thresholds: OriginalThresholds,
    summary: Option<OriginalSummary>,
    system_info: Option<BTreeMap<String, Value>>,
    anime_energy: Option<BTreeMap<String, Value>>,
    passport_hash: Option<String>,
    schema_version: Option<Value>,
}

#[derive(Deserialize)]
struct OriginalResult {
    endpoint: Option<String>,
    test_name: String,
    latency_ms: Option<f64>,
    status: Option<String>,
    timestamp: Option<String>,
    chakra_flow: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OriginalThresholds {
    max_latency_threshold_ms: Option<f64>,
    max_memory_threshold_mb: Option<f64>,
    max_objects_threshold: Option<u64>,
    regression_tolerance_percent: Option<f64>,
    deterministic_threshold_percent: Option<f64>,
}

#[derive(Deserialize)]
struct OriginalSummary {
    overall_status: Option<String>,
}

/// Reads a passport of the original scripts, in either of their two shapes.
///
/// # Errors
///
/// [`ImportError`] when it is another document, or its own hash does not fit it.
pub fn import(bytes: &[u8]) -> Result<Passport, ImportError> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ImportError::Syntax { line: error.line() })?;
    let original: Original = serde_json::from_value(value.clone())
        .map_err(|error| ImportError::Foreign(printable(error.to_string().as_bytes(), TEXT_MAX)))?;
    if original.schema_version.is_some() {
        return Err(ImportError::Own);
    }
    if original.passport_hash.as_ref().is_some_and(|hash| *hash != original_hash(&value)) {
        return Err(ImportError::Hash);
    }
    let plain =
        |text: &Option<String>| printable(text.as_deref().unwrap_or(UNSAID).as_bytes(), TEXT_MAX);
    let results = original.test_results.iter().map(|it| {
        let test_name = printable(it.test_name.as_bytes(), TEXT_MAX);
        let latency_ms = it.latency_ms.filter(|it| it.is_finite());
        result(plain(&it.endpoint), test_name, latency_ms, plain(&it.timestamp))
    });
    let facts = LegacyFacts {
        cartographer: text(original.cartographer.as_ref()),
        run_id: text(original.run_id.as_ref()),
        session_id: text(original.session_id.as_ref()),
        timestamp: text(original.timestamp.as_ref()),
        rules: Rules::LATEST,
        results: results.collect(),
        thresholds: thresholds(&original.thresholds),
        system_info: system_info(original.system_info.as_ref()),
        annotations: annotations(&original),
    };
    Ok(passport(facts)?)
}

/// Makes an imported passport again from what the original said: all else in it is a function of
/// that, and claims nothing.
pub(super) fn import_again(imported: &Passport) -> Result<Passport, HashError> {
    let results = imported.test_results.iter().map(|it| {
        result(it.endpoint.clone(), it.test_name.clone(), it.latency_ms, it.timestamp.clone())
    });
    passport(LegacyFacts {
        cartographer: imported.cartographer.clone(),
        run_id: imported.run_id.clone(),
        session_id: imported.session_id.clone(),
        timestamp: imported.timestamp.clone(),
        rules: imported.rules,
        results: results.collect(),
        thresholds: imported.thresholds.clone(),
        system_info: SystemInfo {
            architecture: UNSAID.to_owned(),
            kernel: None,
            cpu_model: None,
            ..imported.system_info.clone()
        },
        annotations: imported.annotations.clone(),
    })
}

/// What is taken over from an original.
struct LegacyFacts {
    cartographer: String,
    run_id: String,
    session_id: String,
    timestamp: String,
    rules: Rules,
    results: Vec<TestResult>,
    thresholds: Thresholds,
    system_info: SystemInfo,
    annotations: BTreeMap<String, String>,
}

/// The document of an import, which claims nothing and says what cannot be known.
fn passport(facts: LegacyFacts) -> Result<Passport, HashError> {
    let LegacyFacts { results, mut annotations, .. } = facts;
    for (index, note) in UNKNOWN.iter().enumerate() {
        annotations.insert(format!("import.unknown.{}", index + 1), (*note).to_owned());
    }
    let mut endpoints_profiled: Vec<String> = Vec::new();
    for result in &results {
        if !endpoints_profiled.contains(&result.endpoint) {
            endpoints_profiled.push(result.endpoint.clone());
        }
    }
    let mut passport = Passport {
        schema_version: SCHEMA_VERSION,
        cartographer: facts.cartographer,
        run_id: facts.run_id,
        session_id: facts.session_id,
        timestamp: facts.timestamp,
        complete: false,
        performance_guarantee: GUARANTEE.to_owned(),
        endpoints_profiled,
        contract: None,
        rules: facts.rules,
        provenance: Provenance {
            probe: ProbeKind::Imported,
            target: UNSAID.to_owned(),
            build: None,
            source: Source::default(),
            said_commit: None,
        },
        summary: summary(&results),
        test_results: results,
        checks_left_out: Vec::new(),
        operations: Vec::new(),
        operations_left_out: Vec::new(),
        production: None,
        thresholds: facts.thresholds,
        system_info: facts.system_info,
        baseline: None,
        comparison: None,
        annotations,
        passport_hash: String::new(),
        evidence_hash: String::new(),
    };
    passport.seal()?;
    Ok(passport)
}

fn result(
    endpoint: String,
    test_name: String,
    latency_ms: Option<f64>,
    timestamp: String,
) -> TestResult {
    let claim =
        |kind| Claim { required: true, unit: Unit::Count, ..Claim::new(kind, Reason::Imported) };
    TestResult {
        endpoint,
        test_name,
        latency_ms,
        memory_mb: None,
        objects: None,
        status: Verdict::Abstain,
        regression: false,
        deterministic: false,
        timestamp,
        fixture: UNSAID.to_owned(),
        requests_per_sample: Count::new(1),
        budgets: None,
        tolerance: None,
        claims: [
            ClaimKind::Status,
            ClaimKind::Deterministic,
            ClaimKind::Allocations,
            ClaimKind::Heap,
            ClaimKind::Latency,
        ]
        .map(claim)
        .into(),
        latency: None,
        evidence: Evidence::default(),
        baseline: None,
        paired: None,
        certificate: None,
        instructions: None,
    }
}

fn summary(results: &[TestResult]) -> Summary {
    Summary {
        total_tests: results.len() as u64,
        passed_tests: 0,
        failed_tests: 0,
        abstained_tests: results.len() as u64,
        performance_regressions: 0,
        memory_regressions: 0,
        max_latency_ms: results.iter().filter_map(|it| it.latency_ms).reduce(f64::max),
        max_memory_mb: None,
        max_objects: None,
        deterministic_score: 0.0,
        deterministic_status: Verdict::Abstain,
        measured_status: Verdict::Abstain,
        overall_status: Verdict::Abstain,
        operations: None,
    }
}

/// The defaults of the original scripts stand in for what their older shape leaves out.
fn thresholds(original: &OriginalThresholds) -> Thresholds {
    Thresholds {
        max_latency_threshold_ms: original.max_latency_threshold_ms.unwrap_or(10.0),
        max_memory_threshold_mb: original.max_memory_threshold_mb.unwrap_or(10.0),
        max_objects_threshold: original.max_objects_threshold.unwrap_or(1000),
        regression_tolerance_percent: original.regression_tolerance_percent.unwrap_or(5.0),
        deterministic_threshold_percent: original.deterministic_threshold_percent.unwrap_or(95.0),
    }
}

fn system_info(original: Option<&BTreeMap<String, Value>>) -> SystemInfo {
    let get = |key: &str| original.and_then(|it| it.get(key));
    SystemInfo {
        platform: text(get("platform")),
        architecture: UNSAID.to_owned(),
        kernel: None,
        cpu_model: None,
        cpu_count: get("cpu_count").and_then(Value::as_u64).map(Count::new),
        memory_total_bytes: get("memory_total_gb").and_then(Value::as_f64).and_then(gigabytes),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1e6 GB, checked here"
)]
fn gigabytes(value: f64) -> Option<Bytes> {
    const BYTES_PER_GB: f64 = 1024.0 * 1024.0 * 1024.0;
    (0.0..=1e6).contains(&value).then(|| Bytes::new((value * BYTES_PER_GB).round() as u64))
}

fn annotations(original: &Original) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let hash = match original.passport_hash {
        Some(_) => "the document's own passport_hash fits its contents",
        None => "the document has no passport_hash: nothing shows that it is unchanged",
    };
    annotations.insert("import.hash".to_owned(), hash.to_owned());
    let stated = original.summary.as_ref().and_then(|it| it.overall_status.as_deref());
    if let Some(status) = stated {
        let status = printable(status.as_bytes(), TEXT_MAX);
        annotations.insert("original.overall_status".to_owned(), status);
    }
    for (key, value) in original.anime_energy.iter().flatten() {
        let key = printable(key.as_bytes(), TEXT_MAX);
        annotations.insert(format!("original.anime_energy.{key}"), text(Some(value)));
    }
    for result in &original.test_results {
        let name = printable(result.test_name.as_bytes(), TEXT_MAX);
        for (what, stated) in [("status", &result.status), ("chakra_flow", &result.chakra_flow)] {
            if let Some(stated) = stated {
                let stated = printable(stated.as_bytes(), TEXT_MAX);
                annotations.insert(format!("original.{name}.{what}"), stated);
            }
        }
    }
    annotations
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => UNSAID.to_owned(),
        Some(Value::String(text)) => printable(text.as_bytes(), TEXT_MAX),
        Some(other) => printable(other.to_string().as_bytes(), TEXT_MAX),
    }
}

/// The hash of the original scripts: SHA-256 of everything but `passport_hash`, written as Python
/// writes JSON with sorted keys, no blanks and ASCII only.
fn original_hash(document: &Value) -> String {
    let mut document = document.clone();
    if let Value::Object(fields) = &mut document {
        fields.remove("passport_hash");
    }
    let mut written = String::new();
    write_python(&document, &mut written);
    hex(&Sha256::digest(written))
}

fn write_python(value: &Value, out: &mut String) {
    use std::fmt::Write as _;
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_python_string(key, out);
                out.push(':');
                write_python(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_python(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_python_string(text, out),
        Value::Number(number) if number.is_f64() => {
            out.push_str(&python_float(number.as_f64().unwrap_or_default()));
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

fn write_python_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Python's `repr` of a float: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11 prints for `repr` of each.
    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (100.0, "100.0"),
            (0.0508, "0.0508"),
            (-0.121_094, "-0.121094"),
            (0.0, "0.0"),
            (5e-05, "5e-05"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-7, "1.5e-07"),
            (1e100, "1e+100"),
            (0.143_899_989_780_838_6, "0.1438999897808386"),
        ];
        for (value, expected) in cases {
            assert_eq!(python_float(value), expected);
        }
    }

    /// The digest that `hashlib.sha256(json.dumps(..., sort_keys=True, separators=(",", ":")))`
    /// gives for this document.
    #[test]
    fn a_document_is_hashed_as_python_hashes_it() {
        let document = serde_json::json!({ "b": [1, 2.0, 5e-05], "a": "\u{e9}\u{1f600}\n\"" });
        let mut written = String::new();
        write_python(&document, &mut written);
        assert_eq!(written, r#"{"a":"\u00e9\ud83d\ude00\n\"","b":[1,2.0,5e-05]}"#);
    }
}
