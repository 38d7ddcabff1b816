//! Integration tests that share one process: few binaries, so that the library is linked few times.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what the lints allow in tests, their helper functions do too"
)]

use perf_passport::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod allocation;
mod anything;
// Its builds are those of git refs, in process groups and under file locks of Unix.
#[cfg(all(feature = "compare", target_os = "linux"))]
mod checkout;
mod contract;
mod fake;
mod forgery;
mod gate;
mod golden;
#[cfg(feature = "http")]
mod http_probe;
mod instructions;
#[cfg(feature = "instrument")]
mod instrument;
#[cfg(feature = "ledger")]
mod ledger;
#[cfg(feature = "ledger")]
mod ledger_limits;
mod operations;
mod passport;
// The cluster runs as an unprivileged user, by programs that only Unix has.
#[cfg(all(feature = "ledger", unix))]
mod postgres;
mod tidy;
