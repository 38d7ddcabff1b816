//! Alerts of series that are not there: without them no other alert could fire.

use perf_passport::contract::Objective;

use crate::{
    alert::{Alert, Condition, Severity},
    budgets::seconds,
    error::MonitorError,
    input::Input,
    promql::{Names, any_of, edge_forms},
};

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
    }
}

/// That nothing scrapes the service.
pub(super) fn of_service(names: &Names<'_>) -> Result<Alert, MonitorError> {
    let conditions = vec![Condition::absent(&names.series("up", &[]))];
    let series = vec![names.example("up", &[("instance", "a:1")])?];
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

/// That an objective has no requests, or no bucket that ends at its latency.
pub(super) fn of_objective(
    objective: &Objective,
    all: &[Objective],
    names: &Names<'_>,
) -> Result<[Alert; 2], MonitorError> {
    let (service, slo) = (names.service, &objective.name);
    let route = &objective.routes[0];
    let labels = [
        (service.route_label.as_str(), route.route.as_str()),
        (service.method_label.as_str(), route.method.as_str()),
        (service.status_label.as_str(), "2xx"),
    ];
    let names_of = |is_meant: &dyn Fn(&Objective) -> bool| -> Vec<String> {
        all.iter().filter(|it| is_meant(it)).map(|it| it.name.clone()).collect()
    };
    let either = |metric: &str, matchers: &[String]| {
        names.of_objective(objective, metric, matchers).join(" or ")
    };

    let is_up = format!("max({})", names.series("up", &[]));
    let requests = Alert {
        minutes: 30,
        slo: Some(slo.clone()),
        // Where no request is counted, no objective has one.
        fire_together: names_of(&|_| true),
        summary: format!("{}: no requests of objective {slo} are counted", service.name),
        description: format!(
            "The service is up and has no series of `{}` for the routes of the objective, so no alert \
             of its errors can fire.",
            service.requests
        ),
        ..missing(
            names,
            "RequestsAbsent",
            "requests-absent",
            vec![
                Condition::absent(&either(&service.requests, &[])),
                Condition::of(is_up, "==", "1").whatever_labels(),
            ],
            vec![
                names.example(&service.requests, &labels)?,
                names.example("up", &[("instance", "a:1")])?,
            ],
        )
    };

    let edge = seconds(objective.latency);
    let forms = edge_forms(&edge);
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    let (bucket, count) =
        (format!("{}_bucket", service.metric), format!("{}_count", service.metric));
    let counted = format!("sum({})", either(&count, &[]));
    let latency = Alert {
        slo: Some(slo.clone()),
        fire_together: names_of(&|it| it.routes.contains(route)),
        summary: format!("{}: no bucket ends at the latency of objective {slo}", service.name),
        description: format!(
            "Requests are timed, and the histogram `{}` has no edge at {edge} s, so no alert of their \
             time can fire.",
            service.metric
        ),
        ..missing(
            names,
            "LatencyAbsent",
            "latency-absent",
            vec![
                Condition::absent(&either(&bucket, &[any_of("le", &forms)])),
                Condition::present(counted).whatever_labels(),
            ],
            vec![
                names.example(&bucket, &[&labels[..], &[("le", &edge)]].concat())?,
                names.example(&count, &labels)?,
            ],
        )
    };
    Ok([requests, latency])
}
