//! What a running service does, for who watches it: metrics, a slow log, and traces.
//!
//! [`Telemetry`] is a service's metrics put together. [`Telemetry::layer`] counts and times requests, and
//! [`Telemetry::respond`] answers a scrape. [`Registry`] holds what the service counts itself;
//! [`PoolMetrics`], [`DatabaseMetrics`], [`QueueMetrics`] and [`FunctionMetrics`] have the names that
//! rules and dashboards know.
//!
//! Label sets are bounded: routes are templates, methods and status classes are few, and each family has
//! a ceiling. So memory does not grow by what a stranger asks for.
//!
//! The figures are integers behind atomics of our own, and not those of `prometheus-client` 0.26: its
//! histograms take a lock and add floats, and its families have no ceiling and want an owned key for each
//! lookup. Tests have `promtool` read what is written as text 0.0.4.
//!
//! Perturbation: `benches/telemetry.rs` shows what the layer costs a request. Not seen: what happens
//! outside of the layer, such as the parsing of a request and the writing to the socket.
//!
//! Nothing here pushes figures anywhere, decides on them, or stores their history.

mod names;
mod counter;
mod edges;
mod trace_context;
mod histogram;
mod exposition;
mod family;
mod registry;
mod negotiation;
mod live_budgets;
mod slow_log;
#[cfg(feature = "otlp")]
mod spans;
mod requests;
mod process;
mod runtime;
mod database;
mod pool;
mod queue;
mod functions;
mod service;

pub use counter::{Counter, Gauge, GaugeGuard};
pub use database::{DatabaseMetrics, DatabaseOperation};
pub use edges::{BucketEdges, EDGES_MAX};
pub use exposition::{Exposition, ExpositionFormat};
pub use family::{Family, Metric};
pub use functions::{FunctionMetrics, OperationTimer};
pub use histogram::BucketHistogram;
pub use live_budgets::{LiveBudgets, LiveBudgetsError};
pub use names::MetricError;
pub use pool::{PoolConnections, PoolMetrics, PoolTimer, PoolWait};
pub use queue::{QueueMetrics, QueuedJob, RunningJob};
pub use registry::{Registry, SERIES_MAX};
#[cfg(feature = "axum")]
pub use requests::{AxumTelemetry, AxumTelemetryFuture, AxumTelemetryLayer, matched_path};
pub use requests::{
    ObservedBody, ROUTES_MAX, RouteTemplate, TelemetryFuture, TelemetryLayer, TelemetryService,
};
pub use service::{Telemetry, TelemetryBuilder};
pub use slow_log::{SLOW, SlowLog};
#[cfg(feature = "otlp")]
pub use spans::SpansError;
pub use trace_context::{
    SpanId, TRACEPARENT, TRACESTATE, TraceContext, TraceId, current_trace, inject_trace,
};
