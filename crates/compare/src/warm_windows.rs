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

/// What all sides of all sessions say may fall as much from a window to the last one: that window is not measured
/// itself, and those after it are further down.
const FLAT_MAX: Effect = 2 * FALLING_MAX;

/// The first window that may count as flat: the first samples find cold caches.
const FIRST_FLAT: usize = 2;

/// How long the turns of one side took in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Took {
    /// The time that counts.
    pub(crate) quartiles: [Nanos; 3],
    /// Of the median, what is the service's own.
    pub(crate) own: Nanos,
    /// The median round trip, which also has what a service does not tell.
    pub(crate) trip: Nanos,
}

impl Took {
    /// How much longer it took here than later, in ppm of its own time then; 0 where that could be chance.
    pub(crate) fn fall_to(&self, later: &Self) -> Effect {
        if self.quartiles[0] <= later.quartiles[2] { 0 } else { self.medians_fall_to(later) }
    }

    fn medians_fall_to(&self, later: &Self) -> Effect {
        fall(self.quartiles[1], later.quartiles[1], later.own)
    }

    fn trips_fall_to(&self, later: &Self) -> Effect {
        fall(self.trip, later.trip, later.trip)
    }
}

/// How much longer a time was then than now, in ppm of another one; 0 where it was no longer.
fn fall(then: Nanos, now: Nanos, of: Nanos) -> Effect {
    let longer = u128::from(then.saturating_sub(now).get());
    let fall = longer * 1_000_000 / u128::from(of.get().max(1));
    Effect::try_from(fall).unwrap_or(Effect::MAX).min(999_000_000)
}

/// How much longer something took in one window than in a later one.
type FallTo = fn(&Took, &Took) -> Effect;

/// How long each side took in each window of a session, for as long as there was anything to see.
pub(crate) type Explored = Vec<Vec<Took>>;

/// What sessions show together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warmth {
    /// They are too few.
    Unknown,
    /// After so many windows all sides are as fast as they get.
    Warm {
        /// Three at least.
        windows: usize,
    },
    /// A side is so much slower, in ppm, in the window before the last than in the last one.
    Falling(Effect),
}

/// How the servers of an item were warmed up so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct WarmUps {
    first_window: Option<u64>,
    explored: Vec<Explored>,
}

impl WarmUps {
    /// Adds what a session saw, whose first window had so many samples. Only windows of one size show anything
    /// together, and sessions that are held at the same time do not know of each other's.
    pub(crate) fn add(&mut self, first_window: u64, explored: Explored) {
        if *self.first_window.get_or_insert(first_window) == first_window {
            self.explored.push(explored);
        }
    }

    /// So many samples does the first window of each session have.
    pub(crate) fn first_window(&self) -> Option<u64> {
        self.first_window
    }

    pub(crate) fn warmth(&self) -> Warmth {
        Warmth::of(&self.explored)
    }
}

impl Warmth {
    fn of(sessions: &[Explored]) -> Self {
        if sessions.len() < EXPLORED_MIN {
            return Self::Unknown;
        }
        let windows = sessions.iter().map(Vec::len).min().unwrap_or_default();
        let sides = sessions.iter().filter_map(|it| it.first()).map(Vec::len).max();
        let sides = || 0..sides.unwrap_or_default();
        let proved = |from: usize| {
            let falls = |side| falls_since(from, side, sessions, Took::medians_fall_to);
            sides().map(|side| proved_fall(&falls(side))).max().unwrap_or_default()
        };
        // What all sides of all sessions say needs no proof, but one side may be warm later than the others. A
        // round trip that still falls hides what a service does not tell.
        let typical = |from: usize, fall_to: FallTo| {
            median(sides().flat_map(|side| falls_since(from, side, sessions, fall_to)).collect())
        };
        let is_flat = |from: &usize| {
            typical(*from, Took::medians_fall_to) <= FLAT_MAX
                && typical(*from, Took::trips_fall_to) <= FLAT_MAX
                && proved(*from) <= FALLING_MAX
        };
        let Some(before_last) = windows.checked_sub(2) else { return Self::Falling(0) };
        let from = (FIRST_FLAT..=before_last).find(is_flat);
        let falling = proved(before_last);
        // Without proof nobody is said to be cold.
        match from.or((falling == 0 && before_last >= FIRST_FLAT).then_some(before_last)) {
            // That window may begin while something is still compiled, so it is not the first that counts.
            Some(from) => Self::Warm { windows: from + 1 },
            None => Self::Falling(falling),
        }
    }
}

/// How much slower a side is in this window than in the last one, in ppm, of each session.
///
/// The medians of windows say it: of several sessions, noise moves them to and fro.
fn falls_since(window: usize, side: usize, sessions: &[Explored], fall_to: FallTo) -> Vec<Effect> {
    let of = |windows: &Explored| {
        let then = windows.get(window)?.get(side)?;
        let last = windows.last()?.get(side)?;
        Some(fall_to(then, last) - fall_to(last, then))
    };
    sessions.iter().filter_map(of).collect()
}

/// The median of falls; 0 where that may be chance: unless more than half of the sessions say so, after as many
/// were taken away as say the opposite.
fn proved_fall(falls: &[Effect]) -> Effect {
    let count = |is: &dyn Fn(&Effect) -> bool| falls.iter().filter(|it| is(it)).count();
    let (fell, rose) = (count(&|it| *it > FALLING_MAX), count(&|it| *it < -FALLING_MAX));
    if fell.saturating_sub(rose) * 2 <= falls.len() { 0 } else { median(falls.to_vec()) }
}

fn median(mut falls: Vec<Effect>) -> Effect {
    falls.sort_unstable();
    falls.get(falls.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of one side that took so many microseconds in each window.
    fn session(medians: &[u64]) -> Explored {
        let took = |us: &u64| Took {
            quartiles: [us * 975, us * 1_000, us * 1_025].map(Nanos::new),
            own: Nanos::new(us * 1_000),
            trip: Nanos::new(us * 2_000),
        };
        medians.iter().map(|us| vec![took(us)]).collect()
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
        assert_eq!(warmth(&[compiled; 4]), warm(6));
        assert_eq!(warmth(&[compiled; 3]), Warmth::Unknown);
        // One session in which the machine became slower meanwhile does not hide it.
        let slowed: &[u64] = &[90, 100, 110, 120, 130, 140, 150, 170];
        assert_eq!(warmth(&[compiled, compiled, slowed, compiled, compiled]), warm(6));
        // What falls until the end is not warm. By hand: 20 us more than 120.
        let falling: &[u64] = &[200, 180, 160, 140, 120];
        assert_eq!(warmth(&[falling; 9]), Warmth::Falling(166_666));
        // Too few windows to tell.
        let short: &[u64] = &[100, 100];
        assert_eq!(warmth(&[short; 4]), Warmth::Falling(0));
    }

    #[test]
    fn what_noise_moves_to_and_fro_is_no_fall_but_may_cost_windows() {
        let (slower, faster): (&[u64], &[u64]) =
            (&[100, 100, 80, 90, 100], &[100, 100, 130, 90, 100]);
        assert_eq!(warmth(&[slower, faster, slower, slower]), warm(3));
        assert_eq!(warmth(&[faster, faster, slower, slower, faster]), warm(4));
        // Quartiles overlap, and all sessions say the same.
        let [little, least]: [&[u64]; 2] = [&[104, 104, 104, 100, 100], &[103, 103, 103, 100, 100]];
        assert_eq!((warmth(&[little; 4]), warmth(&[least; 4])), (warm(4), warm(3)));
        // By hand: 5 % and 8 %, of which half of the sessions say the opposite.
        let half = |us: u64| {
            let [falls, rises] = [100 + us, 100 - us].map(|it| [150, 150, it, 100, 100]);
            warmth(&[&falls, &rises, &rises, &falls])
        };
        assert_eq!((half(5), half(8)), (warm(3), warm(4)));
        // Two say that it still falls, and two that it does not.
        let [falls, rises]: [&[u64]; 2] = [&[150, 150, 150, 130, 100], &[150, 150, 150, 80, 100]];
        assert_eq!(warmth(&[falls, rises, rises, falls]), warm(4));
        assert_eq!(warmth(&[falls, falls, rises, falls, falls]), Warmth::Falling(300_000));
    }

    #[test]
    fn windows_of_another_size_show_nothing_together() {
        let mut known = WarmUps::default();
        let falls = session(&[180, 175, 170, 150, 120, 72, 71, 71]);
        for first_window in [40, 20, 40, 40, 50] {
            known.add(first_window, falls.clone());
        }
        assert_eq!((known.first_window(), known.warmth()), (Some(40), Warmth::Unknown));
        known.add(40, falls);
        assert_eq!((known.first_window(), known.warmth()), (Some(40), warm(6)));
    }

    #[test]
    fn a_round_trip_that_falls_needs_its_windows_and_is_not_cold() {
        let told = |trips: [u64; 5]| {
            let mut session = session(&[100; 5]);
            for (window, us) in session.iter_mut().zip(trips) {
                window[0].trip = Nanos::new(us * 1_000);
            }
            session
        };
        let of = |trips| Warmth::of(&[(); 4].map(|()| told(trips)));
        assert_eq!(of([400, 400, 300, 206, 200]), warm(4));
        assert_eq!(of([400, 400, 206, 204, 200]), warm(3));
        assert_eq!(of([400, 350, 300, 250, 200]), warm(4));
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
        assert_eq!((of(100), of(150)), (warm(3), warm(4)));
        // By hand: 50 us more than 100.
        let [before, after] = [150, 100].map(|us| session(&[us])[0][0]);
        assert_eq!((before.fall_to(&after), after.fall_to(&before)), (500_000, 0));
        assert_eq!(session(&[103])[0][0].fall_to(&after), 0);
    }
}
