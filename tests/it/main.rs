//! Integration tests that share one process.

use perf_passport::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod allocation;
#[cfg(feature = "instrument")]
mod instrument;
//! Integration tests: few binaries, so that the library is linked few times.
#![cfg(feature = "ledger")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what the lints allow in tests, their helper functions do too"
)]

mod ledger;
mod ledger_limits;
// The cluster runs as an unprivileged user, by programs that only Unix has.
#[cfg(unix)]
mod postgres;
