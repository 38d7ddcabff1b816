//! [`AxumTelemetryLayer`]: the layer for `axum::Router::layer`, which boxes whatever body it is given.
//!
//! A body of a type of our own would cost an allocation for each response. So a small body of known size
//! passes through as it is, and its request counts with its head: a server hands it to the socket together
//! with the head. Every other body is observed to its last byte, in one box.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, extract::MatchedPath};
use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::ObservedBody,
    layer::{TelemetryFuture, TelemetryLayer},
    observation::Observation,
};

/// A body of known size up to this many bytes counts with the head of its response.
const SMALL: u64 = 64 * 1024;

/// The template by which an `axum::Router` found the route of a request.
pub fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// [`TelemetryLayer`] for `axum::Router::layer`, with the templates of the router as routes.
///
/// What no route was found for is `<unmatched>`, also behind `nest_service`. Add it after the routes,
/// since a router's layers are around those that are there.
///
/// PERF: it allocates nothing for a body of known size up to 64 KiB, which counts with the head of its
/// response. Any other body is boxed, once.
#[derive(Clone, Debug)]
pub struct AxumTelemetryLayer(TelemetryLayer);

impl AxumTelemetryLayer {
    pub(in crate::telemetry) const fn new(layer: TelemetryLayer) -> Self {
        Self(layer)
    }
}

impl<S> Layer<S> for AxumTelemetryLayer {
    type Service = AxumTelemetry<S>;

    fn layer(&self, inner: S) -> AxumTelemetry<S> {
        AxumTelemetry { inner, layer: self.0.clone() }
    }
}

/// The service of [`AxumTelemetryLayer`].
#[derive(Clone, Debug)]
pub struct AxumTelemetry<S> {
    inner: S,
    layer: TelemetryLayer,
}

impl<S, B> Service<Request<B>> for AxumTelemetry<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = AxumTelemetryFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut observation = self.layer.begin(&request);
        let future = observation.run(|| self.inner.call(request));
        AxumTelemetryFuture { inner: TelemetryFuture::new(future, observation) }
    }
}

pin_project! {
    /// The response future of [`AxumTelemetry`].
    #[must_use = "futures do nothing unless they are polled"]
    pub struct AxumTelemetryFuture<F> {
        #[pin]
        inner: TelemetryFuture<F>,
    }
}

impl<F, E> Future for AxumTelemetryFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, observation) = ready!(self.project().inner.poll_head(context))?;
        let remaining = observation.as_mut().and_then(|it| it.head(&response));
        let exact = axum::body::HttpBody::size_hint(response.body()).exact();
        if remaining == Some(0) || exact.is_some_and(|size| size <= SMALL) {
            Observation::complete_in(observation);
            return Poll::Ready(Ok(response));
        }
        let observation = observation.take();
        let observed = |body| Body::new(ObservedBody::new(body, observation, remaining));
        Poll::Ready(Ok(response.map(observed)))
    }
}

impl<F: fmt::Debug> fmt::Debug for AxumTelemetryFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
