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

    /// How long so many rounds take.
    pub(super) fn timed(&mut self, rounds: u64, clock: &dyn Clock) -> Nanos {
        let start = clock.elapsed();
        self.rounds(rounds);
        clock.elapsed().saturating_sub(start)
    }

    /// Works for so many rounds: of memory, loads.
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
    fn rounds_go_on_where_the_last_ones_ended() {
        let mut work = Work::new(WorkKind::Memory);
        work.rounds(10);
        let after = work.at;
        work.rounds(1);
        assert_ne!(work.at, after);
    }
}
