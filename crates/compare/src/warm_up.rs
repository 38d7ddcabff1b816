//! Warming the servers of a session up, until the time of none of them falls any more.
//!
//! A runtime that compiles what is called often answers its first thousands of requests in another way
//! than all later ones, and a change of its code shows in the later ones. So all sides are sent samples in
//! windows, each half as long as all windows before it, until no side took less in the last window than in
//! the one before. A side that may compile gets windows for all of the time. Once several sessions show together
//! how many windows are enough, all sides of the others get as many: see `warm_windows.rs`.
//!
//! Whether a time falls is decided on medians of short turns, whose quartiles must lie apart: what noise
//! moves to and fro is no fall.

use perf_passport::{
    clock::Clock,
    paired::{Effect, FALLING_MAX, HIDDEN_BELOW},
    units::Nanos,
};

use crate::{
    error::WorkerError,
    subject::Turn,
    warm_windows::{Explored, Took, Warmth},
};

/// Samples of the first window, where there is time for them; and of a turn of any.
const FIRST_WINDOW: u64 = 50;
const TURN: u64 = 10;

/// The fewest samples of a first window.
const FIRST_WINDOW_MIN: u64 = 4;

/// Windows before a time counts as one that does not fall: 757 samples, where there is time for the first
/// one. In the first 200 a service whose time halves in 3,000 is not seen to fall.
const WINDOWS_MIN: usize = 7;

/// So many first windows take as long as [`WINDOWS_MIN`] windows, and as much time again: twice 757 samples, by 50.
const FIRST_WINDOWS: u64 = 32;

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
    /// What sessions before show, and how many samples their first windows had.
    pub(crate) warmth: Warmth,
    pub(crate) first_window: Option<u64>,
    /// Whether a side may make machine code while it runs.
    pub(crate) may_make_code: bool,
    /// All sides together take at least this long where one may make machine code: a runtime may compile by the clock.
    /// Elsewhere few samples are enough, and more sessions say more.
    pub(crate) time_min: Nanos,
    /// All sides together take about this long at most.
    pub(crate) time_max: Nanos,
    pub(crate) clock: &'a dyn Clock,
}

/// What is known once the sides are warm, or the time is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WarmSides {
    /// Samples of each side, and those of them in the first window.
    pub(crate) samples: u64,
    pub(crate) first_window: u64,
    /// How much longer the own time of a side was in the window before the last than in the last one, in
    /// ppm: of the side of which it fell most. What sessions before show together is known better.
    pub(crate) falling: Effect,
    /// The median latency in the last window, of the side that takes longest.
    pub(crate) latency: Nanos,
    /// The side that did not tell its time in each turn, if there is one.
    pub(crate) left_out: Option<usize>,
    /// The side that told its time in no turn of its last window, if there is one.
    pub(crate) mute: Option<usize>,
    /// How long each side took in each window. `None` where it was known how many windows are needed.
    pub(crate) explored: Option<Explored>,
}

/// Sends samples to all sides by `take`, which is told the side and how many.
pub(crate) fn warm_up(
    plan: &WarmUpPlan<'_>,
    take: &mut dyn FnMut(usize, u32) -> Result<Turn, WorkerError>,
) -> Result<WarmSides, WorkerError> {
    let started = plan.clock.elapsed();
    let first = plan.first_window.unwrap_or_else(|| plan.fitting_first_window());
    let turn = if first == FIRST_WINDOW { TURN } else { first / FIRST_WINDOW_MIN };
    // What compiles may be as slow for a thousand samples before it is faster.
    let windows_min = match plan.warmth {
        Warmth::Warm { windows } => windows,
        _ if plan.may_make_code => usize::MAX,
        _ => WINDOWS_MIN,
    };
    let mut warm = WarmSides { first_window: first, ..WarmSides::default() };
    let (mut size, mut windows) = (first, Explored::new());
    loop {
        let began = plan.clock.elapsed();
        let mut last = Vec::new();
        for side in 0..plan.sides {
            last.push(plan.window(size, turn, &mut |samples| take(side, samples))?);
        }
        warm.samples += size;
        warm.mute = last.iter().position(|window| window.turns_told == 0);
        let left_out = last.iter().position(|window| window.turns_told < window.turns);
        warm.left_out = warm.left_out.or(left_out);
        warm.latency = last.iter().map(|it| it.took.trip).max().unwrap_or_default();
        windows.push(last.iter().map(|it| it.took).collect::<Vec<_>>());
        warm.falling = match (plan.warmth, windows.as_slice()) {
            (Warmth::Falling(falling), _) => falling,
            (Warmth::Warm { windows: enough }, seen) if seen.len() >= enough => 0,
            (_, [.., before, last]) => {
                let falls = before.iter().zip(last).map(|(before, last)| before.fall_to(last));
                falls.max().unwrap_or_default()
            }
            _ => 0,
        };

        let now = plan.clock.elapsed();
        let size_next = (warm.samples / 2).max(first);
        let next = Nanos::new(now.saturating_sub(began).get().saturating_mul(size_next) / size);
        let is_flat = windows.len() >= windows_min && warm.falling <= FALLING_MAX;
        let spent = now.saturating_sub(started);
        let is_long_enough = is_flat && (!plan.may_make_code || spent >= plan.time_min);
        let ends = spent.saturating_add(next);
        if is_long_enough || (windows.len() > 1 && ends > plan.time_max) {
            let is_known = matches!(plan.warmth, Warmth::Warm { .. });
            return Ok(WarmSides { explored: Some(windows).filter(|_| !is_known), ..warm });
        }
        size = size_next;
    }
}

impl WarmUpPlan<'_> {
    /// Samples of the first window, so that there is time for the windows after it.
    fn fitting_first_window(&self) -> u64 {
        let sides = u64::try_from(self.sides).unwrap_or(1).max(1);
        let one = self.latency.get().max(1).saturating_mul(sides);
        let fitting = self.time_max.get() / one / FIRST_WINDOWS;
        fitting.clamp(FIRST_WINDOW_MIN, FIRST_WINDOW)
    }

    /// What is the service's own of a time. As a session has it: below a tenth of the whole, nobody knows
    /// how much that is.
    fn own(&self, time: Nanos) -> Nanos {
        let visible = time.get() / HIDDEN_BELOW;
        Nanos::new(time.saturating_sub(self.floor).get().max(visible).max(1))
    }

    /// Sends so many samples to a side.
    fn window(
        &self,
        size: u64,
        turn: u64,
        take: &mut dyn FnMut(u32) -> Result<Turn, WorkerError>,
    ) -> Result<Window, WorkerError> {
        let (mut times, mut latencies, mut turns_told) = (Vec::new(), Vec::new(), 0);
        let mut left = size;
        while left > 0 {
            let samples = left.min(turn.max(1));
            let turn = take(u32::try_from(samples).unwrap_or(u32::MAX))?;
            let latency = median(turn.latencies);
            let told = turn.told.map(median);
            turns_told += usize::from(told.is_some());
            latencies.push(latency);
            times.push(told.filter(|_| self.counts_told).unwrap_or(latency));
            left -= samples;
        }
        times.sort_unstable();
        let quartiles = [1, 2, 3].map(|quarters| quantile(&times, quarters));
        let turns = latencies.len();
        let took = Took { quartiles, own: self.own(quartiles[1]), trip: median(latencies) };
        Ok(Window { took, turns, turns_told })
    }
}

/// Samples of one side.
struct Window {
    took: Took,
    turns: usize,
    turns_told: usize,
}

fn median(mut times: Vec<Nanos>) -> Nanos {
    times.sort_unstable();
    quantile(&times, 2)
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
        known: (Warmth, bool),
        latency: &[fn(u64) -> u64],
        told: fn(u64, u64) -> Option<u64>,
        time_max: u64,
    ) -> WarmSides {
        warmed_again((None, 0), known, latency, told, time_max)
    }

    /// The same, where sessions before had so many samples in their first window, and it takes so long at least.
    fn warmed_again(
        (first_window, time_min): (Option<u64>, u64),
        (warmth, may_make_code): (Warmth, bool),
        latency: &[fn(u64) -> u64],
        told: fn(u64, u64) -> Option<u64>,
        time_max: u64,
    ) -> WarmSides {
        let clock = SharedClock(AtomicU64::new(0));
        let mut sent = vec![0_u64; latency.len()];
        let plan = WarmUpPlan {
            sides: latency.len(),
            latency: Nanos::new(latency[0](0)),
            floor: Nanos::new(20_000),
            counts_told: false,
            warmth,
            first_window,
            may_make_code,
            time_min: Nanos::new(time_min),
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

    const EXPLORES: (Warmth, bool) = (Warmth::Unknown, false);

    fn explored(warm: &WarmSides) -> usize {
        warm.explored.as_ref().map_or(0, Vec::len)
    }

    const LONG: u64 = 60_000_000_000;

    fn silent(_: u64, _: u64) -> Option<u64> {
        None
    }

    #[test]
    fn what_is_flat_is_warm_after_seven_windows_or_as_many_as_are_known_to_be_needed() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        let noisy: fn(u64) -> u64 = |n| 120_000 + n * 7_919 % 13_000;
        for sides in [[flat, flat], [flat, noisy]] {
            let warm = warmed(EXPLORES, &sides, silent, LONG);
            assert_eq!((warm.samples, warm.falling, explored(&warm)), (757, 0, 7));
        }
        // What sessions before showed, this one explores no more.
        let falls: fn(u64) -> u64 = |n| if n < 200 { 400_000 - n * 1_000 } else { 200_000 };
        for (windows, samples) in [(2, 100), (7, 757), (10, 2_553)] {
            let warm = warmed((Warmth::Warm { windows }, true), &[falls, flat], silent, LONG);
            assert_eq!((warm.samples, warm.falling, explored(&warm)), (samples, 0, 0));
        }
    }

    #[test]
    fn the_first_window_is_that_of_the_sessions_before() {
        let flat: fn(u64) -> u64 = |_| 1_000_000;
        let of = |first_window| {
            let known = (Warmth::Warm { windows: 3 }, true);
            let warm = warmed_again((first_window, 0), known, &[flat], silent, 1_000_000_000);
            (warm.first_window, warm.samples)
        };
        // By hand: 1 s has 32 windows of 31 samples, and none of three is larger than the first one.
        assert_eq!((of(None), of(Some(8))), ((31, 93), (8, 24)));
    }

    #[test]
    fn only_what_may_compile_is_warmed_up_by_the_clock() {
        let flat: fn(u64) -> u64 = |_| 100_000;
        let of = |may_make_code| {
            let known = (Warmth::Warm { windows: 3 }, may_make_code);
            warmed_again((None, 60_000_000), known, &[flat], silent, LONG).samples
        };
        // By hand: 50, 50, 50, 75, 112, 168 and 252 samples are the first windows that take 60 ms.
        assert_eq!([false, true].map(of), [150, 757]);
    }

    #[test]
    fn what_may_compile_is_explored_for_all_of_the_time() {
        let flat: fn(u64) -> u64 = |_| 100_000;
        let of = |warmth| warmed((warmth, true), &[flat], silent, 1_000_000_000);
        let warm = of(Warmth::Unknown);
        assert_eq!((warm.samples, warm.falling, explored(&warm)), (8_614, 0, 13));
        // What sessions before show, one does not know better.
        let falling = of(Warmth::Falling(70_000));
        assert_eq!((falling.samples, falling.falling, explored(&falling)), (8_614, 70_000, 13));
    }

    #[test]
    fn what_falls_on_one_side_is_warmed_up_on_all() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        // From 220 to 120 us in 3,000 samples.
        let compiled: fn(u64) -> u64 = |n| 120_000 + 100_000_u64.saturating_sub(n * 33);
        let warm = warmed(EXPLORES, &[flat, compiled], silent, LONG);
        assert!(warm.samples >= 3_800, "{warm:?}");
        assert!(warm.falling <= FALLING_MAX, "{warm:?}");
        assert_eq!(warm.latency, Nanos::new(120_000));
    }

    #[test]
    fn what_still_falls_when_the_time_is_over_is_told() {
        let compiled: fn(u64) -> u64 = |n| 220_000 - n.min(1_500) * 100;
        for warmth in [Warmth::Unknown, Warmth::Warm { windows: 10 }] {
            let warm = warmed((warmth, false), &[compiled], silent, 100_000_000);
            assert!(warm.samples < 600 && warm.falling > FALLING_MAX, "{warm:?}");
        }
        // By hand: 30 ms more than 20 ms, of which 20 us are the floor's.
        let slow: fn(u64) -> u64 = |n| if n < 4 { 50_000_000 } else { 20_000_000 };
        let warm = warmed(EXPLORES, &[slow], silent, 100_000_000);
        assert_eq!((warm.samples, warm.falling), (8, 1_501_501));
    }

    #[test]
    fn times_that_are_told_now_and_then_are_told_apart_from_those_that_end() {
        let flat: fn(u64) -> u64 = |_| 120_000;
        let always = warmed(EXPLORES, &[flat], |_, time| Some(time / 2), LONG);
        assert!(always.left_out.is_none() && always.mute.is_none());
        let often = warmed(EXPLORES, &[flat], |n, time| (n % 50 != 7).then_some(time / 2), LONG);
        assert!(often.left_out == Some(0) && often.mute.is_none());
        let no_more = warmed(EXPLORES, &[flat], |n, time| (n < 60).then_some(time / 2), LONG);
        assert!(no_more.left_out == Some(0) && no_more.mute == Some(0));
    }
}
