//! Warming the servers of a session up, until the time of none of them falls any more.
//!
//! A runtime that compiles what is called often answers its first thousands of requests in another way
//! than all later ones, and a change of its code shows in the later ones. So all sides are sent samples in
//! windows, each as long as all windows before it, until no side took less in the last window than in the
//! one before. All sides get the same number of samples, and no fewer than in a typical session before:
//! sessions are drawn alike. A service that was no faster in the end than at first, in several sessions, has
//! nothing to warm up, and gets few.
//!
//! Whether a time falls is decided on medians of short turns, whose quartiles must lie apart: what noise
//! moves to and fro is no fall.

use perf_passport::{
    clock::Clock,
    paired::{Effect, FALLING_MAX, HIDDEN_BELOW},
    units::Nanos,
};

use crate::{error::WorkerError, subject::Turn};

/// Samples of the first window, where there is time for them; and of a turn of it.
const FIRST_WINDOW: u64 = 50;
const TURN: u64 = 10;

/// The fewest samples of a first window.
const FIRST_WINDOW_MIN: u64 = 4;

/// Windows before a time counts as one that does not fall: 800 samples, where there is time for the first
/// one. In the first 200 a service whose time halves in 3,000 is not seen to fall.
const WINDOWS_MIN: u32 = 5;

/// The same where a service was steady from its first window on in the sessions before.
const WINDOWS_MIN_STEADY: u32 = 2;

/// How the sides of a session are warmed up.
pub(crate) struct WarmUpPlan<'a> {
    /// How many sides there are.
    pub(crate) sides: usize,
    /// How long a sample takes, about.
    pub(crate) latency: Nanos,
    /// Of each sample, what is not the service's own time.
    pub(crate) floor: Nanos,
    /// Whether the time counts that the services tell.
    pub(crate) counts_told: bool,
    /// Samples that a typical session before needed.
    pub(crate) samples_min: u64,
    /// Whether no side became faster in the sessions before, from their first window to their last.
    pub(crate) was_steady: bool,
    /// All sides together take at least this long, as a runtime may compile by the clock.
    pub(crate) time_min: Nanos,
    /// All sides together take about this long at most.
    pub(crate) time_max: Nanos,
    pub(crate) clock: &'a dyn Clock,
}

/// What is known once the sides are warm, or the time is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WarmSides {
    /// Samples of each side.
    pub(crate) samples: u64,
    /// Samples after which no side became faster any more; all, where one did until the end.
    pub(crate) needed: u64,
    /// How much longer the own time of a side was in the window before the last than in the last one, in
    /// ppm: of the side of which it fell most.
    pub(crate) falling: Effect,
    /// Whether no side took longer in its first window than in its last one, but for what is no fall.
    pub(crate) is_steady: bool,
    /// The median latency in the last window, of the side that takes longest.
    pub(crate) latency: Nanos,
    /// The side that did not tell its time in each turn, if there is one.
    pub(crate) left_out: Option<usize>,
    /// The side that told its time in no turn of its last window, if there is one.
    pub(crate) mute: Option<usize>,
}

/// Sends samples to all sides by `take`, which is told the side and how many.
pub(crate) fn warm_up(
    plan: &WarmUpPlan<'_>,
    take: &mut dyn FnMut(usize, u32) -> Result<Turn, WorkerError>,
) -> Result<WarmSides, WorkerError> {
    let started = plan.clock.elapsed();
    let first = plan.first_window();
    let turn = if first == FIRST_WINDOW { TURN } else { first / FIRST_WINDOW_MIN };
    let windows_min = if plan.was_steady { WINDOWS_MIN_STEADY } else { WINDOWS_MIN };
    let (mut earliest, mut before): (Vec<Window>, Vec<Window>) = (Vec::new(), Vec::new());
    let mut warm = WarmSides::default();
    let (mut size, mut windows) = (first, 0);
    loop {
        let began = plan.clock.elapsed();
        let mut last = Vec::new();
        for side in 0..plan.sides {
            last.push(Window::take(size, turn, plan.counts_told, &mut |samples| {
                take(side, samples)
            })?);
        }
        windows += 1;
        warm.samples += size;
        warm.mute = last.iter().position(|window| window.turns_told == 0);
        let left_out = last.iter().position(|window| window.turns_told < window.latencies.len());
        warm.left_out = warm.left_out.or(left_out);
        warm.latency = last.iter().map(|it| quantile(&it.latencies, 2)).max().unwrap_or_default();
        let falling = |before: &[Window]| {
            let falls = before.iter().zip(&last).map(|(before, last)| plan.falling(before, last));
            falls.max().unwrap_or_default()
        };
        warm.falling = falling(&before);
        warm.is_steady = falling(&earliest) <= FALLING_MAX;
        if earliest.is_empty() {
            earliest.clone_from(&last);
        }
        before = last;

        // The next window takes as long as all before, and this one took half of that.
        let now = plan.clock.elapsed();
        let next = now.saturating_sub(began).saturating_mul(2);
        let is_flat = windows >= windows_min && warm.falling <= FALLING_MAX;
        if warm.needed == 0 && is_flat {
            warm.needed = warm.samples;
        }
        let spent = now.saturating_sub(started);
        let is_long_enough = is_flat && warm.samples >= plan.samples_min && spent >= plan.time_min;
        let ends = spent.saturating_add(next);
        if is_long_enough || (windows > 1 && ends > plan.time_max) {
            let needed = if warm.needed == 0 { warm.samples } else { warm.needed };
            return Ok(WarmSides { needed, ..warm });
        }
        size = warm.samples;
    }
}

impl WarmUpPlan<'_> {
    /// Samples of the first window, so that there is time for the windows after it.
    fn first_window(&self) -> u64 {
        let sides = u64::try_from(self.sides).unwrap_or(1).max(1);
        let one = self.latency.get().max(1).saturating_mul(sides);
        let fitting = self.time_max.get() / one / (1 << WINDOWS_MIN);
        fitting.clamp(FIRST_WINDOW_MIN, FIRST_WINDOW)
    }

    /// How much longer a side took before, in ppm of its own time now; 0 where that could be chance.
    fn falling(&self, before: &Window, last: &Window) -> Effect {
        if quantile(&before.times, 1) <= quantile(&last.times, 3) {
            return 0;
        }
        let (then, now) = (quantile(&before.times, 2), quantile(&last.times, 2));
        // As a session has it: below a tenth of the whole, nobody knows how much is the service's.
        let visible = if self.counts_told { now.get() } else { now.get() / HIDDEN_BELOW };
        let own = now.saturating_sub(self.floor).get().max(visible).max(1);
        let fall = u128::from(then.saturating_sub(now).get()) * 1_000_000 / u128::from(own);
        Effect::try_from(fall).unwrap_or(Effect::MAX).min(999_000_000)
    }
}

/// Samples of one side, turn by turn.
#[derive(Clone, Default)]
struct Window {
    /// The time that counts, of each turn, sorted.
    times: Vec<Nanos>,
    /// The latency of each turn, sorted.
    latencies: Vec<Nanos>,
    turns_told: usize,
}

impl Window {
    fn take(
        size: u64,
        turn: u64,
        counts_told: bool,
        take: &mut dyn FnMut(u32) -> Result<Turn, WorkerError>,
    ) -> Result<Self, WorkerError> {
        let mut window = Self::default();
        let mut left = size;
        while left > 0 {
            let samples = left.min(turn.max(1));
            let turn = take(u32::try_from(samples).unwrap_or(u32::MAX))?;
            let latency = median(&turn.latencies);
            let told = turn.told.as_deref().map(median);
            window.turns_told += usize::from(told.is_some());
            window.latencies.push(latency);
            window.times.push(told.filter(|_| counts_told).unwrap_or(latency));
            left -= samples;
        }
        window.times.sort_unstable();
        window.latencies.sort_unstable();
        Ok(window)
    }
}

fn median(times: &[Nanos]) -> Nanos {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    quantile(&sorted, 2)
}

/// The value at so many quarters of sorted ones.
fn quantile(sorted: &[Nanos], quarters: usize) -> Nanos {
    sorted.get(sorted.len() * quarters / 4).or(sorted.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::SystemTime,
    };

    use super::*;

    /// A clock that goes on by what samples take.
    struct SharedClock(AtomicU64);

    impl Clock for SharedClock {
        fn elapsed(&self) -> Nanos {
            Nanos::new(self.0.load(Ordering::SeqCst))
        }

        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
    }

    /// Warms sides up of which the n-th sample takes so long; what they tell follows from that.
    fn warmed(
        latency: &[fn(u64) -> u64],
        told: fn(u64, u64) -> Option<u64>,
        limits: (u64, u64),
    ) -> WarmSides {
        warmed_after(false, latency, told, limits)
    }

    /// The same after sessions that showed it steady, or not.
    fn warmed_after(
        was_steady: bool,
        latency: &[fn(u64) -> u64],
        told: fn(u64, u64) -> Option<u64>,
        (samples_min, time_max): (u64, u64),
    ) -> WarmSides {
        let clock = SharedClock(AtomicU64::new(0));
        let mut sent = vec![0_u64; latency.len()];
        let plan = WarmUpPlan {
            sides: latency.len(),
            latency: Nanos::new(latency[0](0)),
            floor: Nanos::new(20_000),
            counts_told: false,
            samples_min,
            was_steady,
            time_min: Nanos::ZERO,
            time_max: Nanos::new(time_max),
            clock: &clock,
        };
        let mut take = |side: usize, samples: u32| {
            let mut latencies = Vec::new();
            let mut all_told = Some(Vec::new());
            for _ in 0..samples {
                let time = latency[side](sent[side]);
                clock.0.fetch_add(time, Ordering::SeqCst);
                latencies.push(Nanos::new(time));
                let told = told(sent[side], time).map(Nanos::new);
                all_told = all_told.zip(told).map(|(mut all, it)| {
                    all.push(it);
                    all
                });
                sent[side] += 1;
            }
            Ok(Turn { latencies, told: all_told, response: None })
        };
        let warm = warm_up(&plan, &mut take).unwrap();
        assert!(sent.iter().all(|it| *it == warm.samples), "all sides get the same");
        warm
    }

    const LONG: u64 = 60_000_000_000;

    fn silent(_: u64, _: u64) -> Option<u64> {
        None
    }

    #[test]
    fn what_is_flat_is_warm_after_five_windows() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        let noisy: fn(u64) -> u64 = |n| 120_000 + n * 7_919 % 13_000;
        for sides in [[flat, flat], [flat, noisy]] {
            let warm = warmed(&sides, silent, (0, LONG));
            assert_eq!((warm.samples, warm.falling), (800, 0));
        }
        // As many as sessions before needed.
        let more = warmed(&[flat], silent, (900, LONG));
        assert_eq!((more.samples, more.needed), (1_600, 800));
    }

    #[test]
    fn what_has_nothing_to_warm_up_is_known_and_needs_two_windows() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        // From 220 to 120 us in 3,000 samples: between neighbouring windows that is no fall at first.
        let compiled: fn(u64) -> u64 = |n| 120_000 + 100_000_u64.saturating_sub(n * 33);
        assert!(warmed(&[flat, flat], silent, (0, LONG)).is_steady);
        assert!(!warmed(&[flat, compiled], silent, (0, LONG)).is_steady);
        let warm = warmed_after(true, &[flat, flat], silent, (0, LONG));
        assert_eq!((warm.samples, warm.is_steady), (100, true));
        // What was steady and falls now is warmed up all the same.
        let falls: fn(u64) -> u64 = |n| if n < 200 { 400_000 - n * 1_000 } else { 200_000 };
        let warm = warmed_after(true, &[falls, flat], silent, (0, LONG));
        assert!(warm.samples >= 400 && !warm.is_steady && warm.falling <= FALLING_MAX, "{warm:?}");
    }

    #[test]
    fn what_falls_on_one_side_is_warmed_up_on_all() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        // From 220 to 120 us in 3,000 samples.
        let compiled: fn(u64) -> u64 = |n| 120_000 + 100_000_u64.saturating_sub(n * 33);
        let warm = warmed(&[flat, compiled], silent, (0, LONG));
        assert!(warm.samples >= 6_400, "{warm:?}");
        assert!(warm.falling <= FALLING_MAX, "{warm:?}");
        assert_eq!(warm.latency, Nanos::new(120_000));
    }

    #[test]
    fn what_still_falls_when_the_time_is_over_is_told() {
        let compiled: fn(u64) -> u64 = |n| 220_000 - n.min(1_500) * 100;
        let warm = warmed(&[compiled], silent, (0, 100_000_000));
        assert!(warm.samples < 600 && warm.falling > FALLING_MAX, "{warm:?}");
        // By hand: 30 ms more than 20 ms, of which 20 us are the floor's.
        let slow: fn(u64) -> u64 = |n| if n < 4 { 50_000_000 } else { 20_000_000 };
        let warm = warmed(&[slow], silent, (0, 100_000_000));
        assert_eq!((warm.samples, warm.falling), (8, 1_501_501));
    }

    #[test]
    fn times_that_are_told_now_and_then_are_told_apart_from_those_that_end() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        let always = warmed(&[flat], |_, time| Some(time / 2), (0, LONG));
        assert!(always.left_out.is_none() && always.mute.is_none());
        let often = warmed(&[flat], |n, time| (n % 50 != 7).then_some(time / 2), (0, LONG));
        assert!(often.left_out == Some(0) && often.mute.is_none());
        let no_more = warmed(&[flat], |n, time| (n < 60).then_some(time / 2), (0, LONG));
        assert!(no_more.left_out == Some(0) && no_more.mute == Some(0));
    }
}
