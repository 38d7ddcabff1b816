//! The operations that a target lends its worker.

use crate::{
    contract::{Operation, Sampling},
    operation::CaseEvidence,
    pipeline::Iterations,
};

/// The operations that a target declares. Code that panics is an error or evidence of it here, and
/// ends nothing.
pub trait Operations {
    /// Their names.
    fn names(&self) -> Vec<String>;

    /// Measures an operation at one size in one pass over its sizes, counted from 0.
    ///
    /// # Errors
    ///
    /// When the target does not declare it, or there is no such pass.
    fn observe(
        &self,
        operation: &Operation,
        size: Option<u64>,
        sampling: &Sampling,
        pass: u32,
    ) -> Result<ObservedPass, String>;

    /// Makes an operation ready to run at one size.
    ///
    /// # Errors
    ///
    /// When the target does not declare it, or the message of a panic.
    fn prepare(&self, name: &str, size: Option<u64>) -> Result<Box<dyn Iterations + '_>, String>;

    /// The same, where only that part of its time counts which it tells by this name.
    ///
    /// # Errors
    ///
    /// Those of [`Self::prepare`], and when the operation tells no such part.
    fn prepare_part(
        &self,
        name: &str,
        size: Option<u64>,
        part: &str,
    ) -> Result<Box<dyn Iterations + '_>, String>;
}

/// What was observed of an operation at one size in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPass {
    /// The evidence; what is counted is in that of the first pass.
    pub evidence: CaseEvidence,
    /// How many passes there are.
    pub passes: u32,
}
