//! [`ProcessWatch`]: what the whole process allocates between two moments.
//!
//! Process-wide totals attribute nothing. Their use is the check of attribution: with one request
//! in flight, what the process allocated and the request did not is the unattributed part (a raw
//! `tokio::spawn`, a connection's buffers, a logging thread).

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use super::{AllocationCost, allocator::set_watching, totals};
use crate::units::Bytes;

static BUSY: AtomicBool = AtomicBool::new(false);

/// Another [`ProcessWatch`] is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a watch over the allocations of this process is already running; stop it first")]
pub struct WatchBusy;

/// Counts what all threads allocate, from [`ProcessWatch::start`] to [`ProcessWatch::stop`].
///
/// While it runs every allocation of the process updates shared atomics: never time latency with
/// one. Counts nothing while counting is switched off or no counting allocator is installed.
#[derive(Debug)]
#[must_use = "dropping it stops the watch"]
pub struct ProcessWatch(());

impl ProcessWatch {
    /// Starts the watch from zero.
    ///
    /// # Errors
    ///
    /// [`WatchBusy`] while another watch runs.
    pub fn start() -> Result<Self, WatchBusy> {
        if BUSY.swap(true, Acquire) {
            return Err(WatchBusy);
        }
        totals::reset();
        set_watching(true);
        Ok(Self(()))
    }

    /// The bytes that were allocated since the start and not freed yet; `None` where more were freed, as
    /// then something of before is mixed in.
    pub fn live(&self) -> Option<Bytes> {
        u64::try_from(totals::read().live).ok().map(Bytes::new)
    }

    /// What was counted so far; the watch goes on.
    pub fn so_far(&self) -> AllocationCost {
        totals::read().to_cost()
    }

    /// Stops the watch and returns what was counted.
    ///
    /// Complete for everything that happened before this call; an allocation that another thread
    /// makes at the same moment may or may not be in it.
    pub fn stop(self) -> AllocationCost {
        set_watching(false);
        totals::read().to_cost()
    }
}

impl Drop for ProcessWatch {
    fn drop(&mut self) {
        set_watching(false);
        BUSY.store(false, Release);
    }
}
