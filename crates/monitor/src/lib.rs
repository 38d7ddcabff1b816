//! Monitoring from a contract: one budget from the pull request to production.
//!
//! [`Budgets`](budgets::Budgets) are what a running service knows of its contract. [`observe`] reads the
//! counters of one.

mod decimal;
pub mod error;
pub mod budgets;
pub mod observe;

pub use error::MonitorError;
