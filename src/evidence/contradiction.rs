//! Evidence that cannot be what was observed.

use thiserror::Error;

use crate::statistics::HistogramError;

/// A part of the evidence that cannot be what was observed, given the rest of it and the check.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// A field that the others contradict.
    #[error("`evidence.{field}` {problem}")]
    Contradiction {
        /// The field, as a path.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A histogram that contradicts itself.
    #[error("`evidence.{field}`: {source}")]
    Histogram {
        /// The field.
        field: &'static str,
        /// What contradicts what.
        source: HistogramError,
    },
}

/// Refuses `field`, unless it holds.
pub(super) fn holds(
    field: &'static str,
    holds: bool,
    problem: &'static str,
) -> Result<(), EvidenceError> {
    if holds { Ok(()) } else { Err(EvidenceError::Contradiction { field, problem }) }
}

/// Whether this is a SHA-256 as passports have it: 64 lowercase hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}
