//! The `tower` layer that a service adds to itself, and its parts.
//!
//! [`InstrumentLayer`] opens an allocation scope for every request and writes what the request cost
//! into its response. [`spawn`] and [`spawn_blocking`] keep work inside the request that asked for
//! it. [`metered`] does for any future what the layer does for a service: a probe that drives a
//! service in process wraps the request and the reading of its body in it.
//!
//! ```
//! use axum::{Router, routing::get};
//! use perf_passport_meter::instrument::InstrumentLayer;
//!
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(InstrumentLayer::new());
//! ```
//!
//! Perturbation: with both headers about 0.3 us a request, without them 0.1 us, which is a half and
//! a fifth of the smallest request there is, and 3 % of one over loopback (benches/overhead.rs).
//! Most of it is two readings of the clock and two blocks for the headers. Not seen: what happens outside of the layer, such as the parsing
//! of the request and the writing of the response by the server, and tasks started without
//! [`spawn`]. Nothing here aggregates or exports.

mod body;
mod future;
mod headers;
mod layer;
mod task;

pub use body::MeteredBody;
pub use future::{Metered, metered};
pub use headers::{PROCESS_TIME, SERVER_TIMING};
pub use layer::{Instrument, InstrumentFuture, InstrumentLayer};
pub use task::{spawn, spawn_blocking};
