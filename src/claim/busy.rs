//! Whether a latency above its budget is the machine's doing.
//!
//! NOTE: each rule of latencies depends on all of it.

use super::reason::Reason;
use crate::{
    contract::Quantile,
    evidence::Evidence,
    statistics::{Histogram, quantile},
    units::{Count, Nanos, Ppm},
};

/// The share of time under CPU pressure from which on a slow tail may be the machine's.
const PRESSURE_MAX: Ppm = Ppm::new(50_000);

/// Samples from which on a median says what is typical.
const MEDIAN_SAMPLES: Count = Count::new(20);

/// Why a latency that is shown to be above its budget is not known to be the service's. Others make a
/// tail; that most requests were too slow is not their doing.
pub(super) fn over_budget(budget: Nanos, evidence: &Evidence) -> Reason {
    let busy = evidence.cpu_pressure_ppm.is_some_and(|share| share > PRESSURE_MAX);
    if busy && typical(&evidence.latency) < budget {
        Reason::BusyMachine
    } else {
        Reason::OverBudget
    }
}

/// As the second rule has it: where nobody knows how much others wanted the processor, a tail is not known
/// to be the service's either.
pub(super) fn over_budget_2(budget: Nanos, evidence: &Evidence) -> Reason {
    let is_known = evidence.cpu_pressure_ppm.is_some() || evidence.cpu_wait_ns.is_some();
    let reason = over_budget(budget, evidence);
    if reason == Reason::OverBudget && !is_known && typical(&evidence.latency) < budget {
        return Reason::PressureUnknown;
    }
    reason
}

/// The median latency; of too few samples for one, the least.
fn typical(latency: &Histogram) -> Nanos {
    let median = quantile(latency, Quantile::P50).filter(|_| latency.samples() >= MEDIAN_SAMPLES);
    median.unwrap_or_else(|| latency.min())
}
