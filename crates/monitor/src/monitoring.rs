//! All files of a contract: pure functions of it and of a few settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use perf_passport::contract::Contract;

use crate::{
    alert::Alert,
    alertmanager, alerts,
    budgets::Budgets,
    compose, dashboards,
    document::{json, sorted, yaml},
    error::MonitorError,
    kubernetes,
    named_file::in_directory,
    promql::Names,
    recording, recording_tests,
    rule::{RuleFile, RuleGroup},
    rule_tests, runbooks, scrape,
    settings::Settings,
};

/// Files that are made together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `budgets.json`, which the running service has.
    Budgets,
    /// Recording rules and alerts of Prometheus.
    Rules,
    /// Unit tests of the rules.
    Tests,
    /// Dashboards of Grafana, and how it finds them.
    Dashboards,
    /// The configuration of Alertmanager.
    Alertmanager,
    /// A compose file, and what its containers read.
    Compose,
    /// Resources of the Prometheus Operator.
    Kubernetes,
    /// A page for each alert.
    Runbooks,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Budgets,
        Self::Rules,
        Self::Tests,
        Self::Dashboards,
        Self::Alertmanager,
        Self::Compose,
        Self::Kubernetes,
        Self::Runbooks,
    ];
}

/// A file with its path below the directory of monitoring, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Such as `prometheus/rules/alerts.yml`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The files of some parts, in the order of the parts.
///
/// # Errors
///
/// [`MonitorError::NoService`] where the contract has no `[service]`, and
/// [`MonitorError::UntestableMatcher`] where no test can meet its selector.
pub fn files(
    contract: &Contract,
    settings: &Settings,
    parts: &[Part],
) -> Result<Vec<GeneratedFile>, MonitorError> {
    let service = contract.service.as_ref().ok_or(MonitorError::NoService)?;
    let budgets = Budgets::of(contract)?.ok_or(MonitorError::NoService)?;
    let monitored = Monitored { contract, names: Names { service }, budgets, settings };
    let mut files = Vec::new();
    for part in parts {
        files.extend(monitored.part(*part)?);
    }
    Ok(files)
}

/// The file with the alerts of objectives.
const OBJECTIVES: &str = "objectives.yml";

/// Directories in which only files of these are looked for.
const DIRECTORIES: [&str; 5] =
    ["prometheus/rules", "prometheus/tests", "grafana/dashboards", "kubernetes", "alloy"];

/// What a file says that this module made.
const MADE: [&str; 2] = ["Made by `passport monitor", "\"perf-passport\""];

/// Files below a directory that were made of a contract, and are none of these: `files` are all that this
/// contract has. Prometheus would still read such rules.
///
/// # Errors
///
/// [`MonitorError::Unreadable`].
pub fn left_over(directory: &Path, files: &[GeneratedFile]) -> Result<Vec<PathBuf>, MonitorError> {
    let mut found = Vec::new();
    for part in DIRECTORIES {
        for file in in_directory(&directory.join(part), &[".yml", ".yaml", ".json", ".alloy"])? {
            let path = format!("{part}/{}", file.name);
            let is_made = MADE.iter().any(|it| file.text.contains(it));
            if is_made && files.iter().all(|it| it.path != path) {
                found.push(file.path);
            }
        }
    }
    Ok(found)
}

/// What files are made of.
struct Monitored<'a> {
    contract: &'a Contract,
    names: Names<'a>,
    budgets: Budgets,
    settings: &'a Settings,
}

impl Monitored<'_> {
    fn part(&self, part: Part) -> Result<Vec<GeneratedFile>, MonitorError> {
        match part {
            Part::Budgets => Ok(vec![file("budgets.json", self.budgets.to_json())]),
            Part::Rules => self.rules(),
            Part::Tests => self.tests(),
            Part::Dashboards => self.dashboards(),
            Part::Alertmanager => self.alertmanager(),
            Part::Compose => self.compose(),
            Part::Kubernetes => self.kubernetes(),
            Part::Runbooks => Ok(runbooks::pages().map(|(path, text)| file(&path, text)).collect()),
        }
    }

    /// The alerts by their file; one without an alert is none.
    fn alerts(&self) -> Result<Vec<(&'static str, Vec<Alert>)>, MonitorError> {
        let of_objectives = alerts::of_objectives(self.contract, &self.names)?;
        let of_service = alerts::of_service(&self.names, &self.budgets)?;
        let mut all = vec![(OBJECTIVES, of_objectives), ("service.yml", of_service)];
        all.retain(|(_, alerts)| !alerts.is_empty());
        Ok(all)
    }

    fn runbooks(&self) -> &str {
        &self.names.service.runbook_url
    }

    /// The groups of all rules by their file, those that record first.
    fn groups(&self) -> Result<Vec<(&'static str, Vec<RuleGroup>)>, MonitorError> {
        let mut all = vec![("recording.yml", recording::groups(self.contract, &self.names))];
        for (file, alerts) in self.alerts()? {
            let rules = alerts.iter().map(|it| it.rule(self.runbooks())).collect();
            let of = file.trim_end_matches(".yml");
            let name = format!("{} alerts of {of}", self.names.service.name);
            all.push((file, vec![RuleGroup { name, rules, others: BTreeMap::new() }]));
        }
        all.retain(|(_, groups)| !groups.is_empty());
        Ok(all)
    }

    fn rules(&self) -> Result<Vec<GeneratedFile>, MonitorError> {
        let left_out = self.left_out();
        let one = |(file, groups): (&str, Vec<RuleGroup>)| {
            let comments = if file == OBJECTIVES { &left_out[..] } else { &[] };
            of_yaml(&format!("prometheus/rules/{file}"), comments, &RuleFile { groups })
        };
        self.groups()?.into_iter().map(one).collect()
    }

    /// The levels that no objective can reach, as sentences.
    fn left_out(&self) -> Vec<String> {
        self.contract.objectives.iter().flat_map(alerts::unreachable).collect()
    }

    fn tests(&self) -> Result<Vec<GeneratedFile>, MonitorError> {
        let mut all = vec![
            ("recording", recording_tests::of_recordings(self.contract, &self.names)?),
            ("windows", recording_tests::of_windows(self.contract, &self.names)?),
        ];
        for (file, alerts) in &self.alerts()? {
            let of = |every| rule_tests::of_alerts(alerts, file, every, self.runbooks());
            all.push((file.trim_end_matches(".yml"), of("1m")));
            all.push(("day", of("10m")));
        }
        let mut files = Vec::new();
        for (name, tests) in all {
            if let Some(tests) = tests {
                let path = format!("prometheus/tests/{name}_test.yml");
                files.push(of_yaml(&path, &[], &tests)?);
            }
        }
        Ok(files)
    }

    fn dashboards(&self) -> Result<Vec<GeneratedFile>, MonitorError> {
        let all = dashboards::dashboards(self.contract, &self.names, &self.budgets);
        let service = &self.names.service.name;
        let one = |it: &dashboards::Dashboard| {
            file(&format!("grafana/dashboards/{}.json", it.name), json(&it.to_json(service)))
        };
        let mut files: Vec<GeneratedFile> = all.iter().map(one).collect();
        for (path, document) in [
            ("grafana/provisioning/dashboards/dashboards.yaml", dashboards::provider()),
            ("grafana/provisioning/datasources/datasources.yaml", dashboards::datasources()),
        ] {
            files.push(of_yaml(path, &[], &sorted(&document))?);
        }
        Ok(files)
    }

    fn alertmanager(&self) -> Result<Vec<GeneratedFile>, MonitorError> {
        let configuration = sorted(&alertmanager::configuration(self.settings));
        let comments = alertmanager::comments(self.settings);
        Ok(vec![
            of_yaml("alertmanager/alertmanager.yml", &comments, &configuration)?,
            file("alertmanager/templates/slack.tmpl", alertmanager::templates()),
        ])
    }

    fn compose(&self) -> Result<Vec<GeneratedFile>, MonitorError> {
        let service = self.names.service;
        let scrape = scrape::configuration(self.contract, service, &self.budgets, self.settings);
        let comments = scrape::comments(service);
        Ok(vec![
            of_yaml("compose.yaml", &[], &sorted(&compose::compose(self.settings)))?,
            of_yaml("prometheus/prometheus.yml", &comments, &sorted(&scrape))?,
            file("alloy/logs.alloy", compose::log_collector()),
            file("alloy/profiles.alloy", compose::profiler()),
        ])
    }

    fn kubernetes(&self) -> Result<Vec<GeneratedFile>, MonitorError> {
        let service = self.names.service;
        let groups = self.groups()?;
        let groups = groups.iter().flat_map(|(_, groups)| groups.iter().cloned()).collect();
        let rule = kubernetes::prometheus_rule(&service.name, groups);
        let monitor = sorted(&kubernetes::service_monitor(service, self.settings));
        let comments = scrape::comments(service);
        Ok(vec![
            of_yaml("kubernetes/prometheus_rule.yaml", &self.left_out(), &rule)?,
            of_yaml("kubernetes/service_monitor.yaml", &comments, &monitor)?,
        ])
    }
}

fn file(path: &str, text: String) -> GeneratedFile {
    GeneratedFile { path: path.to_owned(), text }
}

fn of_yaml(
    path: &str,
    comments: &[String],
    document: &impl serde::Serialize,
) -> Result<GeneratedFile, MonitorError> {
    yaml(path, comments, document).map(|text| file(path, text))
}
