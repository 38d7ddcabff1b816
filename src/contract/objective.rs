//! What a running service must keep, as rules and claims have it; [`super::objectives`] resolves `[slo.NAME]`.

use crate::units::{Nanos, Ppm};

/// What share of requests of some routes must be answered, and as large a share in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// The name, unique in the contract.
    pub name: String,
    /// The share of requests.
    pub share: Ppm,
    /// The days that the share is of.
    pub window_days: u32,
    /// The time within which a request is in time.
    pub latency: Nanos,
    /// What is asked for, sorted, each once; never empty.
    pub routes: Vec<ObservedRoute>,
}

/// Requests as a running service counts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedRoute {
    /// The template, such as `/orders/{id}`.
    pub route: String,
    /// The method, in capitals.
    pub method: String,
}
