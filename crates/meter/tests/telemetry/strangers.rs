//! A stranger who asks for anything makes neither more series nor more memory.

use axum::{Router, body::Body, routing::any};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use perf_passport_meter::{allocation::measure, telemetry::Telemetry};
use tokio::runtime;
use tower::ServiceExt;

use super::samples;

const REQUESTS: u64 = 100_000;
const ROUTES: usize = 5;

/// A number that looks random: a step of the generator `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// The status that the path of a request asks for.
async fn answer(request: Request<Body>) -> StatusCode {
    let status = request.uri().path().rsplit('/').next().and_then(|it| it.parse().ok());
    status.and_then(|it| StatusCode::from_u16(it).ok()).unwrap_or(StatusCode::OK)
}

fn app(telemetry: &Telemetry) -> Router {
    let routes = ["/a/{status}", "/b/{x}/{status}", "/c/{status}", "/d/{*rest}", "/e/{status}"];
    let add = |app: Router, route: &&str| app.route(route, any(answer));
    routes.iter().fold(Router::new(), add).layer(telemetry.axum_layer())
}

fn request(number: u64) -> Request<Body> {
    let random = mixed(number);
    let status = 200 + random % 800;
    let uri = match random >> 16 & 7 {
        0 => format!("/a/{status}"),
        1 => format!("/b/{random}/{status}"),
        2 => format!("/c/{status}?q={random}"),
        3 => format!("/d/{random}/x/{status}"),
        4 => format!("/e/{status}"),
        5 => format!("/{random}/{status}"),
        6 => format!("/%ff%00{random:x}"),
        _ => "/../../etc/passwd".to_owned(),
    };
    let method = match random >> 24 & 15 {
        number @ 0..9 => {
            let known =
                ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "GET"];
            known[usize::try_from(number).unwrap()].to_owned()
        }
        _ => format!("M{random:X}"),
    };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("traceparent", format!("00-{random:032x}-{random:016x}-01"));
    request.body(Body::empty()).unwrap()
}

#[test]
fn a_hundred_thousand_random_requests_make_few_series() {
    let telemetry = Telemetry::builder("test").build();
    let app = app(&telemetry);
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let response = runtime.block_on(app.clone().oneshot(request(number))).unwrap();
            runtime.block_on(response.into_body().collect()).unwrap();
        }
    };
    send(0..20_000);
    let series = || samples(telemetry.registry(), "http_requests_total").len();
    let after_some = series();
    let ((), cost) = measure(|| send(20_000..REQUESTS));
    let held = cost.heap_peak;

    // One route more, for what none was found for.
    let most = (ROUTES + 1) * 10 * 6;
    assert!(series() <= most, "{} series, more than {most}", series());
    assert!(after_some > most / 2, "the requests were not mixed: {after_some} series");
    let total: u64 = samples(telemetry.registry(), "http_requests_total")
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, REQUESTS);
    // One request and its response, and not what 80,000 leave behind.
    assert!(held.get() < 64 * 1024, "{held}");
    assert_eq!(series(), after_some, "no series came with more strangers");
}

#[test]
fn a_function_that_returns_paths_meets_the_ceiling() {
    let telemetry = Telemetry::builder("test").routes_max(50).build();
    let table: Vec<_> = (0..2_000).map(|number| format!("/path/{number}")).collect();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    for path in &table {
        let layer = telemetry
            .layer(perf_passport_meter::telemetry::RouteTemplate::Fixed(path.as_str().into()));
        let service = tower::Layer::layer(&layer, tower::service_fn(answer_empty));
        runtime.block_on(service.oneshot(Request::new(Body::empty()))).unwrap();
    }
    let series = samples(telemetry.registry(), "http_requests_total");
    // Each with its failures, of which there are none.
    assert_eq!(series.len(), 51 * 3);
    let other = "{route=\"<other>\",method=\"GET\",status=\"2xx\"} 1950".to_owned();
    assert!(series.contains(&other), "{series:?}");
}

async fn answer_empty(_: Request<Body>) -> Result<http::Response<Body>, std::convert::Infallible> {
    Ok(http::Response::new(Body::empty()))
}
