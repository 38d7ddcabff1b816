//! A request as a probe sends it.

use crate::contract::SecretValue;

/// A request with its secrets filled in.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names in lowercase, with their values.
    pub headers: Vec<(String, SecretValue)>,
    /// The body; empty when there is none.
    pub body: Vec<u8>,
    /// Names of response headers to report, in lowercase.
    pub compare_headers: Vec<String>,
    /// What is to be sent before it, in order.
    pub setup: Vec<SetupRequest>,
}

/// A request that brings the service into the state which another one needs.
#[derive(Debug, Clone)]
pub struct SetupRequest {
    /// The request, without any setup of its own.
    pub request: PreparedRequest,
    /// The status that it must be answered with.
    pub status: u16,
}
