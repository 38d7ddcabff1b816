//! The switch and the watch, which are the whole process's: one test at a time.

use std::{hint::black_box, process::ExitCode, thread};

use libtest_mimic::Arguments;
use perf_passport_meter::allocation::{
    AllocationCost, CountingAllocator, ProcessWatch, WatchBusy, current_request, is_counting,
    is_installed, measure, set_counting,
};
use perf_passport_meter::units::{Bytes, Count};
use perf_passport_test_support::test;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests = vec![
        test("the_allocator_is_found_while_counting_is_off", found_while_off),
        test("off_nothing_is_counted", off_nothing_is_counted),
        test("the_watch_sees_every_thread", the_watch_sees_every_thread),
        test("one_watch_at_a_time", one_watch_at_a_time),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn block(size: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(size))
}

fn found_while_off() {
    set_counting(false);
    assert!(is_installed());
    assert!(!is_counting());
    set_counting(true);
}

fn off_nothing_is_counted() {
    set_counting(false);
    let (current, cost) = measure(|| {
        drop(block(10));
        current_request()
    });
    set_counting(true);
    assert_eq!((current, cost), (None, AllocationCost::default()));
    assert_eq!(measure(|| drop(block(10))).1.bytes, Bytes::new(10));
}

fn the_watch_sees_every_thread() {
    let (watch, request) = measure(|| {
        let watch = ProcessWatch::start().expect("no other watch runs");
        drop(block(100));
        watch
    });
    let worker = thread::spawn(|| drop(block(1_000_000)));
    worker.join().expect("the thread does not panic");
    let process = watch.stop();
    assert_eq!(request.allocations, Count::new(1));

    let unattributed = process.saturating_sub(request);
    assert!(unattributed.bytes >= Bytes::new(1_000_000), "{process:?}");
    assert!(process.heap_peak >= Bytes::new(1_000_000), "{process:?}");
    let after = ProcessWatch::start().expect("the first watch has stopped").stop();
    assert_eq!(after, AllocationCost::default(), "every watch starts from zero");
}

fn one_watch_at_a_time() {
    let first = ProcessWatch::start().expect("no other watch runs");
    assert_eq!(ProcessWatch::start().err(), Some(WatchBusy));
    drop(first);
    assert!(ProcessWatch::start().is_ok());
}
