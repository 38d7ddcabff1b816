//! Where a comparison keeps what it needs of its sides while it lasts.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use super::{Side, TemporaryDirectory, WorkerError};
use crate::worker::CACHE_DIRECTORY;

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

/// The side with a directory for its workers.
pub(super) fn with_cache(side: &Side, directory: &Path, role: &str) -> Result<Side, WorkerError> {
    let failed = |error: io::Error| WorkerError::NoDirectory(error.to_string());
    let cache = directory.join(format!("cache-{role}"));
    fs::create_dir(&cache).map_err(failed)?;
    let mut side = side.clone();
    side.environment.push((CACHE_DIRECTORY.into(), cache.into()));
    Ok(side)
}

/// The side with an executable that is smaller, where there is somebody to make it so.
pub(super) fn without_debug_information(mut side: Side, directory: &Path, role: &str) -> Side {
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
