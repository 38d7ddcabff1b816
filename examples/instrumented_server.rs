//! A service that tells each caller what its request cost, as docs/how-to/http.md shows it.
//!
//! `cargo run --example instrumented_server`, then `curl -i http://127.0.0.1:8080/hello`.

use axum::{Router, routing::get};
use perf_passport::{allocation::CountingAllocator, instrument::InstrumentLayer};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/hello", get(|| async { "hello" }))
        // Last, and so outermost: it sees all of the request.
        .layer(InstrumentLayer::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await
}
