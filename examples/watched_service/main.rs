//! A service that is watched, as docs/how-to/telemetry.md shows it.
//!
//! `cargo run --example watched_service`, then
//! `curl -H 'Accept: text/plain' http://127.0.0.1:8080/metrics`.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, Response},
    routing::get,
};
use perf_passport_meter::telemetry::{MetricError, SlowLog, Telemetry};

/// Written by `passport monitor budgets` from `passport.toml`.
const BUDGETS: &str = include_str!("budgets.json");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::from_budgets(BUDGETS)?
        .version(env!("CARGO_PKG_VERSION"))
        .slow_log(SlowLog::to_writer(std::io::stderr()))
        .build();
    let app = app(telemetry)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}

fn app(telemetry: Telemetry) -> Result<Router, MetricError> {
    // What the service counts itself stands beside the rest.
    let greetings = telemetry.registry().counters("greetings_total", "Greetings.", [])?.with([]);
    let hello = async move |Path(name): Path<String>| {
        greetings.inc();
        format!("hello, {name}")
    };
    Ok(Router::new()
        .route("/hello/{name}", get(hello))
        .route("/metrics", get(metrics))
        // Last, and so around all routes.
        .layer(telemetry.axum_layer())
        .with_state(telemetry))
}

async fn metrics(State(telemetry): State<Telemetry>, headers: HeaderMap) -> Response<String> {
    telemetry.respond(&headers)
}
