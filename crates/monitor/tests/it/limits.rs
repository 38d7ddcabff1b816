//! The limits of a scrape, against the telemetry of a service whose strangers ask for everything.

use std::{
    convert::Infallible,
    fs, future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Extensions, Method, Request, Response, StatusCode};
use perf_passport_meter::telemetry::{ExpositionFormat, RouteTemplate, Telemetry};
use serde_norway::Value;
use tower::{Layer, ServiceExt, service_fn};

use crate::{ledger, written};

/// Routes that our telemetry tells apart, where nobody says how many.
const ROUTES: usize = 500;
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "BREW"];
/// One of each class.
const STATUSES: [u16; 5] = [100, 200, 300, 400, 500];

#[derive(Clone)]
struct Route(String);

fn route(extensions: &Extensions) -> Option<&str> {
    extensions.get::<Route>().map(|it| it.0.as_str())
}

/// One request, whose answer is there at once.
fn ask(telemetry: &Telemetry, request: Request<()>, status: StatusCode) {
    let answer = service_fn(move |_: Request<()>| {
        let mut response = Response::new(String::new());
        *response.status_mut() = status;
        future::ready(Ok::<_, Infallible>(response))
    });
    let service = telemetry.layer(RouteTemplate::Extensions(route)).layer(answer);
    let answered = pin!(service.oneshot(request)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answered, Poll::Ready(Ok(_))));
}

#[test]
fn a_service_at_the_limits_of_its_telemetry_is_still_scraped() {
    let directory = written(&ledger());
    let read = |file: &str| fs::read_to_string(directory.path().join(file)).unwrap();
    let telemetry = Telemetry::from_budgets(&read("budgets.json")).unwrap().build();
    for number in 0..=ROUTES {
        // Each byte of a label is escaped.
        let route = Route(format!("{number:03}{}", "\"".repeat(300)));
        for method in METHODS {
            for status in STATUSES {
                let mut request = Request::new(());
                *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
                request.extensions_mut().insert(route.clone());
                ask(&telemetry, request, StatusCode::from_u16(status).unwrap());
            }
        }
    }
    let text = telemetry.registry().text(ExpositionFormat::Text);
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();

    let configuration: Value = serde_norway::from_str(&read("prometheus/prometheus.yml")).unwrap();
    let scrape = &configuration["scrape_configs"][0];
    let most = scrape["sample_limit"].as_u64().unwrap();
    let megabytes = scrape["body_size_limit"].as_str().unwrap().strip_suffix("MB").unwrap();
    let bytes = megabytes.parse::<usize>().unwrap() << 20;
    assert!(samples > 100_000, "{samples} samples are no limit");
    assert!(samples as u64 <= most, "{samples} samples, and {most} are scraped");
    assert!(text.len() <= bytes, "{} bytes, and {bytes} are scraped", text.len());
}
