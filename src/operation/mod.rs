//! Operations: what was observed of a piece of code, and the claims that follow.
//!
//! An operation of the contract is measured at its sizes, each a *case*. [`CaseEvidence`] is what was
//! observed of a case: raw samples of time, exact counts, and what the operation says of its own
//! result. [`ToldFigures`] stand for the samples of a tool that keeps none, and prove nothing. [`case_claims`], [`case_changes`] and [`operation_claims`] are pure functions of contract,
//! evidence and baseline figures, as [`crate::claim`] is for checks; [`Growth`] is how the time grows
//! with the size. Nothing here measures or prints.

mod change;
mod claim;
mod evidence;
mod growth;
mod growth_rule_1;
mod growth_rules;
mod samples;
mod told;

pub use change::{CaseTurns, case_changes};
pub use claim::{CaseFigures, case_claims, operation_claims};
pub use evidence::{CaseEvidence, CaseEvidenceError, Failure, FailureKind};
pub use growth::Growth;
pub use samples::{CaseSummary, SAMPLES_MAX, Sample, Samples, SamplesError};
pub use told::ToldFigures;
