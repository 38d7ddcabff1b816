//! Files of monitoring, held against the tools that read them.
//!
//! promtool reads rules, runs their tests, and reads the expressions of dashboards. amtool reads the
//! configuration of Alertmanager and follows its routes. What no tool reads is held against the contract and
//! against the rules: budgets, resources of Kubernetes, pages. [`move_thresholds`] then tells which
//! thresholds no test holds.

mod budgets;
mod kubernetes;
mod mutation;
mod panels;
mod read;
mod runbooks;
mod tools;

use std::{collections::BTreeSet, fs, path::Path};

use perf_passport::{
    contract::{Contract, WatchedService},
    text::{counted, escaped},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    alertmanager::{PAGES, TICKETS},
    error::MonitorError,
    named_file::{NamedFile, in_directory, one},
};
pub use mutation::{Mutation, Survivor};
use read::{NamedRules, rules};
use tools::{Answer, Tool};

const YAML: &[&str] = &[".yml", ".yaml"];

/// What came of a check, in lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What held.
    pub held: Vec<String>,
    /// What did not, each with what a tool said.
    pub failed: Vec<String>,
    /// What is not wrong, and should be known.
    pub notes: Vec<String>,
}

impl CheckReport {
    fn tell(&mut self, holds: bool, held: &str, failed: &str) {
        if holds {
            self.held.push(held.to_owned());
        } else {
            self.failed.push(failed.to_owned());
        }
    }

    fn hold(&mut self, what: &str, answer: &Answer) {
        if answer.passed {
            self.held.push(what.to_owned());
        } else {
            self.failed.push(format!("{what}:\n  {}", answer.told().join("\n  ")));
        }
    }
}

/// Checks a directory that [`files`](crate::monitoring::files) filled, or that people changed since.
///
/// # Errors
///
/// [`MonitorError::NoService`] where the contract has none, [`MonitorError::NoTool`] where a tool is missing,
/// and [`MonitorError::Unreadable`] where a file is not there or cannot be read.
pub fn check(directory: &Path, contract: &Contract) -> Result<CheckReport, MonitorError> {
    let service = contract.service.as_ref().ok_or(MonitorError::NoService)?;
    Tool::Promtool.find()?;
    Tool::Amtool.find()?;
    let prometheus = directory.join("prometheus");
    let rule_files = needed(&prometheus.join("rules"), YAML)?;
    let tests = needed(&prometheus.join("tests"), YAML)?;
    let all = rules(&rule_files)?;
    let mut report = CheckReport::default();

    let paths = rule_files.iter().map(|it| it.path.clone().into_os_string());
    let read = Tool::Promtool.run(["check".into(), "rules".into()].into_iter().chain(paths))?;
    report.hold("promtool reads the rules", &read);
    let run = mutation::run_tests(&prometheus.join("tests"), &tests)?;
    report.hold("promtool runs the tests of the rules", &run);
    let scrape = prometheus.join("prometheus.yml");
    if scrape.exists() {
        let arguments = ["check", "config", "--syntax-only"].map(Into::into);
        let read = Tool::Promtool.run(arguments.into_iter().chain([scrape.into_os_string()]))?;
        report.hold("promtool reads the configuration of Prometheus", &read);
    }
    dashboards(directory, service, &all, &mut report)?;
    alertmanager(directory, &all, &mut report)?;
    budgets::check(directory, contract, &all, &mut report)?;
    kubernetes::check(directory, service, &all, &mut report)?;
    runbooks::check(directory, &all, &mut report);

    Ok(report)
}

/// Moves each threshold of a directory whose check holds: tests that fail already blame everything.
///
/// # Errors
///
/// As [`check`].
pub fn move_thresholds(directory: &Path) -> Result<Mutation, MonitorError> {
    let prometheus = directory.join("prometheus");
    let rule_files = needed(&prometheus.join("rules"), YAML)?;
    let tests = needed(&prometheus.join("tests"), YAML)?;
    mutation::mutate(&rules(&rule_files)?, &tests)
}

/// Files without which there is nothing to check.
fn needed(directory: &Path, endings: &[&str]) -> Result<Vec<NamedFile>, MonitorError> {
    let files = in_directory(directory, endings)?;
    if files.is_empty() {
        let message =
            "no file is there: `passport monitor all --output DIR` writes them".to_owned();
        return Err(MonitorError::Unreadable { path: directory.to_owned(), message });
    }
    Ok(files)
}

fn dashboards(
    directory: &Path,
    service: &WatchedService,
    rules: &[NamedRules],
    report: &mut CheckReport,
) -> Result<(), MonitorError> {
    let known = panels::known(service, rules);
    let mut expressions = Vec::new();
    let mut unknown = 0;
    for file in in_directory(&directory.join("grafana/dashboards"), &[".json"])? {
        let unreadable = |error: serde_json::Error| MonitorError::Unreadable {
            path: file.path.clone(),
            message: error.to_string(),
        };
        let dashboard: Value = serde_json::from_str(&file.text).map_err(unreadable)?;
        for (title, expression) in panels::expressions(&dashboard) {
            for metric in panels::metrics(&expression).difference(&known) {
                unknown += 1;
                report.failed.push(format!(
                    "panel `{}` of {} asks for `{metric}`, which nothing has",
                    escaped(&title),
                    file.name
                ));
            }
            expressions.push(expression);
        }
    }
    if expressions.is_empty() {
        return Ok(());
    }
    let scratch = TempDir::with_prefix("passport-monitor-").map_err(MonitorError::Scratch)?;
    let path = scratch.path().join("panels.yml");
    let text = serde_norway::to_string(&panels::as_rules(&expressions)).map_err(|error| {
        MonitorError::Unwritable { path: "panels.yml".to_owned(), message: error.to_string() }
    })?;
    fs::write(&path, text).map_err(MonitorError::Scratch)?;
    let arguments = ["check".into(), "rules".into(), path.into_os_string()];
    let what =
        format!("promtool reads {} of dashboards", counted(expressions.len() as u64, "expression"));
    report.hold(&what, &Tool::Promtool.run(arguments)?);
    if unknown == 0 {
        report.held.push("every metric of the dashboards is known".to_owned());
    }
    Ok(())
}

fn alertmanager(
    directory: &Path,
    rules: &[NamedRules],
    report: &mut CheckReport,
) -> Result<(), MonitorError> {
    let configuration = directory.join("alertmanager/alertmanager.yml");
    if !configuration.exists() {
        return Ok(());
    }
    let path = configuration.clone().into_os_string();
    let read = Tool::Amtool.run(["check-config".into(), path])?;
    report.hold("amtool reads the configuration of Alertmanager", &read);
    if read.passed && !one(&configuration)?.is_some_and(|it| tells_somebody(&it)) {
        report.notes.push(format!(
            "nobody is told of alerts: no receiver `{PAGES}` with Slack, mail or another way in alertmanager.yml"
        ));
    }
    let groups = rules.iter().flat_map(|it| &it.rules.groups);
    let severities: BTreeSet<&str> = groups
        .flat_map(|it| &it.rules)
        .filter_map(|it| it.labels.get("severity").map(String::as_str))
        .collect();
    for severity in severities {
        let receiver = if severity == "critical" { PAGES } else { TICKETS };
        let mut file = std::ffi::OsString::from("--config.file=");
        file.push(&configuration);
        let mut arguments: Vec<std::ffi::OsString> =
            ["config", "routes", "test"].map(Into::into).to_vec();
        arguments.extend([file, format!("--verify.receivers={receiver}").into()]);
        arguments.push(format!("severity={severity}").into());
        let routed = Tool::Amtool.run(arguments)?;
        report.hold(&format!("{} alerts reach `{receiver}`", escaped(severity)), &routed);
    }
    Ok(())
}

/// Whether the receiver of critical alerts has a way to tell of them.
fn tells_somebody(configuration: &str) -> bool {
    let Ok(configuration) = serde_norway::from_str::<Value>(configuration) else { return false };
    let receivers = configuration["receivers"].as_array().into_iter().flatten();
    let pages = receivers.filter(|it| it["name"] == PAGES);
    pages.filter_map(Value::as_object).flatten().any(|(key, ways)| {
        key.ends_with("_configs") && ways.as_array().is_some_and(|it| !it.is_empty())
    })
}
