//! Reading the counters of a running service.
//!
//! [`Prometheus`] asks a Prometheus for raw samples, and [`Scraper`] scrapes a service itself.
//! [`Counters`] makes integer deltas of either, in windows that follow each other: the evidence of
//! [`perf_passport::production`]. Nothing is extrapolated, and nothing is decided here.

mod address;
mod client;
mod counters;
mod error;
mod exposition;
mod histogram;
mod instance;
mod labels;
mod prometheus;
mod reading;
mod routes;
mod scrape;

pub use client::{Access, Credentials};
pub use counters::{Counters, ObservedTime, Origin};
pub use error::ObserveError;
pub use exposition::{ExposedSample, ExpositionError, parse as parse_exposition};
pub use prometheus::Prometheus;
pub use reading::{CounterReading, CounterSample, Measured, SeriesKey};
pub use scrape::{Pace, Scraper};
