//! Quantiles of Student's t distribution.
//!
//! The distribution function is the finite series of Abramowitz and Stegun 1964, 26.7.3 and 26.7.4;
//! the quantile is found by bisection.

use std::f64::consts::FRAC_PI_2;

/// From here on the quantile of so many degrees is taken, which is at most 0.3 % too large.
const DEGREES_MAX: u64 = 1000;

/// The value that a t-distributed variable exceeds with this probability, between 0 and 0.5;
/// infinite without a degree of freedom.
///
/// NOTE: the first rules of means and of growth ([`crate::rules`]) depend on each bit of it. A better
/// approximation is another function.
pub fn student_upper(degrees: u64, probability: f64) -> f64 {
    let degrees = degrees.min(DEGREES_MAX);
    if degrees == 0 || probability.is_nan() || probability <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while exceeds(degrees, high) > probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if exceeds(degrees, middle) > probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability of more than t.
#[expect(clippy::cast_precision_loss, reason = "at most 1000")]
fn exceeds(degrees: u64, t: f64) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    // The series of even powers of the cosine for even degrees, of odd powers for odd ones.
    let odd = degrees % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let mut power = if odd { 3 } else { 2 };
    while power + 2 <= degrees {
        term *= cosine * cosine * (power - 1) as f64 / power as f64;
        sum += term;
        power += 2;
    }
    let within = if odd { (angle + sine * sum) / FRAC_PI_2 } else { sine * sum };
    (1.0 - within) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of Abramowitz and Stegun 1964, 26.10, and for 1000 degrees that of NIST.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (degrees, probability, expected) in [
            (1, 0.25, 1.000),
            (1, 0.025, 12.706),
            (2, 0.025, 4.303),
            (3, 0.005, 5.841),
            (4, 0.025, 2.776),
            (9, 0.001, 4.297),
            (10, 0.05, 1.812),
            (30, 0.01, 2.457),
            (99, 0.001, 3.175),
            (1000, 0.025, 1.962),
            (1_000_000, 0.025, 1.962),
        ] {
            let found = student_upper(degrees, probability);
            assert!((found - expected).abs() < 6e-4, "{degrees}, {probability}: {found}");
        }
    }

    #[test]
    fn nothing_is_known_without_a_degree_of_freedom() {
        assert!(student_upper(0, 0.01).is_infinite());
        assert!(student_upper(5, 0.0).is_infinite());
        assert!(student_upper(5, f64::NAN).is_infinite());
    }
}
