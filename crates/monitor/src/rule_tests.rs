//! Unit tests of the rules, for `promtool test rules`.
//!
//! Each alert has a test where it fires, with its labels and texts; one where it is quiet; two beside each
//! threshold, 5 % to either side; and one of low traffic. So a threshold that is moved by 10 % breaks a test.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    alert::{Alert, Holds},
    decimal::significant,
    input::InputSeries,
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
pub(crate) struct RuleTest {
    pub(crate) name: String,
    pub(crate) interval: String,
    pub(crate) input_series: Vec<InputSeries>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) alert_rule_test: Vec<AlertTest>,
    pub(crate) promql_expr_test: Vec<ExpressionTest>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct AlertTest {
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
pub(crate) struct ExpressionTest {
    expr: String,
    eval_time: String,
    exp_samples: Vec<ExpectedSample>,
}

impl ExpressionTest {
    /// That an expression has this value alone, with these labels.
    pub(crate) fn new(expr: String, minute: u32, labels: &str, value: f64) -> Self {
        let exp_samples = vec![ExpectedSample { labels: labels.to_owned(), value }];
        Self { expr, eval_time: format!("{minute}m"), exp_samples }
    }
}

#[derive(Debug, Clone, Serialize)]
struct ExpectedSample {
    labels: String,
    value: f64,
}

impl RuleTestFile {
    /// None where there is no test.
    pub(crate) fn of(
        rule_files: &[&str],
        evaluation_interval: &'static str,
        tests: Vec<RuleTest>,
    ) -> Option<Self> {
        let rule_files = rule_files.iter().map(|it| format!("../rules/{it}")).collect();
        (!tests.is_empty()).then_some(Self { rule_files, evaluation_interval, tests })
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
    RuleTestFile::of(&[file], every, tests.collect())
}

/// How many alerts of this name and objective fire.
fn firing(alert: &Alert, count: f64) -> ExpressionTest {
    let slo = alert.slo.as_ref().map(|it| format!(",slo=\"{it}\"")).unwrap_or_default();
    let expr = format!(
        "count(ALERTS{{alertname=\"{}\"{slo},alertstate=\"firing\"}}) or vector(0)",
        alert.name
    );
    ExpressionTest::new(expr, alert.input.looked_at(alert.minutes), "{}", count)
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
        interval: "1m".to_owned(),
        input_series: [&alert.input.series(values)[..], &alert.besides].concat(),
        alert_rule_test: Vec::new(),
        promql_expr_test: vec![firing(alert, if fires { 1.0 } else { 0.0 })],
    };
    let clear = values(true, 0.2);
    let mut tests = vec![
        RuleTest {
            alert_rule_test: vec![expected(alert, together, runbooks, clear[0])],
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
    tests.push(low_traffic(alert, &test));
    for (what, series) in &alert.quiet_at {
        let test = test((*what).to_owned(), &clear, false);
        tests.push(RuleTest { input_series: series.clone(), ..test });
    }
    tests
}

/// One event fewer than the floor, and all of them bad enough; without a floor, nothing to be seen.
fn low_traffic(alert: &Alert, test: &impl Fn(String, &[f64], bool) -> RuleTest) -> RuleTest {
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
fn expected(alert: &Alert, together: &[&Alert], runbooks: &str, value: f64) -> AlertTest {
    let expected = |it: &&Alert| expected_alert(it, &alert.series_labels, runbooks, value);
    AlertTest {
        eval_time: format!("{}m", alert.input.looked_at(alert.minutes)),
        alertname: alert.name.clone(),
        exp_alerts: together.iter().map(expected).collect(),
    }
}

fn expected_alert(
    alert: &Alert,
    series_labels: &[(String, String)],
    runbooks: &str,
    value: f64,
) -> ExpectedAlert {
    let mut labels = alert.labels();
    labels.insert("job".to_owned(), alert.job.clone());
    labels.extend(series_labels.iter().cloned());
    let mut description =
        alert.description.replace("{{ $value | printf \"%.4g\" }}", &significant(value));
    for (label, value) in series_labels {
        description = description.replace(&format!("{{{{ $labels.{label} }}}}"), value);
    }
    let annotations = BTreeMap::from([
        ("description", description),
        ("runbook_url", format!("{runbooks}{}.md", alert.page)),
        ("summary", alert.summary.clone()),
    ]);
    ExpectedAlert { exp_labels: labels, exp_annotations: annotations }
}
