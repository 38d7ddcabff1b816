//! What the harness's loop takes for a closure of a nanosecond, beside what criterion's takes.
//!
//! `cargo bench --bench loops`. Both measure the same closure, in fresh processes that take turns, about
//! half a second each and [`ROUNDS`] times. Printed are the medians of the mean and of the least time of
//! an iteration, and the ratio of each pair's means with its bounds. It fails when the harness's loop is
//! shown to take longer.

use std::{
    env,
    hint::black_box,
    io,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use criterion::Criterion;
use perf_passport::{
    allocation::{CountingAllocator, set_counting},
    contract::Contract,
    foreign::{MeasuredQuantity, read_criterion},
    harness::Harness,
    operation::CaseSummary,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const NAME: &str = "nanosecond";
const CONTRACT: &str = include_str!("loops.toml");
/// Says whose loop a process is to measure.
const WHOSE: &str = "PASSPORT_LOOP_OF";
/// Before the figures that such a process prints.
const MARK: &str = "loop: ";

/// Pairs of processes.
const ROUNDS: usize = 20;
/// Ranks from either end that bound the median of so many with 95.9 % (David and Nagaraja 2003, section
/// 7.1).
const RANK: usize = 6;

#[expect(clippy::disallowed_methods, reason = "a process is told its part by a variable")]
fn main() -> ExitCode {
    let harness = Harness::operations("benches/loops.toml").operation(NAME, |_| closure());
    // The harness starts this program again, for the operation alone.
    let alone = env::args().nth(1).is_some_and(|it| it.starts_with("--perf-passport"));
    let asked = env::args().any(|argument| argument == "--bench");
    match env::var(WHOSE).as_deref() {
        _ if alone || !asked => harness.run(),
        Ok("harness") => {
            let printed = |passport: &perf_passport::passport::Passport| {
                print(passport.operation_case(NAME).and_then(|case| case.latency).as_ref());
            };
            harness.inspect("printed", printed).run()
        }
        Ok(_) => by_criterion(),
        Err(_) => compare(),
    }
}

fn closure() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        black_box(state)
    }
}

fn by_criterion() -> ExitCode {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loops");
    set_counting(false);
    Criterion::default()
        .output_directory(&directory)
        .without_plots()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .bench_function(NAME, |bencher| bencher.iter(closure()));
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let suite = read_criterion(&directory, MeasuredQuantity::Time).expect("criterion wrote it");
    let taken = suite.take(&contract, "");
    let evidence = taken.cases.first().map(|case| &case.evidence);
    print(evidence.and_then(|it| CaseSummary::of(&it.samples)).as_ref());
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "read by the process that started this one")]
fn print(summary: Option<&CaseSummary>) {
    let summary = summary.expect("samples");
    println!("\n{MARK}{} {}", summary.mean_ps.get(), summary.min_ps.get());
}

/// The mean and the least time of one process, in picoseconds.
fn measured(whose: &str) -> io::Result<(f64, f64)> {
    let filter = if whose == "harness" { "printed" } else { NAME };
    let output = Command::new(env::current_exe()?)
        .args([filter, "--bench"])
        .env(WHOSE, whose)
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(MARK));
    let figures = line.and_then(|line| line.split_once(' '));
    let figures = figures.and_then(|(mean, least)| Some((mean.parse().ok()?, least.parse().ok()?)));
    figures.ok_or_else(|| io::Error::other(format!("{whose} printed no figures: {text}")))
}

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn compare() -> ExitCode {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let one = |whose| measured(whose).expect("a process that measures");
        // Each goes first as often as the other.
        let (harness, criterion) = if round % 2 == 0 {
            let harness = one("harness");
            (harness, one("criterion"))
        } else {
            let criterion = one("criterion");
            (one("harness"), criterion)
        };
        ratios.push(harness.0 / criterion.0);
        ours.push(harness);
        theirs.push(criterion);
    }
    for (whose, figures) in [("harness", &ours), ("criterion", &theirs)] {
        let means = sorted(figures.iter().map(|it| it.0));
        let leasts = sorted(figures.iter().map(|it| it.1));
        println!("{whose:<9}  mean {:.0} ps  least {:.0} ps", median(&means), median(&leasts));
    }
    let ratios = sorted(ratios.into_iter());
    let (lower, upper) = (ratios[RANK - 1], ratios[ROUNDS - RANK]);
    let ratio = median(&ratios);
    println!("harness / criterion  {ratio:.3} ({lower:.3} to {upper:.3}), {ROUNDS} pairs of means");
    if lower > 1.0 {
        println!("the harness's loop takes longer");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}
