//! Whose a file is, so that only an index of ours is written or removed. Nothing is changed here.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::error::HistoryError;

/// Marks a database of SQLite as the index of a history: ASCII `PPhi`.
pub(super) const APPLICATION_ID: i32 = 0x5050_6869;

/// What a database of SQLite begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Where its application id is, as 4 bytes, the highest first (the SQLite file format, section 1.3).
const ID_AT: usize = 68;

/// What SQLite appends to the name of a database for the files beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// There is no file, or nothing in it.
    Nobody,
    /// It is an index of ours.
    Ours,
    /// It is something else.
    Others,
}

/// Whose the file at this path is.
pub(super) fn holder(path: &Path) -> Result<Holder, HistoryError> {
    let failed = |source| HistoryError::Read { path: path.to_owned(), source };
    // Before the file itself: a process that makes an index makes the file first.
    let holds = |it: &PathBuf| fs::metadata(it).is_ok_and(|it| it.len() > 0);
    let has_beside = beside(path).iter().any(holds);
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(if has_beside { Holder::Others } else { Holder::Nobody });
        }
        metadata => metadata.map_err(failed)?,
    };
    if !metadata.is_file() {
        return Ok(Holder::Others);
    }
    if metadata.len() == 0 {
        return Ok(Holder::Nobody);
    }
    let mut header = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take((ID_AT + 4) as u64).read_to_end(&mut header).map_err(failed)?;
    let is_ours =
        header.starts_with(MAGIC) && header.get(ID_AT..) == Some(&APPLICATION_ID.to_be_bytes());
    Ok(if is_ours { Holder::Ours } else { Holder::Others })
}

/// The files beside a database.
pub(super) fn beside(path: &Path) -> [PathBuf; 3] {
    BESIDE.map(|suffix| {
        let mut name = OsString::from(path);
        name.push(suffix);
        name.into()
    })
}
