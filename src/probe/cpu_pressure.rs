//! How long some thread of this machine was ready to run and had no processor.
//!
//! Over HTTP the waiting of the service's threads is not known for each request, so it cannot be
//! left out as [`super::cpu_wait`] does in process. The kernel's pressure stall information
//! (`/proc/pressure/cpu`, the sum of `some`) still tells whether there was any: a machine under
//! pressure can show that a service is fast enough, and not that it is too slow. Only Linux has it.

use std::fs;

use crate::units::Nanos;

/// The sum since the machine started; `None` where the kernel keeps none.
pub(super) fn total() -> Option<Nanos> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let micros = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    micros.parse().ok().map(|micros: u64| Nanos::new(micros.saturating_mul(1_000)))
}
