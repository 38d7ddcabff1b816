//! The work of known growth.

use crate::growth::*;

#[test]
fn shuffled_numbers_are_not_sorted_and_all_there() {
    let mut numbers = shuffled(1000);
    assert!(!numbers.is_sorted());
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 1000);
}

#[test]
fn work_depends_on_the_size() {
    for work in [constant, linear, linearithmic, quadratic] {
        assert_ne!(work(64), work(128));
    }
}
