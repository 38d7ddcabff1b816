//! The functions that a program outside recognises the work of a sample by.
//!
//! Callgrind counts what runs below a function that it is told by name, and writes down what it has
//! counted when another one returns. So there is one that does nothing but to call the work, and one
//! that does nothing at all where a sample is over. Both are never inlined, and have names that no
//! other symbol contains, in any mangling. Only the thread that calls them is counted: work that a
//! service hands to other threads is not seen.

use std::hint::black_box;

/// Matches the symbol of the function below which the work is, and no other, mangled or not: a
/// pattern as valgrind has them.
pub const COLLECTED: &str = "*perf_passport_collected_work*";

/// The same for the function that returns when a sample is over.
pub const SAMPLE_ENDS: &str = "*perf_passport_sample_ends*";

/// Runs the work where it can be recognised.
pub(crate) fn collected<R>(work: impl FnOnce() -> R) -> R {
    let mut work = Some(work);
    let mut result = None;
    perf_passport_collected_work(&mut || result = work.take().map(|work| work()));
    result.expect("the work was done, or it panicked")
}

/// Must have neither type parameters nor closures: their symbols would hold its name too, and
/// switch collecting off again.
#[inline(never)]
fn perf_passport_collected_work(work: &mut dyn FnMut()) {
    work();
    // A call at the very end would become a jump, and the function be left before its work.
    black_box(());
}

/// Says that what was done until now is one sample, to whoever counts it from outside.
pub(crate) fn end_sample() {
    perf_passport_sample_ends();
    // As above: a jump is no call that returns here.
    black_box(());
}

/// A value of its own, so that it is not taken for the same as another function that does nothing.
#[inline(never)]
fn perf_passport_sample_ends() {
    black_box(0x0070_6572_6670_6173_u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_and_its_result_comes_back() {
        let mut times = 0;
        let owned = String::from("result");
        let result = collected(|| {
            times += 1;
            owned
        });
        assert_eq!((result.as_str(), times), ("result", 1));
    }
}
