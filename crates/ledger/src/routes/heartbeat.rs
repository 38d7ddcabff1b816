//! `GET /heartbeat` and `/heartbeat.json`: whether work goes on, and how fast.
//!
//! The rate is of proofs that succeeded in the last 300 seconds, summed from at most one counter a
//! second. A database that cannot be read is a 503 with `ok` false.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::html;
use serde::Serialize;

use super::{
    super::{
        LedgerState,
        database::DatabaseError,
        error::{self, Cause},
        queries::{self, Heartbeat, WINDOW_SECONDS},
        timestamp::Timestamp,
    },
    page as html_page,
};
use perf_passport_meter::clock::Clock;

const UNREADABLE: &str = "the database cannot be read";

#[derive(Serialize)]
struct Beating<'a> {
    ok: bool,
    ts: Timestamp,
    proofs: Proofs,
    proofs_per_sec: f64,
    blocks: Blocks<'a>,
    queue_length: u64,
}

#[derive(Serialize)]
struct Proofs {
    success: u64,
}

#[derive(Serialize)]
struct Blocks<'a> {
    height: u64,
    latest: Option<LatestBlock<'a>>,
}

#[derive(Serialize)]
struct LatestBlock<'a> {
    merkle: &'a str,
}

#[derive(Serialize)]
struct Failed {
    ok: bool,
    ts: Timestamp,
    error: &'static str,
}

pub(in super::super) async fn json(State(state): State<LedgerState>) -> Response {
    let ts = Timestamp::at(state.clock().now());
    match queries::heartbeat(state.database(), ts).await {
        Ok(beat) => {
            let latest =
                beat.latest_root.as_ref().map(|root| LatestBlock { merkle: root.as_str() });
            let body = Beating {
                ok: true,
                ts,
                proofs: Proofs { success: beat.proofs_success },
                proofs_per_sec: rate(&beat),
                blocks: Blocks { height: beat.height, latest },
                queue_length: beat.queue_length,
            };
            error::json(StatusCode::OK, &body, 512)
        }
        Err(error) => {
            let body = Failed { ok: false, ts, error: UNREADABLE };
            failed(error, error::json(StatusCode::SERVICE_UNAVAILABLE, &body, 256))
        }
    }
}

pub(in super::super) async fn page(State(state): State<LedgerState>) -> Response {
    let ts = Timestamp::at(state.clock().now());
    match queries::heartbeat(state.database(), ts).await {
        Ok(beat) => {
            let body = html! {
                h1 { "Ledger is alive" }
                p { (ts) }
                dl {
                    div { dt { "proofs that succeeded" } dd { (beat.proofs_success) } }
                    div { dt { "proofs a second" } dd { (format!("{:.3}", rate(&beat))) } }
                    div { dt { "height" } dd { (beat.height) } }
                    div { dt { "jobs that wait" } dd { (beat.queue_length) } }
                }
                @if let Some(root) = beat.latest_root { p { "latest block " code { (root) } } }
            };
            html_page(StatusCode::OK, "Ledger is alive", &body)
        }
        Err(error) => {
            let body = html! { h1 { "Ledger has failed" } p { (ts) } p { (UNREADABLE) } };
            failed(error, html_page(StatusCode::SERVICE_UNAVAILABLE, "Ledger has failed", &body))
        }
    }
}

fn failed(error: DatabaseError, response: Response) -> Response {
    (axum::Extension(Cause(error.into())), response).into_response()
}

#[expect(clippy::cast_precision_loss, reason = "a rate for display, exact below 2^53")]
fn rate(beat: &Heartbeat) -> f64 {
    beat.proofs_in_window as f64 / WINDOW_SECONDS as f64
}
