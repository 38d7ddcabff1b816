//! What the tests of several packages share: the program in a directory of its own, processes that are
//! looked after, work to measure, and tests of targets with `harness = false`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::return_self_not_must_use, reason = "a run is held against what it must be")]
#![expect(clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

pub mod browser;
pub mod made;
pub mod memory_bound;
#[cfg(unix)]
pub mod postgres;
pub mod processes;
pub mod program;
pub mod prometheus;
pub mod repository;
pub mod work;

use libtest_mimic::{Failed, Trial};

/// A test that fails when it panics.
pub fn test(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}
