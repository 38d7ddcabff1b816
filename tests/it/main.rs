//! Integration tests that share one process.

use perf_passport::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod allocation;
#[cfg(feature = "instrument")]
mod instrument;
