//! Performance passports for HTTP endpoints and Rust code.
//!
//! This crate measures what requests cost, holds that against a written contract, and leaves a
//! *performance passport*: a document whose claims are hashed, whose verdicts can be recomputed from
//! the evidence inside it, and which says ABSTAIN where the evidence proves nothing. Response bodies
//! and allocation counts are exact, so they gate on a busy machine too; times are held against
//! absolute budgets with a confidence bound, and against another build only side by side.
//!
//! A contract as a test target of one's own axum project (`harness = false` in `Cargo.toml`, and
//! `passport.toml` beside it; README.md shows both):
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
//! Write `default-features = false`: the defaults are this package's own program and service.
//!
//! | feature | adds |
//! |---|---|
//! | none | contracts, statistics, claims, passports, the pipeline, reports |
//! | `instrument` | the `tower` layer, the in-process probe, the harness |
//! | `http` | the probe of any base URL |
//! | `criterion` | exact counts as measurements of criterion |
//! | `compare` | two builds side by side |
//! | `oracle` | dhat, to check the counting allocator |
//! | `schema` | JSON Schemas of contract and passport |
//! | `ledger` | the reference service (default) |
//! | `cli` | the command line (default) |
//! | `perf_sanity` | this package's endpoint sanity tests |
//!
//! # Reading order
//!
//! The modules below are listed as they build on each other; none uses a later one. To read the
//! code along the data: [`contract`], [`probe`], [`pipeline`], [`evidence`], [`claim`], [`passport`],
//! [`report`]. To see how a request is counted: [`allocation`], then `instrument`. To use it:
//! `harness`. ARCHITECTURE.md says what each module may use, and where a change goes.

pub mod units;
pub mod text;
pub mod clock;
pub mod process_memory;
pub mod allocation;
#[cfg(feature = "criterion")]
pub mod criterion;
#[cfg(feature = "instrument")]
pub mod instrument;
pub mod contract;
pub mod statistics;
pub mod evidence;
pub mod paired;
pub mod claim;
pub mod operation;
pub mod probe;
pub mod environment;
pub mod passport;
pub mod foreign;
pub mod pipeline;
pub mod store;
pub mod report;
#[cfg(all(feature = "instrument", unix))]
pub mod worker;
#[cfg(feature = "instrument")]
pub mod harness;
#[cfg(all(feature = "compare", target_os = "linux"))]
pub mod compare;
#[cfg(all(feature = "compare", target_os = "linux"))]
pub mod calibrate;
#[cfg(feature = "ledger")]
pub mod ledger;
#[cfg(feature = "cli")]
pub mod cli;
