//! Integration tests that share one process: few binaries, so that the library is linked few times.
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]

use perf_passport::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod anything;
mod behaviour;
mod circles;
mod contract;
mod documents;
mod fake;
// The service of examples/orders runs in process.
#[cfg(feature = "instrument")]
mod flow_how_to;
mod flows;
mod foreign;
mod forgery;
mod gate;
mod golden;
#[cfg(feature = "http")]
mod http_probe;
mod instructions;
mod latency;
mod operations;
mod passport;
mod report;
mod tidy;
mod told_figures;
// A target of the harness, compiled and run by cargo.
#[cfg(all(feature = "instrument", unix))]
mod tutorial;
