//! The counting allocator agrees with dhat to the block and the byte.
//!
//! dhat counts the whole process, so these tests have one to themselves and run one at a time.

use std::{collections::BTreeMap, hint::black_box, process::ExitCode, thread};

use libtest_mimic::{Arguments, Failed, Trial};
use perf_passport::allocation::{
    CountingAllocator, OracleAllocator, OracleCost, OracleError, ProcessWatch, count_with_dhat,
    measure,
};
use perf_passport::units::Count;

#[global_allocator]
static ALLOCATOR: CountingAllocator<OracleAllocator> = CountingAllocator::wrapping(OracleAllocator);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut tests: Vec<Trial> = WORKLOADS
        .iter()
        .map(|&(name, work)| test(format!("agrees_on_{name}"), move || agrees(work)))
        .collect();
    tests.push(test("agrees_on_another_thread".to_owned(), agrees_on_another_thread));
    tests.push(test("one_pass_at_a_time".to_owned(), one_pass_at_a_time));
    tests.push(test("a_panic_ends_its_pass".to_owned(), a_panic_ends_its_pass));
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn test(name: String, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}

const WORKLOADS: &[(&str, fn())] = &[
    ("nothing", || {}),
    ("vec_growth", || drop(black_box((0..10_000_u32).fold(Vec::new(), push)))),
    ("string", || drop(black_box((0..999).map(|n| n.to_string()).collect::<String>()))),
    ("boxes", || drop(black_box((0..100_u64).map(Box::new).collect::<Vec<_>>()))),
    ("tree", || drop(black_box((0..1000_u32).map(|n| (n, n)).collect::<BTreeMap<_, _>>()))),
    ("shrinking", shrink),
    ("zeroed", || drop(black_box(vec![0_u64; 4096]))),
    ("falling_and_rising", fall_and_rise),
];

fn push(mut list: Vec<u32>, next: u32) -> Vec<u32> {
    list.push(next);
    black_box(list)
}

fn shrink() {
    let mut list: Vec<u64> = black_box(Vec::with_capacity(1000));
    list.extend(0..10);
    list.shrink_to_fit();
    black_box(&mut list).reserve(5000);
    black_box(&list);
}

fn fall_and_rise() {
    for size in [10_usize, 5000, 70, 4999, 1] {
        let held: Vec<u8> = black_box(Vec::with_capacity(size));
        drop(black_box(vec![1_u8; size / 2]));
        drop(held);
    }
}

fn agrees(work: fn()) {
    let alone = measure(work).1;
    let (counted, oracle) = count_with_dhat(|| measure(work).1).expect("the oracle is installed");
    assert_eq!(counted, alone, "being watched by dhat changes nothing");
    let ours = OracleCost {
        blocks: counted.allocations,
        bytes: counted.bytes,
        heap_peak: counted.heap_peak,
    };
    assert_eq!(ours, oracle);
}

fn agrees_on_another_thread() {
    let (process, oracle) = count_with_dhat(|| {
        let watch = ProcessWatch::start().expect("no other watch runs");
        let worker = thread::spawn(|| drop(black_box(vec![0_u8; 1000])));
        worker.join().expect("the thread does not panic");
        watch.stop()
    })
    .expect("the oracle is installed");
    assert!(oracle.blocks > Count::new(1));
    assert_eq!((process.allocations, process.bytes), (oracle.blocks, oracle.bytes));
}

fn one_pass_at_a_time() {
    let (inner, _) = count_with_dhat(|| count_with_dhat(|| ())).expect("the oracle is installed");
    assert_eq!(inner, Err(OracleError::Busy));
    assert!(count_with_dhat(|| ()).is_ok(), "a refused pass does not end the other's");
}

fn a_panic_ends_its_pass() {
    let panicked =
        std::panic::catch_unwind(|| count_with_dhat(|| std::panic::resume_unwind(Box::new(()))));
    assert!(panicked.is_err());
    agrees(shrink);
}
