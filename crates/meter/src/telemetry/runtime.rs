//! What the tokio runtime does: workers, tasks, its queue, and how busy each worker is.
//!
//! Only what is stable without `tokio_unstable` is read. Times and parks of workers are told by tokio 1.45
//! and later, on machines with 64-bit atomics; of an earlier one they are absent.

use std::time::Duration;

use tokio::runtime::{Handle, RuntimeMetrics};

use super::exposition::Exposition;

/// Adds the figures of `runtime`.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(super) fn expose(exposition: &mut Exposition, runtime: &Handle) {
    let metrics = runtime.metrics();
    let workers = metrics.num_workers();
    for (name, help, figure) in [
        ("tokio_workers", "Worker threads of the runtime.", workers),
        ("tokio_alive_tasks", "Tasks that have not ended.", metrics.num_alive_tasks()),
        (
            "tokio_global_queue_depth",
            "Tasks that no worker took yet.",
            metrics.global_queue_depth(),
        ),
    ] {
        exposition.gauge(name, help, &[], figure as f64);
    }
    for worker in 0..workers {
        let name = worker.to_string();
        let labels = [("worker", &*name)];
        if let Some(busy) = metrics.worker_total_busy_duration(worker).told() {
            let help = "Time that the worker did not wait.";
            exposition.counter("tokio_worker_busy_seconds_total", help, &labels, busy);
        }
        if let Some(parks) = metrics.worker_park_count(worker).told() {
            let help = "How often the worker found nothing to do.";
            exposition.counter("tokio_worker_parks_total", help, &labels, parks);
        }
    }
}

/// Stands in for what an earlier tokio lacks. A method of the type itself goes before one of a trait, so
/// these are called only where there is no other.
#[allow(dead_code, reason = "a tokio that has the methods leaves none of these to call")]
trait NotToldYet {
    fn worker_total_busy_duration(&self, _worker: usize) -> NotTold {
        NotTold
    }

    fn worker_park_count(&self, _worker: usize) -> NotTold {
        NotTold
    }
}

impl NotToldYet for RuntimeMetrics {}

/// No figure.
#[allow(dead_code, reason = "as of `NotToldYet`")]
struct NotTold;

/// A figure, or none.
trait Told {
    fn told(self) -> Option<f64>;
}

impl Told for NotTold {
    fn told(self) -> Option<f64> {
        None
    }
}

impl Told for Duration {
    fn told(self) -> Option<f64> {
        Some(self.as_secs_f64())
    }
}

impl Told for u64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    fn told(self) -> Option<f64> {
        Some(self as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Old;
    trait OldMethods {
        fn figure(&self) -> NotTold {
            NotTold
        }
    }
    impl OldMethods for Old {}

    struct New;
    impl New {
        #[expect(clippy::unused_self, reason = "as the method it stands for")]
        fn figure(&self) -> u64 {
            7
        }
    }
    #[expect(dead_code, reason = "the type's own method goes first")]
    trait NewMethods {
        fn figure(&self) -> NotTold {
            NotTold
        }
    }
    impl NewMethods for New {}

    #[test]
    fn a_method_that_is_there_goes_before_its_stand_in() {
        assert_eq!((Old.figure().told(), New.figure().told()), (None, Some(7.0)));
    }
}
