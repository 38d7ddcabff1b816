//! What requests did: how many, how long to the last byte, and how many are at work.
//!
//! [`Requests`] holds the figures. Each request is an [`observation::Observation`], which is counted
//! when it is dropped: so it counts once, whatever happens to it.

mod labels;
mod routes;
mod observation;
mod body;
mod layer;
#[cfg(feature = "axum")]
mod axum;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

#[cfg(feature = "axum")]
pub use self::axum::{AxumTelemetry, AxumTelemetryFuture, AxumTelemetryLayer, matched_path};
pub use body::ObservedBody;
pub use layer::{RouteTemplate, TelemetryFuture, TelemetryLayer, TelemetryService};
pub use routes::ROUTES_MAX;

use self::{
    labels::{Class, MethodLabel},
    routes::RouteTable,
};
use super::{
    edges::BucketEdges,
    exposition::Exposition,
    histogram::{Distribution, Exemplar, Snapshot},
    names::Kind,
    slow_log::{SlowLog, SlowRequest},
    trace_context::RequestTrace,
};
use crate::{clock::Clock, units::Nanos};

/// The figures of all requests of a service.
pub(super) struct Requests {
    pub(super) clock: Arc<dyn Clock + Send + Sync>,
    pub(super) routes: RouteTable,
    pub(super) settings: RequestSettings,
    /// Requests that began. Those at work are these without those that were counted.
    begun: AtomicU64,
}

/// What is done for each request besides counting it.
#[derive(Debug)]
pub(super) struct RequestSettings {
    pub(super) edges: BucketEdges,
    pub(super) routes_max: usize,
    pub(super) exemplars: bool,
    pub(super) trace_context: bool,
    pub(super) slow_log: Option<SlowLog>,
    #[cfg(feature = "otlp")]
    pub(super) spans: Option<super::spans::Spans>,
}

/// A request that has ended.
struct Ended {
    route: u32,
    method: MethodLabel,
    class: Class,
    /// The status that was sent, if one was.
    status: Option<u16>,
    elapsed: Nanos,
}

impl Requests {
    pub(super) fn new(clock: Arc<dyn Clock + Send + Sync>, settings: RequestSettings) -> Self {
        let routes = RouteTable::new(settings.routes_max, settings.edges.clone());
        Self { clock, routes, settings, begun: AtomicU64::new(0) }
    }

    #[inline]
    fn record(&self, ended: &Ended, trace: Option<&RequestTrace>) {
        let elapsed = ended.elapsed.get();
        let series = self.routes.series(ended.route, ended.method, ended.class);
        series.observe(elapsed);
        if self.settings.exemplars
            && let Some(context) = trace.map(RequestTrace::context)
            && (context.sampled || !self.has_spans())
        {
            let (trace, at) = (context.trace, self.clock.now());
            series.keep(Exemplar { trace, value: elapsed, at });
        }
        if let Some(log) = &self.settings.slow_log
            && log.is_slow(ended.elapsed)
        {
            log.request(&self.described(ended, trace));
        }
        #[cfg(feature = "otlp")]
        if let (Some(spans), Some(trace)) = (&self.settings.spans, trace)
            && let context = trace.context()
            && context.sampled
        {
            spans.end(&self.described(ended, Some(trace)), &context);
        }
    }

    fn described(&self, ended: &Ended, trace: Option<&RequestTrace>) -> SlowRequest<'_> {
        SlowRequest {
            at: self.clock.now(),
            route: self.routes.name(ended.route),
            method: ended.method.as_str(),
            class: ended.class.as_str(),
            status: ended.status,
            elapsed: ended.elapsed,
            trace: trace.map(|it| it.context().trace),
        }
    }

    /// Whether the next request is recorded as a span; `None` where no spans are.
    #[inline]
    fn samples(&self) -> Option<bool> {
        #[cfg(feature = "otlp")]
        return self.settings.spans.as_ref().map(super::spans::Spans::samples);
        #[cfg(not(feature = "otlp"))]
        None
    }

    /// Whether traces are recorded here, so that one which is not leads nowhere.
    fn has_spans(&self) -> bool {
        #[cfg(feature = "otlp")]
        return self.settings.spans.is_some();
        #[cfg(not(feature = "otlp"))]
        false
    }

    pub(super) fn expose(&self, exposition: &mut Exposition) {
        let duration = "http_request_duration_seconds";
        exposition.family(duration, Kind::Histogram, "Time of a request to its last byte.");
        let mut counted = 0_u64;
        self.routes.each(|route, method, class, series| {
            let labels = [("route", route), ("method", method), ("status", class)];
            let snapshot = series.map(Distribution::snapshot);
            let count = snapshot.as_ref().map_or(0, Snapshot::count);
            counted = counted.wrapping_add(count);
            exposition.count("http_requests_total", "Requests that ended.", &labels, count);
            if let Some(snapshot) = snapshot {
                exposition.distribution(duration, &labels, &self.settings.edges, &snapshot);
            }
        });
        // What ended is read first, so no request that ended is taken for one at work.
        #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^53 are at work")]
        let active = self.begun.load(Relaxed).wrapping_sub(counted) as f64;
        exposition.gauge("http_active_requests", "Requests at work.", &[], active);
    }
}
