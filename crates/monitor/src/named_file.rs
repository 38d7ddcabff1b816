//! Files of a directory, read up to a limit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use perf_passport::{
    files,
    units::{BYTES_PER_MB, Bytes},
};

use crate::error::MonitorError;

const FILE_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// A file of a directory.
#[derive(Debug, Clone)]
pub(crate) struct NamedFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The files of a directory whose names end so, by name; none where there is no directory.
///
/// # Errors
///
/// [`MonitorError::Unreadable`].
pub(crate) fn in_directory(
    directory: &Path,
    endings: &[&str],
) -> Result<Vec<NamedFile>, MonitorError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory, error.to_string())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(directory, error.to_string()))?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        if !endings.iter().any(|it| name.ends_with(it)) {
            continue;
        }
        // One that is gone meanwhile is not there.
        if let Some(text) = one(&path)? {
            found.push(NamedFile { name: name.to_owned(), path: path.clone(), text });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The text of a file; none where there is no file.
///
/// # Errors
///
/// [`MonitorError::Unreadable`].
pub(crate) fn one(path: &Path) -> Result<Option<String>, MonitorError> {
    let bytes = match files::read(path, FILE_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error.to_string())),
    };
    let text = String::from_utf8(bytes).map_err(|error| unreadable(path, error.to_string()))?;
    Ok(Some(text))
}

fn unreadable(path: &Path, message: String) -> MonitorError {
    MonitorError::Unreadable { path: path.to_owned(), message }
}
