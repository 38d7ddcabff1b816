//! Exit codes: *slow*, *broken* and *unknown* never share one.

use std::{error::Error, fmt, process::ExitCode};

use perf_passport::{
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
    /// The code for what a passport gates, of what was measured.
    pub(super) fn of(passport: &Passport) -> Self {
        Self::from(passport.gate_of_measured())
    }
}

impl From<Gate> for Code {
    fn from(gate: Gate) -> Self {
        match gate {
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
        f.write_str(&sentence(self.error.as_ref()))
    }
}

/// An error with its causes in one line; a cause that is told already is left out.
pub(super) fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl From<anyhow::Error> for Failure {
    /// What is not told apart is a failure of usage or configuration.
    fn from(error: anyhow::Error) -> Self {
        Self::usage(error)
    }
}

impl From<MissingVariable> for Failure {
    fn from(error: MissingVariable) -> Self {
        Self::usage(error)
    }
}

impl From<HashError> for Failure {
    /// A contract is bounded, so what cannot be hashed is a figure that no measurement gives.
    fn from(error: HashError) -> Self {
        Self::new(Code::NotMeasured, error)
    }
}

impl From<ProbeError> for Failure {
    /// What makes no request is asked wrongly; everything else could not be measured.
    fn from(error: ProbeError) -> Self {
        let code = match &error {
            ProbeError::Request(_) => Code::Usage,
            _ => Code::NotMeasured,
        };
        Self::new(code, error)
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
