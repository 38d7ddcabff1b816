//! Why a document is not a passport that says what its evidence does.

use thiserror::Error;

use super::HashError;
use crate::{
    contract::ContractError, evidence::EvidenceError, operation::CaseEvidenceError,
    production::ProductionEvidenceError,
};

/// A document that is not a passport, or one whose parts contradict each other.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not JSON, or cut short, or not a passport of a known format.
    #[error("not a passport: {0}")]
    Foreign(String),
    /// A schema or a rule that this program does not know.
    #[error("made by a newer version: {what} {number}, this one reads up to {latest}: update it")]
    Newer {
        /// What is newer: `schema`, or a rule.
        what: String,
        /// The number in the document.
        number: u64,
        /// The latest that this program knows.
        latest: u32,
    },
    /// The document names no rules, so that nobody knows how it was decided on.
    #[error("made before 0.1.0, which did not number its rules: measure or import again")]
    Unnumbered,
    /// The contract inside cannot be used.
    #[error("its contract: {0}")]
    Contract(#[from] ContractError),
    /// A figure cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The evidence of a check contradicts itself.
    #[error("edited: check `{test_name}`: {source}")]
    Evidence {
        /// The check.
        test_name: String,
        /// What contradicts what.
        source: EvidenceError,
    },
    /// The evidence of an operation contradicts itself.
    #[error("edited: operation `{name}`: {source}")]
    CaseEvidence {
        /// The operation, with its size.
        name: String,
        /// What contradicts what.
        source: CaseEvidenceError,
    },
    /// What was read of a running service contradicts itself.
    #[error("edited: {0}")]
    Production(#[from] ProductionEvidenceError),
    /// A number is too large to be hashed without loss.
    #[error("line {line}: an integer above 2^53, which no hash covers exactly")]
    Integer {
        /// The line, counted from 1.
        line: usize,
    },
    /// What the document says is not what follows from its evidence.
    #[error("edited: `{field}` is not what follows from the evidence")]
    Edited {
        /// The first field, in the order of the document, that differs.
        field: String,
    },
    /// The passport is sound, but for lines that end in carriage return and newline.
    #[error(
        "its lines end in CRLF, as git checks out text on some machines: put `*passport*.json -text` \
         into .gitattributes and check it out again"
    )]
    LineEndings,
    /// The bytes are not those that this program writes for the document.
    #[error("edited: line {line} is not as a passport is written")]
    Bytes {
        /// The first line that differs, counted from 1.
        line: usize,
    },
}

impl VerifyError {
    /// Whether the document is a passport that was tampered with, rather than something else.
    pub const fn is_edited(&self) -> bool {
        matches!(
            self,
            Self::Edited { .. }
                | Self::Bytes { .. }
                | Self::Evidence { .. }
                | Self::CaseEvidence { .. }
                | Self::Production(_)
                | Self::Hash(_)
                | Self::Integer { .. }
        )
    }
}
