//! Files that are to be checked, read up to a limit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use perf_passport::{
    files,
    units::{BYTES_PER_MB, Bytes},
};

use crate::{error::MonitorError, rule::RuleFile};

const FILE_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// A file of a directory.
#[derive(Debug, Clone)]
pub(super) struct NamedFile {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A file of rules.
#[derive(Debug, Clone)]
pub(super) struct NamedRules {
    pub(super) name: String,
    pub(super) rules: RuleFile,
}

/// The files of a directory whose names end so, by name; none where there is no directory.
///
/// # Errors
///
/// [`MonitorError::Unreadable`].
pub(super) fn in_directory(
    directory: &Path,
    endings: &[&str],
) -> Result<Vec<NamedFile>, MonitorError> {
    let unreadable =
        |path: &Path, message: String| MonitorError::Unreadable { path: path.to_owned(), message };
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
        let bytes =
            files::read(&path, FILE_MAX).map_err(|error| unreadable(&path, error.to_string()))?;
        let text =
            String::from_utf8(bytes).map_err(|error| unreadable(&path, error.to_string()))?;
        found.push(NamedFile { name: name.to_owned(), path: path.clone(), text });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The rules of files.
///
/// # Errors
///
/// [`MonitorError::Unreadable`] where one is no YAML, or has no rules.
pub(super) fn rules(files: &[NamedFile]) -> Result<Vec<NamedRules>, MonitorError> {
    let one = |file: &NamedFile| match serde_norway::from_str(&file.text) {
        Ok(rules) => Ok(NamedRules { name: file.name.clone(), rules }),
        Err(error) => {
            Err(MonitorError::Unreadable { path: file.path.clone(), message: error.to_string() })
        }
    };
    files.iter().map(one).collect()
}
