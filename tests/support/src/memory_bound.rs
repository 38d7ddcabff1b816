//! The service of `examples/memory_bound`, with loads added to its requests. It is here so that it is
//! optimised.

#[path = "../../../examples/memory_bound/service.rs"]
mod service;
#[path = "../../../examples/memory_bound/tables.rs"]
mod tables;

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, extract::Request, middleware::map_request};
use perf_passport::{
    clock::{Clock, SystemClock},
    pipeline::{Work, WorkKind},
};
use tower::ServiceExt;

/// The contract of the service.
pub const CONTRACT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/memory_bound/passport.toml");

/// The service, of which each request waits for so many loads more.
pub fn router(loads: u64) -> Router {
    let work = if loads == 0 { Work::default() } else { Work::new(WorkKind::Memory) };
    let work = Arc::new(Mutex::new(work));
    service::router().layer(map_request(move |request: Request| {
        let work = Arc::clone(&work);
        async move {
            if let Ok(mut work) = work.lock() {
                work.rounds(loads);
            }
            request
        }
    }))
}

/// How many loads take a twentieth of a request's time here, as a comparison finds it out.
pub fn loads_of_a_twentieth(path: &str) -> u64 {
    const UNIT: u64 = 50;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (router, clock) = (service::router(), SystemClock::start());
    let mut work = Work::new(WorkKind::Memory);
    let (mut requests, mut units) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let before = clock.elapsed();
        let response = runtime.block_on(router.clone().oneshot(request));
        let between = clock.elapsed();
        work.rounds(UNIT);
        units.push(clock.elapsed().saturating_sub(between).get());
        requests.push(between.saturating_sub(before).get());
        assert!(response.is_ok_and(|it| it.status().is_success()));
    }
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let loads = median(&mut requests) * UNIT / median(&mut units).max(1) / 20;
    assert!(loads > 0, "a request of {path} waits for less than twenty loads");
    loads
}
