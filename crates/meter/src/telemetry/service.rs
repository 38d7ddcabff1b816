//! [`Telemetry`]: the metrics of a service, put together.

use std::{fmt, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_TYPE, VARY},
};
use tokio::runtime::Handle;

use super::{
    database::DatabaseMetrics,
    edges::BucketEdges,
    exposition::ExpositionFormat,
    live_budgets::{LiveBudgets, LiveBudgetsError},
    names::MetricError,
    process,
    registry::Registry,
    requests::{ROUTES_MAX, RequestSettings, Requests, RouteTemplate, TelemetryLayer},
    runtime,
    slow_log::SlowLog,
};
use crate::{
    allocation::{ProcessWatch, WatchBusy},
    clock::{Clock, SystemClock},
};

/// The metrics of a service: its requests, its process, its runtime, and what it adds to them. Clones
/// are the same.
///
/// ```
/// use perf_passport_meter::telemetry::{ExpositionFormat, Telemetry};
///
/// let telemetry = Telemetry::builder("shop").version("1.2.0").build();
/// let text = telemetry.registry().text(ExpositionFormat::Text);
/// assert!(text.contains("passport_build_info{version=\"1.2.0\",budgets=\"\",service=\"shop\"} 1\n"));
/// ```
#[derive(Clone)]
pub struct Telemetry {
    registry: Registry,
    requests: Arc<Requests>,
}

impl Telemetry {
    /// Begins the telemetry of a service whose contract has budgets: `budgets` is the text of the file
    /// that `passport monitor budgets` writes.
    ///
    /// The edges of `http_request_duration_seconds` are those of [`BucketEdges::latency`], and each
    /// budget, half of it and twice.
    ///
    /// # Errors
    ///
    /// [`LiveBudgetsError`] where the text is no such file.
    pub fn from_budgets(budgets: &str) -> Result<TelemetryBuilder, LiveBudgetsError> {
        let budgets = LiveBudgets::parse(budgets)?;
        let edges = BucketEdges::latency().with(&budgets.edges);
        let builder = Self::builder(&budgets.service).edges(edges);
        Ok(TelemetryBuilder { budgets: budgets.digest, ..builder })
    }

    /// Begins the telemetry of a service without budgets. The edges are those of
    /// [`BucketEdges::latency`].
    pub fn builder(service: &str) -> TelemetryBuilder {
        TelemetryBuilder {
            service: service.to_owned(),
            version: String::new(),
            budgets: String::new(),
            clock: Arc::new(SystemClock::start()),
            requests: RequestSettings {
                edges: BucketEdges::latency(),
                routes_max: ROUTES_MAX,
                exemplars: false,
                trace_context: true,
                slow_log: None,
                #[cfg(feature = "otlp")]
                spans: None,
            },
        }
    }

    /// Where the service registers metrics of its own.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The layer for any `tower` service. `template` says where the route of a request is read.
    pub fn layer(&self, template: RouteTemplate) -> TelemetryLayer {
        TelemetryLayer::new(Arc::clone(&self.requests), template)
    }

    /// The layer for `axum::Router::layer`.
    #[cfg(feature = "axum")]
    pub fn axum_layer(&self) -> super::requests::AxumTelemetryLayer {
        let template = RouteTemplate::Extensions(super::requests::matched_path);
        super::requests::AxumTelemetryLayer::new(self.layer(template))
    }

    /// The metrics in the form that `Accept` asks for; `None` where it asks for neither form, and the
    /// service answers as it does without this. Either answer says `Vary: Accept`.
    pub fn negotiated(&self, headers: &HeaderMap) -> Option<Response<String>> {
        ExpositionFormat::negotiated(headers).map(|format| self.response(format))
    }

    /// The metrics in the form that `Accept` asks for, and as text 0.0.4 where it asks for neither.
    pub fn respond(&self, headers: &HeaderMap) -> Response<String> {
        self.response(ExpositionFormat::negotiated(headers).unwrap_or(ExpositionFormat::Text))
    }

    fn response(&self, format: ExpositionFormat) -> Response<String> {
        let mut response = Response::new(self.registry.text(format));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        response
    }

    /// The metrics of the database of this name. Slow operations go to the slow log of requests.
    ///
    /// # Errors
    ///
    /// [`MetricError::Taken`] where the service has other metrics of these names.
    pub fn database(&self, name: &str) -> Result<DatabaseMetrics, MetricError> {
        let database = DatabaseMetrics::new(&self.registry, name)?;
        Ok(match &self.requests.settings.slow_log {
            Some(log) => database.slow_log(log.clone()),
            None => database,
        })
    }

    /// Sends the spans that wait, and waits for that. The last clone that is dropped does the same.
    ///
    /// # Errors
    ///
    /// [`SpansError`](super::SpansError) where the exporter could not send them.
    #[cfg(feature = "otlp")]
    pub fn flush_spans(&self) -> Result<(), super::SpansError> {
        self.requests.settings.spans.as_ref().map_or(Ok(()), super::spans::Spans::flush)
    }

    /// Shows what the counting allocator sees from now on. Where none is installed, the series are
    /// absent.
    ///
    /// PERF: every allocation of the process then changes four shared numbers, which is some tens of
    /// nanoseconds where threads allocate at once.
    ///
    /// # Errors
    ///
    /// [`WatchBusy`] where somebody else watches the heap of this process.
    pub fn watch_heap(&self) -> Result<(), WatchBusy> {
        let watch = ProcessWatch::start()?;
        self.registry.on_scrape(move |exposition| process::expose_heap(exposition, &watch));
        Ok(())
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// The settings of a [`Telemetry`].
#[must_use = "`build` makes the telemetry"]
pub struct TelemetryBuilder {
    service: String,
    version: String,
    budgets: String,
    clock: Arc<dyn Clock + Send + Sync>,
    requests: RequestSettings,
}

impl TelemetryBuilder {
    /// The version of the service, for `passport_build_info`.
    pub fn version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    /// The edges of `http_request_duration_seconds`, in place of all others.
    pub fn edges(mut self, edges: BucketEdges) -> Self {
        self.requests.edges = edges;
        self
    }

    /// How many routes are told apart; all others are `<other>`. Without this [`ROUTES_MAX`].
    pub fn routes_max(mut self, routes: usize) -> Self {
        self.requests.routes_max = routes;
        self
    }

    /// Keeps the trace of the latest request of each bucket, and shows it in `OpenMetrics`. Without this
    /// none is kept.
    pub fn exemplars(mut self, exemplars: bool) -> Self {
        self.requests.exemplars = exemplars;
        self.requests.trace_context |= exemplars;
        self
    }

    /// Whether requests have a trace: continued from `traceparent`, or new. Without this they have.
    pub fn trace_context(mut self, trace_context: bool) -> Self {
        self.requests.trace_context = trace_context;
        self.requests.exemplars &= trace_context;
        self
    }

    /// Writes slow requests to `log`. Without this none are written.
    pub fn slow_log(mut self, log: SlowLog) -> Self {
        self.requests.slow_log = Some(log);
        self
    }

    /// Hands a span of this share of the requests to `exporter`, such as `opentelemetry_otlp::SpanExporter`.
    /// Exemplars then name these traces alone.
    ///
    /// Spans go in batches, from a thread of their own. What it has no room for is lost. The name and the
    /// version of the service are those that it has by now.
    #[cfg(feature = "otlp")]
    pub fn spans(
        mut self,
        exporter: impl opentelemetry_sdk::trace::SpanExporter + 'static,
        sampled: crate::units::Ppm,
    ) -> Self {
        let spans = super::spans::Spans::new(exporter, sampled, &self.service, &self.version);
        self.requests.spans = Some(spans);
        self.requests.trace_context = true;
        self
    }

    /// Takes all times from `clock`.
    pub fn clock(self, clock: Arc<dyn Clock + Send + Sync>) -> Self {
        Self { clock, ..self }
    }

    /// The telemetry of the service. It shows the runtime in which it is built, or else the one in which
    /// it is scraped.
    pub fn build(self) -> Telemetry {
        let registry = Registry::with_clock(Arc::clone(&self.clock));
        let requests = Arc::new(Requests::new(self.clock, self.requests));
        let (of_requests, built_in) = (Arc::clone(&requests), Handle::try_current().ok());
        let (version, budgets, service) = (self.version, self.budgets, self.service);
        registry.on_scrape(move |exposition| {
            let labels = [("version", &*version), ("budgets", &*budgets), ("service", &*service)];
            let help = "Version of the service, and the digest of its budgets.";
            exposition.gauge("passport_build_info", help, &labels, 1.0);
            of_requests.expose(exposition);
            process::expose(exposition);
            if let Some(handle) = built_in.clone().or_else(|| Handle::try_current().ok()) {
                runtime::expose(exposition, &handle);
            }
        });
        Telemetry { registry, requests }
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TelemetryBuilder");
        shown.field("service", &self.service).field("requests", &self.requests);
        shown.finish_non_exhaustive()
    }
}
