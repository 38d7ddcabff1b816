//! Random choices of a comparison, each from a seed.

use rand_chacha::{ChaCha8Rng, rand_core::RngCore};

/// A number below the limit; 0 where that is 0.
pub(super) fn below(random: &mut ChaCha8Rng, limit: usize) -> usize {
    // The bias of the remainder is below 2^-50.
    usize::try_from(random.next_u64() % limit.max(1) as u64).unwrap_or_default()
}

/// Fisher and Yates.
pub(super) fn shuffle<T>(random: &mut ChaCha8Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(random, last + 1));
    }
}
