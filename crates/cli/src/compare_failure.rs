//! Exit codes of what can go wrong while builds are made and compared.

use anyhow::anyhow;

use super::exit::{Code, Failure};
use perf_passport_compare::{ComparisonError, WorkerError, checkout::CheckoutError};

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        let code = match error {
            WorkerError::Interrupted => Code::Interrupted,
            _ => Code::NotMeasured,
        };
        Self::new(code, error)
    }
}

impl From<CheckoutError> for Failure {
    /// What the user named wrongly is usage; what does not build could not be measured.
    fn from(error: CheckoutError) -> Self {
        let code = match error {
            CheckoutError::Interrupted => Code::Interrupted,
            CheckoutError::NotBuilt { .. }
            | CheckoutError::NotRun { .. }
            | CheckoutError::Git { .. }
            | CheckoutError::Io { .. } => Code::NotMeasured,
            _ => Code::Usage,
        };
        Self::new(code, error)
    }
}

impl From<ComparisonError> for Failure {
    /// What is asked for wrongly is usage; everything else could not be measured.
    fn from(error: ComparisonError) -> Self {
        match error {
            ComparisonError::Checkout(error) => error.into(),
            ComparisonError::Worker(error) => error.into(),
            ComparisonError::Selection(error) => error.into(),
            ComparisonError::Hash(error) => error.into(),
            ComparisonError::Tolerance(why) => {
                Self::usage(anyhow!("--regression-threshold is not a ratio such as 0.05: {why}"))
            }
            ComparisonError::NotCopied { .. } => Self::new(Code::NotMeasured, error),
            _ => Self::usage(error),
        }
    }
}
