//! [`CountingAllocator`]: the global allocator that counts, and the switch that stops it.
//!
//! It adds nothing to blocks, keeps no registry of threads and takes no lock. With the switch off
//! one relaxed load stands between the program and the inner allocator, so that latency can be
//! timed in the process that also counts.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use super::{thread, totals};

/// Set while allocations are counted.
const COUNT: u8 = 1;
/// Set while a [`super::ProcessWatch`] runs.
const WATCH: u8 = 2;
/// Set while [`is_installed`] makes its one allocation.
const PROBE: u8 = 4;

static MODE: AtomicU8 = AtomicU8::new(COUNT);

/// A global allocator that counts what passes through it and leaves the work to another.
///
/// ```
/// use perf_passport_meter::allocation::{CountingAllocator, measure};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator::system();
///
/// fn main() {
///     let (text, cost) = measure(|| String::from("seven"));
///     assert_eq!(text, "seven");
///     assert_eq!((cost.allocations.get(), cost.bytes.get()), (1, 5));
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator<A = System> {
    inner: A,
}

impl CountingAllocator {
    /// Counts in front of the system's allocator.
    pub const fn system() -> Self {
        Self::wrapping(System)
    }
}

impl<A> CountingAllocator<A> {
    /// Counts in front of `inner`.
    pub const fn wrapping(inner: A) -> Self {
        Self { inner }
    }
}

#[expect(unsafe_code, reason = "a global allocator cannot be written without it")]
// SAFETY: every block comes from `inner` and goes back to `inner` with the layout that the caller
// gave, unchanged. Counting touches only atomics and thread-local cells: it cannot unwind, and it
// does not allocate.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of `alloc`, which is that of `inner`.
        let block = unsafe { self.inner.alloc(layout) };
        if !block.is_null() {
            allocated(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of `alloc_zeroed`, which is that of `inner`.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if !block.is_null() {
            allocated(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: `block` came from `inner` with this layout, by the caller's contract.
        unsafe { self.inner.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `block` came from `inner` with this layout, by the caller's contract.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        if !moved.is_null() {
            resized(layout.size(), new_size);
        }
        moved
    }
}

/// Switches counting on or off for the whole process; it starts on.
///
/// Off, a [`CountingAllocator`] is its inner allocator plus one relaxed load. Switch between
/// requests, not during one: what happens while it is off is missing from an open scope. Other
/// threads see the change soon, not at once.
pub fn set_counting(on: bool) {
    if on {
        MODE.fetch_or(COUNT, Relaxed);
    } else {
        MODE.fetch_and(!COUNT, Relaxed);
    }
}

/// Whether counting is switched on; true says nothing about an allocator being installed.
#[inline]
pub fn is_counting() -> bool {
    MODE.load(Relaxed) & COUNT != 0
}

/// Whether a [`CountingAllocator`] is the global allocator of this process.
///
/// Found out once by a real allocation, which is charged to nobody, whether or not counting is on.
pub fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        thread::uncounted(|| {
            thread::take_probed();
            MODE.fetch_or(PROBE, Relaxed);
            drop(black_box(Box::new(black_box(0_u8))));
            MODE.fetch_and(!PROBE, Relaxed);
            thread::take_probed()
        })
    })
}

/// Starts or stops the process-wide totals.
pub(super) fn set_watching(on: bool) {
    if on {
        MODE.fetch_or(WATCH, Relaxed);
    } else {
        MODE.fetch_and(!WATCH, Relaxed);
    }
}

// PERF: one compare decides the two modes that a timed path runs in; the others are kept out of
// line so that they cost it no registers.
#[inline]
fn allocated(size: usize) {
    match MODE.load(Relaxed) {
        COUNT => thread::allocated(size),
        0 | WATCH => {}
        mode => allocated_slowly(mode, size),
    }
}

#[inline]
fn freed(size: usize) {
    match MODE.load(Relaxed) {
        COUNT => thread::freed(size),
        0 | WATCH => {}
        mode => freed_slowly(mode, size),
    }
}

#[inline]
fn resized(old: usize, new: usize) {
    match MODE.load(Relaxed) {
        COUNT => thread::resized(old, new),
        0 | WATCH => {}
        mode => {
            freed_slowly(mode, old);
            allocated_slowly(mode, new);
        }
    }
}

#[cold]
#[inline(never)]
fn allocated_slowly(mode: u8, size: usize) {
    if mode & PROBE != 0 {
        thread::mark_probed();
    }
    if mode & COUNT != 0 {
        thread::allocated(size);
        if mode & WATCH != 0 && !thread::is_unwatched() {
            totals::allocated(size);
        }
    }
}

#[cold]
#[inline(never)]
fn freed_slowly(mode: u8, size: usize) {
    if mode & COUNT != 0 {
        thread::freed(size);
        if mode & WATCH != 0 && !thread::is_unwatched() {
            totals::freed(size);
        }
    }
}
