//! Monitoring from a contract: one budget from the pull request to production.
//!
//! [`Budgets`](budgets::Budgets) are what a running service knows of its contract.
//! [`monitoring`] makes rules, their tests, dashboards and configuration as text, each a pure function of
//! a contract. [`check`](mod@check) holds such files against the tools that read them, and moves each threshold.
//! [`observe`] reads the counters of a running service.

mod decimal;
pub mod error;
pub mod budgets;
pub mod settings;
mod promql;
mod metrics;
mod rule;
mod input;
mod alert;
mod alerts;
mod recording;
mod rule_tests;
mod recording_tests;
mod document;
mod named_file;
mod dashboards;
mod alertmanager;
mod scrape;
mod runbooks;
mod kubernetes;
mod compose;
pub mod monitoring;
pub mod check;
pub mod observe;

pub use error::MonitorError;
