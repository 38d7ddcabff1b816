//! Why a running service's counters could not be read.

use perf_passport::{probe::ProbeError, text::printable};
use thiserror::Error;

use super::ExpositionError;

/// Characters of a text from outside.
const SAID_MAX: usize = 200;

/// Counters that could not be read.
///
/// Texts from outside are made printable, and no message holds a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// The contract says too little of the service.
    #[error("{0}")]
    Contract(String),
    /// The address is none that can be asked, or not with what is to be sent.
    #[error("the URL of {of} {problem}")]
    Address {
        /// Who was to be asked.
        of: &'static str,
        /// What is wrong; without the address, which may hold a secret.
        problem: &'static str,
    },
    /// Nobody answered, or not in time, or with too much.
    #[error("{of}: {source}")]
    Unanswered {
        /// Who was asked.
        of: &'static str,
        /// What happened.
        source: ProbeError,
    },
    /// The answer is none that can be used.
    #[error("{of} {problem}")]
    Answer {
        /// Who was asked.
        of: &'static str,
        /// What is wrong with the answer.
        problem: String,
    },
    /// What was scraped is no text of metrics.
    #[error("what the service exposes is no text of metrics: {0}")]
    Exposition(#[from] ExpositionError),
    /// There is nothing to read.
    #[error("there is no series `{series}` from {from} to {to}: {hint}")]
    NoSeries {
        /// Metric and matchers.
        series: String,
        /// From when.
        from: String,
        /// Until when.
        to: String,
        /// What may be the cause.
        hint: String,
    },
    /// No series of a metric has a label that the contract names.
    #[error(
        "no series of `{metric}` has the label `{label}`, which `{key}` of [service] names: their labels \
         are {there}"
    )]
    NoLabel {
        /// The metric.
        metric: String,
        /// The label.
        label: String,
        /// Where the contract names it.
        key: &'static str,
        /// The labels that are there.
        there: String,
    },
    /// There are more series than anybody reads.
    #[error("there are more than {0} series: narrow `selector` of [service]")]
    TooManySeries(usize),
    /// The running service has budgets of another contract.
    #[error(
        "the running service has budgets {live}, and the contract's are {contract}: deploy the service \
         with them, or observe with the contract that it was built with"
    )]
    OtherBudgets {
        /// Those that are live.
        live: String,
        /// That of the contract.
        contract: String,
    },
}

impl ObserveError {
    /// Whether contract and service do not fit, rather than that nothing could be read.
    pub const fn is_of_contract(&self) -> bool {
        matches!(
            self,
            Self::Contract(_)
                | Self::OtherBudgets { .. }
                | Self::Address { .. }
                | Self::Unanswered { source: ProbeError::Request(_), .. }
        )
    }

    pub(super) fn answer(of: &'static str, problem: impl Into<String>) -> Self {
        Self::Answer { of, problem: problem.into() }
    }
}

/// Names that are listed.
const LISTED_MAX: usize = 10;

/// The first of some names, which are printable.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        _ if names.len() > LISTED_MAX => {
            format!("{} and {} more", names[..LISTED_MAX].join(", "), names.len() - LISTED_MAX)
        }
        _ => names.join(", "),
    }
}

/// Text from outside, made printable and cut.
pub(super) fn said(text: &str) -> String {
    printable(text.as_bytes(), SAID_MAX)
}
