//! Passports on disk: whole or not at all.
//!
//! [`write()`] replaces a file by renaming a complete and synced one over it, so that neither a full
//! disk nor a kill leaves half a passport. [`keep`] files a passport under its time and points
//! `latest_performance_passport.json` at it, unless it leaves checks out. Nothing here judges or
//! prints.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::passport::{HashError, Passport, VerifyError, verify};

/// The link in an artifacts directory to the newest passport that leaves no check out.
pub const LATEST: &str = "latest_performance_passport.json";

/// The largest file that is read as a passport.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A passport that cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is too large to be a passport.
    #[error("cannot read `{}`: larger than 512 MiB, so it is no passport", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is read, and is not a sound passport.
    #[error("passport `{}`: {source}", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: VerifyError,
    },
    /// The file cannot be written; what was there before is unchanged.
    #[error("cannot write `{}`: {source}; what was there is unchanged", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The document cannot be written as JSON.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Reads and verifies a passport.
///
/// # Errors
///
/// [`StoreError`] when the file cannot be read, or is not a passport as it was written.
pub fn read(path: &Path) -> Result<Passport, StoreError> {
    let bytes = read_bytes(path)?;
    verify(&bytes).map_err(|source| StoreError::Unsound { path: path.to_owned(), source })
}

/// Reads a file that should hold a passport, without looking at it.
///
/// # Errors
///
/// [`StoreError::Read`], or [`StoreError::TooLarge`] beyond 512 MiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // What a file says of its length is not to be relied on: a device says 0.
    let mut file = File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(StoreError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Writes a passport, replacing the file whole; missing directories are made.
///
/// # Errors
///
/// [`StoreError::Write`]: the file is then what it was before.
pub fn write(path: &Path, passport: &Passport) -> Result<(), StoreError> {
    write_bytes(path, &passport.to_bytes()?)
}

/// Writes bytes, replacing the file whole; missing directories are made.
///
/// # Errors
///
/// [`StoreError::Write`]: the file is then what it was before.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, bytes).map_err(|source| StoreError::Write { path: path.to_owned(), source })
}

/// Files a passport as `performance_passport_YYYYmmdd_HHMMSS_RUN.json` in `directory`, points
/// [`LATEST`] at it, and returns its path. A passport that leaves anything out is not the latest of
/// the contract: the link stays where it is.
///
/// # Errors
///
/// [`StoreError::Write`]: the link then still points at the passport before.
pub fn keep(directory: &Path, passport: &Passport) -> Result<PathBuf, StoreError> {
    let name = file_name(passport);
    let path = directory.join(&name);
    write(&path, passport)?;
    if !passport.checks_left_out.is_empty() || !passport.operations_left_out.is_empty() {
        return Ok(path);
    }
    let link = directory.join(LATEST);
    point(&link, &name, &path).map_err(|source| StoreError::Write { path: link, source })?;
    Ok(path)
}

/// What the names of passports that were filed begin with.
const PASSPORT: &str = "performance_passport_";

/// The part of a filed passport's name that is its run's: what else belongs to the run is filed beside it
/// under names that end in it.
pub fn run_name(kept: &Path) -> String {
    let name = kept.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_prefix(PASSPORT).map_or(name.clone(), str::to_owned)
}

/// The time to the second, and the end of the run id to tell two runs within a second apart.
fn file_name(passport: &Passport) -> String {
    let digits: String = passport.timestamp.chars().filter(char::is_ascii_digit).collect();
    let (day, time) =
        (digits.get(..8).unwrap_or("00000000"), digits.get(8..14).unwrap_or("000000"));
    let run: String = passport.run_id.chars().filter(char::is_ascii_alphanumeric).collect();
    let run = run.get(run.len().saturating_sub(8)..).unwrap_or_default();
    format!("{PASSPORT}{day}_{time}_{run}.json")
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = parent(path) {
        fs::create_dir_all(parent)?;
    }
    let (temporary, mut file) = create_beside(path)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error of the write says more than one of the clean-up.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The new file is in its place, whole and synced. That its name survives a crash of the machine
    // is all that is still missing, and not every file system lets a directory be synced: it would
    // be untrue to say that nothing was written.
    let _ = sync_directory(path);
    Ok(())
}

/// Creates a file that did not exist, in the same directory so that renaming it is atomic.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    for attempt in 0..100 {
        let temporary = beside(path, attempt)?;
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "a hundred temporary files are in the way"))
}

fn beside(path: &Path, attempt: u32) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.{attempt}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// Makes the rename itself survive a crash, where that can be had.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(parent(path).unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the other systems")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Replaces the link in one step: there is no moment without one.
#[cfg(unix)]
fn point(link: &Path, name: &str, _: &Path) -> io::Result<()> {
    let temporary = beside(link, 0)?;
    let _ = fs::remove_file(&temporary);
    std::os::unix::fs::symlink(name, &temporary)?;
    let renamed = fs::rename(&temporary, link);
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// Where links need privileges, the newest passport is copied.
#[cfg(not(unix))]
fn point(link: &Path, _: &str, path: &Path) -> io::Result<()> {
    replace(link, &fs::read(path)?)
}
