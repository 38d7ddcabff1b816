//! The exact counts as criterion measures them: a process of their own, since they are the process's.

use std::{
    fs,
    hint::black_box,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use criterion::{Criterion, measurement::Measurement};
use libtest_mimic::Arguments;
use perf_passport::{
    allocation::{CountingAllocator, set_counting},
    contract::Contract,
    criterion::{AllocatedBytes, Allocations, exact},
    evidence::Range,
    foreign::{MeasuredQuantity, read_criterion},
};
use perf_passport_test_support::test;
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests = vec![
        test("counts_are_equal_over_ten_runs_on_a_busy_machine", equal_over_ten_runs),
        test("one_allocation_more_is_found", one_more_is_found),
        test("threads_of_the_benchmark_are_counted", threads_are_counted),
        test("a_benchmark_without_an_allocation_is_reported", nothing_is_reported),
        test("equal_samples_are_plotted", equal_samples_are_plotted),
        test("what_cannot_count_panics", what_cannot_count_panics),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// A criterion that takes few samples and writes into this directory.
fn criterion<M: Measurement + 'static>(directory: &Path, measurement: M) -> Criterion<M> {
    Criterion::default()
        .with_measurement(measurement)
        .output_directory(directory)
        .sample_size(10)
        .nresamples(1001)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(5))
        .without_plots()
}

/// Allocates so many blocks of 16 bytes.
fn blocks(count: usize) {
    for _ in 0..count {
        drop(black_box(Box::new(black_box([0_u8; 16]))));
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("criterion wrote it");
    serde_json::from_str(&text).expect("JSON")
}

/// The counts for each iteration, one of each sample, as criterion wrote them.
fn counts(directory: &Path, name: &str) -> Vec<f64> {
    let sample = read(&directory.join(name).join("new/sample.json"));
    let numbers = |field: &str| -> Vec<f64> {
        let values = sample[field].as_array().expect("numbers");
        values.iter().map(|it| it.as_f64().expect("a number")).collect()
    };
    let samples = numbers("iters").into_iter().zip(numbers("times"));
    samples.map(|(iterations, told)| exact(told) / iterations).collect()
}

fn is_all(counts: &[f64], expected: f64) -> bool {
    counts.len() == 10 && counts.iter().all(|it| (it - expected).abs() < f64::EPSILON)
}

/// Keeps every processor busy until it is dropped, without allocating meanwhile.
struct Busy(Arc<AtomicBool>, Vec<thread::JoinHandle<()>>);

impl Busy {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let spin = |stop: Arc<AtomicBool>| move || while !stop.load(Ordering::Relaxed) {};
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let spinning = (0..threads).map(|_| thread::spawn(spin(Arc::clone(&stop)))).collect();
        Self(stop, spinning)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            thread.join().expect("it only spins");
        }
    }
}

fn equal_over_ten_runs() {
    let busy = Busy::start();
    let directory = tempfile::tempdir().expect("a directory");
    for _ in 0..10 {
        let mut allocations = criterion(directory.path(), Allocations);
        allocations.bench_function("blocks", |bencher| bencher.iter(|| blocks(3)));
        let found = counts(directory.path(), "blocks");
        assert!(is_all(&found, 3.0), "{found:?}");
        let mut bytes = criterion(directory.path(), AllocatedBytes);
        bytes.bench_function("bytes", |bencher| bencher.iter(|| blocks(3)));
        let found = counts(directory.path(), "bytes");
        assert!(is_all(&found, 48.0), "{found:?}");
    }
    drop(busy);
}

fn one_more_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    for count in [20, 21] {
        let mut criterion = criterion(directory.path(), Allocations);
        criterion.bench_function("blocks", |bencher| bencher.iter(|| blocks(count)));
    }
    let found = counts(directory.path(), "blocks");
    assert!(is_all(&found, 21.0), "{found:?}");
    let suite = read_criterion(directory.path(), MeasuredQuantity::Allocations).expect("a suite");
    let contract = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"blocks\"\n\
                    budgets.allocations_max = 20\n";
    let contract = Contract::parse(contract).expect("a contract");
    let case = &suite.take(&contract, "now").cases[0];
    assert_eq!(case.evidence.allocations, Some(Range::of(21)), "as it is imported");
    let change = read(&directory.path().join("blocks/change/estimates.json"));
    let mean = change["mean"]["point_estimate"].as_f64().expect("a number");
    assert!((mean - 0.05).abs() < 1e-6, "{mean}");
    let bound = change["mean"]["confidence_interval"]["lower_bound"].as_f64().expect("a number");
    assert!(bound > 0.049, "criterion itself calls it a change: {bound}");
}

fn threads_are_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bytes = criterion(directory.path(), AllocatedBytes);
    bytes.bench_function("thread", |bencher| {
        bencher.iter(|| {
            let worker = thread::spawn(|| drop(black_box(vec![0_u8; 1_000_000])));
            worker.join().expect("it does not panic");
        });
    });
    let found = counts(directory.path(), "thread");
    assert!(found.iter().all(|it| *it >= 1_000_000.0), "{found:?}");
}

fn nothing_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut criterion = criterion(directory.path(), Allocations);
    criterion.bench_function("nothing", |bencher| bencher.iter(|| black_box(1) + 1));
    let found = counts(directory.path(), "nothing");
    assert!(is_all(&found, 0.0), "{found:?}");
}

fn equal_samples_are_plotted() {
    let directory = tempfile::tempdir().expect("a directory");
    // The second run of the same name is compared with the first.
    for (name, count) in [("three", 3), ("three", 3), ("none", 0), ("none", 0)] {
        let mut criterion = criterion(directory.path(), Allocations).with_plots();
        criterion.bench_function(name, |bencher| bencher.iter(|| blocks(count)));
        criterion.final_summary();
        let report = directory.path().join(name).join("report");
        assert!(report.join("index.html").is_file());
        assert!(report.join("pdf.svg").is_file());
    }
}

fn what_cannot_count_panics() {
    set_counting(false);
    let refused = std::panic::catch_unwind(|| Allocations.start());
    set_counting(true);
    let message = refused.expect_err("nothing would be counted");
    let text = message.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(text.contains("counting is switched off"), "{text}");
    let watch = Allocations.start();
    assert!(std::panic::catch_unwind(|| AllocatedBytes.start()).is_err(), "one at a time");
    drop(watch);
    let watch = AllocatedBytes.start();
    drop(black_box(vec![0_u8; 100]));
    assert_eq!(AllocatedBytes.end(watch), 100, "the refused one left nothing behind");
}
