//! What a request costs, from inside the service that answers it: what a program links to be measured.
//!
//! A program declares [`allocation::CountingAllocator`] as its global allocator and puts
//! `instrument::InstrumentLayer` around its service; every response then tells what it allocated.
//! Contracts, claims and passports are in the package `perf-passport`, which uses this one and shows
//! its modules as its own.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | none | the counting allocator, meters, units |
//! | `layer` | the `tower` layer, and tasks that are charged to their request |
//! | `telemetry` | metrics, a slow log and traces of a running service |
//! | `axum` | the same, with the templates of an `axum::Router` as routes |
//! | `otlp` | spans of sampled requests, for an exporter of OpenTelemetry |
//! | `oracle` | dhat, to check the counting allocator, and its backtraces |
//! | `criterion` | exact counts as measurements of criterion |
//! | `schema` | JSON Schemas of the units |
//!
//! # Reading order
//!
//! The modules below are listed as they build on each other; none uses a later one.

pub mod units;
pub mod text;
pub mod clock;
pub mod process_memory;
pub mod allocation;
#[cfg(feature = "criterion")]
pub mod criterion;
#[cfg(feature = "layer")]
pub mod instrument;
#[cfg(feature = "telemetry")]
pub mod telemetry;
