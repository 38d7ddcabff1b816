//! Whether times that somebody else tells are told finely enough to be compared.

use crate::units::Nanos;

/// One part of so many of its median is the coarsest step that told times may come in: half of it is
/// what the median of a turn is off by, and no slowdown that matters is so small.
const STEPS_MIN: u64 = 200;

/// Whether times come in steps that are small beside them. Who rounds a time, or always tells the same, would be
/// found to take no longer whatever they do.
pub fn are_fine(told: &[Nanos]) -> bool {
    let mut sorted = told.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    sorted.dedup();
    let steps = sorted.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    steps.min().is_some_and(|step| step.saturating_mul(STEPS_MIN) <= median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_rounded_or_constant_are_not_fine() {
        let fine =
            |times: &[u64]| are_fine(&times.iter().copied().map(Nanos::new).collect::<Vec<_>>());
        assert!(fine(&[61_204, 60_877, 61_010, 61_390, 75_000]));
        // 0.3 ms and 0.4 ms, with one decimal.
        assert!(!fine(&[300_000, 400_000, 300_000, 300_000]));
        assert!(!fine(&[300_000, 300_000]));
        assert!(!fine(&[]));
        // A whole microsecond is a third of this handler, and nothing of that one.
        assert!(!fine(&[3_000, 4_000, 3_000]));
        assert!(fine(&[3_000_000, 3_001_000, 3_000_000]));
    }
}
