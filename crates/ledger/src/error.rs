//! What the ledger answers when it cannot answer, and what it tells its owner.
//!
//! [`ApiError`] becomes `{"error":{"status":..,"code":"...","message":"..."}}`. Its message is for
//! the caller and never holds SQL, addresses or a driver's words; the cause rides along as a
//! response extension, which [`super::guard`] hands to the owner's report. [`LedgerError`] is what
//! starting a ledger can fail with.

use std::{borrow::Cow, io, sync::Arc};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{database::DatabaseError, fixture::FixtureError, settings::SettingsError};

/// Why a ledger could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The database could not be opened, migrated or filled.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// There is no fixture of that name.
    #[error("unknown fixture `{}`: use empty, zeros, normal, huge or broken", .0.name.escape_default())]
    Fixture(#[from] FixtureError),
    /// The settings do not make sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file or port that the broken fixture needs could not be had.
    #[error(
        "cannot prepare the broken fixture: check the space and rights of the temporary directory"
    )]
    Broken(#[source] io::Error),
}

/// The cause of a 5xx answer, for the owner of the service only.
#[derive(Debug, Clone)]
pub(super) struct Cause(pub(super) Arc<DatabaseError>);

/// An answer other than success.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    cause: Option<Cause>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Described<'a>,
}

#[derive(Serialize)]
struct Described<'a> {
    status: u16,
    code: &'a str,
    message: &'a str,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, message: message.into(), cause: None }
    }

    /// A parameter of the query is wrong.
    pub(super) fn bad_query(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", message)
    }

    /// A parameter of the query is well formed, and its value is not one that is answered.
    pub(super) fn out_of_range(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", message)
    }

    pub(super) fn not_found(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        let (code, message) = match &error {
            DatabaseError::PoolExhausted(_) => {
                ("database_busy", "every database connection is in use; try again")
            }
            DatabaseError::TimedOut(_) => {
                ("database_timeout", "the database did not answer in time; try again")
            }
            _ => ("database_unavailable", "the database cannot be read"),
        };
        let mut answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        answer.cause = Some(Cause(Arc::new(error)));
        answer
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, message, cause } = self;
        let body = Body { error: Described { status: status.as_u16(), code, message: &message } };
        let mut response = json(status, &body, 256);
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// A JSON answer, written into a buffer of `room` bytes that grows where that is too few.
pub(super) fn json(status: StatusCode, body: &impl Serialize, room: usize) -> Response {
    let mut buffer = Vec::with_capacity(room);
    match serde_json::to_writer(&mut buffer, body) {
        Ok(()) => json_bytes(status, buffer),
        // Not reached: no type here has a map with keys that are not strings, or a failing field.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A JSON answer that is already written.
pub(super) fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

pub(super) async fn unknown_route() -> ApiError {
    ApiError::not_found("unknown_route", "there is nothing at this path")
}

pub(super) async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this path does not answer that method; see the Allow header",
    )
}
