//! Unit tests of recorded series, for `promtool test rules`, from requests.
//!
//! Each window has a test, and so has an edge that is new.

use perf_passport::contract::{Contract, Objective};

use crate::{
    alerts::{Burn, Kind, burns},
    budgets::seconds,
    error::MonitorError,
    input::{InputSeries, MINUTES, rising_twice},
    promql::{Names, edge_forms},
    recording::{Window, windows},
    rule_tests::{ExpressionTest, RuleTest, RuleTestFile},
};

/// The tests of recorded series and of the fastest alerts, from requests: with each form of the edge, at
/// a share that burns too fast, at one that does not, and with an edge that is new.
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
        // All requests are the most that can be bad.
        let too_fast = (threshold * 1.2).min(1.0);
        for edge in edge_forms(&seconds(objective.latency)) {
            for (what, share) in [("too fast", too_fast), ("slowly", threshold * 0.5)] {
                let traffic = Traffic { share, edge: &edge, edge_since: 0, minutes: MINUTES };
                let fires = share > threshold;
                tests.push(RuleTest {
                    name: format!("{} edge {edge}: burns {what}", objective.name),
                    interval: "1m".to_owned(),
                    input_series: traffic.series(objective, names)?,
                    alert_rule_test: Vec::new(),
                    promql_expr_test: recorded(objective, names, &fastest, (share, fires)),
                });
            }
        }
        let edge = seconds(objective.latency);
        tests.push(of_new_edge(objective, names, &fastest, (&edge, too_fast))?);
    }
    Ok(RuleTestFile::of(&["recording.yml", "objectives.yml"], "2m", tests))
}

/// Requests from before an edge are not slow. Once all of a window is after it, what is slow counts.
fn of_new_edge(
    objective: &Objective,
    names: &Names<'_>,
    fastest: &Burn,
    (edge, share): (&str, f64),
) -> Result<RuleTest, MonitorError> {
    let long: u32 = fastest.long.trim_end_matches('m').parse().unwrap_or_default();
    // Rules are evaluated every other minute.
    let half = 2 * long.div_ceil(4);
    let traffic = Traffic { share, edge, edge_since: long, minutes: 2 * long + 10 };
    let fires = |minute, count| {
        ExpressionTest::new(fires(objective, "LatencyBudgetBurn", fastest), minute, "{}", count)
    };
    Ok(RuleTest {
        name: format!("{} edge {edge}: is new", objective.name),
        interval: "1m".to_owned(),
        input_series: traffic.series(objective, names)?,
        alert_rule_test: Vec::new(),
        promql_expr_test: vec![
            fires(long + 2, 0.0),
            fires(long + half, 0.0),
            fires(2 * long + 2, 1.0),
        ],
    })
}

/// The tests of each recorded window, from requests that fail and are slow in the last half of it alone. So
/// one that looks at half of the window, or at twice of it, has another share.
///
/// # Errors
///
/// That no test can meet the selector of the service.
pub(crate) fn of_windows(
    contract: &Contract,
    names: &Names<'_>,
) -> Result<Option<RuleTestFile>, MonitorError> {
    let mut tests = Vec::new();
    for objective in &contract.objectives {
        for window in windows(objective) {
            tests.push(of_window(objective, names, &window)?);
        }
    }
    Ok(RuleTestFile::of(&["recording.yml"], "1d", tests))
}

/// Steps of a window.
const STEPS: u32 = 10;
/// Requests to each route in a step.
const IN_A_STEP: f64 = 1000.0;
/// What is bad in the last half of a window.
const BAD: f64 = 0.4;

fn of_window(
    objective: &Objective,
    names: &Names<'_>,
    window: &Window,
) -> Result<RuleTest, MonitorError> {
    // At an evaluation, with whole steps before it, and at least twice the window. Few are quick.
    let (mut minutes, day) = (1440, 1440);
    while minutes % window.minutes != 0 || minutes < 2 * window.minutes {
        minutes += day;
    }
    let last = STEPS / 2;
    let first = STEPS * minutes / window.minutes - last;
    let service = names.service;
    let edge = seconds(objective.latency);
    let mut series = Vec::new();
    for route in &objective.routes {
        let mut add = |metric: &str, further: &[(&str, &str)], before: f64, after: f64| {
            let labels = [
                (service.route_label.as_str(), route.route.as_str()),
                (service.method_label.as_str(), route.method.as_str()),
            ];
            let series_name = names.example(metric, &[&labels[..], further].concat())?;
            let values = rising_twice((before * IN_A_STEP, first), (after * IN_A_STEP, last));
            series.push(InputSeries { series: series_name, values });
            Ok::<_, MonitorError>(())
        };
        let status = service.status_label.as_str();
        add(&service.requests, &[(status, "2xx")], 1.0, 1.0 - BAD)?;
        add(&service.requests, &[(status, "5xx")], 0.0, BAD)?;
        let answered = (status, "2xx");
        add(&format!("{}_count", service.metric), &[answered], 1.0, 1.0)?;
        let bucket = format!("{}_bucket", service.metric);
        add(&bucket, &[answered, ("le", &edge)], 1.0, 1.0 - BAD)?;
    }
    let labels = format!("{{job=\"{}\",slo=\"{}\"}}", service.name, objective.name);
    let requests = f64::from(STEPS)
        * IN_A_STEP
        * f64::from(u32::try_from(objective.routes.len()).unwrap_or(u32::MAX));
    let near = |recorded: String, value: f64| {
        // Versions of Prometheus differ in which end of a window belongs to it.
        let expr = format!("abs({recorded}{labels} - {value}) < bool {}", value / 5.0);
        ExpressionTest::new(expr, minutes, &labels, 1.0)
    };
    let mut tests = Vec::new();
    for kind in Kind::ALL {
        tests.push(near(kind.recorded(&window.text), BAD / 2.0));
        if window.is_long {
            tests.push(near(kind.counted(&window.text), requests));
        }
    }
    Ok(RuleTest {
        name: format!("{}: the last {}", objective.name, window.text),
        interval: format!("{}s", window.minutes * 60 / STEPS),
        input_series: series,
        alert_rule_test: Vec::new(),
        promql_expr_test: tests,
    })
}

/// A thousand requests a minute for each route; this share of them fails, and as many are slow.
struct Traffic<'a> {
    share: f64,
    edge: &'a str,
    /// The minute from which on the histogram has the edge.
    edge_since: u32,
    minutes: u32,
}

impl Traffic<'_> {
    fn series(
        &self,
        objective: &Objective,
        names: &Names<'_>,
    ) -> Result<Vec<InputSeries>, MonitorError> {
        let (service, share, edge) = (names.service, self.share, self.edge);
        let mut series = Vec::new();
        let mut add = |metric: &str, labels: &[(&str, &str)], per_minute: f64, since: u32| {
            let labels = [&[("instance", "a:1")][..], labels].concat();
            let gap = if since > 0 { format!("_x{since} ") } else { String::new() };
            let values = format!("{gap}0+{per_minute}x{}", self.minutes - since);
            names.example(metric, &labels).map(|it| series.push(InputSeries { series: it, values }))
        };
        let (bucket, count) =
            (format!("{}_bucket", service.metric), format!("{}_count", service.metric));
        for route in &objective.routes {
            // A status of one library is a class, that of another a code.
            for (status, part) in [("2xx", 1.0 - share), ("500", share / 2.0), ("5xx", share / 2.0)]
            {
                let labels = [
                    (service.route_label.as_str(), route.route.as_str()),
                    (service.method_label.as_str(), route.method.as_str()),
                    (service.status_label.as_str(), status),
                ];
                let with = |le| [&labels[..], &[("le", le)]].concat();
                let within = 1000.0 * part * (1.0 - share);
                add(&service.requests, &labels, 1000.0 * part, 0)?;
                add(&count, &labels, 1000.0 * part, 0)?;
                add(&bucket, &with(edge), within, self.edge_since)?;
                add(&bucket, &with("+Inf"), 1000.0 * part, 0)?;
            }
        }
        // Other requests count for nothing.
        let other = [
            (service.route_label.as_str(), "<unmatched>"),
            (service.method_label.as_str(), "GET"),
            (service.status_label.as_str(), "5xx"),
        ];
        add(&service.requests, &other, 5000.0, 0)?;
        Ok(series)
    }
}

/// How many alerts of this level and objective fire.
fn fires(objective: &Objective, name: &str, level: &Burn) -> String {
    format!(
        "count(ALERTS{{alertname=\"{name}{}\",slo=\"{}\",alertstate=\"firing\"}}) or vector(0)",
        level.name, objective.name
    )
}

fn recorded(
    objective: &Objective,
    names: &Names<'_>,
    fastest: &Burn,
    (share, does_fire): (f64, bool),
) -> Vec<ExpressionTest> {
    let labels = format!("{{job=\"{}\",slo=\"{}\"}}", names.service.name, objective.name);
    // Rates are constant, so a part of a window has the share of it.
    let at = 20;
    let mut tests = Vec::new();
    for (kind, name) in Kind::ALL.into_iter().zip(["ErrorBudgetBurn", "LatencyBudgetBurn"]) {
        // Sums of floats differ in their last digit.
        let recorded = kind.recorded(&fastest.long);
        let expr = format!("abs({recorded}{labels} - {share}) < bool 0.000001");
        tests.push(ExpressionTest::new(expr, at, &labels, 1.0));
        let count = if does_fire { 1.0 } else { 0.0 };
        tests.push(ExpressionTest::new(fires(objective, name, fastest), at, "{}", count));
    }
    tests
}
