//! A request as a probe sends it.

use crate::contract::{HeaderTemplate, RequestSpec, SecretValue};

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

impl PreparedRequest {
    /// Fills the header templates of `spec` with what `lookup` says of the environment.
    ///
    /// # Errors
    ///
    /// The name of the first variable that is not set.
    pub fn new(
        spec: &RequestSpec,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let fill = |(name, value): &(String, HeaderTemplate)| {
            value.fill(lookup).map(|filled| (name.clone(), filled))
        };
        Ok(Self {
            method: spec.method.clone(),
            path: spec.path.clone(),
            headers: spec.headers.iter().map(fill).collect::<Result<_, _>>()?,
            body: spec.body.clone().unwrap_or_default().into_bytes(),
            compare_headers: spec.compare_headers.clone(),
            setup: spec
                .setup
                .iter()
                .map(|step| {
                    Ok(SetupRequest { request: Self::new(step, lookup)?, status: step.status })
                })
                .collect::<Result<_, String>>()?,
        })
    }
}
