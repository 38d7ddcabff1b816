//! Performance passports for HTTP endpoints and Rust code.

pub mod units;
pub mod clock;
