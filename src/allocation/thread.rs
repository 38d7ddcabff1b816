//! The counters of one thread, and the scope that is open on it.
//!
//! The counters only ever run on; a scope is the difference between two readings. So enclosing
//! scopes need no bookkeeping of what inner ones cost. The one counter that is set back is the
//! peak: it starts anew from the live bytes whenever a scope opens, and closing the scope folds it
//! into the enclosing one.
//!
//! PERF: everything here is a `const` thread-local of plain cells without a destructor, so access
//! is one offset from the thread pointer, valid from the first to the last instruction of a thread.

use std::cell::Cell;

use super::AllocationCost;
use crate::units::{Bytes, Count};

/// One reading of the counters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) allocations: u64,
    pub(super) frees: u64,
    pub(super) bytes: u64,
    /// Bytes allocated and not yet freed; negative after freeing what was there before.
    pub(super) live: i64,
    /// Most live bytes so far.
    pub(super) peak: i64,
}

impl Tally {
    pub(super) const ZERO: Self = Self { allocations: 0, frees: 0, bytes: 0, live: 0, peak: 0 };

    /// What was counted since `earlier`; the peak is left at zero, since peaks do not subtract.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations.wrapping_sub(earlier.allocations),
            frees: self.frees.wrapping_sub(earlier.frees),
            bytes: self.bytes.wrapping_sub(earlier.bytes),
            live: self.live.wrapping_sub(earlier.live),
            peak: 0,
        }
    }

    /// Both together; keeps the peak of `self`, since peaks do not add.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            allocations: self.allocations.wrapping_add(other.allocations),
            frees: self.frees.wrapping_add(other.frees),
            bytes: self.bytes.wrapping_add(other.bytes),
            live: self.live.wrapping_add(other.live),
            peak: self.peak,
        }
    }

    pub(super) fn to_cost(self) -> AllocationCost {
        AllocationCost {
            allocations: Count::new(self.allocations),
            frees: Count::new(self.frees),
            bytes: Bytes::new(self.bytes),
            heap_peak: Bytes::new(u64::try_from(self.peak).unwrap_or(0)),
        }
    }
}

/// Whether a scope is open on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No scope.
    Outside,
    /// A scope that no other task belongs to.
    Alone,
    /// A scope with an account, which is in the slot of `account`.
    Shared,
}

/// The innermost scope of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) state: State,
    /// What to take from the thread's counters to have those of the scope; its `peak` is the
    /// scope's peak of earlier stretches, in the scope's own terms.
    base: Tally,
}

/// What closing a scope restores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enclosing {
    pub(super) scope: Scope,
    peak: i64,
}

struct Thread {
    allocations: Cell<u64>,
    frees: Cell<u64>,
    bytes: Cell<u64>,
    live: Cell<i64>,
    peak: Cell<i64>,
    scope: Cell<Scope>,
    unwatched: Cell<bool>,
    probed: Cell<bool>,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            allocations: Cell::new(0),
            frees: Cell::new(0),
            bytes: Cell::new(0),
            live: Cell::new(0),
            peak: Cell::new(0),
            scope: Cell::new(Scope { state: State::Outside, base: Tally::ZERO }),
            unwatched: Cell::new(false),
            probed: Cell::new(false),
        }
    };
}

impl Thread {
    #[inline]
    fn read(&self) -> Tally {
        Tally {
            allocations: self.allocations.get(),
            frees: self.frees.get(),
            bytes: self.bytes.get(),
            live: self.live.get(),
            peak: self.peak.get(),
        }
    }

    fn write(&self, tally: Tally) {
        self.allocations.set(tally.allocations);
        self.frees.set(tally.frees);
        self.bytes.set(tally.bytes);
        self.live.set(tally.live);
        self.peak.set(tally.peak);
    }

    /// The innermost scope so far, over all its stretches.
    #[inline]
    fn scope_so_far(&self) -> Tally {
        let base = self.scope.get().base;
        let mut tally = self.read().since(base);
        tally.peak = base.peak.max(self.peak.get().wrapping_sub(base.live));
        tally
    }
}

/// Counts one block of `size` bytes; returns nothing and never allocates.
#[inline]
pub(super) fn allocated(size: usize) {
    THREAD.with(|thread| {
        thread.allocations.set(thread.allocations.get().wrapping_add(1));
        thread.bytes.set(thread.bytes.get().wrapping_add(size as u64));
        let live = thread.live.get().wrapping_add(signed(size));
        thread.live.set(live);
        if live > thread.peak.get() {
            thread.peak.set(live);
        }
    });
}

/// Counts one free of `size` bytes.
#[inline]
pub(super) fn freed(size: usize) {
    THREAD.with(|thread| {
        thread.frees.set(thread.frees.get().wrapping_add(1));
        thread.live.set(thread.live.get().wrapping_sub(signed(size)));
    });
}

/// Counts one change of size, in place or not: the live bytes never hold both blocks, as in dhat.
#[inline]
pub(super) fn resized(old: usize, new: usize) {
    freed(old);
    allocated(new);
}

/// The size of a block as a difference of live bytes.
#[inline]
pub(super) const fn signed(size: usize) -> i64 {
    // A `Layout` is at most `isize::MAX` bytes, and so is the size of a block.
    size.cast_signed() as i64
}

/// Opens a scope that goes on from `so_far`.
#[inline]
pub(super) fn enter(so_far: Tally, state: State) -> Enclosing {
    THREAD.with(|thread| {
        let now = thread.read();
        let mut base = now.since(so_far);
        base.peak = so_far.peak;
        thread.peak.set(now.live);
        Enclosing { scope: thread.scope.replace(Scope { state, base }), peak: now.peak }
    })
}

/// Closes the innermost scope. Returns its figures, its highest live bytes of this stretch alone,
/// and the state that it ended in.
#[inline]
pub(super) fn leave(enclosing: Enclosing) -> (Tally, i64, State) {
    THREAD.with(|thread| {
        let tally = thread.scope_so_far();
        let scope = thread.scope.replace(enclosing.scope);
        let highest = thread.peak.get();
        thread.peak.set(enclosing.peak.max(highest));
        (tally, highest.wrapping_sub(scope.base.live), scope.state)
    })
}

/// The state of the innermost scope.
pub(super) fn state() -> State {
    THREAD.with(|thread| thread.scope.get().state)
}

/// Records that the innermost scope now has an account.
pub(super) fn set_shared() {
    THREAD.with(|thread| {
        let scope = thread.scope.get();
        thread.scope.set(Scope { state: State::Shared, ..scope });
    });
}

/// The figures of the innermost scope so far, and its highest live bytes of this stretch alone.
pub(super) fn so_far() -> (Tally, i64) {
    THREAD.with(|thread| {
        let base = thread.scope.get().base;
        (thread.scope_so_far(), thread.peak.get().wrapping_sub(base.live))
    })
}

/// Runs the harness's own `work` so that its allocations are charged to nobody.
pub(super) fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    THREAD.with(|thread| {
        let (before, unwatched) = (thread.read(), thread.unwatched.replace(true));
        let result = work();
        thread.write(before);
        thread.unwatched.set(unwatched);
        result
    })
}

/// Whether the thread is inside [`uncounted`].
pub(super) fn is_unwatched() -> bool {
    THREAD.with(|thread| thread.unwatched.get())
}

/// Notes that an allocation of this thread came through a counting allocator.
pub(super) fn mark_probed() {
    THREAD.with(|thread| thread.probed.set(true));
}

/// Whether an allocation was noted since the last call.
pub(super) fn take_probed() -> bool {
    THREAD.with(|thread| thread.probed.replace(false))
}
