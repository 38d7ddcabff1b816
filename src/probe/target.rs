//! Whoever sends requests, and whoever makes one.

use super::{error::ProbeError, exchange::Exchange, request::PreparedRequest};
use crate::{process_memory::ProcessMemory, units::Nanos};

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
