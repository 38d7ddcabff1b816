//! The reference service: a small real API on a real database, to show this crate on.
//!
//! [`app`] is the router over a [`LedgerState`]; [`serve`] puts it on a port; a harness gets one
//! filled with known rows from [`service_for_fixture`].
//!
//! | route | answers |
//! |---|---|
//! | `GET /metrics` | totals, and what answering cost |
//! | `GET /health` | whether the dependencies work; 503 when one does not |
//! | `GET /blocks/latest` | the newest block |
//! | `GET /statements?hash=` | one statement with its proofs and premises |
//! | `GET /statements?limit=&offset=` | a page of statements |
//! | `GET /ui` | a page for a person |
//! | `GET /heartbeat`, `/heartbeat.json` | whether work goes on, and how fast |
//!
//! A database that fails is a 503 and never an empty answer. Times are real, and figures are
//! measured or null. The service proves no theorems: it stores and shows.

pub mod settings;
pub mod server;
mod state;
mod auth;
mod guard;
mod error;
mod routes;
mod queries;
pub mod statements;
pub mod database;
pub mod fixture;
pub mod merkle;
pub mod hash;
mod formula;
mod timestamp;

use axum::{Router, middleware, routing::get};

use self::routes::{blocks, health, heartbeat, metrics, ui};
pub use self::{
    auth::{API_KEY_HEADER, ApiKey},
    database::{Database, DatabaseError},
    error::LedgerError,
    fixture::Fixture,
    server::serve,
    settings::Settings,
    state::{LedgerState, service_for_fixture, service_from_copy},
};
use perf_passport_meter::instrument::InstrumentLayer;

/// The service over one database.
pub fn app(state: LedgerState) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .route("/health", get(health::health))
        .route("/blocks/latest", get(blocks::latest))
        .route("/statements", get(routes::statements::statements))
        .route("/ui", get(ui::page_for_people))
        .route("/heartbeat", get(heartbeat::page))
        .route("/heartbeat.json", get(heartbeat::json))
        .fallback(error::unknown_route)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        // Outermost, so that it sees the whole request.
        .layer(InstrumentLayer::new())
        .with_state(state)
}
