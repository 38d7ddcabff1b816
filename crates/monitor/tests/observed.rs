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

use simulation::{Bursts, Fault, simulate};

/// Of 200 services 95 % are 190, and 5 standard deviations below that are 174; of the good ones 1 % fails.
#[test]
fn bounds_cover_the_truth_and_nothing_passes_below_the_least_traffic() {
    let tally = simulate(200, 11, Bursts::of(20.0, 60.0), false, Fault::None);
    assert!(tally.covered >= 185, "{tally:?}");
    assert_eq!(tally.passed_below, 0, "{tally:?}");
    assert!(tally.false_fail <= 2, "{tally:?}");
    assert!(tally.resets > 50, "{tally:?}");
    // It is no empty promise: each verdict is there.
    assert!(tally.passed > 30 && tally.failed > 10 && tally.abstained > 30, "{tally:?}");
}

/// Whatever is wrong with counts, nothing is said that is wrong. Where it is not known what was counted, the
/// bounds are wide, and so most services are covered.
#[test]
fn services_that_are_counted_or_read_wrongly_pass_and_fail_for_no_wrong_reason() {
    for (seed, fault) in
        [(12, Fault::TwoProcesses), (13, Fault::Dips), (14, Fault::Labels), (15, Fault::Partial)]
    {
        let tally = simulate(100, seed, Bursts::of(20.0, 60.0), false, fault);
        assert_eq!((tally.false_pass, tally.false_fail), (0, 0), "{fault:?}: {tally:?}");
        assert_eq!(tally.passed_below, 0, "{fault:?}: {tally:?}");
        assert!(tally.abstained > 30, "{fault:?}: {tally:?}");
    }
}
