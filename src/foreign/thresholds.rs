//! The threshold files of the original systems, as contracts.
//!
//! Two shapes are known: `sla_thresholds.json` of an operation suite (with `//` comments), and the file
//! of service level objectives with a `baseline` and component objectives. What has no counterpart is
//! listed, not guessed.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    contract::{Contract, ContractError},
    text::printable,
};

/// Iterations of the original suite, of which its total is.
const ITERATIONS: u64 = 1000;
const NAME_LENGTH_MAX: usize = 64;

/// A contract made of thresholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The text of `passport.toml`.
    pub contract: String,
    /// What it does not hold, as `key: why`.
    pub unmapped: Vec<String>,
}

/// Thresholds that make no contract.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ThresholdsError {
    /// Not JSON.
    #[error("{0}")]
    Json(String),
    /// JSON of neither shape.
    #[error(
        "no thresholds: neither one of maxAvgTimeMs, maxTotalTimeMs, minThroughput, maxMemoryUsage, \
         regressionThreshold is in it, nor a table `slo`"
    )]
    Foreign,
    /// A threshold is no number, or one that no contract can hold.
    #[error("{key}: {value} is not a number that a threshold can be")]
    Number {
        /// The threshold.
        key: String,
        /// What stands there.
        value: String,
    },
    /// The result is no contract.
    #[error("the thresholds make no contract: {0}")]
    Contract(#[from] ContractError),
}

/// Makes a contract of a threshold file; `operations` are the operations that a suite's thresholds are
/// for, where the file names none.
///
/// # Errors
///
/// [`ThresholdsError`] when it is no such file, or a threshold cannot be held.
pub fn convert_thresholds(text: &str, operations: &[String]) -> Result<Converted, ThresholdsError> {
    let document: Value = serde_json::from_str(&without_comments(text))
        .map_err(|error| ThresholdsError::Json(super::json_problem(&error)))?;
    let Value::Object(document) = document else { return Err(ThresholdsError::Foreign) };
    let converted = if document.get("slo").is_some_and(Value::is_object) {
        objectives(&document)?
    } else {
        suite(&document, operations)?
    };
    Contract::parse(&converted.contract)?;
    Ok(converted)
}

/// The same text with comments blanked out; what stands in strings is no comment.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let (mut in_string, mut escaped) = (false, false);
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('/', Some('/')) if !in_string => {
                while characters.next_if(|it| *it != '\n').is_some() {}
            }
            ('/', Some('*')) if !in_string => {
                let mut last = ' ';
                characters.next();
                for it in characters.by_ref() {
                    if last == '*' && it == '/' {
                        break;
                    }
                    // Errors tell lines.
                    if it == '\n' {
                        out.push('\n');
                    }
                    last = it;
                }
                out.push(' ');
            }
            _ => {
                if !escaped && character == '"' {
                    in_string = !in_string;
                }
                escaped = in_string && !escaped && character == '\\';
                out.push(character);
            }
        }
    }
    out
}

/// Thresholds of a suite, for each of its operations.
fn suite(
    document: &Map<String, Value>,
    operations: &[String],
) -> Result<Converted, ThresholdsError> {
    let mut unmapped = Vec::new();
    let (mut budgets, mut tolerances, mut iterations) = (String::new(), String::new(), None);
    let mut known = false;
    for (key, value) in document {
        let plain = key.replace('_', "").to_ascii_lowercase();
        let mut budget = |name: &str| -> Result<(), ThresholdsError> {
            known = true;
            let _ = writeln!(budgets, "{name} = {}", number(key, value)?);
            Ok(())
        };
        match plain.as_str() {
            "maxavgtimems" => budget("mean_ms_max")?,
            "maxtotaltimems" => {
                budget("total_ms_max")?;
                iterations = Some(ITERATIONS);
            }
            "minthroughput" => budget("throughput_min")?,
            "maxmemoryusage" => {
                known = true;
                let bytes = number(key, value)?.round();
                let _ = writeln!(budgets, "heap_bytes_max = {bytes}");
            }
            "regressionthreshold" => {
                known = true;
                let percent = round(number(key, value)? * 100.0);
                let _ =
                    write!(tolerances, "latency_percent = {percent}\nheap_percent = {percent}\n");
            }
            _ => unmapped.push(note(key, "not a threshold that is known")),
        }
    }
    if !known {
        return Err(ThresholdsError::Foreign);
    }
    let default = ["operation".to_owned()];
    let named = if operations.is_empty() { &default[..] } else { operations };
    let mut contract = "schema_version = 1\nname = \"operations\"\n".to_owned();
    for name in named {
        let _ = write!(contract, "\n[[operation]]\nname = {}\n", quoted(name));
        if let Some(iterations) = iterations {
            let _ = writeln!(
                contract,
                "# Those that total_ms_max is of: the file does not say, the original suite has so many.\n\
                 iterations = {iterations}"
            );
        }
        for (table, keys) in [("budgets", &budgets), ("tolerance", &tolerances)] {
            if !keys.is_empty() {
                let _ = write!(contract, "[operation.{table}]\n{keys}");
            }
        }
    }
    if operations.is_empty() {
        unmapped
            .push("the names of the operations: the file has none; give --operation NAME".into());
    }
    Ok(Converted { contract, unmapped })
}

/// Service level objectives of a pipeline and of its components.
fn objectives(document: &Map<String, Value>) -> Result<Converted, ThresholdsError> {
    let mut unmapped = Vec::new();
    let table = |key: &str| document.get(key).and_then(Value::as_object);
    let (baseline, slo) = (table("baseline"), table("slo"));
    let allowed = slo.and_then(|it| it.get("max_regression_pct"));
    let allowed = allowed.map(|it| number("slo.max_regression_pct", it)).transpose()?;
    let average = baseline.and_then(|it| it.get("reference_avg_ms"));
    let average = average.map(|it| number("baseline.reference_avg_ms", it)).transpose()?;
    let name = baseline.and_then(|it| it.get("slice_name")).and_then(Value::as_str);
    let name = plain_name(name.unwrap_or("pipeline"));
    let mut contract = format!(
        "schema_version = 1\nname = \"objectives\"\n\n[[operation]]\nname = {}\n",
        quoted(&name)
    );
    if let Some(average) = average {
        // The mean may be worse than its reference by so much.
        let most = round(average * (1.0 + allowed.unwrap_or(0.0) / 100.0));
        let _ = write!(contract, "[operation.budgets]\nmean_ms_max = {most}\n");
    }
    if let Some(percent) = allowed {
        let percent = round(percent);
        let _ = write!(contract, "[operation.tolerance]\nlatency_percent = {percent}\n");
    }
    for (component, objective) in table("component_slos").into_iter().flatten() {
        let path = format!("component_slos.{component}");
        let Some(objective) = objective.as_object() else {
            unmapped.push(note(&path, "not a table of objectives"));
            continue;
        };
        for (key, value) in objective {
            let path = format!("{path}.{key}");
            if key == "block_regression_pct" {
                let percent = round(number(&path, value)?);
                let _ = write!(
                    contract,
                    "\n[[operation]]\nname = {}\n[operation.tolerance]\nlatency_percent = {percent}\n",
                    quoted(&plain_name(component))
                );
            } else {
                unmapped.push(note(&path, "a claim passes or fails, and there is no warning"));
            }
        }
    }
    unmapped.extend(left_over(document));
    Ok(Converted { contract, unmapped })
}

/// What of a file of objectives has no counterpart, but for component objectives.
fn left_over(document: &Map<String, Value>) -> Vec<String> {
    let mut unmapped = Vec::new();
    for (key, value) in document {
        if ["slo", "baseline", "component_slos"].contains(&key.as_str()) && value.is_object() {
            continue;
        }
        let paths: Vec<String> = match value.as_object() {
            Some(table) => table.keys().map(|inner| format!("{key}.{inner}")).collect(),
            None => vec![key.clone()],
        };
        unmapped.extend(paths.iter().map(|path| note(path, why_not(path))));
    }
    for (table, mapped) in [
        ("slo", &["max_regression_pct"][..]),
        ("baseline", &["reference_avg_ms", "slice_name"][..]),
    ] {
        let keys = document.get(table).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| !mapped.contains(&key.as_str())) {
            let path = format!("{table}.{key}");
            unmapped.push(note(&path, why_not(&path)));
        }
    }
    unmapped
}

fn why_not(path: &str) -> &'static str {
    match path {
        "slo.warn_regression_pct" => "a claim passes or fails, and there is no warning",
        "slo.block_regression_pct" => "max_regression_pct is the limit, and it blocks",
        "slo.min_improvement_pct" => "no improvement is claimed",
        "baseline.reference_min_ms" | "baseline.reference_max_ms" => {
            "a reference is what a baseline passport holds"
        }
        "tolerance.jitter_allowance_pct" | "tolerance.outlier_trim_pct" => {
            "confidence bounds stand for it, and no sample is left out"
        }
        "tolerance.min_cycles_for_validity" => "claims abstain by themselves on too few samples",
        _ => "it is no threshold",
    }
}

fn note(path: &str, why: &str) -> String {
    format!("{}: {why}", printable(path.as_bytes(), 120))
}

/// A finite number of at least 0.
fn number(key: &str, value: &Value) -> Result<f64, ThresholdsError> {
    let refused = || ThresholdsError::Number {
        key: printable(key.as_bytes(), 120),
        value: printable(value.to_string().as_bytes(), 60),
    };
    value.as_f64().filter(|it| (0.0..=1e15).contains(it)).ok_or_else(refused)
}

/// A millionth is far below what a threshold means.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// A name as contracts have them.
fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).take(NAME_LENGTH_MAX).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name.to_ascii_lowercase() }
}

/// A string of TOML; what a contract does not allow in a name it refuses with a sentence.
fn quoted(text: &str) -> String {
    // The escapes of JSON are among those of TOML.
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Millihertz, Nanos, Picos, Ppm};

    const SUITE: &str = r#"{
  "maxAvgTimeMs": 1.0,           // Maximum average time per operation
  "maxTotalTimeMs": 1000,        /* of all
                                    operations */
  "minThroughput": 1000.0,       // "quoted"
  "maxMemoryUsage": 1000000,
  "regressionThreshold": 0.1,
  "url": "http://not/a/comment"
}"#;

    #[test]
    fn thresholds_of_a_suite_become_budgets() {
        let names = ["lens-get".to_owned(), "lens-set".to_owned()];
        let converted = convert_thresholds(SUITE, &names).unwrap();
        assert_eq!(converted.unmapped, ["url: not a threshold that is known"]);
        let contract = Contract::parse(&converted.contract).unwrap();
        assert_eq!(contract.operations.len(), 2);
        let operation = &contract.operations[1];
        assert_eq!(operation.name, "lens-set");
        assert_eq!(operation.iterations.get(), 1000);
        assert_eq!(operation.budgets.mean_max, Some(Picos::new(1_000_000_000)));
        assert_eq!(operation.budgets.total_ns_max, Some(Nanos::new(1_000_000_000)));
        assert_eq!(operation.budgets.throughput_min, Some(Millihertz::new(1_000_000)));
        assert_eq!(operation.budgets.heap_bytes_max, Some(Bytes::new(1_000_000)));
        assert_eq!(operation.tolerance.latency_ppm, Ppm::new(100_000));
    }

    #[test]
    fn objectives_become_operations_and_the_rest_is_told() {
        let text = r#"{
            "version": "1.1.0",
            "baseline": {"reference_avg_ms": 250.0, "reference_max_ms": 350.0, "slice_name": "slice_medium"},
            "slo": {"max_regression_pct": 10.0, "warn_regression_pct": 5.0},
            "tolerance": {"jitter_allowance_pct": 3.0},
            "component_slos": {
                "_comment": "optional",
                "scoring": {"warn_regression_pct": 10.0, "block_regression_pct": 30.0}
            }
        }"#;
        let converted = convert_thresholds(text, &[]).unwrap();
        let contract = Contract::parse(&converted.contract).unwrap();
        let names: Vec<&str> = contract.operations.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["slice_medium", "scoring"]);
        assert_eq!(contract.operations[0].budgets.mean_max, Some(Picos::new(275_000_000_000)));
        assert_eq!(contract.operations[1].tolerance.latency_ppm, Ppm::new(300_000));
        for told in [
            "component_slos._comment: ",
            "component_slos.scoring.warn_regression_pct: ",
            "tolerance.jitter_allowance_pct: ",
            "slo.warn_regression_pct: ",
            "baseline.reference_max_ms: ",
            "version: it is no threshold",
        ] {
            assert!(converted.unmapped.iter().any(|it| it.starts_with(told)), "{told}");
        }
    }

    #[test]
    fn what_makes_no_contract_is_refused_in_a_sentence() {
        for (text, told) in [
            ("", "it ends early"),
            ("{", "it ends early"),
            ("nonsense", "it is not JSON"),
            ("[]", "no thresholds"),
            ("{\"other\": 1}", "no thresholds"),
            ("{\"maxAvgTimeMs\": \"fast\"}", "maxAvgTimeMs: \\\"fast\\\" is not a number"),
            ("{\"maxAvgTimeMs\": -1}", "maxAvgTimeMs: -1 is not a number"),
            ("{\"maxAvgTimeMs\": 0}", "the thresholds make no contract: line"),
            ("{\"slo\": {\"max_regression_pct\": null}}", "slo.max_regression_pct: null"),
        ] {
            let error = convert_thresholds(text, &[]).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        let error = convert_thresholds(SUITE, &["no name\"\n".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("operation name"), "{error}");
    }
}
