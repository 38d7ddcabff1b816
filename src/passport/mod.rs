//! The passport: one document with its claims, their evidence and two hashes.
//!
//! [`Passport`] is the document. It is always made by [`Passport::assemble`] from [`Parts`], the
//! facts that cannot be derived; everything else in it (verdicts, summaries, hashes) is a function
//! of them. [`verify`] takes a document apart, assembles it again and compares, so that a passport
//! which says anything its evidence does not is found. Nothing here reads a file or a clock.

mod assemble;
mod canonical;
mod consistent;
mod diff;
mod digest;
mod document;
mod harmony;
mod hash;
mod legacy;
mod operation_result;
mod operations;
mod parts;
mod renamed;
mod subjects;
mod verify;
mod verify_error;
mod versions;

pub use diff::{Difference, diff};
pub use digest::{HashError, contract_digest};
pub use document::{
    BaselineRecord, ComparedBuild, Comparison, ContractRecord, GUARANTEE, Gate, LatencySummary,
    MappedCode, Passport, ProbeKind, Provenance, SCHEMA_VERSION, SaidCommit, SameCode, Summary,
    TestResult, Thresholds,
};
pub use harmony::Harmony;
pub use legacy::{ImportError, import};
pub use operation_result::{
    CaseResult, MeasuredCase, OperationResult, OperationsSummary, Parameters,
};
pub use parts::{MeasuredCheck, Parts};
pub use subjects::SubjectResult;
pub use verify::verify;
pub use verify_error::VerifyError;
