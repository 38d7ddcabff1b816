//! What every request passes: size, key, time limit, and a net under panics.
//!
//! One layer for all four, because each layer costs an allocation or two on every request. Bodies
//! are never read here. Of the routes only `POST /events` reads one, up to a limit of its own.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    LedgerState,
    auth::API_KEY_HEADER,
    error::{ApiError, Cause},
};

/// The route that answers without a key, so that a supervisor needs none.
const OPEN_ROUTE: &str = "/health";

pub(super) async fn guard(
    State(state): State<LedgerState>,
    request: Request,
    next: Next,
) -> Response {
    let response = match admit(&state, &request) {
        Ok(()) => answer(&state, next.run(request)).await,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(Cause(cause)) = response.extensions().get() {
        (state.settings().report)(cause.as_ref());
    }
    response
}

fn admit(state: &LedgerState, request: &Request) -> Result<(), ApiError> {
    let settings = state.settings();
    if let Some(key) = &settings.api_key
        && request.uri().path() != OPEN_ROUTE
        && !shown_key(request.headers()).is_some_and(|shown| key.matches(shown))
    {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the X-API-Key header is missing or wrong",
        ));
    }
    if body_size(request.headers()).is_some_and(|size| size > settings.body_max.get()) {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is larger than {}", settings.body_max),
        ));
    }
    Ok(())
}

/// The key in its own header, or as a bearer token: Prometheus can send no other header.
fn shown_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(shown) = headers.get(API_KEY_HEADER) {
        return Some(shown.as_bytes());
    }
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn body_size(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn answer(state: &LedgerState, response: impl Future<Output = Response>) -> Response {
    let mut response = pin!(response);
    // The future is dropped after a panic and never polled again, so nothing half done is seen.
    let caught = poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    match tokio::time::timeout(state.settings().request_timeout, caught).await {
        Ok(Some(response)) => response,
        Ok(None) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "the service failed on this request; it keeps running",
        )
        .into_response(),
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "request_timeout",
            "the request took too long; try again",
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{Router, body::Body, middleware, routing::get};
    use tower::ServiceExt;

    use super::*;
    use crate::settings::Settings;

    async fn status_of(path: &str) -> StatusCode {
        let settings =
            Settings { request_timeout: Duration::from_millis(1), ..Settings::default() };
        let state = LedgerState::open(settings).await.unwrap();
        let app: Router = Router::new()
            .route("/panic", get(|| async { explode() }))
            .route(
                "/panic-later",
                get(|| async {
                    tokio::task::yield_now().await;
                    explode();
                }),
            )
            .route("/never", get(std::future::pending::<()>))
            .layer(middleware::from_fn_with_state(state, guard));
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap().status()
    }

    fn explode() {
        panic!("a bug in a handler");
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_service_goes_on() {
        assert_eq!(status_of("/panic").await, 500);
        assert_eq!(status_of("/panic-later").await, 500);
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_answered() {
        assert_eq!(status_of("/never").await, 503);
    }
}
