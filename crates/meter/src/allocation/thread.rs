//! The counters of one thread, and the scope that is open on it.
//!
//! While a scope is open the counters are the scope's own: opening it puts its figures so far into
//! them, closing it takes them out. That is all there is to a request that is not inside another
//! and has no tasks, which is the common case and the timed one.
//!
//! A scope inside another, or one that shares an account, needs one thing more: how high its live
//! bytes rose in this *stretch* alone, for the enclosing scope and for the account. There the peak
//! counter starts anew from the live bytes, and a [`Stretch`] keeps the earlier peak.
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

/// What is known of the innermost scope from before the peak counter last started anew.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The scope's peak until then.
    earlier_peak: i64,
    /// Its most live bytes from when it was last opened until then.
    highest: i64,
    /// What the scope's account had been told by then.
    published: Tally,
}

impl Stretch {
    const WHOLE: Self = Self { earlier_peak: i64::MIN, highest: i64::MIN, published: Tally::ZERO };
}

/// What closing a scope restores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enclosing {
    state: State,
    tally: Tally,
    stretch: Stretch,
    /// The figures that the inner scope came with.
    entered: Tally,
}

/// The innermost scope as its account is to be told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// Its figures so far.
    pub(super) tally: Tally,
    /// Its most live bytes since the account was last told.
    pub(super) highest: i64,
    /// What the account was last told.
    pub(super) published: Tally,
}

struct Thread {
    allocations: Cell<u64>,
    frees: Cell<u64>,
    bytes: Cell<u64>,
    live: Cell<i64>,
    peak: Cell<i64>,
    state: Cell<State>,
    stretch: Cell<Stretch>,
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
            state: Cell::new(State::Outside),
            stretch: Cell::new(Stretch::WHOLE),
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

    #[inline]
    fn write(&self, tally: Tally) {
        self.allocations.set(tally.allocations);
        self.frees.set(tally.frees);
        self.bytes.set(tally.bytes);
        self.live.set(tally.live);
        self.peak.set(tally.peak);
    }

    fn news(&self) -> News {
        let (mut tally, stretch) = (self.read(), self.stretch.get());
        let highest = tally.peak;
        tally.peak = highest.max(stretch.earlier_peak);
        News { tally, highest, published: stretch.published }
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

/// Opens a scope that goes on from `so_far`, if no other is open here.
#[inline]
pub(super) fn enter_outermost(so_far: Tally) -> bool {
    THREAD.with(|thread| {
        if thread.state.get() != State::Outside {
            return false;
        }
        thread.state.set(State::Alone);
        thread.write(so_far);
        true
    })
}

/// Closes the scope of [`enter_outermost`] and returns its figures; `None` if it has come to share
/// an account, when [`leave`] is due.
#[inline]
pub(super) fn leave_outermost() -> Option<Tally> {
    THREAD.with(|thread| {
        if thread.state.get() == State::Shared {
            return None;
        }
        thread.state.set(State::Outside);
        Some(thread.read())
    })
}

/// Opens a scope in the `state` given that goes on from `so_far`, inside of whatever is open.
pub(super) fn enter(so_far: Tally, state: State) -> Enclosing {
    THREAD.with(|thread| {
        let stretch = Stretch { earlier_peak: so_far.peak, highest: i64::MIN, published: so_far };
        let enclosing = Enclosing {
            state: thread.state.replace(state),
            tally: thread.read(),
            stretch: thread.stretch.replace(stretch),
            entered: so_far,
        };
        thread.write(Tally { peak: so_far.live, ..so_far });
        enclosing
    })
}

/// Closes the innermost scope, adds what it cost to the one that it was inside of, and returns its
/// figures and the state that it ended in.
pub(super) fn leave(enclosing: Option<Enclosing>) -> (News, State) {
    THREAD.with(|thread| {
        let news = thread.news();
        let outer = enclosing.unwrap_or(Enclosing {
            state: State::Outside,
            tally: Tally::ZERO,
            stretch: Stretch::WHOLE,
            entered: Tally::ZERO,
        });
        let highest = news.highest.max(thread.stretch.get().highest);
        let rise = highest.wrapping_sub(outer.entered.live);
        let mut tally = outer.tally.plus(news.tally.since(outer.entered));
        tally.peak = tally.peak.max(outer.tally.live.wrapping_add(rise));
        thread.write(tally);
        thread.stretch.set(outer.stretch);
        (news, thread.state.replace(outer.state))
    })
}

/// The state of the innermost scope.
pub(super) fn state() -> State {
    THREAD.with(|thread| thread.state.get())
}

/// The innermost scope so far.
pub(super) fn news() -> News {
    THREAD.with(Thread::news)
}

/// Records that the innermost scope has an account, which was told everything until now.
pub(super) fn set_published() {
    THREAD.with(|thread| {
        let News { tally, highest, .. } = thread.news();
        let highest = highest.max(thread.stretch.get().highest);
        thread.state.set(State::Shared);
        thread.stretch.set(Stretch { earlier_peak: tally.peak, highest, published: tally });
        thread.peak.set(tally.live);
    });
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
