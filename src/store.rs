//! Passports on disk: whole or not at all.
//!
//! [`write()`] replaces a file whole, or writes to the device or FIFO that is there. [`keep`] files a
//! passport under its time and points `latest_performance_passport.json` at it, unless it leaves checks
//! out. Nothing here judges or prints.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    files::{self, Destination},
    passport::{HashError, Passport, VerifyError, verify},
    units::Bytes,
};

/// The link in an artifacts directory to the newest passport that leaves no check out.
pub const LATEST: &str = "latest_performance_passport.json";

/// The largest file that is read as a passport.
const FILE_MAX: Bytes = Bytes::new(512 * 1024 * 1024);

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
    /// The device or FIFO cannot be written to.
    #[error("cannot write to `{}`: {source}", path.display())]
    Send {
        /// The device or FIFO.
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
    files::read(path, FILE_MAX).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => StoreError::TooLarge { path: path.to_owned() },
        _ => StoreError::Read { path: path.to_owned(), source },
    })
}

/// Writes a passport, replacing the file whole; missing directories are made. Links are followed, and a
/// device or FIFO is written to.
///
/// # Errors
///
/// [`StoreError::Write`]: the file is then what it was before. [`StoreError::Send`] of a device or FIFO.
pub fn write(path: &Path, passport: &Passport) -> Result<(), StoreError> {
    write_bytes(path, &passport.to_bytes()?)
}

/// Writes bytes, as [`write()`] does a passport.
///
/// # Errors
///
/// Those of [`write()`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError::Write { path: path.to_owned(), source };
    let destination = Destination::of(path).map_err(failed)?;
    destination.write(bytes).map_err(|source| match destination {
        Destination::File(_) => failed(source),
        Destination::Stream(_) => StoreError::Send { path: path.to_owned(), source },
    })
}

/// Files a passport as `performance_passport_YYYYmmdd_HHMMSS_RUN.json` in `directory`, points
/// [`LATEST`] at it, and returns its path. A passport that leaves anything out, or was cut short, is not the
/// latest of the contract: the link stays where it is.
///
/// # Errors
///
/// [`StoreError::Write`]: nothing is filed then, and the link still points at the passport before.
pub fn keep(directory: &Path, passport: &Passport) -> Result<PathBuf, StoreError> {
    let name = file_name(passport);
    let path = directory.join(&name);
    write(&path, passport)?;
    let is_whole = passport.checks_left_out.is_empty() && passport.operations_left_out.is_empty();
    if !is_whole || !passport.complete {
        return Ok(path);
    }
    let link = directory.join(LATEST);
    files::link_beside(&link, &name).map_err(|source| {
        // It was filed a moment ago, and nobody was told of it.
        let _ = fs::remove_file(&path);
        StoreError::Write { path: link, source }
    })?;
    Ok(path)
}

/// Whether something can be filed in a directory, or in the one that it would be made in.
///
/// # Errors
///
/// [`StoreError::Write`] where it cannot.
pub fn try_directory(directory: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Write { path: directory.to_owned(), source };
    let is_there = |it: &&Path| fs::symlink_metadata(it).is_ok();
    let there = directory.ancestors().filter(|it| !it.as_os_str().is_empty()).find(is_there);
    let trial = there.unwrap_or(Path::new(".")).join(format!(".trial-{}", std::process::id()));
    // Never through a link: others may write there too.
    let made = fs::File::options().write(true).create_new(true).open(&trial);
    let mut file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(failed)?,
    };
    let written = file.write_all(b"a file can be written here");
    let _ = fs::remove_file(&trial);
    written.map_err(failed)
}

/// What the names of passports that were filed begin with.
const PASSPORT: &str = "performance_passport_";

/// The part of a filed passport's name that is its run's: what else belongs to the run is filed beside it
/// under names that end in it.
pub fn run_name(kept: &Path) -> String {
    let name = kept.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_prefix(PASSPORT).map_or(name.clone(), str::to_owned)
}

/// The name of the filed passport whose run has this [`run_name`].
pub fn name_of_run(run: &str) -> String {
    format!("{PASSPORT}{run}.json")
}

/// The time to the second, and the end of the run id to tell two runs within a second apart.
fn file_name(passport: &Passport) -> String {
    let digits: String = passport.timestamp.chars().filter(char::is_ascii_digit).collect();
    let (day, time) =
        (digits.get(..8).unwrap_or("00000000"), digits.get(8..14).unwrap_or("000000"));
    let run: String = passport.run_id.chars().filter(char::is_ascii_alphanumeric).collect();
    let run = run.get(run.len().saturating_sub(8)..).unwrap_or_default();
    name_of_run(&format!("{day}_{time}_{run}"))
}
