//! How often observing is wrong about services that are simulated: fewer of them than the example has.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a simulation, whose numbers are small"
)]

#[allow(dead_code, reason = "the example shows more")]
#[path = "../examples/observed/simulation.rs"]
mod simulation;

use simulation::{Bursts, simulate};

/// Of 200 services 95 % are 190, and 5 standard deviations below that are 174; of the good ones 1 % fails.
#[test]
fn bounds_cover_the_truth_and_nothing_passes_below_the_least_traffic() {
    let tally = simulate(200, 11, Bursts::of(20.0, 60.0), false);
    assert!(tally.covered >= 185, "{tally:?}");
    assert_eq!(tally.passed_below, 0, "{tally:?}");
    assert!(tally.false_fail <= 2, "{tally:?}");
    assert!(tally.resets > 50, "{tally:?}");
    // It is no empty promise: each verdict is there.
    assert!(tally.passed > 30 && tally.failed > 10 && tally.abstained > 30, "{tally:?}");
}
