//! What a piece of work allocates: counted exactly, and attributed to one request.
//!
//! A program opts in by declaring [`CountingAllocator`] as its global allocator; this library never
//! does. Each thread then keeps plain counters. A [`Meter`] reads them before and after every
//! stretch of one request's work (a poll of its future), so the figures are exact while requests
//! interleave on a thread and migrate between threads. [`measure`] is the same for a closure.
//! Work handed to another task is charged where it was handed over by `instrument::spawn`; a raw
//! `tokio::spawn` escapes, and shows up as the difference to [`ProcessWatch`].
//!
//! What is counted is what was *requested while the request ran*. No owner is written into blocks:
//! a block that another request frees counts as that request's free. What a runtime or a library
//! sets up lazily falls on the request that first needs it (tokio's `yield_now` grows a list for
//! each worker once): let some requests pass before the count is taken as the request's own.
//!
//! A reallocation counts as one allocation of the new size and one free, whether or not the block
//! moved: as dhat does, which is the oracle of these counts (`OracleAllocator`).
//!
//! Not seen: memory that bypasses the global allocator (`mmap`, C libraries, the stack), what the
//! allocator rounds sizes up to, and resident memory.
//!
//! Perturbation: about a nanosecond for each allocation and each free (benches/overhead.rs).

mod account;
mod allocator;
mod meter;
#[cfg(feature = "oracle")]
mod oracle;
mod process;
mod totals;
mod site;
#[cfg(feature = "oracle")]
mod source_path;
#[cfg(feature = "oracle")]
mod backtraces;
mod thread;

pub use allocator::{CountingAllocator, is_counting, is_installed, set_counting};
#[cfg(feature = "oracle")]
pub use backtraces::{BacktraceError, Measuring, Watched, sites_with_dhat};
pub use meter::{Meter, current_request, measure};
#[cfg(feature = "oracle")]
pub use oracle::{OracleAllocator, OracleCost, OracleError, count_with_dhat};
pub use process::{ProcessWatch, WatchBusy};
pub use site::{AllocationSite, Place};

use crate::units::{Bytes, Count};

/// What some work asked of the global allocator.
///
/// All zero when no [`CountingAllocator`] is installed or counting is off: ask [`is_installed`] and
/// [`is_counting`] before a zero is taken for evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocationCost {
    /// Blocks allocated; each reallocation is one more.
    pub allocations: Count,
    /// Blocks freed; each reallocation is one more.
    pub frees: Count,
    /// Bytes requested over all allocations; a reallocation adds its whole new size.
    pub bytes: Bytes,
    /// Most bytes that the work held at one moment: allocated and not yet freed since it began.
    ///
    /// Freeing memory that was there before the work began takes the running figure below zero,
    /// and later allocations start from there; the peak itself is never below zero.
    pub heap_peak: Bytes,
}

impl AllocationCost {
    /// What is left of a process-wide cost after `attributed` is taken out, each figure held at
    /// zero: the unattributed part.
    ///
    /// The peaks need not have happened at one moment: the difference of `heap_peak` is a bound.
    #[must_use]
    pub const fn saturating_sub(self, attributed: Self) -> Self {
        Self {
            allocations: self.allocations.saturating_sub(attributed.allocations),
            frees: self.frees.saturating_sub(attributed.frees),
            bytes: self.bytes.saturating_sub(attributed.bytes),
            heap_peak: self.heap_peak.saturating_sub(attributed.heap_peak),
        }
    }
}
