//! Files that are named on the command line, read up to a limit.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use perf_passport::units::Bytes;

/// Reads a whole file, whatever it says of its length.
///
/// # Errors
///
/// The system's error, or [`io::ErrorKind::FileTooLarge`] beyond `limit`.
pub(super) fn read(path: &Path, limit: Bytes) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.get().saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.get() {
        let message = format!("it is larger than {limit}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
