//! [`Meter`]: the allocation figures of one request, collected stretch by stretch.
//!
//! A request's work is not contiguous: its future is polled, others run, and it goes on elsewhere.
//! A meter is opened around each stretch and closed after it, also when the stretch panics.

use super::{
    AllocationCost,
    account::{self, Link, Role},
    allocator::{is_counting, is_installed},
    thread::{self, State, Tally},
};

/// The figures of one request so far; owned by whatever drives the request.
///
/// Costs the exchange of the thread's five counters for each [`Meter::run`] and allocates nothing.
/// Meters nest: what runs in an inner one is part of the outer one too.
#[derive(Debug, Default)]
pub struct Meter {
    tally: Tally,
    link: Option<Link>,
}

impl Meter {
    /// A meter at zero.
    pub const fn new() -> Self {
        Self { tally: Tally::ZERO, link: None }
    }

    /// A meter for work that is handed to another task or thread, charged to the request that is
    /// current on this thread; `None` outside of a request.
    ///
    /// `instrument::spawn` is made of this. Use it where work reaches a thread in another way.
    pub fn for_task() -> Option<Self> {
        let account = account::of_current_scope()?;
        Some(Self { tally: Tally::ZERO, link: Some(Link::new(account, Role::Task)) })
    }

    /// Runs a stretch of the request's work and adds what it allocates.
    ///
    /// While counting is switched off it only runs `work`.
    #[inline]
    pub fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        if !is_counting() {
            return work();
        }
        let _open = Open::new(self);
        work()
    }

    /// Whether the request has handed work to [tasks](Meter::for_task).
    pub fn has_tasks(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.role() == Role::Root)
    }

    /// The figures so far, including those that [tasks of the request](Meter::for_task) have
    /// reported by now.
    ///
    /// A task reports after each of its polls. So one that the request waited for is included
    /// whole, and of one that still runs only what it has reported. Counts and bytes are exact. The peak
    /// is exact while the tasks of a request take turns; where they run at the same time it is as
    /// observed at the ends of their polls.
    pub fn cost(&self) -> AllocationCost {
        match &self.link {
            Some(link) if link.role() == Role::Root => link.total().to_cost(),
            _ => self.tally.to_cost(),
        }
    }
}

/// An open stretch of a meter; closes it when dropped, so that unwinding does too.
struct Open<'meter> {
    meter: &'meter mut Meter,
    /// What it was opened inside of; `None` for the outermost scope of a request without tasks.
    enclosing: Option<EnclosingMeter>,
}

/// What a nested or shared scope restores at its end.
struct EnclosingMeter {
    scope: thread::Enclosing,
    link: Option<Link>,
}

impl<'meter> Open<'meter> {
    #[inline]
    fn new(meter: &'meter mut Meter) -> Self {
        let enclosing = if meter.link.is_none() && thread::enter_outermost(meter.tally) {
            None
        } else {
            Some(EnclosingMeter::enter(meter))
        };
        Self { meter, enclosing }
    }

    /// Takes the account back from the thread, tells it the news, and makes sure that an enclosing
    /// request hears of this one's tasks.
    #[cold]
    fn close(&mut self) {
        let (scope, enclosing_link) = match self.enclosing.take() {
            Some(EnclosingMeter { scope, link }) => (Some(scope), link),
            None => (None, None),
        };
        let (news, state) = thread::leave(scope);
        self.meter.tally = news.tally;
        if state != State::Shared && enclosing_link.is_none() {
            return;
        }
        self.meter.link = account::replace(enclosing_link);
        if let Some(link) = &self.meter.link {
            link.publish(news);
            if link.role() == Role::Root
                && let Some(enclosing) = account::of_current_scope()
            {
                link.pass_on_to(&enclosing);
            }
        }
    }
}

impl Drop for Open<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.enclosing.is_none()
            && let Some(tally) = thread::leave_outermost()
        {
            self.meter.tally = tally;
        } else {
            self.close();
        }
    }
}

impl EnclosingMeter {
    #[cold]
    fn enter(meter: &mut Meter) -> Self {
        let inner = meter.link.take();
        let enclosing_is_shared = thread::state() == State::Shared;
        let state = if inner.is_some() { State::Shared } else { State::Alone };
        let link =
            if inner.is_some() || enclosing_is_shared { account::replace(inner) } else { None };
        Self { scope: thread::enter(meter.tally, state), link }
    }
}

/// Runs `work` and returns its result with what it allocated on this thread.
///
/// Work on other threads is not included, unless it went there by [`Meter::for_task`].
///
/// ```
/// let (sum, cost) = perf_passport_meter::allocation::measure(|| 1 + 1);
/// assert_eq!((sum, cost.allocations.get()), (2, 0));
/// ```
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, AllocationCost) {
    let mut meter = Meter::new();
    let result = meter.run(work);
    (result, meter.cost())
}

/// What the innermost request that is open on this thread has cost so far, with its tasks as in
/// [`Meter::cost`].
///
/// `None` outside of a request, and when nothing is counted: no allocator installed or counting
/// switched off.
pub fn current_request() -> Option<AllocationCost> {
    if !is_counting() || !is_installed() {
        return None;
    }
    match thread::state() {
        State::Outside => None,
        State::Alone => Some(thread::news().tally.to_cost()),
        State::Shared => account::total_of_current_scope().map(Tally::to_cost),
    }
}
