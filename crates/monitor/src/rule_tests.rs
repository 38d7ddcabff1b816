//! Unit tests of the rules, for `promtool test rules`.
//!
//! Each alert has a test where it fires, with its labels and texts; one where it is quiet; two beside each
//! threshold, 5 % to either side; and one of low traffic. So a threshold that is moved by 10 % breaks a test.

use std::collections::BTreeMap;

use perf_passport::contract::{Contract, Objective};
use serde::Serialize;

use crate::{
    alert::{Alert, Holds},
    alerts::{Kind, burns},
    budgets::seconds,
    decimal::significant,
    error::MonitorError,
    input::{InputSeries, MINUTES},
    promql::{Names, edge_forms},
};

/// A file of tests.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RuleTestFile {
    rule_files: Vec<String>,
    evaluation_interval: &'static str,
    tests: Vec<RuleTest>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "promtool calls them so")]
struct RuleTest {
    name: String,
    interval: &'static str,
    input_series: Vec<InputSeries>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alert_rule_test: Vec<AlertTest>,
    promql_expr_test: Vec<ExpressionTest>,
}

#[derive(Debug, Clone, Serialize)]
struct AlertTest {
    eval_time: String,
    alertname: String,
    exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Debug, Clone, Serialize)]
struct ExpectedAlert {
    exp_labels: BTreeMap<String, String>,
    exp_annotations: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Serialize)]
struct ExpressionTest {
    expr: String,
    eval_time: String,
    exp_samples: Vec<ExpectedSample>,
}

#[derive(Debug, Clone, Serialize)]
struct ExpectedSample {
    labels: String,
    value: f64,
}

impl RuleTestFile {
    fn of(rule_files: &[&str], evaluation_interval: &'static str, tests: Vec<RuleTest>) -> Self {
        Self {
            rule_files: rule_files.iter().map(|it| format!("../rules/{it}")).collect(),
            evaluation_interval,
            tests,
        }
    }
}

/// The tests of the alerts of a file that are evaluated so often, from what they read.
pub(crate) fn of_alerts(
    alerts: &[Alert],
    file: &str,
    every: &'static str,
    runbooks: &str,
) -> Option<RuleTestFile> {
    let alerts = alerts.iter().filter(|it| it.input.evaluated_every() == every);
    let alerts: Vec<&Alert> = alerts.collect();
    let together = |alert: &Alert| -> Vec<&Alert> {
        let meant = |it: &&Alert| match &it.slo {
            Some(slo) => alert.fire_together.contains(slo),
            None => true,
        };
        alerts.iter().copied().filter(|it| it.name == alert.name).filter(meant).collect()
    };
    let tests = alerts.iter().flat_map(|alert| of_alert(alert, &together(alert), runbooks));
    let tests: Vec<RuleTest> = tests.collect();
    (!tests.is_empty()).then(|| RuleTestFile::of(&[file], every, tests))
}

/// How many alerts of this name and objective fire.
fn firing(alert: &Alert, count: f64) -> ExpressionTest {
    let slo = alert.slo.as_ref().map(|it| format!(",slo=\"{it}\"")).unwrap_or_default();
    ExpressionTest {
        expr: format!(
            "count(ALERTS{{alertname=\"{}\"{slo},alertstate=\"firing\"}}) or vector(0)",
            alert.name
        ),
        eval_time: format!("{}m", alert.input.looked_at(alert.minutes)),
        exp_samples: vec![ExpectedSample { labels: "{}".to_owned(), value: count }],
    }
}

/// `together` are those that fire on the same series, this one among them.
fn of_alert(alert: &Alert, together: &[&Alert], runbooks: &str) -> Vec<RuleTest> {
    let values = |holds: bool, share: f64| -> Vec<f64> {
        alert.conditions.iter().map(|it| it.value(holds, share)).collect()
    };
    let title = match &alert.slo {
        Some(slo) => format!("{} {slo}", alert.name),
        None => alert.name.clone(),
    };
    let test = |what: String, values: &[f64], fires: bool| RuleTest {
        name: format!("{title}: {what}"),
        interval: "1m",
        input_series: alert.input.series(values),
        alert_rule_test: Vec::new(),
        promql_expr_test: vec![firing(alert, if fires { 1.0 } else { 0.0 })],
    };
    let clear = values(true, 0.2);
    let mut tests = vec![
        RuleTest {
            alert_rule_test: vec![expected(together, runbooks, clear[0])],
            ..test("fires".to_owned(), &clear, true)
        },
        test("is quiet".to_owned(), &values(false, 0.5), false),
    ];
    for (place, condition) in alert.conditions.iter().enumerate() {
        for fires in [true, false] {
            let mut values = clear.clone();
            values[place] = condition.value(fires, 0.05);
            let side = if fires { "holds" } else { "does not" };
            tests.push(test(format!("condition {} just {side}", place + 1), &values, fires));
        }
    }
    tests.push(low_traffic(alert, test));
    tests
}

/// One event fewer than the floor, and all of them bad enough; without a floor, nothing to be seen.
fn low_traffic(alert: &Alert, test: impl Fn(String, &[f64], bool) -> RuleTest) -> RuleTest {
    let needs_absence = alert.conditions.iter().any(|it| matches!(it.holds, Holds::Absent));
    let has_floor = alert.conditions.iter().any(|it| it.floor_value().is_some());
    let values = alert.conditions.iter().map(|condition| match condition.floor_value() {
        Some(floor) => floor - 1.0,
        None if has_floor => condition.value(true, 0.2),
        // A series that is there, and never moves.
        None if needs_absence => 1.0,
        None => f64::NAN,
    });
    let values: Vec<f64> = values.collect();
    let mut test = test("low traffic".to_owned(), &values, false);
    if !has_floor && !needs_absence {
        test.input_series.clear();
    }
    test
}

/// What Alertmanager gets of alerts of one name whose value this is.
fn expected(together: &[&Alert], runbooks: &str, value: f64) -> AlertTest {
    let alert = together[0];
    AlertTest {
        eval_time: format!("{}m", alert.input.looked_at(alert.minutes)),
        alertname: alert.name.clone(),
        exp_alerts: together.iter().map(|it| expected_alert(it, runbooks, value)).collect(),
    }
}

fn expected_alert(alert: &Alert, runbooks: &str, value: f64) -> ExpectedAlert {
    let mut labels = alert.labels();
    labels.insert("job".to_owned(), alert.job.clone());
    labels.extend(alert.series_labels.iter().cloned());
    let mut description =
        alert.description.replace("{{ $value | printf \"%.4g\" }}", &significant(value));
    for (label, value) in &alert.series_labels {
        description = description.replace(&format!("{{{{ $labels.{label} }}}}"), value);
    }
    let annotations = BTreeMap::from([
        ("description", description),
        ("runbook_url", format!("{runbooks}{}.md", alert.page)),
        ("summary", alert.summary.clone()),
    ]);
    ExpectedAlert { exp_labels: labels, exp_annotations: annotations }
}

/// The tests of recorded series and of the fastest alerts, from requests: with each form of the edge, at
/// a share that burns too fast, and at one that does not.
///
/// # Errors
///
/// That no test can meet the selector of the service.
pub(crate) fn of_recordings(
    contract: &Contract,
    names: &Names<'_>,
) -> Result<Option<RuleTestFile>, MonitorError> {
    let mut tests = Vec::new();
    for objective in &contract.objectives {
        let Some(fastest) = burns(objective).into_iter().next() else { continue };
        let threshold: f64 = fastest.threshold.parse().expect("thresholds are decimal numbers");
        for edge in edge_forms(&seconds(objective.latency)) {
            for (what, factor) in [("too fast", 1.2), ("slowly", 0.5)] {
                let share = threshold * factor;
                tests.push(RuleTest {
                    name: format!("{} edge {edge}: burns {what}", objective.name),
                    interval: "1m",
                    input_series: traffic(objective, names, &edge, share)?,
                    alert_rule_test: Vec::new(),
                    promql_expr_test: recorded(
                        objective,
                        names,
                        &fastest.long,
                        share,
                        factor > 1.0,
                    ),
                });
            }
        }
    }
    let rules = ["recording.yml", "objectives.yml"];
    Ok((!tests.is_empty()).then(|| RuleTestFile::of(&rules, "2m", tests)))
}

/// A thousand requests a minute for each route; this share of them fails, and as many are slow.
fn traffic(
    objective: &Objective,
    names: &Names<'_>,
    edge: &str,
    share: f64,
) -> Result<Vec<InputSeries>, MonitorError> {
    let service = names.service;
    let mut series = Vec::new();
    let mut add = |metric: &str, labels: &[(&str, &str)], per_minute: f64| {
        let values = format!("0+{per_minute}x{MINUTES}");
        names.example(metric, labels).map(|it| series.push(InputSeries { series: it, values }))
    };
    let (bucket, count) =
        (format!("{}_bucket", service.metric), format!("{}_count", service.metric));
    for route in &objective.routes {
        // A status of one library is a class, that of another a code.
        for (status, part) in [("2xx", 1.0 - share), ("500", share / 2.0), ("5xx", share / 2.0)] {
            let labels = [
                (service.route_label.as_str(), route.route.as_str()),
                (service.method_label.as_str(), route.method.as_str()),
                (service.status_label.as_str(), status),
            ];
            add(&service.requests, &labels, 1000.0 * part)?;
            add(&count, &labels, 1000.0 * part)?;
            add(&bucket, &[&labels[..], &[("le", edge)]].concat(), 1000.0 * part * (1.0 - share))?;
            add(&bucket, &[&labels[..], &[("le", "+Inf")]].concat(), 1000.0 * part)?;
        }
    }
    // Other requests count for nothing.
    let other = [
        (service.route_label.as_str(), "<unmatched>"),
        (service.method_label.as_str(), "GET"),
        (service.status_label.as_str(), "5xx"),
    ];
    add(&service.requests, &other, 5000.0)?;
    Ok(series)
}

fn recorded(
    objective: &Objective,
    names: &Names<'_>,
    window: &str,
    share: f64,
    fires: bool,
) -> Vec<ExpressionTest> {
    let labels = format!("{{job=\"{}\",slo=\"{}\"}}", names.service.name, objective.name);
    // Rates are constant, so a part of a window has the share of it.
    let at = "20m".to_owned();
    let one = |expr: String, labels: &str, value: f64| ExpressionTest {
        expr,
        eval_time: at.clone(),
        exp_samples: vec![ExpectedSample { labels: labels.to_owned(), value }],
    };
    let mut tests = Vec::new();
    for (kind, name) in Kind::ALL.into_iter().zip(["ErrorBudgetBurn", "LatencyBudgetBurn"]) {
        // Sums of floats differ in their last digit.
        let expr = format!("abs({}{labels} - {share}) < bool 0.000001", kind.recorded(window));
        tests.push(one(expr, &labels, 1.0));
        let fastest = burns(objective).into_iter().next().map_or("", |it| it.name);
        let alert = format!(
            "count(ALERTS{{alertname=\"{name}{fastest}\",slo=\"{}\",alertstate=\"firing\"}}) or vector(0)",
            objective.name
        );
        tests.push(one(alert, "{}", if fires { 1.0 } else { 0.0 }));
    }
    tests
}
