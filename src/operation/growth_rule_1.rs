//! The first rule of growth: the exponent, the class that fits, and whether a claimed class holds.
//!
//! The exponent is the slope of a line through the logarithms of size and time (the power law of
//! Goldsmith, Aiken and Wilkerson 2007, "Measuring empirical computational complexity", section 3),
//! with the interval of ordinary least squares and Student's t. A class is told by how well a constant
//! plus a multiple of it fits, relative to the times (least squares; the constant is what a call costs
//! whatever its size), and a claim is decided by the guess ratio (`McGeoch`, Sanders, Fleischer, Cohen
//! and Precup 2002, "Using finite experiments to study asymptotic performance"): time divided by the
//! claimed class must not grow, by the exponent of what is left and by the step to the largest size.
//! Where a constant bends the line so that the exponent has a wide interval, the class that fits decides.
//!
//! The time of a size is the least average of its samples. Whatever else a machine does makes a sample
//! longer, never shorter, so the least is what the code itself costs, on a busy machine too.
//!
//! NOTE: passports are decided again by this rule for as long as there are any. So it stays as it is:
//! a better rule is another file beside it, with a number of its own ([`GrowthRule`]).
//!
//! [`GrowthRule`]: crate::rules::GrowthRule

use super::{
    growth::Growth,
    samples::{self, Samples},
};
use crate::{claim::Verdict, contract::Complexity, statistics::student_upper, units::Count};

/// The probability that the exponent lies outside of its interval, on each side.
const ERROR: f64 = 0.025;

/// What an exponent above the claimed class's may come from beside the code: caches that no longer
/// hold the data, and page faults. A logarithm more is within it.
const EXPONENT_MARGIN: f64 = 0.3;

/// How much worse than the best class another may fit and still be the one: the smaller one is
/// told then.
const FIT_RATIO: f64 = 1.5;

/// A misfit below which a class is good enough, so that what caches and clocks do to a few percent of
/// the time makes no logarithm of a constant.
const MISFIT_MIN: f64 = 0.05;

/// A misfit above which no class explains the times, so that none is told from them.
const MISFIT_MAX: f64 = 0.25;

/// A size and the time in nanoseconds that it took.
type Point = (f64, f64);

/// The growth over cases with their samples; `None` below three sizes that took any time.
pub(super) fn growth<'a>(cases: impl IntoIterator<Item = (u64, &'a Samples)>) -> Option<Growth> {
    let points = points(cases);
    let line = slope(&points, |_| 1.0)?;
    let (class, misfit) = class(&points)?;
    let (first, last) = (points.first()?, points.last()?);
    Some(Growth {
        sizes: Count::new(points.len() as u64),
        exponent_ppm: ppm(line.slope),
        exponent_lower_ppm: ppm(line.slope - line.distance),
        exponent_upper_ppm: ppm(line.slope + line.distance),
        class,
        misfit_ppm: ppm(misfit),
        smallest_ps: samples::picos(first.1),
        largest_ps: samples::picos(last.1),
    })
}

/// Whether times grow at most as this class: see the [module](self).
pub(super) fn at_most<'a>(
    limit: Complexity,
    cases: impl IntoIterator<Item = (u64, &'a Samples)>,
) -> Verdict {
    let points = points(cases);
    let Some(line) = slope(&points, |size| function(limit, size)) else { return Verdict::Abstain };
    let step_grows = last_step(&points, limit) > EXPONENT_MARGIN;
    if line.slope - line.distance > EXPONENT_MARGIN {
        return Verdict::Fail;
    }
    if line.slope + line.distance <= EXPONENT_MARGIN && !step_grows {
        return Verdict::Pass;
    }
    let fits = Complexity::ALL.map(|class| (class, misfit(&points, class)));
    let least = fits.iter().map(|(_, misfit)| *misfit).fold(f64::INFINITY, f64::min);
    if least > MISFIT_MAX {
        return Verdict::Abstain;
    }
    let enough = (least * FIT_RATIO).max(MISFIT_MIN);
    let mut plausible = fits.iter().filter(|(_, misfit)| *misfit <= enough);
    if step_grows && plausible.clone().all(|(class, _)| *class > limit) {
        Verdict::Fail
    } else if !step_grows && plausible.any(|(class, _)| *class <= limit) {
        Verdict::Pass
    } else {
        Verdict::Abstain
    }
}

/// The exponent of what is left after dividing by the class, from the last size but one to the last,
/// where a constant counts least.
fn last_step(points: &[Point], class: Complexity) -> f64 {
    let [.., (size, ns), (last_size, last_ns)] = points else { return 0.0 };
    let left = |size: f64, ns: f64| (ns / function(class, size)).ln();
    (left(*last_size, *last_ns) - left(*size, *ns)) / (last_size / size).ln()
}

/// The sizes at which any time was seen.
#[expect(clippy::cast_precision_loss, reason = "sizes are at most 1e12")]
fn points<'a>(cases: impl IntoIterator<Item = (u64, &'a Samples)>) -> Vec<Point> {
    let timed = |(size, samples): (u64, &Samples)| {
        samples.least_ns().filter(|ns| *ns > 0.0).map(|ns| (size as f64, ns))
    };
    cases.into_iter().filter_map(timed).collect()
}

struct FittedLine {
    slope: f64,
    /// How far the true slope may be, on either side.
    distance: f64,
}

/// The least-squares line of ln(time / divisor) over ln(size); `None` below three points.
#[expect(clippy::cast_precision_loss, reason = "at most 64 points")]
fn slope(points: &[Point], divisor: impl Fn(f64) -> f64) -> Option<FittedLine> {
    let count = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let logs: Vec<Point> =
        points.iter().map(|(size, ns)| (size.ln(), (ns / divisor(*size)).ln())).collect();
    let mean = |value: fn(&Point) -> f64| logs.iter().map(value).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|it| it.0), mean(|it| it.1));
    let spread: f64 = logs.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let together: f64 = logs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let slope = together / spread;
    let residuals = logs.iter().map(|(x, y)| y - y_mean - slope * (x - x_mean));
    let squares: f64 = residuals.map(|it| it * it).sum();
    let deviation = (squares / (count - 2.0) / spread).sqrt();
    let line =
        FittedLine { slope, distance: student_upper(points.len() as u64 - 2, ERROR) * deviation };
    (line.slope.is_finite() && line.distance.is_finite()).then_some(line)
}

/// The smallest class whose misfit is about the least, and that misfit.
fn class(points: &[Point]) -> Option<(Complexity, f64)> {
    let fits = Complexity::ALL.map(|class| (class, misfit(points, class)));
    let least = fits.iter().map(|(_, misfit)| *misfit).reduce(f64::min)?;
    let enough = (least * FIT_RATIO).max(MISFIT_MIN);
    fits.into_iter().find(|(_, misfit)| *misfit <= enough)
}

/// Root mean square of the relative residuals of the best `a + b f(size)` with a and b at least 0.
#[expect(clippy::cast_precision_loss, reason = "at most 64 points")]
fn misfit(points: &[Point], class: Complexity) -> f64 {
    // Each equation is divided by its time, so that small sizes count as much as large ones.
    let rows: Vec<(f64, f64)> =
        points.iter().map(|(size, ns)| (1.0 / ns, function(class, *size) / ns)).collect();
    let sum = |of: &dyn Fn(f64, f64) -> f64| rows.iter().map(|(u, v)| of(*u, *v)).sum::<f64>();
    let (uu, uv, vv) = (sum(&|u, _| u * u), sum(&|u, v| u * v), sum(&|_, v| v * v));
    let (u, v) = (sum(&|u, _| u), sum(&|_, v| v));
    let determinant = uu * vv - uv * uv;
    let both = ((u * vv - v * uv) / determinant, (v * uu - u * uv) / determinant);
    let square = |(a, b): (f64, f64)| sum(&|u, v| (1.0 - a * u - b * v).powi(2));
    // With two unknowns the bounds are active one at a time, so the best is among these.
    let inside = both.0 >= 0.0 && both.1 >= 0.0 && determinant > 1e-12 * uu * vv;
    let candidates = [inside.then_some(both), Some((0.0, v / vv)), Some((u / uu, 0.0))];
    let least = candidates.into_iter().flatten().map(square).reduce(f64::min).unwrap_or(f64::MAX);
    (least / points.len() as f64).sqrt()
}

pub(super) fn function(class: Complexity, size: f64) -> f64 {
    match class {
        Complexity::Constant => 1.0,
        // Above zero at size 1.
        Complexity::Logarithmic => (size + 1.0).ln(),
        Complexity::Linear => size,
        Complexity::Linearithmic => size * (size + 1.0).ln(),
        Complexity::Quadratic => size * size,
        Complexity::Cubic => size * size * size,
    }
}

/// Parts per million, held at 1e15.
#[expect(clippy::cast_possible_truncation, reason = "held at 1e15")]
fn ppm(value: f64) -> i64 {
    (value * 1e6).round().clamp(-1e15, 1e15) as i64
}
