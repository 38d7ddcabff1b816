//! [`Spans`]: a span of each sampled request, for whatever exporter the service gives.
//!
//! Only requests are spans, and this service alone decides which of them. What happens to a batch that
//! cannot be sent is the exporter's business: a request waits for nothing and fails for nothing.

use std::{fmt, time::Duration};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor},
};

use super::{
    slow_log::SlowRequest,
    trace_context::{TraceContext, random},
};
use crate::{text::escaped, units::Ppm};

/// Time that the spans of a service which ends are waited for.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Why the spans that wait were not sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot send the spans: {}; is the collector there?", escaped(&.0.to_string()))]
pub struct SpansError(#[from] OTelSdkError);

/// The spans of a service, on the way to its exporter.
pub(super) struct Spans {
    processor: BatchSpanProcessor,
    sampled: Ppm,
    scope: InstrumentationScope,
}

impl Spans {
    pub(super) fn new(
        exporter: impl SpanExporter + 'static,
        sampled: Ppm,
        service: &str,
        version: &str,
    ) -> Self {
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder_empty()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", version.to_owned()));
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self { processor, sampled, scope }
    }

    /// Whether the next request is recorded. A trace's name decides nothing: a stranger may choose it.
    pub(super) fn samples(&self) -> bool {
        random() % 1_000_000 < self.sampled.get()
    }

    /// Hands over the span of a request that has ended.
    pub(super) fn end(&self, request: &SlowRequest<'_>, context: &TraceContext) {
        let mut attributes = vec![
            KeyValue::new("http.request.method", request.method.to_owned()),
            KeyValue::new("http.route", request.route.to_owned()),
        ];
        if let Some(status) = request.status {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        let status = match request.class {
            "5xx" => Status::error(""),
            "aborted" => {
                attributes.push(KeyValue::new("error.type", "aborted"));
                Status::Unset
            }
            _ => Status::Unset,
        };
        let parent = context.parent.map_or(SpanId::INVALID, |it| SpanId::from_bytes(it.bytes()));
        let started = request.at.checked_sub(request.elapsed.to_duration());
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(context.trace.bytes()),
                SpanId::from_bytes(context.span.bytes()),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: parent,
            parent_span_is_remote: context.parent.is_some(),
            span_kind: SpanKind::Server,
            name: format!("{} {}", request.method, request.route).into(),
            start_time: started.unwrap_or(request.at),
            end_time: request.at,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        });
    }

    pub(super) fn flush(&self) -> Result<(), SpansError> {
        let result: OTelSdkResult = self.processor.force_flush();
        Ok(result?)
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        let _ = self.processor.shutdown_with_timeout(SHUTDOWN);
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("sampled", &self.sampled).finish_non_exhaustive()
    }
}
