//! How often the chart nominates where nothing changed, and how soon where something did, by four models
//! of noise. docs/explanation/suspicions.md has the figures.
//!
//! `cargo run --release -p perf-passport-history --example nominations -- 300000`

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a simulation, whose numbers are small and whose output is a table"
)]

use perf_passport_history::chart::nominate;

/// One false nomination in so many commits is promised.
const COMMITS: u32 = 3000;
/// Commits of a series.
const SERIES: usize = 1000;
/// Commits before a step, and within how many after it a nomination is counted.
const BEFORE: usize = 100;
const WITHIN: usize = 10;
/// Series with a step.
const STEPS: usize = 2000;

/// What disturbs a time.
#[derive(Clone, Copy)]
enum Noise {
    Normal,
    Outliers,
    TwoProcessors,
    Autocorrelated,
}

const MODELS: [(Noise, &str); 4] = [
    (Noise::Normal, "normal, 2 %"),
    (Noise::Outliers, "and 5 % outliers of 20 to 60 %"),
    (Noise::TwoProcessors, "and two processors 13 % apart"),
    (Noise::Autocorrelated, "autocorrelated, 0.6"),
];

struct Random(u64);

impl Random {
    /// `SplitMix64` (Steele, Lea and Flood 2014), from 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Times in nanoseconds without a change: of the code, and its ratio in ppm to an anchor that was measured
/// in the same session. What the machine does meets both; each has noise of 1 % of its own.
fn times(noise: Noise, count: usize, random: &mut Random) -> (Vec<f64>, Vec<f64>) {
    let (mut alone, mut ratio, mut drift) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..count {
        // 0.6 of what the machine did last, so that its share of the noise stays 2 %.
        drift = 0.6 * drift + 0.8 * 0.02 * random.normal();
        let machine = match noise {
            Noise::Outliers if random.unit() < 0.05 => 0.2 + 0.4 * random.unit(),
            Noise::Normal | Noise::Outliers => 0.02 * random.normal(),
            Noise::TwoProcessors => 0.13 * f64::from(u8::from(random.unit() < 0.5)),
            Noise::Autocorrelated => drift,
        };
        // The anchor feels another processor a little less than the code does.
        let felt =
            if matches!(noise, Noise::TwoProcessors) { machine * 10.0 / 13.0 } else { machine };
        let own = |random: &mut Random| 1.0 + 0.01 * random.normal();
        let code = (1.0 + machine) * own(random);
        alone.push(code);
        ratio.push(code / ((1.0 + felt) * own(random)));
    }
    (alone, ratio)
}

fn whole(times: &[f64]) -> Vec<i64> {
    times.iter().map(|it| (it * 1e6) as i64).collect()
}

fn main() {
    let commits: usize = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(300_000);
    let promised = commits as f64 / f64::from(COMMITS);
    println!(
        "{commits} commits in series of {SERIES}; {promised:.0} false nominations are promised"
    );
    println!(
        "| noise | ratio: false, of the promise | step found within {WITHIN} | time alone: false, of the promise | step found |"
    );
    println!("|---|---|---|---|---|");
    for (noise, name) in MODELS {
        let mut random = Random(14);
        let (mut alone, mut ratio) = (0, 0);
        for _ in 0..commits / SERIES {
            let (of_code, of_ratio) = times(noise, SERIES, &mut random);
            alone += nominate(&whole(&of_code), COMMITS).len();
            ratio += nominate(&whole(&of_ratio), COMMITS).len();
        }
        let (mut found_alone, mut found_ratio) = (0, 0);
        for _ in 0..STEPS {
            let (mut of_code, mut of_ratio) = times(noise, BEFORE + WITHIN, &mut random);
            for times in [&mut of_code, &mut of_ratio] {
                times[BEFORE..].iter_mut().for_each(|it| *it *= 1.05);
            }
            let is_found = |times: &[f64]| {
                nominate(&whole(times), COMMITS)
                    .iter()
                    .any(|it| it.rises && it.nominated_at >= BEFORE)
            };
            found_alone += usize::from(is_found(&of_code));
            found_ratio += usize::from(is_found(&of_ratio));
        }
        let share = |found: usize| 100.0 * found as f64 / STEPS as f64;
        println!(
            "| {name} | {ratio}, {:.2} | {:.1} % | {alone}, {:.2} | {:.1} % |",
            ratio as f64 / promised,
            share(found_ratio),
            alone as f64 / promised,
            share(found_alone)
        );
    }
}
