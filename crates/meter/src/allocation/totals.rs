//! What the whole process allocates while somebody watches: shared atomics, and nothing else.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::thread::{Tally, signed};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// Starts again from zero.
pub(super) fn reset() {
    for total in [&ALLOCATIONS, &FREES, &BYTES] {
        total.store(0, Relaxed);
    }
    for total in [&LIVE, &PEAK] {
        total.store(0, Relaxed);
    }
}

/// What was counted since.
pub(super) fn read() -> Tally {
    Tally {
        allocations: ALLOCATIONS.load(Relaxed),
        frees: FREES.load(Relaxed),
        bytes: BYTES.load(Relaxed),
        live: LIVE.load(Relaxed),
        peak: PEAK.load(Relaxed),
    }
}

/// Adds one block.
pub(super) fn allocated(size: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    BYTES.fetch_add(size as u64, Relaxed);
    let live = LIVE.fetch_add(signed(size), Relaxed).wrapping_add(signed(size));
    PEAK.fetch_max(live, Relaxed);
}

/// Adds one free.
pub(super) fn freed(size: usize) {
    FREES.fetch_add(1, Relaxed);
    LIVE.fetch_sub(signed(size), Relaxed);
}
