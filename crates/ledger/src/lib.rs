//! The reference service: a small real API on a real database, to show this crate on.
//!
//! [`app`] is the router over a [`LedgerState`]; [`serve`] puts it on a port; a harness gets one
//! filled with known rows from [`service_for_fixture`].
//!
//! | route | answers |
//! |---|---|
//! | `GET /metrics` | totals, and what answering cost; to Prometheus all metrics, where it is [watched](LedgerState::watch) |
//! | `GET /health` | whether the dependencies work; 503 when one does not |
//! | `GET /blocks/latest` | the newest block |
//! | `GET /statements?hash=` | one statement with its proofs and premises |
//! | `GET /statements?limit=&offset=` | a page of statements |
//! | `GET /ui` | a page for a person |
//! | `GET /heartbeat`, `/heartbeat.json` | whether work goes on, and how fast |
//! | `POST /events` | 202: a job, done later by [`Workers`] |
//!
//! A database that fails is a 503 and never an empty answer. Times are real, and figures are
//! measured or null. An event asks whether a statement holds. A worker decides that by a truth table,
//! and records the run.

pub mod settings;
mod settings_error;
pub mod server;
mod deadline;
mod moment;
mod watch;
mod state;
mod auth;
mod guard;
mod error;
mod routes;
mod router;
mod service;
mod queries;
pub mod statements;
mod truth_table;
mod organism;
mod queue;
mod workers;
pub mod database;
pub mod fixture;
pub mod merkle;
pub mod hash;
mod formula;
mod timestamp;

pub use perf_passport_meter::telemetry;

pub use self::{
    auth::{API_KEY_HEADER, ApiKey},
    database::{Database, DatabaseError},
    error::LedgerError,
    fixture::Fixture,
    router::app,
    server::serve,
    service::{service_for_fixture, service_from_copy},
    settings::Settings,
    state::LedgerState,
    workers::{Waiting, WorkSettings, Workers},
};
