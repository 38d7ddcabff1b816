//! The routes of the service.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use perf_passport_meter::instrument::InstrumentLayer;

use super::{
    error, guard,
    routes::{blocks, events, health, heartbeat, metrics, statements, ui},
    state::LedgerState,
};

/// The service over one database.
pub fn app(state: LedgerState) -> Router {
    let metrics = match state.watched() {
        None => get(metrics::metrics),
        Some(_) => get(metrics::negotiated),
    };
    // Around all, and there only where somebody watches: so what is measured in process costs what it
    // cost without.
    let telemetry = state.watched().map(|watch| watch.telemetry().axum_layer());
    let router = Router::new()
        .route("/metrics", metrics)
        .route("/health", get(health::health))
        .route("/blocks/latest", get(blocks::latest))
        .route("/statements", get(statements::statements))
        .route("/ui", get(ui::page_for_people))
        .route("/heartbeat", get(heartbeat::page))
        .route("/heartbeat.json", get(heartbeat::json))
        .route("/events", post(events::accept).layer(DefaultBodyLimit::max(events::BODY_MAX)))
        .fallback(error::unknown_route)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        // Outermost, so that it sees the whole request.
        .layer(InstrumentLayer::new())
        .with_state(state);
    match telemetry {
        None => router,
        Some(layer) => router.layer(layer),
    }
}
