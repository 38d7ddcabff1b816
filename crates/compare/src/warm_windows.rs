//! How many windows of samples warm the servers of a comparison up, as several sessions show together.
//!
//! What other processes do makes a service faster from one window to the next, and as often slower. What a
//! runtime compiles makes it faster alone. So one session cannot tell the two apart, and several can.

use perf_passport::{
    paired::{Effect, FALLING_MAX},
    units::Nanos,
};

/// Sessions that must have been explored. With fewer, chance is too likely to look like a runtime that
/// compiles, and the other way round.
const EXPLORED_MIN: usize = 4;

/// As few windows as are ever enough: the first samples find cold caches.
const WINDOWS_MIN: usize = 2;

/// How long the turns of one side took in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quartiles {
    /// The time that counts.
    pub(crate) quartiles: [Nanos; 3],
    /// Of the median, what is the service's own.
    pub(crate) own: Nanos,
}

impl Quartiles {
    /// How much longer it took here than later, in ppm of its own time then; 0 where that could be chance.
    pub(crate) fn fall_to(&self, later: &Self) -> Effect {
        if self.quartiles[0] <= later.quartiles[2] { 0 } else { self.medians_fall_to(later) }
    }

    fn medians_fall_to(&self, later: &Self) -> Effect {
        let (then, now) = (self.quartiles[1], later.quartiles[1]);
        let own = later.own.get().max(1);
        let fall = u128::from(then.saturating_sub(now).get()) * 1_000_000 / u128::from(own);
        Effect::try_from(fall).unwrap_or(Effect::MAX).min(999_000_000)
    }
}

/// How long each side took in each window of a session, for as long as there was anything to see.
pub(crate) type Explored = Vec<Vec<Quartiles>>;

/// What sessions show together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warmth {
    /// They are too few.
    Unknown,
    /// After so many windows all sides are as fast as they get.
    Warm {
        /// Two at least.
        windows: usize,
    },
    /// A side is so much slower, in ppm, in the window before the last than in the last one.
    Falling(Effect),
}

impl Warmth {
    pub(crate) fn of(sessions: &[Explored]) -> Self {
        if sessions.len() < EXPLORED_MIN {
            return Self::Unknown;
        }
        let windows = sessions.iter().map(Vec::len).min().unwrap_or_default();
        let sides = sessions.iter().filter_map(|it| it.first()).map(Vec::len).max();
        let sides = || 0..sides.unwrap_or_default();
        // The window after those is the first one of a warm service.
        let is_warm =
            |from: &usize| sides().all(|side| fall_since(*from, side, sessions) <= FALLING_MAX);
        let before_last = windows.saturating_sub(2);
        match (WINDOWS_MIN..=before_last).find(is_warm) {
            Some(windows) => Self::Warm { windows },
            None => Self::Falling(
                sides()
                    .map(|side| fall_since(before_last, side, sessions))
                    .max()
                    .unwrap_or_default(),
            ),
        }
    }
}

/// How much slower a side is in this window than in the last one, in ppm: in the median session. 0 where that
/// may be chance: unless more than half of the sessions say so, after as many were taken away as say the
/// opposite.
///
/// The medians of windows say it: of several sessions, noise moves them to and fro.
fn fall_since(window: usize, side: usize, sessions: &[Explored]) -> Effect {
    let of = |windows: &Explored| {
        let then = windows.get(window)?.get(side)?;
        let last = windows.last()?.get(side)?;
        Some(then.medians_fall_to(last) - last.medians_fall_to(then))
    };
    let mut falls: Vec<Effect> = sessions.iter().filter_map(of).collect();
    falls.sort_unstable();
    let count = |is: &dyn Fn(&Effect) -> bool| falls.iter().filter(|it| is(it)).count();
    let (fell, rose) = (count(&|it| *it > FALLING_MAX), count(&|it| *it < -FALLING_MAX));
    if fell.saturating_sub(rose) * 2 <= falls.len() {
        return 0;
    }
    falls.get(falls.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of one side that took so many microseconds in each window.
    fn session(medians: &[u64]) -> Explored {
        let quartiles = |us: &u64| Quartiles {
            quartiles: [us * 975, us * 1_000, us * 1_025].map(Nanos::new),
            own: Nanos::new(us * 1_000),
        };
        medians.iter().map(|us| vec![quartiles(us)]).collect()
    }

    fn warmth(sessions: &[&[u64]]) -> Warmth {
        Warmth::of(&sessions.iter().map(|it| session(it)).collect::<Vec<_>>())
    }

    fn warm(windows: usize) -> Warmth {
        Warmth::Warm { windows }
    }

    #[test]
    fn what_is_compiled_falls_in_every_session_and_needs_its_windows() {
        let compiled: &[u64] = &[180, 175, 170, 150, 120, 72, 71, 71];
        assert_eq!(warmth(&[compiled; 4]), warm(5));
        assert_eq!(warmth(&[compiled; 3]), Warmth::Unknown);
        // One session in which the machine became slower meanwhile does not hide it.
        let slowed: &[u64] = &[90, 100, 110, 120, 130, 140, 150, 170];
        assert_eq!(warmth(&[compiled, compiled, slowed, compiled, compiled]), warm(5));
        // What falls until the end is not warm. By hand: 20 us more than 120.
        let falling: &[u64] = &[200, 180, 160, 140, 120];
        assert_eq!(warmth(&[falling; 9]), Warmth::Falling(166_666));
        // Too few windows to tell.
        let short: &[u64] = &[100, 100];
        assert_eq!(warmth(&[short; 4]), Warmth::Falling(0));
    }

    #[test]
    fn what_noise_moves_to_and_fro_is_no_fall() {
        let (slower, faster): (&[u64], &[u64]) =
            (&[100, 100, 80, 90, 100], &[100, 100, 130, 90, 100]);
        assert_eq!(warmth(&[slower, faster, faster, slower]), warm(2));
        assert_eq!(warmth(&[faster, faster, slower, slower, faster]), warm(2));
        assert_eq!(warmth(&[faster, faster, faster, faster]), warm(3));
        // Quartiles overlap, and all sessions say the same.
        let [little, least]: [&[u64]; 2] = [&[104, 104, 104, 100, 100], &[103, 103, 103, 100, 100]];
        assert_eq!((warmth(&[little; 4]), warmth(&[least; 4])), (warm(3), warm(2)));
    }

    #[test]
    fn a_fall_on_one_side_counts_and_where_quartiles_overlap_there_is_none() {
        let sides = |falling: u64| {
            let one = session(&[100; 5]);
            let other = session(&[falling, falling, falling, 100, 100]);
            let both = one.into_iter().zip(other).map(|(one, other)| [one, other].concat());
            both.collect::<Explored>()
        };
        let of = |falling| Warmth::of(&[(); 4].map(|()| sides(falling)));
        assert_eq!((of(100), of(150)), (warm(2), warm(3)));
        // By hand: 50 us more than 100.
        let [before, after] = [150, 100].map(|us| session(&[us])[0][0]);
        assert_eq!((before.fall_to(&after), after.fall_to(&before)), (500_000, 0));
        assert_eq!(session(&[103])[0][0].fall_to(&after), 0);
    }
}
