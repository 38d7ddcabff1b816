//! Tests of the telemetry of a service, in process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use perf_passport_meter::{
    allocation::CountingAllocator,
    clock::Clock,
    telemetry::{ExpositionFormat, Registry, Telemetry, TelemetryBuilder},
    units::Nanos,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod allocations;
mod groups;
mod requests;
mod router;
mod scrape;
mod strangers;

/// A clock that stands where it is put. It may be put back, as no real one may.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn put(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_nanos()).unwrap(), Relaxed);
    }
}

impl Clock for Hand {
    fn elapsed(&self) -> Nanos {
        Nanos::new(self.0.load(Relaxed))
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }
}

fn by_hand() -> (TelemetryBuilder, Hand) {
    let hand = Hand::default();
    (Telemetry::builder("test").clock(Arc::new(hand.clone())), hand)
}

/// The samples of a family, without its name, each with a space before its figure.
fn samples(registry: &Registry, name: &str) -> Vec<String> {
    let text = registry.text(ExpositionFormat::Text);
    let of_family = |line: &str| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.to_owned())
    };
    text.lines().filter_map(of_family).collect()
}

/// The one sample of a family whose labels are these.
fn sample(registry: &Registry, name: &str, labels: &str) -> Option<String> {
    let start = format!("{labels} ");
    let samples = samples(registry, name);
    samples.iter().find_map(|it| it.strip_prefix(&start)).map(str::to_owned)
}
