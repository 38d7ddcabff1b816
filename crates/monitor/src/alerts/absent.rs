//! Alerts of series that are not there: without them no other alert could fire.

use perf_passport::contract::{Objective, ObservedRoute};

use crate::{
    alert::{Alert, Condition, Severity},
    budgets::seconds,
    error::MonitorError,
    input::{Input, constant},
    promql::{Names, any_of, edge_forms, is_exactly},
};

const INSTANCE: (&str, &str) = ("instance", "a:1");

/// What alerts of this kind have in common.
fn missing(
    names: &Names<'_>,
    name: &str,
    page: &'static str,
    conditions: Vec<Condition>,
    series: Vec<String>,
) -> Alert {
    Alert {
        name: name.to_owned(),
        page,
        severity: Severity::Warning,
        minutes: 15,
        job: names.service.name.clone(),
        slo: None,
        fire_together: Vec::new(),
        conditions,
        summary: String::new(),
        description: String::new(),
        series_labels: Vec::new(),
        input: Input::Gauges(series),
        besides: Vec::new(),
        quiet_at: Vec::new(),
    }
}

/// That nothing scrapes the service.
pub(super) fn of_service(names: &Names<'_>) -> Result<Alert, MonitorError> {
    let up = names.series("up", &[]);
    let conditions = vec![Condition::absent(format!("absent(sum({up}))"))];
    let series = vec![names.example("up", &[INSTANCE])?];
    Ok(Alert {
        severity: Severity::Critical,
        minutes: 5,
        summary: format!("{}: nothing scrapes it", names.service.name),
        description:
            "No series `up` of the service is there: it is in no scrape configuration, or \
                      discovery does not find it."
                .to_owned(),
        ..missing(names, "ServiceAbsent", "service-absent", conditions, series)
    })
}

/// That a route of an objective has no requests, or an instance no bucket that ends at its latency.
pub(super) fn of_objective(
    objective: &Objective,
    all: &[Objective],
    names: &Names<'_>,
) -> Result<[Alert; 2], MonitorError> {
    // Where the series of a route are missing, every objective with that route misses them.
    let with_the_route = all.iter().filter(|it| it.routes.contains(&objective.routes[0]));
    let fire_together: Vec<String> = with_the_route.map(|it| it.name.clone()).collect();
    let mut alerts = [requests_absent(objective, all, names)?, latency_absent(objective, names)?];
    for alert in &mut alerts {
        alert.slo = Some(objective.name.clone());
        alert.fire_together.clone_from(&fire_together);
    }
    Ok(alerts)
}

fn route_labels<'a>(names: &'a Names<'_>, route: &'a ObservedRoute) -> [(&'a str, &'a str); 2] {
    let service = names.service;
    [(&service.route_label, &route.route), (&service.method_label, &route.method)]
        .map(|(label, value)| (label.as_str(), value.as_str()))
}

fn requests_absent(
    objective: &Objective,
    all: &[Objective],
    names: &Names<'_>,
) -> Result<Alert, MonitorError> {
    let service = names.service;
    let example = |route: &ObservedRoute| {
        let status = (service.status_label.as_str(), "2xx");
        names.example(&service.requests, &[&route_labels(names, route)[..], &[status]].concat())
    };
    let absent = |route: &ObservedRoute| {
        let labels = route_labels(names, route).map(|(label, value)| is_exactly(label, value));
        format!("absent({})", names.series(&service.requests, &labels))
    };
    let (route_label, method_label) = (&service.route_label, &service.method_label);
    let any = objective.routes.iter().map(absent).collect::<Vec<_>>().join("\n  or ");
    let any = format!("sum by (job, {route_label}, {method_label}) (\n  {any}\n)");
    let is_up = format!("max({})", names.series("up", &[]));
    let conditions =
        vec![Condition::absent(any), Condition::of(is_up, "==", "1").whatever_labels()];
    // The tests are of the first route. All others are counted.
    let first = &objective.routes[0];
    let mut others: Vec<&ObservedRoute> =
        all.iter().flat_map(|it| &it.routes).filter(|it| *it != first).collect();
    others.sort_unstable();
    others.dedup();
    let others = others.into_iter().map(|it| example(it).map(|series| constant(&series, 1.0)));
    Ok(Alert {
        minutes: 30,
        summary: format!(
            "{}: no requests of a route of objective {} are counted",
            service.name, objective.name
        ),
        description: format!(
            "The service is up and has no series of `{}` for {{{{ $labels.{method_label} }}}} \
             {{{{ $labels.{route_label} }}}}, so no alert of its errors can fire.",
            service.requests
        ),
        series_labels: route_labels(names, first)
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .to_vec(),
        besides: others.collect::<Result<_, _>>()?,
        ..missing(
            names,
            "RequestsAbsent",
            "requests-absent",
            conditions,
            vec![example(first)?, names.example("up", &[INSTANCE])?],
        )
    })
}

fn latency_absent(objective: &Objective, names: &Names<'_>) -> Result<Alert, MonitorError> {
    let service = names.service;
    let edge = seconds(objective.latency);
    let forms = edge_forms(&edge);
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    let (bucket, count) =
        (format!("{}_bucket", service.metric), format!("{}_count", service.metric));
    let by_instance = |metric: &str, matchers: &[String]| {
        let series = names.of_objective(objective, metric, matchers).join(" or ");
        format!("sum by (job, instance) ({series})")
    };
    let conditions = vec![
        Condition::present(by_instance(&count, &[])),
        Condition::unless(by_instance(&bucket, &[any_of("le", &forms)])),
    ];
    let labels = [
        &[INSTANCE][..],
        &route_labels(names, &objective.routes[0]),
        &[(service.status_label.as_str(), "2xx")],
    ]
    .concat();
    let series = vec![
        names.example(&count, &labels)?,
        names.example(&bucket, &[&labels[..], &[("le", &edge)]].concat())?,
    ];
    Ok(Alert {
        summary: format!(
            "{}: an instance has no bucket that ends at the latency of objective {}",
            service.name, objective.name
        ),
        description: format!(
            "{{{{ $labels.instance }}}} times requests, and its histogram `{}` has no edge at {edge} s, so \
             its requests count for no alert of their time.",
            service.metric
        ),
        series_labels: vec![(INSTANCE.0.to_owned(), INSTANCE.1.to_owned())],
        ..missing(names, "LatencyAbsent", "latency-absent", conditions, series)
    })
}
