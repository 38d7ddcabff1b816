//! The two hashes: of what must be equal on every run, and of the whole document.

use serde::Serialize;

use super::{HashError, Passport, SCHEMA_VERSION, SubjectResult, digest::digest};
use crate::{
    claim::{Claim, Reason, Verdict},
    contract::ClaimKind,
    evidence::{CountSource, Range, Response},
};

/// What must be equal on every run of the same code with the same toolchain.
///
/// Left out, because it may differ: identity and time, machine, latencies and process memory with
/// their verdicts, and everything that depends on which baseline was compared with.
#[derive(Serialize)]
pub(super) struct Identity<'a> {
    pub(super) schema_version: u32,
    pub(super) contract_digest: Option<&'a str>,
    pub(super) checks: Vec<SubjectIdentity<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) operations: Vec<SubjectIdentity<'a>>,
}

/// The part of [`Identity`] that is about one subject.
#[derive(Serialize)]
pub(super) struct SubjectIdentity<'a> {
    pub(super) test_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deterministic: Option<bool>,
    pub(super) response: Option<&'a Response>,
    pub(super) source: Option<CountSource>,
    pub(super) allocations: Option<Range>,
    pub(super) allocated_bytes: Option<Range>,
    pub(super) heap_peak_bytes: Option<Range>,
    pub(super) verdicts: Vec<ClaimIdentity<'a>>,
}

/// The part of [`Identity`] that is about one claim.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ClaimIdentity<'a> {
    Plain(ClaimKind, Verdict, Reason),
    OfMetric(ClaimKind, &'a str, Verdict, Reason),
}

impl<'a> Identity<'a> {
    pub(super) fn of(passport: &'a Passport) -> Self {
        let is_check = |it: &SubjectResult<'_>| matches!(it, SubjectResult::Check(_));
        // What traffic a service had is equal on no two runs.
        let is_window = |it: &SubjectResult<'_>| matches!(it, SubjectResult::Window(_));
        let measured = passport.subjects().filter(|it| !is_window(it));
        let (checks, operations): (Vec<_>, Vec<_>) = measured.partition(is_check);
        let identities = |subjects: Vec<SubjectResult<'a>>| {
            subjects.into_iter().map(SubjectIdentity::of).collect()
        };
        Self {
            schema_version: SCHEMA_VERSION,
            contract_digest: passport.contract.as_ref().map(|it| it.digest.as_str()),
            checks: identities(checks),
            operations: identities(operations),
        }
    }
}

impl<'a> SubjectIdentity<'a> {
    pub(super) fn of(subject: SubjectResult<'a>) -> Self {
        let exact = subject.claims().iter().filter(|claim| claim.kind.is_exact());
        let of_all = Self {
            test_name: subject.id().name(),
            deterministic: None,
            response: None,
            source: None,
            allocations: None,
            allocated_bytes: None,
            heap_peak_bytes: None,
            verdicts: exact.map(ClaimIdentity::of).collect(),
        };
        match subject {
            SubjectResult::Check(result) => {
                let behaviour = result.evidence.behaviour.as_ref();
                let counts = result.evidence.counts.as_ref();
                Self {
                    deterministic: Some(result.deterministic),
                    // The first of several different responses is a matter of chance.
                    response: behaviour.filter(|it| it.is_deterministic()).map(|it| &it.response),
                    source: counts.map(|it| it.source),
                    allocations: counts.map(|it| it.allocations),
                    allocated_bytes: counts.and_then(|it| it.allocated_bytes),
                    heap_peak_bytes: counts.and_then(|it| it.heap_peak_bytes),
                    ..of_all
                }
            }
            SubjectResult::Case(case) => Self {
                allocations: case.evidence.allocations,
                allocated_bytes: case.evidence.allocated_bytes,
                heap_peak_bytes: case.evidence.heap_peak_bytes,
                ..of_all
            },
            SubjectResult::Operation(_) | SubjectResult::Window(_) => of_all,
        }
    }
}

impl<'a> ClaimIdentity<'a> {
    pub(super) fn of(claim: &'a Claim) -> Self {
        match &claim.metric {
            None => Self::Plain(claim.kind, claim.verdict, claim.reason),
            Some(metric) => Self::OfMetric(claim.kind, metric, claim.verdict, claim.reason),
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
