//! dhat as the oracle of the counting allocator: the same work counted by other people's code.
//!
//! dhat's allocator takes a global lock on every call, even when no profiler runs, so it must stay
//! out of the timed path. [`OracleAllocator`] goes to the system's allocator, and through dhat only
//! while [`count_with_dhat`] runs. dhat counts the whole process: one pass at a time, with nothing
//! else going on. It slows work down about threefold: no time measured during a pass means
//! anything.
//!
//! Mixing the two is sound because dhat adds nothing to blocks and gets them from [`System`] too:
//! either side can free what the other allocated. dhat ignores frees of blocks that it has not
//! seen. It must not miss a free of one that it has seen, since it asserts that no live block comes
//! back; see [`PASS`].

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use super::thread::uncounted;
use crate::units::{Bytes, Count};

/// Whether calls go through dhat. Set before the profiler starts and cleared after it has gone.
///
/// A thread can come to free a block that dhat recorded only by synchronising with the thread that
/// saw this set; by coherence it then sees this set too, or cleared by the end of the pass, when
/// the record has gone.
static PASS: AtomicBool = AtomicBool::new(false);
/// Whether a pass or the check before it is under way.
static BUSY: AtomicBool = AtomicBool::new(false);
/// Whether an allocation ever arrived here during a pass.
static REACHED: AtomicBool = AtomicBool::new(false);

/// The system's allocator, observed by dhat while [`count_with_dhat`] runs.
///
/// Declare `CountingAllocator::wrapping(OracleAllocator)` as the global allocator. dhat's own
/// allocations are kept out of the counters in front of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OracleAllocator;

#[expect(unsafe_code, reason = "a global allocator cannot be written without it")]
// SAFETY: both branches of each call end in the same call of `System` with the same arguments:
// dhat's allocator calls it and keeps its records elsewhere.
unsafe impl GlobalAlloc for OracleAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if PASS.load(Acquire) {
            REACHED.store(true, Relaxed);
            // SAFETY: the caller upholds the contract of `alloc`.
            uncounted(|| unsafe { dhat::Alloc.alloc(layout) })
        } else {
            // SAFETY: as above.
            unsafe { System.alloc(layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if PASS.load(Acquire) {
            REACHED.store(true, Relaxed);
            // SAFETY: the caller upholds the contract of `alloc_zeroed`.
            uncounted(|| unsafe { dhat::Alloc.alloc_zeroed(layout) })
        } else {
            // SAFETY: as above.
            unsafe { System.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if PASS.load(Acquire) {
            // SAFETY: `block` came from `System` with this layout, here or through dhat.
            uncounted(|| unsafe { dhat::Alloc.dealloc(block, layout) });
        } else {
            // SAFETY: as above.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if PASS.load(Acquire) {
            // SAFETY: `block` came from `System` with this layout, here or through dhat.
            uncounted(|| unsafe { dhat::Alloc.realloc(block, layout, new_size) })
        } else {
            // SAFETY: as above.
            unsafe { System.realloc(block, layout, new_size) }
        }
    }
}

/// What dhat counted in the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OracleCost {
    /// Blocks allocated; each reallocation is one more.
    pub blocks: Count,
    /// Bytes requested; a reallocation adds its whole new size.
    pub bytes: Bytes,
    /// Most bytes live at one moment, of blocks allocated during the pass.
    pub heap_peak: Bytes,
}

/// Why dhat could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// Another pass is under way in this process.
    #[error("an oracle pass is already under way; dhat counts the whole process, one at a time")]
    Busy,
    /// No allocation comes through an [`OracleAllocator`].
    #[error(
        "no oracle allocator is installed; declare `CountingAllocator::wrapping(OracleAllocator)` \
         as the global allocator"
    )]
    NotInstalled,
}

/// Runs `work` under dhat and returns its result with what dhat counted meanwhile.
///
/// Process-wide: whatever other threads allocate during the pass is in the figures.
///
/// They agree with [`measure`](super::measure) exactly for work that keeps to one thread and frees
/// or reallocates only its own blocks. dhat takes no notice when an older block is freed and counts
/// the reallocation of one as a new block, so there the peaks can differ.
///
/// # Errors
///
/// [`OracleError::Busy`] during another pass, [`OracleError::NotInstalled`] where dhat would see
/// nothing.
///
/// # Panics
///
/// If the program itself runs a `dhat::Profiler`, and if `work` does.
pub fn count_with_dhat<R>(work: impl FnOnce() -> R) -> Result<(R, OracleCost), OracleError> {
    let pass = Pass::begin()?;
    let profiler = uncounted(|| dhat::Profiler::builder().testing().build());
    let result = work();
    let stats = dhat::HeapStats::get();
    uncounted(|| drop(profiler));
    drop(pass);
    let cost = OracleCost {
        blocks: Count::new(stats.total_blocks),
        bytes: Bytes::new(stats.total_bytes),
        heap_peak: Bytes::new(stats.max_bytes as u64),
    };
    Ok((result, cost))
}

/// The time during which calls go through dhat; ends when dropped. Must outlive the profiler.
pub(super) struct Pass;

impl Pass {
    pub(super) fn begin() -> Result<Self, OracleError> {
        if BUSY.swap(true, Acquire) {
            return Err(OracleError::Busy);
        }
        PASS.store(true, Release);
        let pass = Self;
        uncounted(|| drop(black_box(Box::new(black_box(0_u8)))));
        if REACHED.load(Relaxed) { Ok(pass) } else { Err(OracleError::NotInstalled) }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        PASS.store(false, Release);
        BUSY.store(false, Release);
    }
}
