//! The service of orders on the port of the variable `PORT`, with the password of `PASSWORD`.

mod service;

use perf_passport::{allocation::CountingAllocator, instrument::InstrumentLayer};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[expect(clippy::disallowed_methods, reason = "whoever starts it tells it by variables")]
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let router = service::router(&variable("PASSWORD")?)?.layer(InstrumentLayer::new());
    let address = format!("127.0.0.1:{}", variable("PORT")?);
    axum::serve(tokio::net::TcpListener::bind(address).await?, router).await?;
    Ok(())
}
