//! Whoever sends requests, and whoever makes one.

use super::{error::ProbeError, exchange::Exchange, request::PreparedRequest};
use crate::{
    contract::Check,
    process_memory::ProcessMemory,
    units::{Bytes, Nanos},
};

/// What is being measured while a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Nothing: the request only brings the service into a state.
    Setup {
        /// Whether it may take as long as it likes, as in [`Pass::Instructions`].
        unhurried: bool,
    },
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
    /// Sends a request and waits for the last byte of its response, after the requests that
    /// [`PreparedRequest::setup`] lists. Nothing of those is measured.
    ///
    /// # Errors
    ///
    /// [`ProbeError`] when there is no complete response. A status such as 500 is a response.
    fn send(&mut self, request: &PreparedRequest, pass: Pass) -> Result<Exchange, ProbeError>;

    /// Puts another service in the same state into the place of the one that was asked so far.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Setup`] when none can be made.
    fn renew(&mut self) -> Result<(), ProbeError> {
        Err(ProbeError::Setup(
            "a service that runs already cannot be made anew for each sample: use `setup`".into(),
        ))
    }

    /// Whether [`Probe::renew`] can be asked for.
    fn can_renew(&self) -> bool {
        false
    }

    /// Puts another service into the place of the one that was asked so far, as [`Probe::renew`], and
    /// counts the heap of the process from before that is made. Whether anybody can.
    ///
    /// # Errors
    ///
    /// As [`Probe::renew`].
    fn begin_heap_watch(&mut self) -> Result<bool, ProbeError> {
        Ok(false)
    }

    /// The heap that is live, as far as it was counted; `None` where it is not.
    fn live_heap(&mut self) -> Option<Bytes> {
        None
    }

    /// Memory of the measured process; `None` where it is not known which one that is.
    fn process_memory(&mut self) -> Option<ProcessMemory>;

    /// How long some thread of this machine has waited for a processor, since some moment; `None`
    /// where latencies are free of that, or nobody knows.
    fn cpu_pressure(&mut self) -> Option<Nanos>;

    /// Whether counting needs a pass of its own. If not, timed exchanges carry their cost.
    fn counts_apart(&self) -> bool;
}

/// Brings the service into the state that a request needs, as whoever sends the request does first.
#[cfg(any(feature = "http", feature = "instrument"))]
pub(super) fn set_up(
    probe: &mut dyn Probe,
    request: &PreparedRequest,
    pass: Pass,
) -> Result<(), ProbeError> {
    let unhurried = pass == Pass::Instructions;
    for step in &request.setup {
        let message = match probe.send(&step.request, Pass::Setup { unhurried }) {
            Ok(answer) if answer.status == step.status => continue,
            Ok(answer) => format!("status {} and not {}", answer.status, step.status),
            Err(error) => error.to_string(),
        };
        let request = format!("{} {}", step.request.method, step.request.path);
        return Err(ProbeError::NotSetUp { request, message });
    }
    Ok(())
}

/// Makes probes of a service in the states that fixtures name.
pub trait Target {
    /// The probe for a check: of a service in the state of its fixture, which in process lives as
    /// long as [`Check::service_life`] says.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Setup`] when the service cannot be brought into this state.
    fn probe(&mut self, check: &Check) -> Result<Box<dyn Probe + '_>, ProbeError>;
}
