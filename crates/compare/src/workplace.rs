//! Where a comparison keeps what it needs of its sides while it lasts.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use perf_passport::{
    contract::Check,
    text::hex,
    units::Nanos,
    worker::{CACHE_DIRECTORY, protocol::Question},
};

use sha2::{Digest, Sha256};

use crate::{
    deadlines::FIXTURE_TIME,
    error::WorkerError,
    loaded_code::has_more_than_its_parts,
    process::{Placement, Worker, copy_path},
    side::{Side, Sides},
    temporary::{TemporaryDirectory, remove},
    watch::Watch,
};

/// A directory that is gone with the comparison.
pub(super) fn temporary_directory() -> Result<TemporaryDirectory, WorkerError> {
    TemporaryDirectory::new().map_err(|error| WorkerError::NoDirectory(error.to_string()))
}

/// The side with an executable that is copied quickly, and a directory for its workers.
pub(super) fn prepared(side: &Side, directory: &Path, role: &str) -> Result<Side, WorkerError> {
    let side = with_cache(side, directory, role)?;
    if !side.relinked.is_empty() {
        return Ok(side);
    }
    // Debug information is nine tenths of an executable, and of the time to copy it.
    Ok(without_debug_information(side, directory, role))
}

/// The side with a directory for its workers, if it has none yet.
pub(super) fn with_cache(side: &Side, directory: &Path, role: &str) -> Result<Side, WorkerError> {
    let failed = |error: io::Error| WorkerError::NoDirectory(error.to_string());
    let mut side = side.clone();
    if side.environment.iter().all(|(name, _)| name != CACHE_DIRECTORY) {
        let cache = directory.join(format!("cache-{role}"));
        fs::create_dir(&cache).map_err(failed)?;
        side.environment.push((CACHE_DIRECTORY.into(), cache.into()));
    }
    Ok(side)
}

/// The sides with directories that all their workers share, in which these already keep what they need for
/// the checks: to fill a database may take longer than all that is measured.
///
/// What goes wrong with a worker goes wrong again when it is observed, and is told then.
///
/// Where baseline and current side are the same code, as `is_same_code` says, they share a directory. It is
/// kept with the build of the baseline, if there is no anchor. Two builds have fresh directories: what one of
/// them kept may have been changed by those who used it, and that would be a difference.
///
/// # Errors
///
/// When a directory cannot be made, and when the user interrupts.
pub(crate) fn with_caches(
    sides: Sides,
    is_same_code: bool,
    checks: &[&Check],
    directory: &TemporaryDirectory,
    watch: Watch<'_>,
) -> Result<Sides, WorkerError> {
    // Gone when they are filled, with all else that those workers write.
    let place = temporary_directory()?;
    let kept = sides.baseline.kept_cache.clone();
    // Operations may keep something too, and nobody knows when it is whole.
    let is_kept = is_same_code && sides.anchor.is_none() && !checks.is_empty();
    if let Some(kept) = kept.filter(|_| is_kept) {
        let full = kept_fixtures(&sides.baseline, &kept, checks, place.path(), watch)?;
        if let Some(full) = full {
            return Ok(sides.map(|side| in_cache(side, &full)));
        }
    }
    let directory = directory.path();
    // All names are as long, as they are in the environment, which is on the stack.
    let baseline = with_cache(&sides.baseline, directory, "0")?;
    let current = if is_same_code {
        let cache = baseline.environment.iter().find(|(name, _)| name == CACHE_DIRECTORY);
        let cache = cache.map(|(_, cache)| PathBuf::from(cache));
        cache.iter().fold(sides.current, |current, cache| in_cache(current, cache))
    } else {
        with_cache(&sides.current, directory, "1")?
    };
    let anchor = sides.anchor.map(|side| with_cache(&side, directory, "2")).transpose()?;
    let sides = Sides { baseline, current, anchor };
    let all = [Some(&sides.baseline), Some(&sides.current).filter(|_| !is_same_code)];
    let all: Vec<&Side> = all.into_iter().chain([sides.anchor.as_ref()]).flatten().collect();
    fill_caches(&all, checks, place.path(), watch)?;
    Ok(sides)
}

/// The directory below `kept` with all fixtures of these checks, which is filled where no earlier comparison did;
/// `None` where a worker cannot. It gets its name once it is full, so that whoever is killed leaves nothing that
/// others use.
fn kept_fixtures(
    side: &Side,
    kept: &Path,
    checks: &[&Check],
    directory: &Path,
    watch: Watch<'_>,
) -> Result<Option<PathBuf>, WorkerError> {
    let failed = |error: io::Error| WorkerError::NoDirectory(error.to_string());
    let full = kept.join(name_of_fixtures(checks));
    if full.is_dir() {
        return Ok(Some(full));
    }
    if !kept.is_dir() {
        remove(kept).map_err(failed)?;
    }
    fs::create_dir_all(kept).map_err(failed)?;
    let filling = tempfile::tempdir_in(kept).map_err(failed)?;
    if !fill_caches(&[&in_cache(side.clone(), filling.path())], checks, directory, watch)? {
        return Ok(None);
    }
    match fs::rename(filling.path(), &full) {
        Ok(()) => drop(filling.keep()),
        // Another comparison was faster.
        Err(_) if full.is_dir() => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(Some(full))
}

/// The side whose workers share this directory.
fn in_cache(mut side: Side, cache: &Path) -> Side {
    side.environment.retain(|(name, _)| name != CACHE_DIRECTORY);
    side.environment.push((CACHE_DIRECTORY.into(), cache.into()));
    side
}

/// The name of a directory that has all fixtures of these checks.
fn name_of_fixtures(checks: &[&Check]) -> String {
    let fixtures: BTreeSet<&str> = checks.iter().map(|check| check.fixture.as_str()).collect();
    let fixtures = fixtures.into_iter().fold(Sha256::new(), |digest, fixture| {
        digest.chain_update((fixture.len() as u64).to_le_bytes()).chain_update(fixture)
    });
    hex(&fixtures.finalize())
}

/// Has workers bring themselves into the state of every fixture, and says whether all could. The sides do it
/// at the same time.
pub(super) fn fill_caches(
    sides: &[&Side],
    checks: &[&Check],
    directory: &Path,
    watch: Watch<'_>,
) -> Result<bool, WorkerError> {
    if checks.is_empty() {
        return Ok(true);
    }
    let mut workers = Vec::new();
    for (number, side) in sides.iter().enumerate() {
        let copy = copy_path(directory, &format!("fixtures-{number}"));
        match Worker::start(side, &copy, Placement::ANYWHERE, watch) {
            Ok((worker, _)) => workers.push(worker),
            Err(WorkerError::Interrupted) => return Err(WorkerError::Interrupted),
            Err(_) => {}
        }
    }
    let mut all_could = workers.len() == sides.len();
    let mut filled = BTreeSet::new();
    for check in checks.iter().filter(|check| filled.insert(&check.fixture)) {
        let question = Question::Prepare { check: check.id(), samples: 1, time: Nanos::ZERO };
        let told: Vec<_> = workers.iter_mut().map(|worker| worker.tell(&question)).collect();
        let mut answers = told.into_iter();
        let mut interrupted = false;
        workers.retain_mut(|worker| {
            let told = answers.next().unwrap_or(Ok(()));
            let heard = told.and_then(|()| worker.hear(FIXTURE_TIME).map(drop));
            interrupted |= heard == Err(WorkerError::Interrupted);
            all_could &= heard.is_ok();
            // One that says that it cannot may be asked for the next.
            heard.is_ok() || matches!(heard, Err(WorkerError::Refused { .. }))
        });
        if interrupted {
            return Err(WorkerError::Interrupted);
        }
    }
    Ok(all_could)
}

/// The side with an executable that is smaller, where there is somebody to make it so, and where that
/// leaves nothing out that the program may read of itself.
pub(super) fn without_debug_information(mut side: Side, directory: &Path, role: &str) -> Side {
    let bytes = fs::read(&side.executable).unwrap_or_default();
    if has_more_than_its_parts(&bytes) {
        return side;
    }
    drop(bytes);
    let executable = directory.join(format!("executable-{role}"));
    let stripped = Command::new("strip")
        .args(["--strip-debug", "-o"])
        .args([&executable, &side.executable])
        .stderr(Stdio::null())
        .status();
    if stripped.is_ok_and(|status| status.success()) {
        side.executable = executable;
    }
    side
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use perf_passport::{clock::SystemClock, contract::Contract};

    use super::*;

    #[test]
    fn one_build_fills_one_directory_and_two_builds_fill_two() {
        let side = |label: &str| Side::of_executable(label, "/none".into(), String::new());
        let clock = SystemClock::start();
        let watch = Watch { clock: &clock, stop: &|| false };
        let directories = |is_same_code| {
            let sides = Sides { baseline: side("a"), current: side("b"), anchor: Some(side("c")) };
            let directory = temporary_directory().unwrap();
            let sides = with_caches(sides, is_same_code, &[], &directory, watch).unwrap();
            let of = |side: &Side| side.environment.last().unwrap().clone();
            [of(&sides.baseline), of(&sides.current), of(sides.anchor.as_ref().unwrap())]
        };
        let [baseline, current, anchor] = directories(true);
        assert!(baseline == current && current != anchor, "{baseline:?} {current:?} {anchor:?}");
        let [baseline, current, anchor] = directories(false);
        assert!(baseline != current && current != anchor && anchor != baseline);
    }

    #[test]
    fn one_build_is_filled_once_for_all_comparisons_and_two_builds_in_each() {
        let directory = temporary_directory().unwrap();
        let kept = directory.path().join("kept");
        // It notes that it was started, and is no worker.
        let executable = directory.path().join("executable");
        let starts = directory.path().join("starts");
        let script = format!("#!/bin/sh\necho x >> '{}'\n", starts.display());
        fs::write(&executable, script).unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).unwrap();
        let contract = Contract::parse(
            "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"b\"\npath = \"/b\"\n",
        );
        let contract = contract.unwrap();
        let checks: Vec<&Check> = contract.checks.iter().collect();
        let side = |label: &str| Side {
            kept_cache: Some(kept.clone()),
            ..Side::of_executable(label, executable.clone(), String::new())
        };
        let clock = SystemClock::start();
        let watch = Watch { clock: &clock, stop: &|| false };
        let starts_of = |is_same_code, anchor: Option<Side>| {
            let _ = fs::remove_file(&starts);
            let sides = Sides { baseline: side("a"), current: side("b"), anchor };
            let directory = temporary_directory().unwrap();
            let sides = with_caches(sides, is_same_code, &checks, &directory, watch).unwrap();
            let cache = |side: &Side| PathBuf::from(&side.environment.last().unwrap().1);
            let is_kept = |side: &Side| cache(side).starts_with(&kept);
            let kept: Vec<bool> = sides.iter().map(is_kept).collect();
            (fs::read_to_string(&starts).unwrap_or_default().len() / 2, kept)
        };
        // Whoever cannot fill it leaves nothing there. A file in its place is in nobody's way.
        fs::write(&kept, "").unwrap();
        for _ in 0..2 {
            assert_eq!(starts_of(true, None), (2, vec![false, false]));
            assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
        }
        fs::create_dir(kept.join(name_of_fixtures(&checks))).unwrap();
        assert_eq!(starts_of(true, None), (0, vec![true, true]));
        // What operations keep is whole only when they say so, which they do not.
        let none = with_caches(
            Sides { baseline: side("a"), current: side("b"), anchor: None },
            true,
            &[],
            &temporary_directory().unwrap(),
            watch,
        );
        let none = none.unwrap().map(|side| PathBuf::from(&side.environment.last().unwrap().1));
        assert!(none.iter().all(|cache| !cache.starts_with(&kept)), "{none:?}");
        assert_eq!(starts_of(false, None), (2, vec![false, false]));
        assert_eq!(starts_of(true, Some(side("c"))), (2, vec![false, false, false]));
    }
}
