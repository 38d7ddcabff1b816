//! Limits of the process (`ulimit`): each is a sentence, and neither a panic nor a signal.

#[cfg(unix)]
use std::{fs::File, io};

use anyhow::anyhow;

use super::exit::{Code, Failure};

#[cfg(unix)]
/// Files that are open at once while a service is measured, and some more.
const FILES: usize = 16;

/// A file that would be larger than allowed (`ulimit -f`) is an error of the write, and not the end of
/// the process.
pub(super) fn take_as_errors() {
    #[cfg(unix)]
    {
        let nobody_asks = std::sync::Arc::default();
        // Where it cannot be had, the system ends the process as it would any other.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, nobody_asks);
    }
}

/// Refuses to measure where so few files may be open that runtimes panic (`ulimit -n`).
pub(super) fn refuse_too_few_files() -> Result<(), Failure> {
    #[cfg(unix)]
    if let Err(error) = open_some() {
        return Err(Failure::new(
            Code::NotMeasured,
            anyhow!("too few files may be open at once, raise the limit (`ulimit -n`): {error}"),
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn open_some() -> io::Result<()> {
    let first = File::open("/")?;
    let more: io::Result<Vec<File>> = (1..FILES).map(|_| first.try_clone()).collect();
    more.map(drop)
}
