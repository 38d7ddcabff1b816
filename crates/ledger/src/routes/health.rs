//! `GET /health`: whether the service can do its work, found out by asking what it depends on.

use std::time::Duration;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::super::{
    LedgerState,
    database::DatabaseError,
    error::{Cause, json},
    queries,
    timestamp::Timestamp,
};
use perf_passport_meter::clock::Clock;

/// How long a dependency may take before it counts as down.
const DEADLINE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Health {
    status: &'static str,
    timestamp: Timestamp,
    dependencies: Dependencies,
}

#[derive(Serialize)]
struct Dependencies {
    database: Dependency,
}

#[derive(Serialize)]
struct Dependency {
    status: &'static str,
    kind: &'static str,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

pub(in super::super) async fn health(State(state): State<LedgerState>) -> Response {
    let clock = state.clock();
    let start = clock.elapsed();
    let answer = match tokio::time::timeout(DEADLINE, queries::ping(state.database())).await {
        Ok(answer) => answer,
        Err(_) => Err(DatabaseError::TimedOut(DEADLINE)),
    };
    let up = answer.is_ok();
    let body = Health {
        status: if up { "healthy" } else { "unhealthy" },
        timestamp: Timestamp::at(clock.now()),
        dependencies: Dependencies {
            database: Dependency {
                status: if up { "up" } else { "down" },
                kind: state.database().kind().name(),
                latency_ms: clock.elapsed().saturating_sub(start).to_ms(),
                error: (!up).then_some("the database cannot be read"),
            },
        },
    };
    match answer {
        Ok(()) => json(StatusCode::OK, &body, 256),
        Err(error) => {
            let cause = axum::Extension(Cause(error.into()));
            (cause, json(StatusCode::SERVICE_UNAVAILABLE, &body, 256)).into_response()
        }
    }
}
