//! Monitoring from a contract: one budget from the pull request to production.
//!
//! [`Budgets`](budgets::Budgets) are what a running service knows of its contract.

mod decimal;
pub mod error;
pub mod budgets;

pub use error::MonitorError;
