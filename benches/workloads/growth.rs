//! Work whose growth is known: constant, linear, linearithmic and quadratic.

use std::hint::black_box;

/// A step that no compiler can leave out or fold with the next.
fn step(state: u64, value: u64) -> u64 {
    black_box(state.rotate_left(5) ^ value)
}

/// O(1).
pub(crate) fn constant(size: u64) -> u64 {
    (0..64).fold(size, step)
}

/// O(n).
pub(crate) fn linear(size: u64) -> u64 {
    (0..size).fold(1, step)
}

/// O(n log n): for each number the bits that it takes to find it.
pub(crate) fn linearithmic(size: u64) -> u64 {
    let depth = u64::from(size.max(1).ilog2());
    (0..size).fold(1, |state, value| (0..depth).fold(state, |state, bit| step(state, value >> bit)))
}

/// O(n^2).
pub(crate) fn quadratic(size: u64) -> u64 {
    (0..size).fold(1, |state, _| linear(black_box(size)).wrapping_add(state))
}

/// O(n log n) by comparisons of real data: a sort of shuffled numbers.
pub(crate) fn shuffled(size: u64) -> Vec<u64> {
    (0..size).map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17)).collect()
}
