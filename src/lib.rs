//! Performance passports for HTTP endpoints and Rust code.
//!
//! This crate measures what requests cost, holds that against a written contract, and leaves a
//! *performance passport*: a document whose claims are hashed, whose verdicts can be recomputed from
//! the evidence inside it, and which says ABSTAIN where the evidence proves nothing. Response bodies
//! and allocation counts are exact, so they gate on a busy machine too; times are held against
//! absolute budgets with a confidence bound, and against another build only side by side.
//!
//! A contract as a test target of one's own axum project (`harness = false` in `Cargo.toml`, and
//! `passport.toml` beside it; docs/how-to/axum.md shows both):
//!
#![cfg_attr(feature = "instrument", doc = "```no_run")]
#![cfg_attr(not(feature = "instrument"), doc = "```ignore")]
//! use perf_passport::{allocation::CountingAllocator, harness::Harness};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::system();
//!
//! # mod app { pub fn router() -> axum::Router { axum::Router::new() } }
//! fn main() -> std::process::ExitCode {
//!     Harness::new("passport.toml", |_fixture| async { Ok::<_, String>(app::router()) }).run()
//! }
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | none | contracts, statistics, claims, passports, the pipeline, reports |
//! | `instrument` | the `tower` layer, the in-process probe, the harness (default) |
//! | `http` | the probe of any base URL |
//! | `criterion` | exact counts as measurements of criterion |
//! | `oracle` | dhat, to check the counting allocator |
//! | `schema` | JSON Schemas of contract and passport |
//! | `perf_sanity` | this package's endpoint sanity tests |
//!
//! The command line is the package `perf-passport-cli`, two builds side by side are
//! `perf-passport-compare`, the reference service is `perf-passport-ledger`.
//!
//! # Reading order
//!
//! The modules below are listed as they build on each other; none uses a later one. To read the
//! code along the data: [`contract`], [`probe`], [`pipeline`], [`evidence`], [`claim`], [`passport`],
//! [`report`]. To see how a request is counted: [`allocation`], then `instrument`. To use it:
//! `harness`. ARCHITECTURE.md says what each module may use, and where a change goes.

#[cfg(feature = "criterion")]
pub use perf_passport_meter::criterion;
#[cfg(feature = "instrument")]
pub use perf_passport_meter::instrument;
pub use perf_passport_meter::{allocation, clock, process_memory, text, units};

pub mod rules;
pub mod files;
pub mod timestamp;
pub mod contract;
pub mod statistics;
pub mod evidence;
pub mod paired;
pub mod claim;
pub mod operation;
pub mod production;
pub mod probe;
pub mod environment;
pub mod passport;
pub mod foreign;
pub mod pipeline;
pub mod store;
pub mod report;
pub mod schemas;
#[cfg(all(feature = "instrument", unix))]
pub mod worker;
#[cfg(feature = "instrument")]
pub mod harness;
