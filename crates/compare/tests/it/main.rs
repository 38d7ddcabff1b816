//! Tests of how refs become executables, in one process.
// Its builds are those of git refs, in process groups and under file locks of Unix.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]

mod checkout;
mod clean_room;
mod layouts;
mod repository;
