//! Tests of counting and of the layer, in one process.

use perf_passport_meter::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

mod allocation;
mod instrument;
