//! The messages of cargo-criterion: `cargo criterion --message-format=json`, one JSON object a line.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    BENCHMARKS_MAX, Benchmark, ForeignError, MeasuredQuantity, Suite, evidence, json_problem,
};

/// A message; the fields of other messages, and fields to come, are passed over.
#[derive(Deserialize)]
struct Message {
    reason: Option<String>,
}

/// A message with this reason has samples.
const COMPLETE: &str = "benchmark-complete";

#[derive(Deserialize)]
struct Complete {
    id: String,
    iteration_count: Vec<Option<f64>>,
    measured_values: Vec<Option<f64>>,
    unit: String,
}

/// Reads the benchmarks of all messages; lines that are none, such as Cargo's, are passed over.
///
/// # Errors
///
/// [`ForeignError`] when no message is of a benchmark.
pub fn read_cargo_criterion(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let mut benchmarks = BTreeMap::new();
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    for (place, line) in lines {
        let complete = serde_json::from_slice::<Message>(line)
            .is_ok_and(|it| it.reason.as_deref() == Some(COMPLETE));
        if !complete {
            // A message that was cut short would otherwise be missing without a word.
            let cut = line.trim_ascii_start().starts_with(b"{\"reason\":\"benchmark-complete\"");
            if cut {
                let message = format!("line {} is cut short", place + 1);
                return Err(ForeignError::Foreign(message));
            }
            continue;
        }
        let message: Complete = serde_json::from_slice(line).map_err(|error| {
            ForeignError::Foreign(format!("line {}: {}", place + 1, json_problem(&error)))
        })?;
        if benchmarks.len() >= BENCHMARKS_MAX {
            let text = format!("more than {BENCHMARKS_MAX} benchmarks");
            return Err(ForeignError::TooLarge(text));
        }
        let observed = of_unit(&message);
        benchmarks.insert(message.id, Benchmark { timestamp: String::new(), observed });
    }
    let nothing = "there is no message `benchmark-complete`: give the output of \
                   `cargo criterion --message-format=json`";
    Suite::of(nothing, benchmarks)
}

fn of_unit(message: &Complete) -> Result<crate::operation::CaseEvidence, String> {
    let measured = match message.unit.as_str() {
        "ns" => MeasuredQuantity::Time,
        "allocs" => MeasuredQuantity::Allocations,
        "B" => MeasuredQuantity::AllocatedBytes,
        other => return Err(format!("its unit is `{}`, not `ns`", super::shown(other))),
    };
    evidence(measured, &message.iteration_count, &message.measured_values)
}
