//! Sessions that are held at the same time, each on a processor of its own.

use std::{num::NonZero, thread};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Item, WorkerError,
    process::allowed_cpus,
    random::shuffle,
    served::ServerStarter,
    session::{self, Outcome, Setting},
    subject::Workers,
};

/// Sessions at the same time, at most. What they take from each other is noise, and alike on all sides
/// of a session; other processors are left to whoever else needs them.
pub const AT_ONCE_MAX: usize = 2;

/// Who takes turns in the sessions of a comparison.
pub(super) enum Starters<'a> {
    Workers(Box<Workers<'a>>),
    Servers(ServerStarter<'a>),
}

/// What became of each session.
pub(super) type Held<'a> = Vec<Result<Vec<Outcome<'a>>, WorkerError>>;

/// The processors of the next sessions, one for each; `None` where nobody knows which there are.
pub(super) fn places(starters: &Starters<'_>, (seed, first): (u64, u64)) -> Vec<Option<usize>> {
    let at_once = match starters {
        // As many as there is time for: a container may have less of it than it has processors.
        Starters::Workers(_) => thread::available_parallelism().map_or(1, NonZero::get),
        // Servers may share what there is once, such as a database.
        Starters::Servers(_) => 1,
    };
    places_of(allowed_cpus(), at_once, seed_of(seed, first))
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

/// Holds a session of these items at each place; the first has this number.
pub(super) fn hold<'a>(
    setting: &Setting<'_>,
    starters: &Starters<'_>,
    items: &[Item<'a>],
    (seed, first): (u64, u64),
    places: &[Option<usize>],
) -> Held<'a> {
    let numbered = (first..).zip(places);
    let workers = match starters {
        Starters::Workers(workers) => workers.as_ref(),
        Starters::Servers(servers) => {
            return numbered
                .map(|(number, cpu)| {
                    session::run(setting, servers, items, seed_of(seed, number), *cpu)
                })
                .collect();
        }
    };
    thread::scope(|scope| {
        let sessions: Vec<_> = numbered
            .map(|(number, cpu)| {
                scope.spawn(move || {
                    session::run(setting, workers, items, seed_of(seed, number), *cpu)
                })
            })
            .collect();
        let ended = sessions.into_iter().map(|session| match session.join() {
            Ok(outcomes) => outcomes,
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
