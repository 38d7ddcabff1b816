//! Times as other tools have them, floating-point nanoseconds of one iteration, as evidence.

use super::{timed, whole};
use crate::{
    operation::{CaseEvidence, ToldFigures},
    units::{Count, Picos},
};

/// Nanoseconds of one iteration as a tool told them, without samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clocked {
    pub(super) mean: Option<f64>,
    pub(super) mean_lower: Option<f64>,
    pub(super) mean_upper: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) samples: Option<Count>,
}

/// Evidence of figures alone.
pub(super) fn told(clocked: Clocked) -> Result<CaseEvidence, String> {
    let Clocked { mean, mean_lower, mean_upper, min, p50, p95, max, samples } = clocked;
    if mean.or(p50).is_none() {
        return Err("it tells neither a mean nor a median".to_owned());
    }
    let figures = ToldFigures {
        mean_ps: picos(mean, "mean")?,
        mean_lower_ps: picos(mean_lower, "lower bound")?,
        mean_upper_ps: picos(mean_upper, "upper bound")?,
        min_ps: picos(min, "least time")?,
        p50_ps: picos(p50, "median")?,
        p95_ps: picos(p95, "95 % quantile")?,
        max_ps: picos(max, "largest time")?,
        samples,
        instructions: None,
    };
    evidence(figures)
}

/// Evidence of figures that do not contradict each other.
pub(super) fn evidence(figures: ToldFigures) -> Result<CaseEvidence, String> {
    if !figures.is_possible() {
        return Err("its figures contradict each other, or are beyond 2^53".to_owned());
    }
    Ok(CaseEvidence { told: Some(figures), ..CaseEvidence::default() })
}

/// Samples of iterations and the mean nanoseconds of each of them.
pub(super) fn samples_of_means(
    means: impl Iterator<Item = (u64, Option<f64>)>,
) -> Result<CaseEvidence, String> {
    let samples: Vec<(u64, f64)> = means
        .enumerate()
        .map(|(place, (iterations, mean))| {
            let mean = mean.filter(|it| it.is_finite() && *it >= 0.0 && iterations > 0);
            let total = mean.map(|it| total(iterations, it));
            Ok((iterations, total.ok_or_else(|| format!("sample {} is no time", place + 1))?))
        })
        .collect::<Result<_, String>>()?;
    if samples.is_empty() {
        return Err("it has no sample".to_owned());
    }
    timed(samples.into_iter())
}

#[expect(clippy::cast_precision_loss, reason = "whole nanoseconds are taken of it")]
fn total(iterations: u64, mean: f64) -> f64 {
    iterations as f64 * mean
}

/// Whole picoseconds of a time in nanoseconds.
fn picos(ns: Option<f64>, what: &str) -> Result<Option<Picos>, String> {
    let Some(ns) = ns else { return Ok(None) };
    let picos = whole(Some((ns * 1e3).round()));
    picos.map(|it| Some(Picos::new(it))).ok_or_else(|| {
        format!("its {what} is not a time from 0 to 2^53 picoseconds (two and a half hours)")
    })
}

/// How many nanoseconds one of these is.
pub(super) fn unit_ns(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" | "m" => 60e9,
        "hr" | "h" => 3_600e9,
        "day" | "d" => 86_400e9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_no_time_is_named() {
        for (clocked, said) in [
            (Clocked::default(), "neither a mean"),
            (Clocked { mean: Some(f64::NAN), ..Clocked::default() }, "its mean is not a time"),
            (Clocked { mean: Some(-1.0), ..Clocked::default() }, "its mean is not a time"),
            (Clocked { p50: Some(1e300), ..Clocked::default() }, "its median is not a time"),
            (Clocked { mean: Some(1.0), min: Some(2.0), ..Clocked::default() }, "contradict"),
        ] {
            let why = told(clocked).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
        let told =
            told(Clocked { mean: Some(1.2344), ..Clocked::default() }).unwrap().told.unwrap();
        assert_eq!(told.mean_ps, Some(Picos::new(1_234)));
    }

    #[test]
    fn samples_are_of_all_iterations() {
        let of = |means: &[(u64, Option<f64>)]| samples_of_means(means.iter().copied());
        let samples = of(&[(10, Some(1.26)), (10, Some(1.24))]).unwrap().samples;
        let ns: Vec<u64> = samples.as_slice().iter().map(|it| it.ns).collect();
        assert_eq!(ns, [13, 12]);
        assert_eq!(of(&[]).unwrap_err(), "it has no sample");
        for wrong in [(0, Some(1.0)), (1, None), (1, Some(-1.0)), (1, Some(f64::INFINITY))] {
            assert_eq!(of(&[(1, Some(1.0)), wrong]).unwrap_err(), "sample 2 is no time");
        }
    }
}
