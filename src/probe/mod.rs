//! Probes: they send one request and say what came back and what it cost.
//!
//! A [`Probe`] is synchronous and sends one request at a time; what drives it (an executor, a
//! connection pool) is its own. It judges nothing: whether a response was the right one is decided
//! by [`crate::pipeline`]. In process a probe drives a `tower::Service` and perturbs the latency by
//! nothing but two clock reads; over HTTP it measures any base URL, and each latency holds the cost
//! of the client and of the loopback or network as well.

#[cfg(feature = "http")]
mod cpu_pressure;
#[cfg(feature = "instrument")]
mod cpu_wait;
mod collected;
#[cfg(feature = "instrument")]
mod in_process;
mod json_string;
mod ignored;
mod json_form;
mod response;
#[cfg(any(feature = "http", feature = "instrument"))]
mod response_headers;
mod server_timing;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "http")]
mod http;

use thiserror::Error;

use crate::{
    contract::{RequestSpec, SecretValue},
    evidence::{CountSource, OracleCounts},
    process_memory::ProcessMemory,
    units::{Bytes, Count, Nanos},
};

pub(crate) use collected::end_sample;
pub use collected::{COLLECTED, SAMPLE_ENDS};
#[cfg(feature = "http")]
pub use http::{HttpProbe, HttpSettings, HttpTarget, wait_until_up};
#[cfg(feature = "instrument")]
pub use in_process::{InProcessTarget, Request};
pub use response::{Normalised, header_digests, wire_digest};
pub use server_timing::{ServerTiming, performance_block, process_time};

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
        let fill = |(name, value): &(String, crate::contract::HeaderTemplate)| {
            value.fill(lookup).map(|filled| (name.clone(), filled))
        };
        Ok(Self {
            method: spec.method.clone(),
            path: spec.path.clone(),
            headers: spec.headers.iter().map(fill).collect::<Result<_, _>>()?,
            body: spec.body.clone().unwrap_or_default().into_bytes(),
            compare_headers: spec.compare_headers.clone(),
        })
    }
}

/// What is being measured while a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Latency: no profiler is on.
    Timed,
    /// Allocations, exactly; the latency is not to be used.
    Counted,
    /// Allocations by dhat, to check the count; the latency is not to be used.
    Oracle,
    /// Instructions, by a program that watches this one: in process the work is done where that
    /// finds it, without any profiler of our own and without a timeout, as it is many times
    /// slower. The latency is not to be used.
    Instructions,
}

/// One response and what it cost.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The status.
    pub status: u16,
    /// The `content-type` header as received.
    pub content_type: Option<Vec<u8>>,
    /// The headers that [`PreparedRequest::compare_headers`] names, as received and in the order of
    /// the names; one that was sent twice is there twice.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body, as it crossed the wire.
    pub body: Vec<u8>,
    /// From before the request was sent until the last byte of the body was received.
    pub latency: Nanos,
    /// How long another thread had the processor meanwhile, and a little before and after. `None`
    /// where nobody knows.
    pub cpu_wait: Option<Nanos>,
    /// How long the service says that it took, by its own clock: `total;dur` of `Server-Timing`,
    /// else `X-Process-Time`. Not checked against `latency`; `None` where it says nothing, and
    /// always in process.
    pub server_latency: Option<Nanos>,
    /// What the service spent; `None` where nobody counted.
    pub cost: Option<Cost>,
    /// What dhat saw, in an oracle pass of a probe that has it.
    pub oracle: Option<OracleCounts>,
}

/// What the service spent on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Who counted.
    pub source: CountSource,
    /// Allocations.
    pub allocations: Count,
    /// Their bytes.
    pub allocated_bytes: Option<Bytes>,
    /// The largest heap that the request held.
    pub heap_peak: Option<Bytes>,
    /// Allocations of the whole process meanwhile.
    pub process_allocations: Option<Count>,
}

/// A request that could not be measured.
///
/// No message holds a header value; texts from outside are made printable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// There is no service to measure.
    #[error("cannot start the service: {0}")]
    Setup(String),
    /// What is to be sent makes no request.
    #[error("cannot make a request: {0}")]
    Request(String),
    /// Nobody answers at the address.
    #[error("cannot reach {target}: {message}")]
    Unreachable {
        /// The base URL, without credentials.
        target: String,
        /// What the connection attempt said.
        message: String,
    },
    /// No complete response in time: the request took at least this long.
    #[error("no complete response within {after} ({phase})")]
    Timeout {
        /// How long was waited.
        after: Nanos,
        /// What was being waited for.
        phase: &'static str,
    },
    /// The body is larger than the contract allows.
    #[error("the body is larger than the {limit} that the contract allows")]
    BodyTooLarge {
        /// The limit.
        limit: Bytes,
    },
    /// The response broke off or is not HTTP.
    #[error("broken response: {0}")]
    Broken(String),
}

/// Sends requests, one at a time, to one service in one state.
pub trait Probe {
    /// Sends a request and waits for the last byte of its response.
    ///
    /// # Errors
    ///
    /// [`ProbeError`] when there is no complete response. A status such as 500 is a response.
    fn send(&mut self, request: &PreparedRequest, pass: Pass) -> Result<Exchange, ProbeError>;

    /// Memory of the measured process; `None` where it is not known which one that is.
    fn process_memory(&mut self) -> Option<ProcessMemory>;

    /// How long some thread of this machine has waited for a processor, since some moment; `None`
    /// where latencies are free of that, or nobody knows.
    fn cpu_pressure(&mut self) -> Option<Nanos>;

    /// Whether counting needs a pass of its own. If not, timed exchanges carry their cost.
    fn counts_apart(&self) -> bool;
}

/// Makes a probe of a service in the state that a fixture names.
pub trait Target {
    /// The probe of the service in this state. Fixtures are asked for one after the other.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Setup`] when the service cannot be brought into this state.
    fn probe(&mut self, fixture: &str) -> Result<Box<dyn Probe + '_>, ProbeError>;
}
