//! Exact counts as measurements of criterion: [`Allocations`] and [`AllocatedBytes`].
//!
//! Any criterion suite counts instead of timing when the type of its measurement is changed, and its
//! program declares the counting allocator. `iter`, `iter_batched` and the others, groups, baselines
//! and reports stay as they are:
//!
//! ```
//! use criterion::{Criterion, criterion_group, criterion_main};
//! use perf_passport_meter::{allocation::CountingAllocator, criterion::Allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::system();
//!
//! fn joined(criterion: &mut Criterion<Allocations>) {
//!     criterion.bench_function("join", |bencher| bencher.iter(|| ["a", "b"].join("-")));
//! }
//!
//! criterion_group! {
//!     name = benches;
//!     config = Criterion::default().with_measurement(Allocations);
//!     targets = joined
//! }
//! # fn main() {}
//! # mod as_a_target { use super::*;
//! criterion_main!(benches);
//! # }
//! ```
//!
//! Counted is what the whole process allocates between the start and the end of criterion's loop, on
//! every thread, so that a benchmark may start threads. What another thread does meanwhile is counted
//! too; criterion itself has none while it measures. Times are not to be taken in such a run: counting
//! on all threads costs more than the allocations do.
//!
//! Criterion is made for measurements that vary. Two things are bent for it, by so little that every
//! figure that it shows is the exact one:
//!
//! - It takes a sample of zero for an error and drops the benchmark. A sample without an allocation
//!   is told as [`NOTHING`] instead, and shown as zero. Its report on the change between two runs
//!   that allocate nothing says nothing.
//! - It cannot plot samples that are all equal, which exact ones are. Every other sample is told as
//!   larger by a part in 10^12. [`exact`] takes that out again, for who reads `sample.json`. A count
//!   that changed lies so many of these spreads from what it was that the plot of the t-test has no
//!   room for it: it is drawn at the edge, and a build with overflow checks, which a profile of
//!   benchmarks has not, panics there.
//!
//! There is no `Instructions` here. Hardware counters are missing from most virtual machines, where
//! nothing could be counted; instructions are counted under callgrind by `passport compare`.

use std::cell::Cell;

use ::criterion::{
    Throughput,
    measurement::{Measurement, ValueFormatter},
};

use crate::allocation::{AllocationCost, ProcessWatch, is_counting, is_installed};

/// What a sample without an allocation is told as; every other one as twice that.
pub const NOTHING: f64 = 1e-9;

/// The part by which every other sample is told as larger.
const SPREAD: f64 = 1e-12;

/// Counts allocations; a reallocation is one more.
///
/// # Panics
///
/// A benchmark that is measured by it panics where no [`crate::allocation::CountingAllocator`] is the
/// global allocator, where counting is switched off, and inside of another measurement: what was
/// counted there would be nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocations;

/// Counts the bytes of allocations; a reallocation adds its whole new size.
///
/// # Panics
///
/// As [`Allocations`].
#[derive(Debug, Clone, Copy, Default)]
pub struct AllocatedBytes;

/// The count that a sample of `sample.json` stands for: of all its iterations, a whole number. Right up to
/// 4e11.
pub fn exact(sample: f64) -> f64 {
    sample.round()
}

/// Implements the measurement of one figure of an [`AllocationCost`].
macro_rules! measurement {
    ($name:ident, $figure:expr, $formatter:expr) => {
        impl Measurement for $name {
            type Intermediate = ProcessWatch;
            type Value = u64;

            fn start(&self) -> ProcessWatch {
                watch()
            }

            fn end(&self, watch: ProcessWatch) -> u64 {
                let figure: fn(AllocationCost) -> u64 = $figure;
                figure(watch.stop())
            }

            fn add(&self, one: &u64, other: &u64) -> u64 {
                one.saturating_add(*other)
            }

            fn zero(&self) -> u64 {
                0
            }

            fn to_f64(&self, count: &u64) -> f64 {
                told(*count)
            }

            fn formatter(&self) -> &dyn ValueFormatter {
                &$formatter
            }
        }
    };
}

measurement!(Allocations, |cost| cost.allocations.get(), Formatter::ALLOCATIONS);
measurement!(AllocatedBytes, |cost| cost.bytes.get(), Formatter::BYTES);

fn watch() -> ProcessWatch {
    assert!(
        is_installed(),
        "no allocation can be counted: declare `#[global_allocator] static ALLOCATOR: \
         CountingAllocator = CountingAllocator::system();` in this benchmark"
    );
    assert!(is_counting(), "no allocation can be counted: counting is switched off");
    match ProcessWatch::start() {
        Ok(watch) => watch,
        Err(busy) => panic!("{busy}"),
    }
}

/// The count as criterion is told it: see the [module](self).
#[expect(clippy::cast_precision_loss, reason = "a sample has far fewer allocations than 2^53")]
fn told(count: u64) -> f64 {
    thread_local! {
        static LARGER: Cell<bool> = const { Cell::new(false) };
    }
    let larger = LARGER.replace(!LARGER.get());
    match (count, larger) {
        // A line through samples of nothing must stay in sight of them.
        (0, larger) => NOTHING * if larger { 2.0 } else { 1.0 },
        (count, true) => count as f64 * (1.0 + SPREAD),
        (count, false) => count as f64,
    }
}

/// Shows counts: as they are, or in binary units.
struct Formatter {
    /// Rising scales with the unit from there on; the first is 1.
    scales: &'static [(f64, &'static str)],
    /// The first unit for each element of a throughput, and for each byte.
    for_each: [&'static str; 2],
}

impl Formatter {
    const ALLOCATIONS: Self =
        Self { scales: &[(1.0, "allocs")], for_each: ["allocs/elem", "allocs/B"] };
    const BYTES: Self = Self {
        scales: &[(1.0, "B"), (1024.0, "KiB"), (1_048_576.0, "MiB"), (1_073_741_824.0, "GiB")],
        for_each: ["B/elem", "B/B"],
    };
}

impl ValueFormatter for Formatter {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        let fits = self.scales.iter().rev().find(|(scale, _)| typical >= *scale);
        let (scale, unit) = fits.or(self.scales.first()).copied().unwrap_or((1.0, ""));
        for value in values {
            *value /= scale;
        }
        unit
    }

    #[expect(clippy::cast_precision_loss, reason = "display")]
    fn scale_throughputs(
        &self,
        _: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let [element, byte] = self.for_each;
        let (things, unit) = match *throughput {
            Throughput::Elements(count) | Throughput::ElementsAndBytes { elements: count, .. } => {
                (count as f64, element)
            }
            Throughput::Bytes(bytes) | Throughput::BytesDecimal(bytes) => (bytes as f64, byte),
            Throughput::Bits(bits) => (bits as f64 / 8.0, byte),
        };
        for value in values {
            // Of nothing, nothing is known for each.
            *value = if things > 0.0 { *value / things } else { 0.0 };
        }
        unit
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        self.scales.first().map_or("", |(_, unit)| unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_never_zero_and_gives_the_count_back() {
        for count in [0, 1, 7, 999, 1 << 38] {
            for _ in 0..2 {
                let told = told(count);
                assert!(told > 0.0);
                #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
                let expected = count as f64;
                assert!((exact(told) - expected).abs() < 0.5, "{told}");
            }
        }
    }

    #[test]
    fn equal_counts_are_told_with_a_spread() {
        assert!((told(3) - told(3)).abs() > 0.0);
    }

    #[test]
    fn counts_are_shown_with_units() {
        assert_eq!(Allocations.formatter().format_value(3.0), "3.0000 allocs");
        assert_eq!(Allocations.formatter().format_value(NOTHING), "0.0000 allocs");
        assert_eq!(AllocatedBytes.formatter().format_value(2048.0), "2.0000 KiB");
        let shown = AllocatedBytes.formatter().format_throughput(&Throughput::Bytes(100), 250.0);
        assert_eq!(shown, "2.5000 B/B");
        let nothing = Allocations.formatter().format_throughput(&Throughput::Elements(0), 1.0);
        assert_eq!(nothing, "0.0000 allocs/elem");
    }
}
