//! Sessions that are held at the same time, each on a processor of its own.

use std::{num::NonZero, thread};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{
    error::WorkerError,
    item::Item,
    process::allowed_cpus,
    random::shuffle,
    server_subject::ServerStarter,
    session::{self, ItemResult, SessionSetting},
    subject::WorkerStarter,
};

/// Sessions at the same time, at most. What they take from each other is noise, and alike on all sides
/// of a session; other processors are left to whoever else needs them.
pub(crate) const AT_ONCE_MAX: usize = 2;

/// Who takes turns in the sessions of a comparison.
pub(super) enum Starters<'a> {
    Workers(Box<WorkerStarter<'a>>),
    Servers(Box<ServerStarter<'a>>),
}

/// The next sessions, which are held at the same time.
pub(crate) struct Round {
    /// Of the comparison.
    seed: u64,
    /// The number of the first session, from 1.
    first: u64,
    /// The processor of each session; `None` where nobody knows which processors there are.
    pub(crate) places: Vec<Option<usize>>,
}

impl Round {
    /// The round that begins with the session of this number.
    pub(crate) fn new(starters: &Starters<'_>, seed: u64, first: u64) -> Self {
        let at_once = match starters {
            // As many as there is time for: a container may have less of it than it has processors.
            Starters::Workers(_) => thread::available_parallelism().map_or(1, NonZero::get),
            // Servers may share what there is once, such as a database.
            Starters::Servers(_) => 1,
        };
        Self { seed, first, places: places_of(allowed_cpus(), at_once, seed_of(seed, first)) }
    }

    /// Seed and processor of each session.
    fn sessions(&self) -> impl Iterator<Item = (u64, Option<usize>)> + use<'_> {
        let seed = |number| seed_of(self.seed, number);
        (self.first..).map(seed).zip(self.places.iter().copied())
    }
}

fn places_of(mut cpus: Vec<usize>, at_once: usize, seed: u64) -> Vec<Option<usize>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Not the numbers that the first session draws.
    random.set_stream(1);
    shuffle(&mut random, &mut cpus);
    cpus.truncate(at_once.min(AT_ONCE_MAX));
    let places: Vec<Option<usize>> = cpus.into_iter().map(Some).collect();
    if places.is_empty() { vec![None] } else { places }
}

/// Holds a session of these items at each place; what became of each session.
pub(crate) fn hold<'a>(
    setting: &SessionSetting<'_>,
    starters: &Starters<'_>,
    items: &[Item<'a>],
    round: &Round,
) -> Vec<Result<Vec<ItemResult<'a>>, WorkerError>> {
    let workers = match starters {
        Starters::Workers(workers) => workers.as_ref(),
        Starters::Servers(servers) => {
            let hold = |(seed, cpu)| session::run(setting, servers.as_ref(), items, seed, cpu);
            return round.sessions().map(hold).collect();
        }
    };
    thread::scope(|scope| {
        let hold =
            |(seed, cpu)| scope.spawn(move || session::run(setting, workers, items, seed, cpu));
        let sessions: Vec<_> = round.sessions().map(hold).collect();
        let ended = sessions.into_iter().map(|session| match session.join() {
            Ok(results) => results,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}

/// The seed of a session: as different from that of another as the hash of its number.
fn seed_of(seed: u64, number: u64) -> u64 {
    (seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_different_processors_and_no_more_than_there_is_time_for() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let places = places_of(vec![0, 1, 5], 3, seed);
            assert_eq!(places.len(), AT_ONCE_MAX);
            assert_ne!(places[0], places[1]);
            assert_eq!(places, places_of(vec![0, 1, 5], 3, seed));
            seen.insert(places);
            assert_eq!(places_of(vec![0, 1, 5], 1, seed).len(), 1);
        }
        assert_eq!(seen.len(), 6);
        assert_eq!(places_of(vec![3], 8, 1), [Some(3)]);
        assert_eq!(places_of(Vec::new(), 8, 1), [None]);
    }
}
