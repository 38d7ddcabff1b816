//! Counting and attribution on threads, without a runtime.

use std::{
    alloc::{GlobalAlloc, Layout},
    collections::VecDeque,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use perf_passport_meter::allocation::{
    AllocationCost, CountingAllocator, Meter, current_request, is_counting, is_installed, measure,
};
use perf_passport_meter::units::{Bytes, Count};
use proptest::{collection, prelude::*};

fn cost(allocations: u64, frees: u64, bytes: u64, heap_peak: u64) -> AllocationCost {
    AllocationCost {
        allocations: Count::new(allocations),
        frees: Count::new(frees),
        bytes: Bytes::new(bytes),
        heap_peak: Bytes::new(heap_peak),
    }
}

fn block(size: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(size))
}

#[test]
fn the_allocator_of_this_process_is_found() {
    assert!(is_installed());
    assert!(is_counting());
}

#[test]
fn work_without_allocations_costs_nothing() {
    assert_eq!(measure(|| black_box(1) + 1), (2, AllocationCost::default()));
}

#[test]
fn blocks_bytes_and_peak_are_exact() {
    let ((), figures) = measure(|| {
        let first = block(100);
        drop(block(1000));
        drop(first);
        drop(block(300));
    });
    assert_eq!(figures, cost(3, 3, 1400, 1100));
}

#[test]
fn a_reallocation_is_one_more_block_of_the_new_size() {
    let ((), figures) = measure(|| {
        let mut grown = block(10);
        grown.extend_from_slice(&[0; 10]);
        grown.reserve_exact(90);
        grown.shrink_to_fit();
        black_box(&grown);
    });
    assert_eq!(figures, cost(3, 3, 10 + 100 + 10, 100));
}

#[test]
fn zeroed_blocks_count_like_others() {
    let (kept, figures) = measure(|| black_box(vec![0_u8; 64]));
    assert_eq!(figures, cost(1, 0, 64, 64));
    assert_eq!(kept.len(), 64);
}

#[test]
fn freeing_what_was_there_before_never_makes_the_peak_negative() {
    let older = block(500);
    let ((), figures) = measure(|| drop(older));
    assert_eq!(figures, cost(0, 1, 0, 0));

    let older = block(500);
    let ((), figures) = measure(|| {
        drop(older);
        drop(block(600));
    });
    assert_eq!(figures, cost(1, 2, 600, 100));
}

#[test]
fn an_inner_scope_is_part_of_the_outer_one() {
    let (inner, outer) = measure(|| {
        let held = block(100);
        let ((), inner) = measure(|| drop(block(50)));
        drop(held);
        drop(block(120));
        inner
    });
    assert_eq!(inner, cost(1, 1, 50, 50));
    assert_eq!(outer, cost(3, 3, 270, 150));
}

#[test]
fn an_earlier_peak_of_the_outer_scope_survives_an_inner_one() {
    let ((), outer) = measure(|| {
        drop(block(1000));
        let ((), inner) = measure(|| drop(block(10)));
        assert_eq!(inner.heap_peak, Bytes::new(10));
    });
    assert_eq!(outer.heap_peak, Bytes::new(1000));
}

#[test]
fn an_account_that_is_made_late_loses_no_peak() {
    // The account is made after the peak, and on behalf of a scope further in.
    let ((), outer) = measure(|| {
        measure(|| {
            drop(block(1000));
            measure(|| assert!(Meter::for_task().is_some()));
        });
    });
    assert_eq!(outer, cost(1, 1, 1000, 1000));
}

#[test]
fn stretches_of_two_requests_interleave_without_mixing() {
    let (mut first, mut second) = (Meter::new(), Meter::new());
    for _ in 0..10 {
        let held = first.run(|| block(10));
        second.run(|| drop(block(1000)));
        drop(block(5));
        first.run(|| drop(held));
    }
    assert_eq!(first.cost(), cost(10, 10, 100, 10));
    assert_eq!(second.cost(), cost(10, 10, 10_000, 1000));
}

#[test]
fn a_meter_follows_its_request_over_threads() {
    let mut meter = Meter::new();
    let mut held = Vec::with_capacity(4);
    for size in [10, 20, 30, 40] {
        (meter, held) = thread::spawn(move || {
            meter.run(|| held.push(block(size)));
            (meter, held)
        })
        .join()
        .unwrap();
    }
    assert_eq!(meter.cost(), cost(4, 0, 100, 100));
    meter.run(|| drop(held));
    assert_eq!(meter.cost(), cost(4, 5, 100, 100));
}

#[test]
fn a_panic_closes_its_scope() {
    let mut meter = Meter::new();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        meter.run(|| {
            let _held = block(100);
            // Unlike `panic!` it runs no hook, which would allocate a message.
            std::panic::resume_unwind(Box::new(()));
        });
    }));
    assert!(caught.is_err());
    assert!(current_request().is_none(), "the scope is closed");
    let after = meter.cost();
    assert_eq!(after.allocations.saturating_sub(after.frees), Count::new(1), "the payload is kept");
    assert!(after.heap_peak >= Bytes::new(100));
    drop(block(100));
    assert_eq!(meter.cost(), after);
    assert_eq!(measure(|| drop(block(7))).1, cost(1, 1, 7, 7));
}

#[test]
fn the_current_request_is_the_innermost_one_so_far() {
    assert!(current_request().is_none());
    let ((), outer) = measure(|| {
        let held = block(100);
        assert_eq!(current_request(), Some(cost(1, 0, 100, 100)));
        measure(|| {
            drop(block(10));
            assert_eq!(current_request(), Some(cost(1, 1, 10, 10)));
        });
        drop(held);
        assert_eq!(current_request(), Some(cost(2, 2, 110, 110)));
    });
    assert_eq!(outer, cost(2, 2, 110, 110));
    assert!(current_request().is_none());
}

#[test]
fn work_handed_to_threads_is_charged_to_the_request() {
    let mut meter = Meter::new();
    let mut task = meter.run(|| {
        drop(block(10));
        Meter::for_task().expect("a request is open")
    });
    let task = thread::spawn(move || {
        task.run(|| {
            drop(block(100));
            // What a task hands on is the request's as well.
            let mut grandchild = Meter::for_task().expect("the task belongs to a request");
            grandchild.run(|| drop(block(1000)));
        });
        task
    })
    .join()
    .unwrap();
    assert_eq!(task.cost(), cost(2, 2, 1100, 1000), "the grandchild ran on the task's thread");
    assert_eq!(meter.cost().allocations, Count::new(3 + 1), "{:?}", meter.cost());
}

#[test]
fn a_task_is_charged_to_every_enclosing_request() {
    let mut probe = Meter::new();
    let mut inner = Meter::new();
    let mut task = probe.run(|| inner.run(|| Meter::for_task().expect("a request is open")));
    thread::spawn(move || task.run(|| drop(block(100)))).join().unwrap();
    probe.run(|| drop(block(1)));
    assert_eq!(inner.cost(), cost(1, 1, 100, 100));
    assert_eq!(probe.cost(), cost(2, 2, 101, 100));
}

#[test]
fn the_peak_of_a_request_and_a_task_in_turn_is_exact() {
    let mut meter = Meter::new();
    let held = meter.run(|| block(1000));
    let mut task = meter.run(|| Meter::for_task().expect("a request is open"));
    let kept = thread::spawn(move || {
        task.run(|| {
            drop(block(500));
            block(200)
        })
    })
    .join()
    .unwrap();
    meter.run(|| drop(block(400)));
    assert_eq!(meter.cost().heap_peak, Bytes::new(1600));
    meter.run(|| drop((held, kept)));
    assert_eq!(meter.cost(), cost(4, 4, 2100, 1600));
}

#[test]
fn outside_of_a_request_there_is_nothing_to_charge() {
    assert!(Meter::for_task().is_none());
}

/// An allocator that never has memory.
struct Exhausted;

#[expect(unsafe_code, reason = "an allocator that fails, to see that a failure is not counted")]
// SAFETY: returning null is allowed, so no block ever exists that could be misused.
unsafe impl GlobalAlloc for Exhausted {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        std::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[test]
#[expect(unsafe_code, reason = "calls an allocator directly")]
fn an_allocation_that_fails_is_not_counted() {
    let exhausted = CountingAllocator::wrapping(Exhausted);
    let (block, figures) = measure(|| {
        // SAFETY: the layout is not of size zero.
        unsafe { exhausted.alloc(Layout::new::<u64>()) }
    });
    assert!(block.is_null());
    assert_eq!(figures, AllocationCost::default());
}

/// One thing that a request does.
#[derive(Clone, Debug)]
enum Step {
    Allocate(u16),
    /// Frees the oldest block that is held, whoever allocated it.
    Free,
    /// Does something inside a scope of its own.
    Inner(Vec<Step>),
    /// Has an account made, as for a task, which is to change nothing.
    Share,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u16..1000).prop_map(Step::Allocate),
        3 => Just(Step::Free),
        1 => Just(Step::Share),
    ];
    let step =
        step.prop_recursive(4, 60, 8, |step| collection::vec(step, 0..8).prop_map(Step::Inner));
    collection::vec(step, 0..12)
}

/// What was done, kept by other means. Its lists never grow, so it costs nothing itself.
struct Diary {
    held: VecDeque<Vec<u8>>,
    /// The size of each allocation; negative, of each free.
    events: Vec<i64>,
}

impl Diary {
    fn new() -> Self {
        Self { held: VecDeque::with_capacity(1000), events: Vec::with_capacity(2000) }
    }

    fn follow(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Allocate(size) => {
                    self.held.push_back(block(usize::from(*size)));
                    self.events.push(i64::from(*size));
                }
                Step::Free => {
                    if let Some(oldest) = self.held.pop_front() {
                        self.events.push(-i64::try_from(oldest.capacity()).expect("a small block"));
                    }
                }
                Step::Inner(steps) => {
                    let begin = self.events.len();
                    let ((), figures) = measure(|| self.follow(steps));
                    assert_eq!(figures, self.cost_since(begin));
                }
                Step::Share => assert!(Meter::for_task().is_some()),
            }
        }
    }

    fn cost_since(&self, begin: usize) -> AllocationCost {
        let (mut allocations, mut frees, mut bytes) = (0, 0, 0);
        let (mut live, mut peak) = (0_i64, 0);
        for event in &self.events[begin..] {
            live += event;
            peak = peak.max(live);
            match u64::try_from(*event) {
                Ok(size) => (allocations, bytes) = (allocations + 1, bytes + size),
                Err(_) => frees += 1,
            }
        }
        cost(allocations, frees, bytes, peak.unsigned_abs())
    }
}

proptest! {
    #[test]
    fn any_nesting_and_order_is_exact(stretches in collection::vec((any::<bool>(), steps()), 1..6)) {
        let mut diary = Diary::new();
        let mut meters = [Meter::new(), Meter::new()];
        // Each request's own diary of events, for two requests that take turns.
        let mut events = [Vec::new(), Vec::new()];
        for (second, steps) in &stretches {
            let (which, begin) = (usize::from(*second), diary.events.len());
            meters[which].run(|| diary.follow(steps));
            events[which].extend_from_slice(&diary.events[begin..]);
            prop_assert!(current_request().is_none(), "every scope is closed");
        }
        for (meter, events) in meters.iter().zip(events) {
            let expected = Diary { held: VecDeque::new(), events }.cost_since(0);
            prop_assert_eq!(meter.cost(), expected);
        }
    }
}
