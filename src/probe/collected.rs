//! The function that a program outside recognises a request's work by.
//!
//! Callgrind counts what runs below a function that it is told by name. So there is one that does
//! nothing but to call the work, is never inlined, and has a name that no other symbol contains, in
//! any mangling. Only the thread that calls it is counted: work that a service hands to other
//! threads is not seen.

use std::hint::black_box;

/// Matches the symbol of the function, and no other, mangled or not: a pattern as valgrind has them.
pub const COLLECTED: &str = "*perf_passport_collected_work*";

/// Runs the work where it can be recognised.
pub(super) fn collected<R>(work: impl FnOnce() -> R) -> R {
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
