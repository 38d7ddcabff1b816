//! A service that mostly waits for memory, under contract: the other one that comparisons are put on
//! trial with.
//!
//! What such a service waits for is no instruction, so whoever counts instructions finds no change of
//! it. `passport calibrate --contract examples/memory_bound/passport.toml --harness memory_bound
//! --work memory` adds loads to its requests, and says how often that is found.

mod service;
mod tables;

use perf_passport::{allocation::CountingAllocator, harness::Harness};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

fn main() -> std::process::ExitCode {
    Harness::new("examples/memory_bound/passport.toml", |_fixture| async {
        Ok::<_, String>(service::router())
    })
    .run()
}
