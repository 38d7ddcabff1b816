//! `POST /events`: a person asks whether a statement holds.
//!
//! The answer is 202 once the event is a job in the database. A worker does it later, maybe of another
//! process. The time from here to the update of the ledger starts before the body is read.

use std::{borrow::Cow, convert::Infallible};

use axum::{
    body::Bytes,
    extract::{FromRequestParts, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::super::{
    LedgerState,
    error::{ApiError, json},
    hash::Hash,
    moment::Moment,
    queue::{self, Acceptance, Event},
};

/// Bytes of a body at most. The longest one that means something has 82.
pub(in super::super) const BODY_MAX: usize = 4096;

/// Seconds after which to try again where the queue is full.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    #[serde(borrow)]
    statement: Cow<'a, str>,
}

#[derive(Serialize)]
struct Accepted {
    job: u64,
}

/// When the head of the request was there.
pub(in super::super) struct Arrival(Moment);

impl FromRequestParts<LedgerState> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &LedgerState) -> Result<Self, Infallible> {
        Ok(Self(state.moment()))
    }
}

pub(in super::super) async fn accept(
    Arrival(at): Arrival,
    State(state): State<LedgerState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let statement = statement(&headers, body)?;
    let event = Event { statement, at, instance: state.instance() };
    let capacity = state.settings().queue_max.get();
    match queue::accept(state.database(), event, capacity).await? {
        Acceptance::Accepted(job) => {
            state.tell_job_accepted();
            Ok(json(StatusCode::ACCEPTED, &Accepted { job }, 64))
        }
        Acceptance::UnknownStatement => {
            Err(ApiError::not_found("unknown_statement", "no statement has this hash"))
        }
        Acceptance::Full => {
            if let Some(watch) = state.watched() {
                watch.queue().rejected();
            }
            let full = ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "queue_full",
                "as many jobs wait as may wait; try again",
            );
            Ok(([(header::RETRY_AFTER, RETRY_AFTER)], full).into_response())
        }
    }
}

/// The statement that a body names.
fn statement(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Hash, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the Content-Type must be application/json",
        ));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body of an event has at most {BODY_MAX} bytes"),
        ),
        _ => bad_event("the body broke off"),
    })?;
    let sent: Sent<'_> = serde_json::from_slice(&body)
        .map_err(|_| bad_event("the body must be a JSON object with `statement` alone, a text"))?;
    sent.statement
        .parse()
        .map_err(|_| bad_event("`statement` must be 64 lowercase hexadecimal digits"))
}

fn bad_event(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_event", message)
}

/// Whether the body says that it is JSON. A page of another origin cannot say so without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
