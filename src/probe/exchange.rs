//! What came back of a request, and what it cost.

use crate::{
    evidence::{CountSource, OracleCounts},
    units::{Bytes, Count, Nanos},
};

/// One response and what it cost.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The status.
    pub status: u16,
    /// The `content-type` header as received.
    pub content_type: Option<Vec<u8>>,
    /// The headers that [`PreparedRequest::compare_headers`](super::PreparedRequest::compare_headers) names, as received and in the order of
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
    /// else `X-Process-Time`. Nobody checked it against `latency`; `None` where it says nothing,
    /// and always in process.
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
    /// Whether tasks of the service may run on other threads at the same time.
    pub several_threads: bool,
}
