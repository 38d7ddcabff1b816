//! The alerts that every service has, whatever its objectives are.
//!
//! They are those of the documents that this project implements, repaired: errors are summed up before
//! they are divided, a counter is looked at by its rate, a gauge by its difference. One of a metric that a
//! service does not have does not fire.

use crate::{
    alert::{Alert, Condition, Severity},
    budgets::{Budgets, HIGH_LATENCY, seconds},
    error::MonitorError,
    input::{Input, InputSeries, constant},
    promql::{FAILED, Names, matching},
};

const VALUE: &str = "{{ $value | printf \"%.4g\" }}";

/// An alert as a row.
struct Row<'a> {
    name: &'static str,
    page: &'static str,
    severity: Severity,
    minutes: u32,
    conditions: Vec<Condition>,
    /// What is put after the name of the service.
    summary: &'static str,
    description: String,
    series_labels: &'a [(&'a str, &'a str)],
    input: Input,
    quiet_at: Vec<(&'static str, Vec<InputSeries>)>,
}

pub(super) fn alerts(names: &Names<'_>, budgets: &Budgets) -> Result<Vec<Alert>, MonitorError> {
    let mut rows = of_requests(names)?;
    rows.extend(of_resources(names)?);
    rows.extend(of_functions(names)?);
    rows.push(of_budgets(names, budgets)?);
    let service = &names.service.name;
    let alert = |row: Row<'_>| Alert {
        name: row.name.to_owned(),
        page: row.page,
        severity: row.severity,
        minutes: row.minutes,
        job: service.clone(),
        slo: None,
        fire_together: Vec::new(),
        conditions: row.conditions,
        summary: format!("{service}: {}", row.summary),
        description: row.description,
        series_labels: row
            .series_labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect(),
        input: row.input,
        besides: Vec::new(),
        quiet_at: row.quiet_at,
    };
    Ok(rows.into_iter().map(alert).collect())
}

const INSTANCE: (&str, &str) = ("instance", "a:1");
const OPERATION: [(&str, &str); 2] = [("operation", "sort"), ("size", "1000")];

#[expect(clippy::too_many_lines, reason = "a table of alerts")]
fn of_requests<'a>(names: &Names<'_>) -> Result<Vec<Row<'a>>, MonitorError> {
    let service = names.service;
    let errors = matching(&service.status_label, FAILED);
    let all = names.series(&service.requests, &[]);
    let failed = names.series(&service.requests, &[errors]);
    let bucket = format!("{}_bucket", service.metric);
    let buckets = names.series(&bucket, &[]);
    let status = |status| {
        let labels = [INSTANCE, (&service.status_label, status)];
        names.example(&service.requests, &labels)
    };
    let timed = names.series(&format!("{}_count", service.metric), &[]);
    let high = seconds(HIGH_LATENCY);
    Ok(vec![
        Row {
            name: "ServiceDown",
            page: "service-down",
            severity: Severity::Critical,
            minutes: 1,
            conditions: vec![Condition::of(
                format!("min by (job, instance) ({})", names.series("up", &[])),
                "==",
                "0",
            )],
            summary: "an instance is down",
            description: "Prometheus cannot scrape {{ $labels.instance }} for a minute.".to_owned(),
            series_labels: &[INSTANCE],
            input: Input::Gauges(vec![names.example("up", &[INSTANCE])?]),
            quiet_at: Vec::new(),
        },
        Row {
            name: "HighErrorRate",
            page: "high-error-rate",
            severity: Severity::Warning,
            minutes: 2,
            conditions: vec![
                Condition::of(
                    format!("sum by (job) (rate({failed}[5m])) / sum by (job) (rate({all}[5m]))"),
                    ">",
                    "0.05",
                ),
                // One error of 20 is the share.
                Condition::floor(format!("sum by (job) (increase({all}[5m]))"), "20"),
            ],
            summary: "more than 5 % of the requests fail",
            description: format!("The share {VALUE} of the requests of five minutes failed."),
            series_labels: &[],
            input: Input::Share { good: status("2xx")?, bad: status("5xx")? },
            quiet_at: Vec::new(),
        },
        Row {
            name: "HighLatency",
            page: "high-latency",
            severity: Severity::Warning,
            minutes: 5,
            conditions: vec![
                Condition::of(
                    format!("histogram_quantile(0.95, sum by (job, le) (rate({buckets}[5m])))"),
                    ">",
                    &high,
                ),
                Condition::floor(format!("sum by (job) (increase({timed}[5m]))"), "20"),
            ],
            summary: "one request in twenty takes more than half a second",
            description: format!("The 95 % quantile of five minutes is {VALUE} s."),
            series_labels: &[],
            input: Input::Quantile {
                bucket: names.example(&bucket, &[INSTANCE])?,
                count: names.example(&format!("{}_count", service.metric), &[INSTANCE])?,
                threshold: 0.5,
            },
            quiet_at: Vec::new(),
        },
    ])
}

#[expect(clippy::too_many_lines, reason = "a table of alerts")]
fn of_resources<'a>(names: &Names<'_>) -> Result<Vec<Row<'a>>, MonitorError> {
    const LEAK: &str = "100000000";
    let database = "db_operation_duration_seconds";
    let by_database = names.series(&format!("{database}_bucket"), &[]);
    let operations = names.series(&format!("{database}_count"), &[]);
    let leak = |name, page, metric, by: &str, labels, summary, description: &str| {
        let series = names.series(metric, &[]);
        Ok::<_, MonitorError>(Row {
            name,
            page,
            severity: Severity::Critical,
            minutes: 5,
            conditions: vec![Condition::of(
                format!("sum by (job, {by}) (delta({series}[5m]))"),
                ">",
                LEAK,
            )],
            summary,
            description: description.to_owned(),
            series_labels: labels,
            input: Input::InFiveMinutes(names.example(metric, labels)?),
            quiet_at: Vec::new(),
        })
    };
    Ok(vec![
        Row {
            name: "HighCpuUsage",
            page: "high-cpu-usage",
            severity: Severity::Warning,
            minutes: 5,
            conditions: vec![Condition::of(
                format!(
                    "sum by (job, instance) (rate({}[5m]))",
                    names.series("process_cpu_seconds_total", &[])
                ),
                ">",
                "0.8",
            )],
            summary: "an instance uses more than 80 % of a processor",
            description: format!("{{{{ $labels.instance }}}} uses {VALUE} processors."),
            series_labels: &[INSTANCE],
            input: Input::PerSecond(names.example("process_cpu_seconds_total", &[INSTANCE])?),
            quiet_at: Vec::new(),
        },
        leak(
            "MemoryLeak",
            "memory-leak",
            "process_resident_memory_bytes",
            "instance",
            &[INSTANCE],
            "the memory of an instance grows",
            "{{ $labels.instance }} grew by {{ $value | printf \"%.4g\" }} bytes in five minutes.",
        )?,
        leak(
            "ComponentMemoryLeak",
            "memory-leak",
            "component_memory_bytes",
            "component",
            &[("component", "cache")],
            "the memory of a component grows",
            "{{ $labels.component }} grew by {{ $value | printf \"%.4g\" }} bytes in five minutes.",
        )?,
        Row {
            name: "HighDatabaseLatency",
            page: "high-database-latency",
            severity: Severity::Warning,
            minutes: 5,
            conditions: vec![
                Condition::of(
                    format!("histogram_quantile(0.95, sum by (job, le) (rate({by_database}[5m])))"),
                    ">",
                    "0.1",
                ),
                Condition::floor(format!("sum by (job) (increase({operations}[5m]))"), "20"),
            ],
            summary: "one database operation in twenty takes more than 0.1 s",
            description: format!("The 95 % quantile of five minutes is {VALUE} s."),
            series_labels: &[],
            input: Input::Quantile {
                bucket: names.example(&format!("{database}_bucket"), &[INSTANCE])?,
                count: names.example(&format!("{database}_count"), &[INSTANCE])?,
                threshold: 0.1,
            },
            quiet_at: Vec::new(),
        },
    ])
}

fn of_functions<'a>(names: &Names<'_>) -> Result<Vec<Row<'a>>, MonitorError> {
    let (sum, count) = ("operation_duration_seconds_sum", "operation_duration_seconds_count");
    let (sums, counts) = (names.series(sum, &[]), names.series(count, &[]));
    // Another mix of sizes is no other speed.
    let by = "sum by (job, operation, size)";
    let mean =
        |window: &str| format!("{by} (rate({sums}{window})) / {by} (rate({counts}{window}))");
    let ended = |window: &str| format!("{by} (increase({counts}{window}))");
    let ratio = format!("({})\n/\n({})", mean("[5m]"), mean("[1h] offset 1d"));
    let (sum, count) = (names.example(sum, &OPERATION)?, names.example(count, &OPERATION)?);
    Ok(vec![
        Row {
            name: "HighComputationTime",
            page: "high-computation-time",
            severity: Severity::Warning,
            minutes: 2,
            // One that is slow by itself is no trend. An operation of minutes ends seldom, so half an hour.
            conditions: vec![
                Condition::of(mean("[5m]"), ">", "5"),
                Condition::floor(ended("[30m]"), "5"),
            ],
            summary: "an operation takes more than 5 s",
            description: format!(
                "{{{{ $labels.operation }}}} of size {{{{ $labels.size }}}} takes {VALUE} s in the mean of \
                 five minutes."
            ),
            series_labels: &OPERATION,
            input: Input::Mean { sum: sum.clone(), count: count.clone() },
            quiet_at: Vec::new(),
        },
        Row {
            name: "PerformanceRegression",
            page: "performance-regression",
            severity: Severity::Warning,
            minutes: 10,
            conditions: vec![
                Condition::of(ratio, ">", "1.2"),
                Condition::floor(ended("[5m]"), "20"),
                Condition::floor(ended("[1h] offset 1d"), "20"),
            ],
            summary: "an operation takes more than 1.2 times what it took yesterday",
            description: format!(
                "{{{{ $labels.operation }}}} of size {{{{ $labels.size }}}} takes {VALUE} times as long as a \
                 day ago."
            ),
            series_labels: &OPERATION,
            quiet_at: vec![("another mix of sizes", other_mix(names)?)],
            input: Input::Yesterday { sum, count },
        },
        Row {
            name: "AccuracyDegradation",
            page: "accuracy-degradation",
            severity: Severity::Critical,
            minutes: 1,
            conditions: vec![Condition::of(
                format!("min by (job, test) ({})", names.series("accuracy_score", &[])),
                "<",
                "0.9",
            )],
            summary: "a score of accuracy is below 0.9",
            description: format!("{{{{ $labels.test }}}} scores {VALUE}."),
            series_labels: &[("test", "holdout")],
            input: Input::Gauges(vec![names.example("accuracy_score", &[("test", "holdout")])?]),
            quiet_at: Vec::new(),
        },
    ])
}

/// A day of many small operations, and then many large ones, each as fast as ever.
fn other_mix(names: &Names<'_>) -> Result<Vec<InputSeries>, MonitorError> {
    let mut all = Vec::new();
    for (size, seconds, before, after) in [("10", 0.1, 100.0, 10.0), ("1000", 2.0, 10.0, 100.0)] {
        let labels = [OPERATION[0], ("size", size)];
        for (of, each) in [("sum", seconds), ("count", 1.0)] {
            let series = names.example(&format!("operation_duration_seconds_{of}"), &labels)?;
            all.push(Input::until_today(series, before * each, after * each));
        }
    }
    Ok(all)
}

/// That another contract is live than the one these files are of.
fn of_budgets<'a>(names: &Names<'_>, budgets: &Budgets) -> Result<Row<'a>, MonitorError> {
    let metric = &names.service.build_info;
    // An instance that tells no budgets differs from nothing. `LatencyAbsent` says what it lacks.
    let others = [format!("budgets!=\"{}\"", budgets.digest()), "budgets!=\"\"".to_owned()];
    let told = |budgets: &str| {
        let labels = [INSTANCE, ("budgets", budgets)];
        names.example(metric, &labels).map(|series| vec![constant(&series, 1.0)])
    };
    Ok(Row {
        name: "BudgetsDiffer",
        page: "budgets-differ",
        severity: Severity::Warning,
        minutes: 30,
        conditions: vec![Condition::of(
            format!("max by (job, instance) ({})", names.series(metric, &others)),
            "==",
            "1",
        )],
        summary: "an instance has other budgets than these rules",
        description:
            "{{ $labels.instance }} was built with another contract than these rules are of."
                .to_owned(),
        series_labels: &[INSTANCE],
        quiet_at: vec![("these budgets", told(&budgets.digest())?), ("no budgets", told("")?)],
        input: Input::Gauges(vec![names.example(metric, &[INSTANCE, ("budgets", "0")])?]),
    })
}
