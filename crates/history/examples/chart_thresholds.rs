//! Simulates the thresholds of the chart, and prints them as the table of `src/chart/thresholds.rs`.
//!
//! Ranks of points that can be exchanged have one distribution, whatever that of the points is. So the
//! thresholds of uniform points are those of all. Hawkins and Deng 2010, section 3: the threshold after
//! `n` points is the one that so large a share of those series passes which passed none before.
//!
//! `cargo run --release -p perf-passport-history --example chart_thresholds -- 1000000`

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a simulation, whose numbers are small and whose output is a table"
)]

use perf_passport_history::chart::{RankWindow, WINDOW};

const COMMITS: [f64; 6] = [100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0];
/// Steps of a series: until the window is full, and as many again.
const STEPS: usize = 2 * WINDOW;
/// A statistic is kept in so many parts of 1.
const PARTS: f64 = 4096.0;

struct Random(u64);

impl Random {
    /// `SplitMix64` (Steele, Lea and Flood 2014).
    fn next(&mut self) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11).cast_signed()
    }
}

fn main() {
    let series: usize = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(100_000);
    let mut random = Random(14);
    let mut statistics = vec![0_u16; series * STEPS];
    for row in statistics.chunks_mut(STEPS) {
        let mut window = RankWindow::default();
        for statistic in row {
            window.push(random.next());
            let best = window.best_split().map_or(0.0, |it| it.statistic);
            *statistic = (best * PARTS).ceil() as u16;
        }
    }
    let columns = COMMITS.map(|commits| thresholds(&statistics, series, 1.0 / commits));
    for n in 0..WINDOW {
        let row: Vec<String> = columns.iter().map(|it| thousandths(it[n]).to_string()).collect();
        println!("    [{}],", row.join(", "));
    }
}

/// Never below what it is: the largest statistic of few points is passed by none.
fn thousandths(threshold: f64) -> u32 {
    (threshold * 1000.0).round() as u32 + 1
}

/// After each number of points up to the window; that of a full window holds from then on.
fn thresholds(statistics: &[u16], series: usize, share: f64) -> Vec<f64> {
    let mut alive: Vec<usize> = (0..series).collect();
    let mut found = Vec::new();
    let at = |it: usize, n: usize| statistics[it * STEPS + n];
    for n in 0..WINDOW - 1 {
        let mut values: Vec<u16> = alive.iter().map(|it| at(*it, n)).collect();
        values.sort_unstable();
        let beyond = (alive.len() as f64 * share).floor() as usize;
        // As many as may pass it are larger, whatever is equal.
        let threshold = values[values.len() - 1 - beyond];
        alive.retain(|it| at(*it, n) <= threshold);
        found.push(f64::from(threshold) / PARTS);
    }
    // One threshold for the full window, by bisection: its rate over as many steps again is the share.
    let (mut low, mut high) = (0_u16, u16::MAX);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let (mut steps, mut passed) = (0_usize, 0_usize);
        for it in &alive {
            let run = (WINDOW - 1..STEPS).position(|n| at(*it, n) > middle);
            steps += run.map_or(STEPS - WINDOW + 1, |it| it + 1);
            passed += usize::from(run.is_some());
        }
        if passed as f64 > share * steps as f64 { low = middle } else { high = middle }
    }
    found.push(f64::from(high) / PARTS);
    found
}
