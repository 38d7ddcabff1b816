//! The layer around an `axum::Router`: its templates are the routes.

use std::hint::black_box;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use perf_passport_meter::telemetry::Telemetry;
use tokio::runtime;
use tower::ServiceExt;

use super::{by_hand, samples};

async fn metrics(State(telemetry): State<Telemetry>, headers: HeaderMap) -> Response {
    let json = || ([("vary", "accept")], "{\"status\":\"ok\"}").into_response();
    telemetry.negotiated(&headers).map_or_else(json, IntoResponse::into_response)
}

fn app(telemetry: &Telemetry) -> Router {
    let nested =
        Router::new().route("/{id}/things/{*rest}", post(|| async { StatusCode::CREATED }));
    Router::new()
        .route("/users/{id}", get(|| async { "hello" }))
        .route("/metrics", get(metrics))
        .route("/panic", get(|| async { assert!(black_box(false), "on purpose") }))
        .nest("/nested", nested)
        .nest_service("/opaque", Router::new().fallback(|| async { "anything" }))
        .with_state(telemetry.clone())
        .layer(telemetry.axum_layer())
}

fn ask(app: &Router, method: &str, uri: &str, accept: Option<&str>) -> Response {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let request = request.body(Body::empty()).unwrap();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(app.clone().oneshot(request)).unwrap()
}

fn read(response: Response) -> String {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The label sets of which a request ended.
fn counted(telemetry: &Telemetry) -> Vec<String> {
    let mut all = samples(telemetry.registry(), "http_requests_total");
    all.retain(|line| !line.ends_with(" 0"));
    all
}

#[test]
fn routes_are_templates_and_all_else_is_unmatched() {
    let telemetry = by_hand().0.build();
    let app = app(&telemetry);
    for (method, uri) in [
        ("GET", "/users/1"),
        ("GET", "/users/2?x=1"),
        ("HEAD", "/users/3"),
        ("DELETE", "/users/4"),
        ("BREW", "/users/5"),
        ("POST", "/nested/7/things/a/b"),
        ("GET", "/opaque/x"),
        ("GET", "/wp-login.php"),
        ("GET", "/%00%ff"),
    ] {
        read(ask(&app, method, uri, None));
    }
    assert_eq!(
        counted(&telemetry),
        [
            "{route=\"/nested/{id}/things/{*rest}\",method=\"POST\",status=\"2xx\"} 1",
            "{route=\"/users/{id}\",method=\"DELETE\",status=\"4xx\"} 1",
            "{route=\"/users/{id}\",method=\"GET\",status=\"2xx\"} 2",
            "{route=\"/users/{id}\",method=\"HEAD\",status=\"2xx\"} 1",
            "{route=\"/users/{id}\",method=\"OTHER\",status=\"4xx\"} 1",
            "{route=\"<unmatched>\",method=\"GET\",status=\"2xx\"} 1",
            "{route=\"<unmatched>\",method=\"GET\",status=\"4xx\"} 2",
        ]
    );
}

#[test]
fn a_handler_that_panics_is_a_failure() {
    let telemetry = by_hand().0.build();
    let app = app(&telemetry);
    let asked = || ask(&app, "GET", "/panic", None);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(asked)).is_err());
    assert_eq!(counted(&telemetry), ["{route=\"/panic\",method=\"GET\",status=\"5xx\"} 1"]);
    assert_eq!(samples(telemetry.registry(), "http_active_requests"), [" 0"]);
}

#[test]
fn who_asks_for_nothing_gets_json() {
    let telemetry = by_hand().0.build();
    let app = app(&telemetry);
    for accept in [None, Some("*/*"), Some("application/json"), Some("image/png")] {
        let response = ask(&app, "GET", "/metrics", accept);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["vary"], "accept");
        assert_eq!(read(response), "{\"status\":\"ok\"}");
    }
    let response = ask(&app, "GET", "/metrics", Some("text/plain"));
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.headers()["vary"], "accept");
    // The scrape itself is at work while it is answered.
    assert!(read(response).contains("\nhttp_active_requests 1\n"));
    let response = ask(&app, "GET", "/metrics", Some("application/openmetrics-text"));
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()["content-type"], expected);
    assert!(read(response).ends_with("\n# EOF\n"));
    let response = telemetry.respond(&HeaderMap::new());
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
}
