//! A contract as a test target of one's own axum project, as README.md shows it.
//!
//! In a project of one's own this file is `tests/passport.rs`, `mod app` is the project itself, and
//! `passport.toml` lies beside `Cargo.toml`. Here it is run by
//! `cargo run --features oracle --example own_service`.

use perf_passport::{
    allocation::{CountingAllocator, OracleAllocator},
    harness::Harness,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

fn main() -> std::process::ExitCode {
    Harness::new("examples/own_service/passport.toml", |_fixture| async {
        Ok::<_, String>(app::router())
    })
    .run()
}

/// The service under contract.
mod app {
    use axum::{Router, routing::get};

    pub(crate) fn router() -> Router {
        Router::new().route("/hello", get(|| async { "hello" }))
    }
}
