//! [`Observation`]: one request, from its call to its last byte.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use http::{Request, Response, header::CONTENT_LENGTH};
use http_body::Body;

use super::{
    Ended, Requests,
    labels::{Class, MethodLabel},
};
use crate::{
    telemetry::trace_context::{RequestTrace, in_trace},
    units::Nanos,
};

/// One request. It is counted when this is dropped, so it is counted once.
///
/// Dropped before it was complete it counts as aborted; dropped by a panic, or after an error, as
/// failed.
pub(super) struct Observation {
    requests: Arc<Requests>,
    started: Nanos,
    trace: Option<RequestTrace>,
    route: u32,
    /// The status that was sent; zero before.
    status: u16,
    method: MethodLabel,
    class: Class,
    /// Set while code of the service runs: it stays set where that panicked.
    running: bool,
}

impl Observation {
    #[inline]
    pub(super) fn begin<B>(requests: &Arc<Requests>, request: &Request<B>, route: u32) -> Self {
        requests.begun.fetch_add(1, Relaxed);
        let method = MethodLabel::of(request.method());
        requests.routes.begin(route, method);
        let trace = requests
            .settings
            .trace_context
            .then(|| RequestTrace::of(request.headers(), requests.samples()));
        Self {
            started: requests.clock.elapsed(),
            trace,
            route,
            status: 0,
            method,
            class: Class::ABORTED,
            running: false,
            requests: Arc::clone(requests),
        }
    }

    /// Runs code of the service as part of this request.
    #[inline]
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.running = true;
        let result = in_trace(&mut self.trace, work);
        self.running = false;
        result
    }

    /// The service ended with an error instead of a response, or its body did.
    pub(super) fn failed(mut self) {
        self.class = Class::FAILED;
    }

    /// The last byte was handed over: the observation that is here, if one is, ends in its place.
    #[inline]
    pub(super) fn complete_in(place: &mut Option<Self>) {
        if let Some(observation) = place {
            observation.class = Class::of(observation.status);
        }
        *place = None;
    }

    /// Takes note of the head of the response. Returns how many bytes of body are to come, if that is
    /// known: none are sent to `HEAD`, and with a status that has no body.
    #[inline]
    pub(super) fn head<B: Body>(&mut self, response: &Response<B>) -> Option<u64> {
        self.status = response.status().as_u16();
        let body = response.body();
        if self.method.is_head() || matches!(self.status, 100..200 | 204 | 304) {
            return Some(0);
        }
        if body.is_end_stream() {
            return Some(0);
        }
        body.size_hint().exact().or_else(|| content_length(response))
    }
}

/// A server reads no more of a body than its head says, so the end of the stream is never seen.
fn content_length<B>(response: &Response<B>) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Drop for Observation {
    #[inline]
    fn drop(&mut self) {
        let ended = Ended {
            route: self.route,
            method: self.method,
            class: if self.running { Class::FAILED } else { self.class },
            status: (self.status > 0).then_some(self.status),
            elapsed: self.requests.clock.elapsed().saturating_sub(self.started),
        };
        self.requests.record(&ended, self.trace.as_ref());
    }
}
