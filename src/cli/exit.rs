//! Exit codes: *slow*, *broken* and *unknown* never share one.

use std::{fmt, process::ExitCode};

use crate::{
    passport::{Gate, HashError, Passport},
    pipeline::MissingVariable,
    probe::ProbeError,
    store::StoreError,
};

/// What a process says to whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Every required claim passed, or the command did what was asked.
    Pass = 0,
    /// A required claim failed.
    Failed = 1,
    /// Usage, configuration or contract.
    Usage = 2,
    /// Could not measure.
    NotMeasured = 3,
    /// A required claim abstained.
    Abstained = 4,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl Code {
    /// The code for what a passport gates.
    pub(super) fn of(passport: &Passport) -> Self {
        match passport.gate() {
            Gate::Pass => Self::Pass,
            Gate::Fail => Self::Failed,
            Gate::NotMeasured => Self::NotMeasured,
            Gate::Abstain => Self::Abstained,
        }
    }
}

/// Why a command ended early: one sentence and its exit code.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    error: anyhow::Error,
}

impl Failure {
    /// A failure of usage, configuration or contract.
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: Code::Usage, error: error.into() }
    }

    /// A failure with a code of its own.
    pub(super) fn new(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl From<MissingVariable> for Failure {
    fn from(error: MissingVariable) -> Self {
        Self::usage(error)
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        Self::usage(error)
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        Self::new(Code::NotMeasured, error)
    }
}

impl From<StoreError> for Failure {
    /// An edited passport is a claim that failed; everything else is a wrong or unusable file.
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unsound { source, .. } if source.is_edited() => Code::Failed,
            _ => Code::Usage,
        };
        Self::new(code, error)
    }
}
