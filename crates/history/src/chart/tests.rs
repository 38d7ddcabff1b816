//! The statistic by its definition, the promise, and steps that are found.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::*;

/// Uniform values, each of which the next one does not depend on.
fn values(seed: u64, count: usize) -> Vec<i64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| i64::from(random.next_u32())).collect()
}

/// The statistic by its definition: the pairs that are counted, for each split.
#[expect(clippy::cast_precision_loss, reason = "few values")]
fn by_pairs(values: &[i64]) -> f64 {
    let count = values.len() as f64;
    let mut best: f64 = 0.0;
    for split in 1..values.len() {
        let (before, after) = values.split_at(split);
        let pairs = before.iter().flat_map(|a| after.iter().map(move |b| (a, b)));
        let above: f64 = pairs
            .map(|(a, b)| f64::from(i8::from(b > a)) + f64::from(i8::from(b == a)) / 2.0)
            .sum();
        let (k, rest) = (before.len() as f64, after.len() as f64);
        let variance = k * rest * (count + 1.0) / 12.0;
        best = best.max((above - k * rest / 2.0).abs() / variance.sqrt());
    }
    best
}

#[test]
fn a_step_computed_by_hand() {
    let mut window = RankWindow::default();
    assert_eq!(window.best_split(), None);
    for value in [1, 2, 11, 12] {
        window.push(value);
    }
    // All 4 pairs rise where 2 would; the variance is 2 * 2 * 5 / 12.
    let split = window.best_split().unwrap();
    assert_eq!((split.before, split.rises), (2, true));
    assert!((split.statistic - 2.0 / (20.0_f64 / 12.0).sqrt()).abs() < 1e-12, "{split:?}");
}

#[test]
fn equal_values_have_no_split_that_stands_out() {
    let mut window = RankWindow::default();
    for _ in 0..150 {
        window.push(7);
    }
    assert!(window.best_split().unwrap().statistic <= 0.0);
    assert!(nominate(&[7; 500], 100).is_empty());
    assert!(nominate(&[], 100).is_empty() && nominate(&[1], 100).is_empty());
}

#[test]
fn ranks_that_are_kept_are_those_of_the_pairs_also_with_ties_and_a_full_window() {
    for seed in 0..20 {
        let mut window = RankWindow::default();
        // Few values, so that many are equal.
        let all: Vec<i64> = values(seed, 260).iter().map(|it| it / 400_000_000).collect();
        for (place, value) in all.iter().enumerate() {
            window.push(*value);
            if place % 13 == 0 && place > 0 {
                let from = (place + 1).saturating_sub(WINDOW);
                let expected = by_pairs(&all[from..=place]);
                let statistic = window.best_split().unwrap().statistic;
                assert!((statistic - expected).abs() < 1e-9, "{place}: {statistic} {expected}");
            }
        }
    }
}

#[test]
fn thresholds_rise_with_the_promise_and_none_is_passed_by_too_few_points() {
    for commits in [100, 200, 1000, 3000, 5000, 30_000] {
        for points in 1..=300 {
            let (here, stricter) = (threshold(points, commits), threshold(points, commits + 50));
            assert!(here > 0.0 && here <= stricter, "{points} {commits}: {here} {stricter}");
        }
    }
    // Twelve points in two halves are the least likely order of 924; a promise of 3,000 needs more.
    let halves: Vec<i64> = (0..12).collect();
    assert!(nominate(&halves, 3000).is_empty());
    let halves: Vec<i64> = (0..24).collect();
    assert!(!nominate(&halves, 3000).is_empty());
}

/// Seeded, so that it is the same on each run: 200,000 points, at one false nomination in 300.
#[test]
fn the_promise_is_kept() {
    let series = 200;
    let false_ones: usize =
        (0..series).map(|seed| nominate(&values(1000 + seed, 1000), 300).len()).sum();
    let expected = 200_000 / 300;
    let fits = (expected * 6 / 10..expected * 115 / 100).contains(&false_ones);
    assert!(fits, "{false_ones} where {expected} were promised");
}

/// Times with normal noise of 2 % (Box and Muller 1958), by uniform values.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "about a million")]
fn times(seed: u64, count: usize) -> Vec<i64> {
    let uniform = values(seed, 2 * count);
    let unit = |it: i64| (it as f64 + 0.5) / 4_294_967_296.0;
    let normal = |pair: &[i64]| {
        (-2.0 * unit(pair[0]).ln()).sqrt() * (std::f64::consts::TAU * unit(pair[1])).cos()
    };
    uniform.chunks(2).map(|pair| (1e6 * (1.0 + 0.02 * normal(pair))) as i64).collect()
}

#[test]
fn a_step_of_five_percent_is_nominated_within_ten_commits_in_most_series() {
    let (series, step, mut in_time, mut at_its_place) = (400, 60, 0, 0);
    for seed in 0..series {
        let mut stepped = times(5000 + seed, step + 10);
        for value in &mut stepped[step..] {
            *value += *value / 20;
        }
        let nominated = nominate(&stepped, 3000);
        let found = nominated.iter().find(|it| it.rises && it.nominated_at >= step);
        in_time += usize::from(found.is_some());
        at_its_place += usize::from(found.is_some_and(|it| it.first_after.abs_diff(step) <= 2));
    }
    assert!(in_time * 100 >= 95 * 400, "{in_time} of {series}");
    assert!(at_its_place * 100 >= 80 * 400, "{at_its_place} of {series}");
}
