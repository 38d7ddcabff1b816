//! Sessions that are held at the same time, each on a processor of its own.

use std::thread;

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
const AT_ONCE_MAX: usize = 2;

/// Who takes turns in the sessions of a comparison.
pub(super) enum Starters<'a> {
    Workers(Box<Workers<'a>>),
    Servers(ServerStarter<'a>),
}

/// What became of each session.
pub(super) type Held<'a> = Vec<Result<Vec<Outcome<'a>>, WorkerError>>;

/// Holds as many sessions of these items as there is room for; the first has this number.
pub(super) fn hold<'a>(
    setting: &Setting<'_>,
    starters: &Starters<'_>,
    items: &[Item<'a>],
    (seed, first): (u64, u64),
) -> Held<'a> {
    // As different as the hash of the number.
    let seed_of = |number: u64| (seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
    let mut cpus = allowed_cpus();
    shuffle(&mut ChaCha8Rng::seed_from_u64(seed_of(first)), &mut cpus);
    let workers = match starters {
        // Servers may share what there is once, such as a database.
        Starters::Servers(servers) => {
            let cpu = cpus.first().copied();
            return vec![session::run(setting, servers, items, seed_of(first), cpu)];
        }
        Starters::Workers(workers) => workers.as_ref(),
    };
    let mut places: Vec<Option<usize>> = cpus.into_iter().take(AT_ONCE_MAX).map(Some).collect();
    if places.is_empty() {
        places.push(None);
    }
    thread::scope(|scope| {
        let sessions: Vec<_> = (first..)
            .zip(places)
            .map(|(number, cpu)| {
                scope.spawn(move || session::run(setting, workers, items, seed_of(number), cpu))
            })
            .collect();
        let ended = sessions.into_iter().map(|session| match session.join() {
            Ok(outcomes) => outcomes,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}
