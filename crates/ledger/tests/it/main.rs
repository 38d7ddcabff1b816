//! Tests of the reference service through its router, in one process.
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]

use perf_passport_meter::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod ledger;
mod ledger_limits;
mod watched;
mod work;
// The cluster runs as an unprivileged user, by programs that only Unix has.
#[cfg(unix)]
mod postgres;
#[cfg(unix)]
mod work_postgres;
