//! Tests of counting and of the layer, in one process.
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]

use perf_passport_meter::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod allocation;
mod instrument;
