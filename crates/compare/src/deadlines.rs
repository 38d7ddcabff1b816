//! Times that a worker may take for what it is asked.

use perf_passport::units::Nanos;

/// Time to bring a service into the state of a fixture.
pub(crate) const FIXTURE_TIME: Nanos = Nanos::new(120_000_000_000);

/// Time to load a fixture and to measure a check by itself.
pub(crate) const OBSERVE_TIME: Nanos = Nanos::new(300_000_000_000);
