//! A directory for what a comparison writes while it runs: copies of executables, what workers keep,
//! figures of callgrind.
//!
//! It is gone with the comparison. One that is killed outright removes nothing, so the first directory
//! that a later comparison makes, of whichever project, takes away what others left: whose directory it
//! is holds the lock of a file in it, and the system lets go of that however a process ends.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Once,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};

/// What directories are called.
const PREFIX: &str = "passport-compare-";

/// What they are called until they are locked.
const UNLOCKED: &str = ".passport-unlocked-";

/// The file whose lock is held, and what is in it: by that a directory is known as one of these, and not
/// somebody's of the same name.
const LOCK: &str = "lock";
const MARK: &str = "perf-passport: this directory is removed with the comparison that made it\n";

/// A directory that is removed when it is dropped, or by a later comparison.
#[derive(Debug)]
pub struct TemporaryDirectory {
    path: PathBuf,
    /// Held, and never read.
    _lock: File,
}

impl TemporaryDirectory {
    /// A new one where the system has temporary files. The first one of a process removes those that
    /// are nobody's any more.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        let parent = std::env::temp_dir();
        SWEPT.call_once(|| sweep(&parent));
        Self::new_in(&parent)
    }

    fn new_in(parent: &Path) -> io::Result<Self> {
        let made = tempfile::Builder::new().prefix(UNLOCKED).tempdir_in(parent)?;
        let mut lock = File::create_new(made.path().join(LOCK))?;
        lock.write_all(MARK.as_bytes())?;
        // Where a file system knows no locks, nobody gets this one either: the directory stays.
        let _ = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        let name = made.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("{PREFIX}{}", name.trim_start_matches(UNLOCKED));
        let path = made.path().with_file_name(name);
        // Only now can anyone take it for one that is nobody's.
        fs::rename(made.path(), &path)?;
        let _ = made.keep();
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What stays is taken away by a later comparison.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories of this user that are nobody's any more. What cannot be removed stays.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(directory: &Path) {
    // A link leads elsewhere, and is not what was made here.
    let ours = fs::symlink_metadata(directory)
        .is_ok_and(|it| it.is_dir() && it.uid() == geteuid().as_raw());
    if !ours {
        return;
    }
    let path = directory.join(LOCK);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|it| it.is_file());
    let Some(lock) = is_file.then(|| File::open(path).ok()).flatten() else { return };
    let mut mark = String::new();
    // One byte more than it may have.
    let read = (&lock).take(MARK.len() as u64 + 1).read_to_string(&mut mark);
    if read.is_err() || mark != MARK {
        return;
    }
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
        let _ = fs::remove_dir_all(directory);
    }
}

/// Removes what is at a path, whatever it is.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let entries = fs::read_dir(parent).unwrap();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_directory_is_gone_with_whom_it_belongs_to() {
        let parent = tempfile::tempdir().unwrap();
        let directory = TemporaryDirectory::new_in(parent.path()).unwrap();
        assert!(directory.path().is_absolute() && directory.path().is_dir());
        assert!(directory.path().starts_with(parent.path()));
        fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(names(parent.path()).len(), 1);
        drop(directory);
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn what_a_killed_comparison_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let place = |name: &str| parent.path().join(name);
        // As a kill leaves it: with a lock that nobody holds.
        let left = place("passport-compare-left");
        fs::create_dir_all(left.join("deep")).unwrap();
        fs::write(left.join("deep/file"), "").unwrap();
        fs::write(left.join(LOCK), MARK).unwrap();
        let of_others =
            [place("passport-compare-unlocked"), place("other"), place("passport-compare-notes")];
        for directory in &of_others {
            fs::create_dir(directory).unwrap();
        }
        fs::write(of_others[1].join(LOCK), MARK).unwrap();
        // A lock, and not one that was made here.
        fs::write(of_others[2].join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(&of_others[1], place("passport-compare-link")).unwrap();
        let held = TemporaryDirectory::new_in(parent.path()).unwrap();
        sweep(parent.path());
        assert!(!left.exists());
        assert!(held.path().is_dir());
        assert!(of_others.iter().all(|it| it.is_dir()));
        assert!(of_others[1].join(LOCK).exists());
    }
}
