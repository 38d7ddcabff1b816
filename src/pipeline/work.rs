//! Work that is added to a sample, to see whether it is found.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

use crate::{clock::Clock, units::Nanos};

/// What the work consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// Instructions, each of which needs the one before.
    #[default]
    Arithmetic,
    /// Waiting for memory: a load from a random place, whose address is known only after the load
    /// before. As good as nothing for whoever counts instructions.
    Memory,
}

/// Bytes that loads go to: more than a processor's caches hold.
const TABLE_BYTES: usize = 64 << 20;

/// Bytes that one load fetches.
const LINE_BYTES: usize = 64;

/// Keeps a process busy in rounds of one kind of work; of arithmetic by default.
#[derive(Default)]
pub struct Work {
    kind: WorkKind,
    /// For each line of the table the line after it; one cycle through all of them.
    table: Vec<[u32; LINE_BYTES / 4]>,
    at: u32,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Work {
    /// Work of this kind; that of memory needs some tens of milliseconds to make its table.
    pub fn new(kind: WorkKind) -> Self {
        let table = match kind {
            WorkKind::Arithmetic => Vec::new(),
            WorkKind::Memory => cycle(TABLE_BYTES / LINE_BYTES),
        };
        Self { kind, table, at: 0 }
    }

    /// Its kind.
    pub fn kind(&self) -> WorkKind {
        self.kind
    }

    /// Works for so many rounds: of memory, loads.
    // NOTE: so it is compiled as the caller is, and a test of what it costs needs no optimised library.
    #[inline]
    pub fn rounds(&mut self, rounds: u64) {
        match self.kind {
            WorkKind::Arithmetic => arithmetic(rounds),
            WorkKind::Memory => {
                let mut at = self.at;
                for _ in 0..rounds {
                    at = self.table[at as usize][0];
                }
                self.at = black_box(at);
            }
        }
    }
}

/// Work that is added after samples, and how long it takes there.
///
/// To be asked for work takes time too, and so do two readings of the clock: together about 20 ns,
/// nothing in a sample of a millisecond, and a third of the 2 % of one of 3 us. So what is added is
/// told without.
pub(super) struct AddedWork<'a> {
    work: Work,
    clock: &'a dyn Clock,
    /// How long many rounds took, and how long few did.
    many: Vec<Nanos>,
    few: Vec<Nanos>,
    pace: Pace,
}

/// How long rounds take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pace {
    /// So many rounds...
    rounds: u64,
    /// ...take so long.
    time: Nanos,
    /// What it takes to be asked for any.
    call: Nanos,
}

impl<'a> AddedWork<'a> {
    /// Work whose pace is not known yet.
    pub(super) fn new(work: Work, clock: &'a dyn Clock) -> Self {
        Self { work, clock, many: Vec::new(), few: Vec::new(), pace: Pace::default() }
    }

    /// Gives the work back.
    pub(super) fn into_work(self) -> Work {
        self.work
    }

    /// Works for some microseconds, to learn the pace from. To be called after each of the samples
    /// that tell how long one takes: so both are at the same clock rate, and the work finds of itself
    /// in the caches what it will find there.
    pub(super) fn try_out(&mut self) {
        let (many, few) = trial_rounds(self.work.kind());
        if self.few.len() < self.many.len() {
            let time = self.timed(few);
            self.few.push(time);
        } else {
            let time = self.timed(many);
            self.many.push(time);
        }
    }

    /// Learns the pace from the second half of what was tried out.
    pub(super) fn learn(&mut self) {
        let (many, few) = trial_rounds(self.work.kind());
        self.pace = Pace::of((many, settled(&mut self.many)), (few, settled(&mut self.few)));
    }

    /// Rounds that take about so long.
    pub(super) fn rounds_in(&self, time: Nanos) -> u64 {
        let of = self.pace.time.get().max(1);
        time.get().saturating_mul(self.pace.rounds).saturating_add(of / 2) / of
    }

    /// Works for so many rounds; how long they took.
    pub(super) fn add(&mut self, rounds: u64) -> Nanos {
        match rounds {
            0 => Nanos::ZERO,
            _ => self.timed(rounds).saturating_sub(self.pace.call),
        }
    }

    fn timed(&mut self, rounds: u64) -> Nanos {
        let start = self.clock.elapsed();
        self.work.rounds(rounds);
        self.clock.elapsed().saturating_sub(start)
    }
}

impl Pace {
    /// The line through two points.
    fn of((many, long): (u64, Nanos), (few, short): (u64, Nanos)) -> Self {
        if short.saturating_mul(2) >= long {
            // The processor had other things to do: few are a tenth of many, or less.
            return Self { rounds: many, time: long, call: Nanos::ZERO };
        }
        let (rounds, time) = (many.saturating_sub(few), long.saturating_sub(short));
        let in_few = few.saturating_mul(time.get()) / rounds.max(1);
        Self { rounds, time, call: short.saturating_sub(Nanos::new(in_few)) }
    }
}

/// Many rounds take some microseconds, and few a small part of that. More would displace from the
/// caches what the next sample needs.
const fn trial_rounds(kind: WorkKind) -> (u64, u64) {
    match kind {
        WorkKind::Arithmetic => (2_000, 100),
        WorkKind::Memory => (50, 5),
    }
}

/// The median of the second half: the first one is a process that gets warm.
pub(super) fn settled(times: &mut [Nanos]) -> Nanos {
    let half = times.len() / 2;
    let times = &mut times[half..];
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[inline]
fn arithmetic(rounds: u64) {
    let mut state = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

/// One cycle through all lines in random order, by the algorithm of Sattolo (1986).
fn cycle(lines: usize) -> Vec<[u32; LINE_BYTES / 4]> {
    let mut next: Vec<u32> = (0..).take(lines).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..lines).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let other = (state >> 33) % last as u64;
        next.swap(last, usize::try_from(other).unwrap_or_default());
    }
    next.into_iter().map(|line| [line; LINE_BYTES / 4]).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::SystemTime,
    };

    use super::*;

    #[test]
    fn loads_go_through_every_line_before_one_comes_again() {
        let table = cycle(1_000);
        let (mut at, mut seen) = (0_u32, std::collections::BTreeSet::new());
        while seen.insert(at) {
            at = table[at as usize][0];
        }
        assert_eq!((seen.len(), at), (1_000, 0));
    }

    #[test]
    fn the_pace_is_that_of_the_rounds_alone() {
        let ns = Nanos::new;
        // 3 ns each, and 20 for any.
        let pace = Pace::of((2_000, ns(6_020)), (100, ns(320)));
        assert_eq!(pace, Pace { rounds: 1_900, time: ns(5_700), call: ns(20) });
        // Few that took longer than many, or nearly as long.
        for short in [9_000, 5_500] {
            let pace = Pace::of((2_000, ns(6_020)), (100, ns(short)));
            assert_eq!(pace, Pace { rounds: 2_000, time: ns(6_020), call: ns(0) });
        }
    }

    /// A clock that is read in 7 ns.
    #[derive(Default)]
    struct Slow(AtomicU64);

    impl Clock for Slow {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn elapsed(&self) -> Nanos {
            Nanos::new(self.0.fetch_add(7, Ordering::Relaxed))
        }
    }

    #[test]
    fn what_it_takes_to_be_asked_is_not_added() {
        let clock = Slow::default();
        let mut added = AddedWork::new(Work::default(), &clock);
        for _ in 0..12 {
            added.try_out();
        }
        assert_eq!((added.many.len(), added.few.len()), (6, 6));
        added.learn();
        // Few and many take as long by this clock.
        assert_eq!(added.pace, Pace { rounds: 2_000, time: Nanos::new(7), call: Nanos::ZERO });
        added.pace.call = Nanos::new(7);
        assert_eq!(added.add(1_000), Nanos::ZERO);
    }

    #[test]
    fn rounds_are_as_many_as_take_the_time() {
        let clock = Slow::default();
        let mut added = AddedWork::new(Work::default(), &clock);
        added.pace = Pace { rounds: 1_900, time: Nanos::new(3_800), call: Nanos::new(20) };
        assert_eq!(added.rounds_in(Nanos::new(60)), 30);
        assert_eq!(added.rounds_in(Nanos::new(59)), 30);
        assert_eq!(added.rounds_in(Nanos::ZERO), 0);
        added.pace = Pace::default();
        assert_eq!(added.rounds_in(Nanos::new(60)), 0);
    }

    #[test]
    fn rounds_go_on_where_the_last_ones_ended() {
        let mut work = Work::new(WorkKind::Memory);
        work.rounds(10);
        let after = work.at;
        work.rounds(1);
        assert_ne!(work.at, after);
    }
}
