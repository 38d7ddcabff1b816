//! What a command writes where the user says with `-o`: a file, a device, a FIFO, or standard output.
//!
//! The document that goes to standard output goes there alone. What else there is to say is said on
//! standard error then, which [`Output::print_beside`](super::output::Output::print_beside) does.

use std::path::Path;

use super::{exit::Failure, terminal};
use perf_passport::{passport::Passport, store};

/// What names standard output.
const STANDARD_OUTPUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Whether a document that is written there goes to standard output.
pub(super) fn is_standard_output(path: &Path) -> bool {
    STANDARD_OUTPUT.iter().any(|it| path == Path::new(it))
}

/// Writes a passport there.
pub(super) fn write_passport(path: &Path, passport: &Passport) -> Result<(), Failure> {
    write(path, &passport.to_bytes()?)
}

/// Writes bytes there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if is_standard_output(path) {
        return Ok(terminal::print_bytes(bytes)?);
    }
    Ok(store::write_bytes(path, bytes)?)
}
