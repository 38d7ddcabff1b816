//! What contracts and passports allocate, counted: criterion with another measurement.
//!
//! `cargo bench --features criterion --bench counts`
//!
//! The figures are equal on every run of the same build, also on a busy machine, so criterion's own
//! comparison with the run before finds a single allocation.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, measurement::Measurement};
use perf_passport::{
    allocation::CountingAllocator,
    contract::Contract,
    criterion::{AllocatedBytes, Allocations},
    passport::{contract_digest, verify},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const CONTRACT: &str = include_str!("../passport.toml");
const PASSPORT: &[u8] = include_bytes!("../baseline_performance_passport.json");

fn main() {
    suite("allocations", Allocations);
    suite("allocated bytes", AllocatedBytes);
}

fn suite<M: Measurement + 'static>(name: &str, measurement: M) {
    // Exact counts need few samples, and no time to settle.
    let mut criterion = Criterion::default()
        .with_measurement(measurement)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200))
        .configure_from_args();
    let mut group = criterion.benchmark_group(name);
    let contract = Contract::parse(CONTRACT).expect("the contract of this package");
    group.throughput(Throughput::Bytes(CONTRACT.len() as u64));
    group.bench_function("parse the contract", |bencher| {
        bencher.iter(|| Contract::parse(black_box(CONTRACT)));
    });
    group.throughput(Throughput::Elements(contract.checks.len() as u64));
    group.bench_function("digest of the contract", |bencher| {
        bencher.iter(|| contract_digest(black_box(&contract.document)));
    });
    group.throughput(Throughput::Bytes(PASSPORT.len() as u64));
    group.bench_function("verify the baseline", |bencher| {
        bencher.iter_with_large_drop(|| verify(black_box(PASSPORT)));
    });
    group.finish();
    criterion.final_summary();
}
