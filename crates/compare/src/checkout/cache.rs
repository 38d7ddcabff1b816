//! The directory in which refs are built, and the builds that are kept there.
//!
//! One process at a time: whoever holds [`Store`] holds the lock.

use std::{
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use sha2::{Digest, Sha256};

use super::{CheckoutError, command::TICK, relink::relinked_in};
use crate::temporary::remove;
use perf_passport::{files, text::hex, units::Bytes};

/// Builds that are kept: those used last.
const KEPT: usize = 8;

/// What a build that is not complete yet is called.
const UNFINISHED: &str = ".unfinished-";

/// The file that says which working tree a directory is for.
pub(super) const REPOSITORY: &str = "repository";

/// How the directory begins in which refs are checked out; then comes how many directories there are
/// around them. `perf_passport_meter` knows paths by it.
const CHECKED_OUT: &str = "perf-passport-source-";

/// The directory, locked.
pub(super) struct Store {
    root: PathBuf,
    around: PathBuf,
    source: PathBuf,
    /// Its lock is released when the last handle to it is closed.
    pub(super) lock: File,
}

/// A kept build.
pub(super) struct Kept {
    pub(super) executable: PathBuf,
    pub(super) executable_sha256: String,
    /// The same code at other addresses.
    pub(super) relinked: Vec<PathBuf>,
    /// The source, for what the executable reads when it runs.
    pub(super) source: PathBuf,
    /// Where its workers may keep what takes long to make. It need not be there.
    pub(super) cache: PathBuf,
}

impl Store {
    /// Waits for the lock of this directory, which is made if needed. It is for the repository at `top`.
    pub(super) fn open(
        (root, top): (&Path, &Path),
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, CheckoutError> {
        let failed = |source| CheckoutError::Io { path: root.to_owned(), source };
        fs::create_dir_all(root.join(BUILDS)).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        let lock = lock_file(&root).map_err(failed)?;
        let mut waits = false;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
            if !waits {
                progress("waiting for another comparison that builds here");
                waits = true;
            }
            if stop() {
                return Err(CheckoutError::Interrupted);
            }
            thread::sleep(TICK);
        }
        fs::write(root.join(REPOSITORY), top.as_os_str().as_bytes()).map_err(failed)?;
        let levels = top.components().count() - 1;
        let around = root.join(format!("{CHECKED_OUT}{levels}"));
        let source = around.join(top.strip_prefix("/").unwrap_or(top));
        fs::create_dir_all(source.parent().unwrap_or(&around)).map_err(failed)?;
        let store = Self { root, around, source, lock };
        store.clear_unfinished();
        Ok(store)
    }

    /// Where refs are checked out: in the same directories as the working tree, but of our own.
    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// What is the root directory to where refs are checked out.
    pub(super) fn around(&self) -> &Path {
        &self.around
    }

    /// Where our clone of the repository is.
    pub(super) fn clone_directory(&self) -> PathBuf {
        self.root.join("clone")
    }

    /// Where they are built.
    pub(super) fn target(&self) -> PathBuf {
        self.root.join("build")
    }

    /// The build of this key, if it is kept and whole.
    pub(super) fn find(&self, key: &str) -> Option<Kept> {
        let directory = self.root.join(BUILDS).join(key);
        let kept = Kept::in_directory(&directory).ok()?;
        let noted = files::read(&directory.join(DIGEST), DIGEST_MAX).ok()?;
        if noted.trim_ascii_end() != kept.executable_sha256.as_bytes() {
            return None;
        }
        touch(&directory);
        Some(kept)
    }

    /// Keeps an executable: all of it or nothing, also when this process is killed.
    ///
    /// `add` puts the source in the first directory that it is told, and executables at other
    /// addresses in the second.
    pub(super) fn keep(
        &self,
        key: &str,
        executable: &Path,
        add: impl FnOnce(&Path, &Path) -> Result<(), CheckoutError>,
    ) -> Result<Kept, CheckoutError> {
        let directory = self.root.join(BUILDS).join(key);
        let failed = |source| CheckoutError::Io { path: directory.clone(), source };
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(self.root.join(BUILDS))
            .map_err(failed)?;
        fs::copy(executable, unfinished.path().join(EXECUTABLE)).map_err(failed)?;
        let source = unfinished.path().join(SOURCE);
        fs::create_dir(&source).map_err(failed)?;
        add(&source, unfinished.path())?;
        let kept = Kept::in_directory(unfinished.path()).map_err(failed)?;
        fs::write(unfinished.path().join(DIGEST), &kept.executable_sha256).map_err(failed)?;
        remove(&directory).map_err(failed)?;
        fs::rename(unfinished.path(), &directory).map_err(failed)?;
        // It is no longer there under this name.
        let _ = unfinished.keep();
        self.forget_oldest();
        Kept::in_directory(&directory).map_err(failed)
    }

    fn clear_unfinished(&self) {
        for entry in fs::read_dir(self.root.join(BUILDS)).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Forgets all but the builds used last. What cannot be removed takes space and no more.
    fn forget_oldest(&self) {
        let entries = fs::read_dir(self.root.join(BUILDS)).into_iter().flatten().flatten();
        let mut builds: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        builds.sort();
        for (_, path) in builds.iter().rev().skip(KEPT) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// The longest text that is read where a digest should be.
const DIGEST_MAX: Bytes = Bytes::new(1_024);

const BUILDS: &str = "builds";
const EXECUTABLE: &str = "executable";
const DIGEST: &str = "executable.sha256";
const SOURCE: &str = "source";
const CACHE: &str = "cache";

impl Kept {
    fn in_directory(directory: &Path) -> io::Result<Self> {
        let executable = directory.join(EXECUTABLE);
        let relinked = relinked_in(directory)?;
        if !relinked.iter().chain([&executable]).all(|it| is_executable(it)) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let executable_sha256 = hex(&Sha256::digest(fs::read(&executable)?));
        let [source, cache] = [SOURCE, CACHE].map(|it| directory.join(it));
        Ok(Self { executable, executable_sha256, relinked, source, cache })
    }
}

/// Whether it is a file that its owner may execute, and no link to one.
fn is_executable(path: &Path) -> bool {
    let is = |it: fs::Metadata| it.is_file() && it.permissions().mode() & 0o500 == 0o500;
    fs::symlink_metadata(path).is_ok_and(is)
}

fn lock_file(root: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(root.join("lock"))
}

/// The lock of a directory, if nobody has it.
pub(super) fn lock_of_nobody(root: &Path) -> Option<File> {
    let lock = lock_file(root).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(lock)
}

/// Bytes of all files below a directory.
pub(super) fn size_of(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

/// Marks a directory as used now: by making a file in it, whatever the file system's clock is.
fn touch(directory: &Path) {
    let mark = directory.join("used");
    let _ = fs::remove_file(&mark);
    let _ = fs::write(mark, "");
}

/// The digest of parts, none of which can run into the next.
pub(super) fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}
