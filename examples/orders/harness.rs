//! The service of orders under its contract: `cargo test --test orders`.

mod service;

use perf_passport::{allocation::CountingAllocator, harness::Harness};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

/// Of these tests alone.
const PASSWORD: &str = "a password of this test";

fn main() -> std::process::ExitCode {
    Harness::new("examples/orders/passport.toml", |_fixture| async { service::router(PASSWORD) })
        .variable("PASSWORD", PASSWORD)
        .run()
}
