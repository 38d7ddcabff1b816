//! The summaries of gungraun and iai-callgrind: `--output-format=json`, one JSON object a line.
//!
//! Callgrind counts the instructions of one run, and no time. They are told.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Benchmarks, ForeignError, Suite, json_problem, seconds::evidence, shown, whole};
use crate::{
    operation::{CaseEvidence, ToldFigures},
    units::Count,
};

/// Versions of the summary that are read: iai-callgrind 0.16, and gungraun.
const VERSIONS: [&str; 2] = ["6", "7"];
/// The event that is an instruction.
const INSTRUCTIONS: &str = "Ir";

#[derive(Deserialize)]
struct GungraunSummary {
    version: String,
    module_path: String,
    id: Option<String>,
    profiles: Vec<GungraunProfile>,
}

#[derive(Deserialize)]
struct GungraunProfile {
    tool: String,
    /// Of version 6.
    summaries: Option<ProfileData>,
    /// Of version 7.
    data: Option<ProfileData>,
}

#[derive(Deserialize)]
struct ProfileData {
    total: ProfileTotal,
}

/// Metrics by their events: in version 6 below the name of the tool.
#[derive(Deserialize)]
struct ProfileTotal {
    metrics: Option<BTreeMap<String, Value>>,
    summary: Option<Value>,
}

/// Reads all summaries; a name is that of the function, then `/` and the id of the benchmark.
///
/// # Errors
///
/// [`ForeignError`] when a line is no summary, is of a version that is not known, or there is none.
pub fn read_gungraun(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let mut benchmarks = Benchmarks::default();
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    for (place, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let refused = |why: String| ForeignError::Foreign(format!("line {}: {why}", place + 1));
        let summary: GungraunSummary = serde_json::from_slice(line).map_err(|error| {
            refused(format!(
                "no summary of gungraun (`--output-format=json`): {}",
                json_problem(&error)
            ))
        })?;
        if !VERSIONS.contains(&summary.version.as_str()) {
            let version = shown(&summary.version);
            return Err(refused(format!("its version is `{version}`, and 6 and 7 are read")));
        }
        let name = match &summary.id {
            Some(id) => format!("{}/{id}", summary.module_path),
            None => summary.module_path.clone(),
        };
        benchmarks.add(name, observed(&summary))?;
    }
    benchmarks
        .suite("there is no summary: give the output of `cargo bench -- --output-format=json`")
}

fn observed(summary: &GungraunSummary) -> Result<CaseEvidence, String> {
    let profile = summary.profiles.iter().find(|it| it.tool == "Callgrind");
    let profile = profile.ok_or("it was not run under Callgrind, so no instructions are known")?;
    let total = profile.data.as_ref().or(profile.summaries.as_ref()).map(|it| &it.total);
    let counted = total.and_then(new_instructions);
    let instructions = whole(counted).ok_or("it has no count of instructions (`Ir`)")?;
    let instructions = Some(Count::new(instructions));
    evidence(ToldFigures { instructions, ..ToldFigures::default() })
}

/// The instructions of the run that is new, not of the one that it was compared with.
fn new_instructions(total: &ProfileTotal) -> Option<f64> {
    if let Some(metrics) = &total.metrics {
        return metrics.get(INSTRUCTIONS)?.get("values")?.get("new")?.as_f64();
    }
    let metrics = total.summary.as_ref()?.get("Callgrind")?.get(INSTRUCTIONS)?.get("metrics")?;
    let new = metrics.get("Left").or_else(|| metrics.get("Both")?.get(0))?;
    new.get("Int").unwrap_or(new).as_f64()
}
