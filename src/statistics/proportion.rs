//! Exact bounds on a proportion: so many events in so many trials.
//!
//! By Clopper and Pearson (1934): the bound is the share with which so few, or so many, events would
//! be seen with the probability `error` and no more. It never claims more than was seen, also when
//! there was no event at all: 0 of 600 is at most 0.5 % with an error of 5 %.

/// The largest share that is compatible with this few events.
/// Without trials it may be anything.
pub fn share_at_most(events: u64, trials: u64, error: f64) -> f64 {
    if events >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // A double has no more bits than that.
    for _ in 0..60 {
        let share = f64::midpoint(low, high);
        if at_most(events, trials, share) > error {
            low = share;
        } else {
            high = share;
        }
    }
    high
}

/// The smallest share that is compatible with this many events.
pub fn share_at_least(events: u64, trials: u64, error: f64) -> f64 {
    1.0 - share_at_most(trials.saturating_sub(events), trials, error)
}

/// The probability of at most this many events, each with the probability `share`.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
fn at_most(events: u64, trials: u64, share: f64) -> f64 {
    let (hit, miss) = (share.ln(), (-share).ln_1p());
    let (mut ways, mut sum) = (0.0_f64, 0.0_f64);
    for k in 0..=events {
        sum += (ways + k as f64 * hit + (trials - k) as f64 * miss).exp();
        ways += ((trials - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of Clopper and Pearson, and what can be written down: with no event the bound is
    /// `1 - error^(1/n)`.
    #[test]
    fn bounds_are_those_of_the_tables() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 5e-5, "{a} is not {b}");
        near(share_at_most(0, 600, 0.05), 1.0 - 0.05_f64.powf(1.0 / 600.0));
        near(share_at_most(0, 20, 0.05), 0.1391);
        near(share_at_most(1, 10, 0.025), 0.4450);
        near(share_at_least(1, 10, 0.025), 0.0025);
        near(share_at_least(300, 300, 0.05), 0.05_f64.powf(1.0 / 300.0));
        near(share_at_most(8, 22, 0.025), 0.5934);
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert!(share_at_most(0, 0, 0.05) >= 1.0);
        assert!(share_at_least(0, 0, 0.05) <= 0.0);
        assert!(share_at_most(5, 5, 0.05) >= 1.0);
        assert!(share_at_least(0, 5, 0.05) <= 0.0);
    }
}
