//! The command line from outside: the real program as a second process, against real servers on
//! the loopback interface, in directories of its own.
//!
//! What is asserted is what a user or a CI job relies on: exit codes, one sentence of ASCII on
//! standard error, and what is in the files afterwards. No time is asserted; budgets in these
//! contracts are wide wherever latency is not the point.
#![expect(
    clippy::unwrap_used,
    reason = "what the lints allow in tests, their helper functions do too"
)]

mod contracts;
mod server;

mod bad_contracts;
mod bad_passports;
mod bad_targets;
mod comment;
mod formats;
mod formatting;
mod gate;
mod history;
#[cfg(unix)]
mod history_hindered;
mod import;
mod init_axum;
mod monitor;
mod observe;
mod observe_faults;
mod schemas;
mod service;
mod usage;
mod ways_in;

// Signals, `/dev/full`, a shell, mounts and workers are those of Unix.
#[cfg(unix)]
mod compare;
#[cfg(unix)]
mod disk;
#[cfg(unix)]
mod interruption;
#[cfg(unix)]
mod ledger_metrics;
#[cfg(unix)]
mod ledger_work;
#[cfg(unix)]
mod odd_files;
#[cfg(unix)]
mod other_language;
#[cfg(unix)]
mod pages;
#[cfg(unix)]
mod watched;
#[cfg(unix)]
mod workflows;

/// The program that is tested.
const PASSPORT: &str = env!("CARGO_BIN_EXE_passport");
