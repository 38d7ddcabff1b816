//! The worker: a service in a process of its own that sends itself requests when it is told to, or
//! pieces of code that it runs.
//!
//! A comparison of two builds starts one process of each, many times over, and has them take turns.
//! Any test target made with [`crate::harness`] is such a worker when it is started with
//! [`FLAG`]: it then answers to [`protocol`] messages on its standard input, which is a socket and
//! not a file, until the other end is closed. Standard output stays free for what the service
//! prints. A worker measures and reports; it decides nothing.

pub mod protocol;
mod operations;
#[cfg(feature = "oracle")]
mod sites;
mod code;
mod serve;

use std::path::PathBuf;

use crate::pipeline::WorkKind;
pub use operations::{ObservedPass, Operations};
pub use serve::{Offered, serve_stdin};

/// The only argument of a process that is to be a worker.
pub const FLAG: &str = "--perf-passport-worker";

/// The variable that names [`cache_directory`].
pub const CACHE_DIRECTORY: &str = "PERF_PASSPORT_CACHE_DIR";

/// The variable that says what work is added to samples that are to take longer: `memory`, or
/// arithmetic when it is not set.
pub const ADDED_WORK: &str = "PERF_PASSPORT_ADDED_WORK";

fn added_work() -> WorkKind {
    match std::env::var_os(ADDED_WORK) {
        Some(kind) if kind == "memory" => WorkKind::Memory,
        _ => WorkKind::Arithmetic,
    }
}

/// A directory that all workers of one build share: for what takes long to make and is the same in
/// each. Several of them live at the same time, so a file is whole only once it
/// was renamed. Two refs of the same code share one too. Without an anchor it is kept for later comparisons, so what is there
/// depends on nothing but the build. `None` when this process is no worker.
pub fn cache_directory() -> Option<PathBuf> {
    std::env::var_os(CACHE_DIRECTORY).map(PathBuf::from)
}
