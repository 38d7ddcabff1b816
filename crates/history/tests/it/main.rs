//! Histories of real git repositories, with passports that the tests decide.
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]

mod opened;

mod branches;
mod exact_changes;
mod pages;
#[cfg(unix)]
mod postgres;
mod pruned;
mod damaged;
mod places;
