//! What the harness's loop adds to a closure of a nanosecond, beside what criterion's adds.
//!
//! `cargo bench --bench loops`. Both measure the same closure in one run; the least and the mean time of an
//! iteration are printed for each. Criterion's are taken over from its directory, as
//! `passport import criterion` does.

use std::{hint::black_box, path::Path, process::ExitCode};

use criterion::Criterion;
use perf_passport::{
    allocation::{CountingAllocator, set_counting},
    contract::Contract,
    foreign::{Measured, read_criterion},
    harness::Harness,
    operation::CaseSummary,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const NAME: &str = "nanosecond";
const CONTRACT: &str = include_str!("loops.toml");

fn main() -> ExitCode {
    let harness = Harness::operations("benches/loops.toml").operation(NAME, |_| closure());
    // The harness starts this program again, for the operation alone.
    let alone = std::env::args().nth(1).is_some_and(|it| it.starts_with("--perf-passport"));
    if alone || !std::env::args().any(|argument| argument == "--bench") {
        return harness.run();
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loops");
    let code = harness
        .inspect("printed", |passport| {
            let case = passport.operation_case(NAME).expect("measured");
            print("harness", case.time.as_ref());
        })
        .run();
    set_counting(false);
    Criterion::default()
        .output_directory(&directory)
        .bench_function(NAME, |bencher| bencher.iter(closure()));
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let suite = read_criterion(&directory, Measured::Time).expect("criterion wrote it");
    let taken = suite.take(&contract, "");
    let evidence = taken.cases.first().map(|case| &case.evidence);
    print("criterion", evidence.and_then(|it| CaseSummary::of(&it.samples)).as_ref());
    code
}

fn closure() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        black_box(state)
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn print(whose: &str, summary: Option<&CaseSummary>) {
    let summary = summary.expect("samples");
    println!("{whose:<9}  least {}  mean {}", summary.min_ps, summary.mean_ps);
}
