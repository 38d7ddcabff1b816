//! Work of a known size. This package is optimised where the tests are not, so what a test compares is
//! this, and not what its own code costs around it.

use std::hint::black_box;

/// Some instructions for each round, about a nanosecond of them.
#[inline(never)]
pub fn hash_rounds(rounds: u64) -> u64 {
    (0..black_box(rounds)).fold(7, |hash, round| black_box(hash ^ round).rotate_left(5))
}
