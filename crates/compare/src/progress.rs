//! What a comparison tells while it runs.

use std::path::Path;

use perf_passport::passport::Passport;

use crate::{checkout::Reference, sessions::SessionProgress};

/// What a comparison is doing.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ComparisonProgress<'a> {
    /// A ref is being built, unless it is built already.
    Building {
        /// `baseline`, `current` or `anchor`.
        role: &'a str,
        /// The ref.
        reference: &'a Reference,
    },
    /// A line of what cargo says.
    BuildOutput(&'a str),
    /// Sessions of earlier comparisons cannot be read. New ones are held.
    SessionsUnreadable {
        /// Their file.
        path: &'a Path,
        /// Why not.
        reason: &'a str,
    },
    /// Sessions of earlier comparisons of the same builds are there, and count.
    SessionsKept {
        /// Of so many checks and operations.
        items: usize,
    },
    /// All sides are being asked what they do and cost by themselves.
    Observing {
        /// Checks of each side.
        checks: usize,
        /// Operations at a size, of each side.
        operations: usize,
    },
    /// Both sides are the same code, and so many checks and operations did the same when they were
    /// asked. Nothing more of these is measured; they may be none.
    SameCode {
        /// How many.
        items: usize,
    },
    /// The instructions of these checks and operations are being counted on both sides.
    CountingInstructions {
        /// How many.
        items: usize,
    },
    /// Sessions are being held.
    Sessions(SessionProgress<'a>),
    /// The verdicts are there. This is the time to file them: to look for causes takes long.
    Decided {
        /// The passport.
        passport: &'a Passport,
        /// What was observed of the baseline, whose figures the passport has.
        baseline: &'a Passport,
    },
    /// Causes are being looked for on both sides.
    SeekingCauses {
        /// Checks and operations that are looked into.
        items: usize,
        /// Those that are as bad and not looked into, as that takes long.
        left_out: usize,
    },
}
