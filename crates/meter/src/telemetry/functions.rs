//! [`FunctionMetrics`]: time, errors, memory and accuracy of pieces of code.

use std::{fmt, sync::Arc};

use super::{
    counter::{Counter, Gauge},
    edges::BucketEdges,
    family::Family,
    histogram::BucketHistogram,
    names::MetricError,
    registry::Registry,
};
use crate::{
    clock::Clock,
    units::{Bytes, Nanos},
};

/// The metrics of functions. Clones are the same.
///
/// - `operation_duration_seconds{operation,size}`: how long, by what is done and to how much.
/// - `operation_errors_total{operation,error}`: how often it failed, by kind of error.
/// - `component_memory_bytes{component}` and `accuracy_score{test}`: what the program says of itself.
///
/// Names come from the program's text. Sizes are classes such as `small`, and never numbers from outside;
/// beyond 2,000 label sets all others are one.
///
/// ```
/// use perf_passport_meter::telemetry::{ExpositionFormat, FunctionMetrics, Registry};
///
/// let registry = Registry::new();
/// let functions = FunctionMetrics::new(&registry)?;
/// let parsed = functions.call("parse", "small", |_| "not a number", || "7x".parse::<u64>());
/// assert!(parsed.is_err());
/// functions.set_accuracy("parser", 0.5);
/// let text = registry.text(ExpositionFormat::Text);
/// assert!(text.contains("operation_errors_total{operation=\"parse\",error=\"not a number\"} 1\n"));
/// # Ok::<(), perf_passport_meter::telemetry::MetricError>(())
/// ```
#[derive(Clone)]
pub struct FunctionMetrics {
    clock: Arc<dyn Clock + Send + Sync>,
    durations: Family<BucketHistogram, 2>,
    errors: Family<Counter, 2>,
    memory: Family<Gauge, 1>,
    accuracy: Family<Gauge, 1>,
}

impl FunctionMetrics {
    /// The metrics of the functions of a program.
    ///
    /// # Errors
    ///
    /// [`MetricError::Taken`] where the registry has other metrics of these names.
    pub fn new(registry: &Registry) -> Result<Self, MetricError> {
        Ok(Self {
            clock: registry.clock(),
            durations: registry.histograms(
                "operation_duration_seconds",
                "Time of an operation.",
                ["operation", "size"],
                &BucketEdges::latency(),
            )?,
            errors: registry.counters(
                "operation_errors_total",
                "Operations that failed, by kind of error.",
                ["operation", "error"],
            )?,
            memory: registry.gauges(
                "component_memory_bytes",
                "Memory of a component.",
                ["component"],
            )?,
            accuracy: registry.gauges(
                "accuracy_score",
                "Accuracy of a result, from 0 to 1.",
                ["test"],
            )?,
        })
    }

    /// Times an operation until the timer is dropped. A panic counts as the error `panic`.
    pub fn timer(&self, operation: &'static str, size: &str) -> OperationTimer {
        OperationTimer {
            functions: self.clone(),
            duration: self.durations.with([operation, size]),
            operation,
            started: self.clock.elapsed(),
            dropped: None,
        }
    }

    /// Runs `work`, times it, and counts its error by the kind that `kind` gives to it.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub fn call<T, E>(
        &self,
        operation: &'static str,
        size: &str,
        kind: impl FnOnce(&E) -> &'static str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let timer = self.timer(operation, size);
        let result = work();
        timer.ended(result.as_ref().err().map(kind));
        result
    }

    /// The same for a future. One that is dropped is timed, and counts as the error `aborted`.
    ///
    /// # Errors
    ///
    /// Those of the future.
    pub async fn call_async<T, E>(
        &self,
        operation: &'static str,
        size: &str,
        kind: impl FnOnce(&E) -> &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut timer = self.timer(operation, size);
        timer.dropped = Some("aborted");
        let result = work.await;
        timer.ended(result.as_ref().err().map(kind));
        result
    }

    /// Says how much memory a component has.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 bytes")]
    pub fn set_memory(&self, component: &str, memory: Bytes) {
        self.memory.with([component]).set(memory.get() as f64);
    }

    /// Says how accurate a result was, from 0 to 1.
    pub fn set_accuracy(&self, test: &str, score: f64) {
        self.accuracy.with([test]).set(score);
    }

    /// Counts an error of an operation that nobody times.
    pub fn failed(&self, operation: &'static str, error: &str) {
        self.errors.with([operation, error]).inc();
    }
}

impl fmt::Debug for FunctionMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionMetrics").finish_non_exhaustive()
    }
}

/// An operation that runs, until it is dropped.
#[must_use = "dropping it ends the operation"]
pub struct OperationTimer {
    functions: FunctionMetrics,
    duration: BucketHistogram,
    operation: &'static str,
    started: Nanos,
    /// The error that it counts as where it is only dropped.
    dropped: Option<&'static str>,
}

impl OperationTimer {
    fn ended(mut self, error: Option<&'static str>) {
        self.dropped = error;
    }

    /// Ends the operation with an error of this kind.
    pub fn failed(self, error: &'static str) {
        self.ended(Some(error));
    }
}

impl Drop for OperationTimer {
    fn drop(&mut self) {
        self.duration.observe(self.functions.clock.elapsed().saturating_sub(self.started));
        let panicked = std::thread::panicking().then_some("panic");
        if let Some(error) = panicked.or(self.dropped) {
            self.functions.failed(self.operation, error);
        }
    }
}

impl fmt::Debug for OperationTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationTimer").field("operation", &self.operation).finish_non_exhaustive()
    }
}
