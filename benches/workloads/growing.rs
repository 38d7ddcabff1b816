//! Whether the growth of known work is told rightly: constant, linear, linearithmic, quadratic.
//!
//! `cargo bench --bench growth`. The classes are asserted, from times: so this is a benchmark and no test.
//! What it holds is `benches/workloads/growth.toml`.

mod growth;

use std::{hint::black_box, process::ExitCode};

use perf_passport::{
    allocation::CountingAllocator,
    contract::Complexity,
    harness::Harness,
    passport::Passport,
    report::{self, Format, Report, Scope, Style},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

fn main() -> ExitCode {
    Harness::operations("benches/workloads/growth.toml")
        .operation("growth-constant", |size| move || growth::constant(black_box(size)))
        .operation("growth-linear", |size| move || growth::linear(black_box(size)))
        .operation("growth-linearithmic", |size| move || growth::linearithmic(black_box(size)))
        .operation("growth-sort", |size| {
            let shuffled = growth::shuffled(size);
            move || {
                let mut sorted = shuffled.clone();
                sorted.sort_unstable();
                sorted
            }
        })
        .operation("growth-quadratic", |size| move || growth::quadratic(black_box(size)))
        .inspect("classes", hold)
        .run()
}

/// Holds the growth that is told against what is known.
#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn hold(passport: &Passport) {
    println!(
        "\n{}",
        report::render(&Report::of_passport(passport, Scope::Measured), Format::Text, Style::Plain)
            .unwrap_or_default()
    );
    for (name, class) in [
        ("growth-constant", Complexity::Constant),
        ("growth-linear", Complexity::Linear),
        ("growth-linearithmic", Complexity::Linearithmic),
        ("growth-sort", Complexity::Linearithmic),
        ("growth-quadratic", Complexity::Quadratic),
    ] {
        let operation = passport.operations.iter().find(|operation| operation.name == name);
        let growth = operation.and_then(|operation| operation.growth).expect("measured");
        assert_eq!(growth.class, class, "{name}: {growth:?}");
    }
}
