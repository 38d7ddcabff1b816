//! Performance passports for HTTP endpoints and Rust code.

pub mod units;
pub mod text;
pub mod clock;
pub mod process_memory;
pub mod allocation;
#[cfg(feature = "instrument")]
pub mod instrument;
pub mod contract;
pub mod statistics;
pub mod evidence;
pub mod claim;
pub mod probe;
pub mod environment;
pub mod passport;
pub mod pipeline;
pub mod store;
pub mod report;
#[cfg(feature = "instrument")]
pub mod harness;
#[cfg(feature = "ledger")]
pub mod ledger;
#[cfg(feature = "cli")]
pub mod cli;
