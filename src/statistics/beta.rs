//! Exact bounds on a proportion of which the number of trials need not be whole.
//!
//! The bounds are those of Clopper and Pearson (1934), written with the beta distribution, so that they
//! hold for an *effective* number of trials too (Korn and Graubard 1998). For whole numbers they are
//! [`super::share_at_most`] and [`super::share_at_least`], and take no time that grows with the events.
//!
//! The distribution function is the continued fraction of DLMF 8.17.22, by the method of Lentz as Thompson
//! and Barnett (1986) have it; the logarithm of the gamma function is the series of Stirling (Abramowitz and
//! Stegun 1964, 6.1.41).
//!
//! NOTE: the first rule of production ([`crate::rules`]) depends on each bit of it. A better approximation is
//! another function.

/// Steps of a bisection: a double has no more bits than that.
const STEPS: u32 = 60;
/// Terms of the fraction. It needs about the square root of the larger parameter.
const TERMS_MAX: u32 = 200_000;
const TINY: f64 = 1e-300;

/// The largest share that is compatible with so few events, wrong with the probability `error`. Without
/// trials it may be anything.
pub(super) fn at_most(events: f64, trials: f64, error: f64) -> f64 {
    if trials.is_nan() || trials <= 0.0 || events >= trials {
        return 1.0;
    }
    // At most so many events are seen with the probability 1 - I(events + 1, trials - events).
    share_at(events + 1.0, trials - events, 1.0 - error)
}

/// The smallest share that is compatible with so many events, wrong with the probability `error`.
pub(super) fn at_least(events: f64, trials: f64, error: f64) -> f64 {
    if trials.is_nan() || trials <= 0.0 || events <= 0.0 {
        return 0.0;
    }
    share_at(events.min(trials), (trials - events).max(0.0) + 1.0, error)
}

/// The share at which the distribution function reaches this probability.
fn share_at(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..STEPS {
        let share = f64::midpoint(low, high);
        if distribution(a, b, share) < probability {
            low = share;
        } else {
            high = share;
        }
    }
    high
}

/// The regularised incomplete beta function.
fn distribution(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let scale = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    // The fraction converges fast on one side of the mean.
    if x < (a + 1.0) / (a + b + 2.0) {
        scale.exp() * fraction(a, b, x) / a
    } else {
        1.0 - scale.exp() * fraction(b, a, 1.0 - x) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away_from_zero = |it: f64| if it.abs() < TINY { TINY } else { it };
    let mut above = 1.0;
    let mut below = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = below;
    for term in 1..TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for part in [even, odd] {
            below = 1.0 / away_from_zero(1.0 + part * below);
            above = away_from_zero(1.0 + part / above);
            change = above * below;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 0.0;
    while x < 8.0 {
        product += x.ln();
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - square
            * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{share_at_least, share_at_most};

    /// For whole numbers the sums of binomial probabilities say the same.
    #[test]
    fn bounds_of_whole_numbers_are_the_exact_ones() {
        for (events, trials) in [
            (0_u32, 1_u32),
            (0, 299),
            (1, 473),
            (3, 773),
            (10, 1_693),
            (1, 10),
            (5, 10),
            (9, 10),
            (300, 300),
            (250, 100_000),
            (1_999, 2_000),
        ] {
            for error in [0.05, 0.005, 0.4] {
                let (k, n) = (f64::from(events), f64::from(trials));
                let near = |is: f64, should: f64| {
                    let off = (is - should).abs();
                    assert!(off < 1e-9 * should.max(1e-3), "{events} of {trials}: {is}, {should}");
                };
                near(at_most(k, n, error), share_at_most(events.into(), trials.into(), error));
                near(at_least(k, n, error), share_at_least(events.into(), trials.into(), error));
            }
        }
    }

    /// By hand: without an event the bound is `1 - error^(1/n)`, also where n is not whole.
    #[test]
    fn without_an_event_the_bound_is_a_root() {
        for trials in [0.5, 1.5, 298.9, 1e6, 1e9] {
            let expected = -((0.05_f64.ln() / trials).exp_m1());
            let found = at_most(0.0, trials, 0.05);
            assert!((found - expected).abs() < 1e-6 * expected, "{trials}: {found}");
        }
    }

    /// Of many trials a normal distribution says the same (de Moivre 1738): z is 1.644854 at 5 %.
    #[test]
    fn bounds_of_many_trials_are_near_the_normal_ones() {
        let (events, trials) = (1e8_f64, 1e9_f64);
        let spread = 1.644_854 * (0.1 * 0.9 / trials).sqrt();
        assert!((at_most(events, trials, 0.05) - 0.1 - spread).abs() < spread * 1e-3);
        assert!((0.1 - at_least(events, trials, 0.05) - spread).abs() < spread * 1e-3);
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert!(at_most(0.0, 0.0, 0.05) >= 1.0);
        assert!(at_most(5.0, 5.0, 0.05) >= 1.0);
        assert!(at_most(0.0, f64::NAN, 0.05) >= 1.0);
        assert!(at_least(0.0, 0.0, 0.05) <= 0.0);
        assert!(at_least(0.0, 5.0, 0.05) <= 0.0);
    }
}
