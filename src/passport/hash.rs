//! The two hashes: SHA-256 over the RFC 8785 form of typed structs.
//!
//! What is hashed is always a typed struct, never a `serde_json::Value`, whose key order another
//! crate's features could change. A hash proves integrity, not authorship: whoever can edit a
//! passport can hash it again.

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{CaseResult, Passport, SCHEMA_VERSION, TestResult, canonical::canonical};
use crate::{
    claim::{Reason, Verdict},
    contract::{ClaimKind, ContractDocument},
    evidence::{CountSource, Range, Response},
};

/// A document that has no canonical form.
#[derive(Debug, Error)]
#[error("cannot write the document as JSON: {0}")]
pub struct HashError(#[from] serde_json::Error);

/// SHA-256 of the canonical form, in hexadecimal.
fn digest(document: &impl Serialize) -> Result<String, HashError> {
    let mut sha = Sha256::new();
    canonical(document, |piece| sha.update(piece))?;
    Ok(crate::text::hex(&sha.finalize()))
}

/// The digest that identifies a contract: key order, comments and blanks do not count.
///
/// # Errors
///
/// [`HashError`] when a number of the document is not finite, which no parsed contract has.
pub fn contract_digest(document: &ContractDocument) -> Result<String, HashError> {
    digest(document)
}

/// What must be equal on every run of the same code with the same toolchain.
///
/// Left out, because it may differ: identity and time, machine, latencies and process memory with
/// their verdicts, and everything that depends on which baseline was compared with.
#[derive(Serialize)]
pub(super) struct Identity<'a> {
    pub(super) schema_version: u32,
    pub(super) contract_digest: Option<&'a str>,
    pub(super) checks: Vec<CheckIdentity<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) operations: Vec<CaseIdentity<'a>>,
}

/// The part of [`Identity`] that is about one check.
#[derive(Serialize)]
pub(super) struct CheckIdentity<'a> {
    pub(super) test_name: &'a str,
    pub(super) deterministic: bool,
    pub(super) response: Option<&'a Response>,
    pub(super) source: Option<CountSource>,
    pub(super) allocations: Option<Range>,
    pub(super) allocated_bytes: Option<Range>,
    pub(super) heap_peak_bytes: Option<Range>,
    pub(super) verdicts: Vec<(ClaimKind, Verdict, Reason)>,
}

/// The part of [`Identity`] that is about one operation at one size.
#[derive(Serialize)]
pub(super) struct CaseIdentity<'a> {
    pub(super) name: &'a str,
    pub(super) allocations: Option<Range>,
    pub(super) allocated_bytes: Option<Range>,
    pub(super) heap_peak_bytes: Option<Range>,
    pub(super) verdicts: Vec<(ClaimKind, Option<&'a str>, Verdict, Reason)>,
}

impl<'a> Identity<'a> {
    pub(super) fn of(passport: &'a Passport) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            contract_digest: passport.contract.as_ref().map(|it| it.digest.as_str()),
            checks: passport.test_results.iter().map(CheckIdentity::of).collect(),
            operations: passport.operation_cases().map(CaseIdentity::of).collect(),
        }
    }
}

impl<'a> CheckIdentity<'a> {
    fn of(result: &'a TestResult) -> Self {
        let behaviour = result.evidence.behaviour.as_ref();
        let counts = result.evidence.counts.as_ref();
        Self {
            test_name: &result.test_name,
            deterministic: result.deterministic,
            // The first of several different responses is a matter of chance.
            response: behaviour.filter(|it| it.is_deterministic()).map(|it| &it.response),
            source: counts.map(|it| it.source),
            allocations: counts.map(|it| it.allocations),
            allocated_bytes: counts.and_then(|it| it.allocated_bytes),
            heap_peak_bytes: counts.and_then(|it| it.heap_peak_bytes),
            verdicts: result
                .claims
                .iter()
                .filter(|claim| claim.kind.is_exact())
                .map(|claim| (claim.kind, claim.verdict, claim.reason))
                .collect(),
        }
    }
}

impl<'a> CaseIdentity<'a> {
    fn of(case: &'a CaseResult) -> Self {
        let exact = case.claims.iter().filter(|claim| claim.kind.is_exact());
        Self {
            name: &case.name,
            allocations: case.evidence.allocations,
            allocated_bytes: case.evidence.allocated_bytes,
            heap_peak_bytes: case.evidence.heap_peak_bytes,
            verdicts: exact
                .map(|it| (it.kind, it.subject.as_deref(), it.verdict, it.reason))
                .collect(),
        }
    }
}

impl Passport {
    /// Computes both hashes and writes them into the document.
    pub(super) fn seal(&mut self) -> Result<(), HashError> {
        self.passport_hash = digest(&Identity::of(self))?;
        self.evidence_hash = String::new();
        self.evidence_hash = digest(self)?;
        Ok(())
    }
}
