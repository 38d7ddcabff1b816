//! Resident memory of one process.
//!
//! [`read_self`] and [`read_pid`] read `/proc/PID/status` once. That file has both figures in kB, so
//! neither the page size nor a second file is needed. Reading costs some tens of microseconds and no
//! heap.

use std::{fmt, io};

use crate::units::{Bytes, Count};

/// Bytes of the status file that are read; the kernel's lines before `VmRSS` stay far below.
const STATUS_BYTES_MAX: usize = 8 * 1024;

/// Resident memory of a process, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Resident set now (`VmRSS`).
    pub rss: Bytes,
    /// Largest resident set since the process started (`VmHWM`).
    pub rss_peak: Bytes,
    /// The least that they surely hold, as what several share is in the figures of each. Of one process
    /// the same as `rss`.
    pub held_min: Bytes,
    /// How many processes these are.
    pub processes: Count,
}

/// Why the memory of a process is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessMemoryError {
    /// This operating system has no `/proc/PID/status`.
    #[error("process memory is only read on Linux; leave memory budgets out elsewhere")]
    Unsupported,
    /// The file could not be read: the process is gone, or belongs to someone else.
    #[error("cannot read the memory of process {process}: is it running, and yours?")]
    Read {
        /// The process.
        process: Process,
        /// The system's error.
        source: io::Error,
    },
    /// The file lacks a figure (a zombie or kernel thread has none) or holds something else.
    #[error("process {process} reports no `{field}`: it has exited, or is a kernel thread")]
    Field {
        /// The process.
        process: Process,
        /// The line that was looked for.
        field: &'static str,
    },
}

/// A process whose memory is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// This one.
    Own,
    /// The one with this number.
    Id(u32),
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("self"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// The memory of this process.
///
/// # Errors
///
/// [`ProcessMemoryError`] where `/proc/self/status` does not exist or does not hold the figures.
pub fn read_self() -> Result<ProcessMemory, ProcessMemoryError> {
    read(Process::Own)
}

/// The memory of the process `id`.
///
/// # Errors
///
/// [`ProcessMemoryError`] where the process does not exist, may not be read, or has no memory.
pub fn read_pid(id: u32) -> Result<ProcessMemory, ProcessMemoryError> {
    read(Process::Id(id))
}

#[cfg(not(target_os = "linux"))]
fn read(_: Process) -> Result<ProcessMemory, ProcessMemoryError> {
    Err(ProcessMemoryError::Unsupported)
}

#[cfg(target_os = "linux")]
fn read(process: Process) -> Result<ProcessMemory, ProcessMemoryError> {
    let mut buffer = [0_u8; STATUS_BYTES_MAX];
    let length = read_status(process, &mut buffer)
        .map_err(|source| ProcessMemoryError::Read { process, source })?;
    let field = |name| {
        kilobytes(&buffer[..length], name).ok_or(ProcessMemoryError::Field { process, field: name })
    };
    let (rss, rss_peak) = (field("VmRSS")?, field("VmHWM")?);
    Ok(ProcessMemory { rss, rss_peak, held_min: rss, processes: Count::new(1) })
}

/// Fills `buffer` from the start of the status file; the number of bytes read.
#[cfg(target_os = "linux")]
fn read_status(process: Process, buffer: &mut [u8]) -> io::Result<usize> {
    use std::io::{Read, Write};

    // The path is written on the stack: this runs inside measured requests.
    let mut path = [0_u8; 32];
    let room = path.len();
    let mut rest = path.as_mut_slice();
    write!(rest, "/proc/{process}/status")?;
    let used = room - rest.len();
    let path = str::from_utf8(&path[..used]).map_err(io::Error::other)?;

    let mut file = std::fs::File::open(path)?;
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The figure of the line `NAME:   123 kB`. The process name, which its owner chooses, is on the
/// first line with line feeds escaped, so it cannot forge a line of its own.
#[cfg(any(target_os = "linux", test))]
fn kilobytes(status: &[u8], name: &str) -> Option<Bytes> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))?;
    let number = line.trim_ascii().strip_suffix(b" kB")?.trim_ascii();
    // A sign is not a digit, and `u64::from_str` would take `+1`.
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kilobytes: u64 = str::from_utf8(number).ok()?.parse().ok()?;
    kilobytes.checked_mul(1024).map(Bytes::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"Name:\tVmRSS:   1 kB\nVmHWM:\t    5120 kB\nVmRSS:\t    4096 kB\n";

    #[test]
    fn figures_are_found_by_line_and_not_in_the_name() {
        assert_eq!(kilobytes(STATUS, "VmRSS"), Some(Bytes::new(4096 * 1024)));
        assert_eq!(kilobytes(STATUS, "VmHWM"), Some(Bytes::new(5120 * 1024)));
    }

    #[test]
    fn hostile_figures_are_refused() {
        for text in [
            "",
            "VmRSS:",
            "VmRSS: kB",
            "VmRSS: -1 kB",
            "VmRSS: +1 kB",
            "VmRSS: 1 MB",
            "VmRSS: 1",
            "VmRSS: 0x10 kB",
            "VmRSS: 18446744073709551615 kB",
            "VmRSS: 99999999999999999999 kB",
            "VmRSSX: 1 kB",
            "VmRSS: \u{663} kB",
        ] {
            assert_eq!(kilobytes(text.as_bytes(), "VmRSS"), None, "{text:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_an_absent_one_has_an_error() {
        let own = read_self().unwrap();
        assert!(own.rss > Bytes::ZERO && own.rss_peak >= own.rss, "{own:?}");
        assert!(read_pid(std::process::id()).unwrap().rss > Bytes::ZERO);
        assert!(matches!(read_pid(u32::MAX), Err(ProcessMemoryError::Read { .. })));
    }
}
