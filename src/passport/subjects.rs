//! The subjects of a passport, whatever they are: one loop for checks and operations.

use std::collections::BTreeMap;

use super::{CaseResult, OperationResult, Passport, TestResult};
use crate::{
    claim::{Claim, Unit, Verdict},
    contract::{ClaimKind, SubjectId},
    paired::{InstructionCounts, Paired},
    production::WindowResult,
    units::Ppm,
};

/// What a passport says of one subject.
#[derive(Debug, Clone, Copy)]
pub enum SubjectResult<'a> {
    /// A check.
    Check(&'a TestResult),
    /// An operation at one size, where it has any.
    Case(&'a CaseResult),
    /// An operation over all its sizes.
    Operation(&'a OperationResult),
    /// An objective, or a route, in a window of production.
    Window(&'a WindowResult),
}

impl<'a> SubjectResult<'a> {
    /// Its name.
    pub fn id(self) -> SubjectId<'a> {
        match self {
            Self::Check(it) => SubjectId::Check(&it.test_name),
            Self::Case(it) => SubjectId::Operation(&it.name),
            Self::Operation(it) => SubjectId::Operation(&it.name),
            Self::Window(it) => SubjectId::Window(&it.name),
        }
    }

    /// The worst verdict of its required claims.
    pub fn status(self) -> Verdict {
        match self {
            Self::Check(it) => it.status,
            Self::Case(it) => it.status,
            Self::Operation(it) => it.status,
            Self::Window(it) => it.status,
        }
    }

    /// Its claims, in their order.
    pub fn claims(self) -> &'a [Claim] {
        match self {
            Self::Check(it) => &it.claims,
            Self::Case(it) => &it.claims,
            Self::Operation(it) => &it.claims,
            Self::Window(it) => &it.claims,
        }
    }

    /// Its claim of this kind.
    pub fn claim(self, kind: ClaimKind) -> Option<&'a Claim> {
        self.claims().iter().find(|claim| claim.kind == kind)
    }

    /// What both builds took, in turns.
    pub fn paired(self) -> Option<&'a Paired> {
        match self {
            Self::Check(it) => it.paired.as_ref(),
            Self::Case(it) => it.paired.as_ref(),
            Self::Operation(_) | Self::Window(_) => None,
        }
    }

    /// What both took of parts of the time, in turns of their own, by their names.
    pub fn paired_parts(self) -> Option<&'a BTreeMap<String, Paired>> {
        match self {
            Self::Case(it) => Some(&it.paired_parts),
            Self::Check(_) | Self::Operation(_) | Self::Window(_) => None,
        }
    }

    /// What both builds executed.
    pub fn instructions(self) -> Option<&'a InstructionCounts> {
        match self {
            Self::Check(it) => it.instructions.as_ref(),
            Self::Case(it) => it.instructions.as_ref(),
            Self::Operation(_) | Self::Window(_) => None,
        }
    }

    /// How much slower than the baseline it may be, where two builds were compared side by side: the
    /// claim says it, as a ratio.
    pub fn tolerance(self) -> Ppm {
        self.tolerance_of(ClaimKind::LatencyChange)
    }

    /// How many more instructions than the baseline it may execute, likewise.
    pub fn tolerance_of_instructions(self) -> Ppm {
        self.tolerance_of(ClaimKind::InstructionsChange)
    }

    /// How much more than the baseline is accepted, by the claim of this kind.
    pub(crate) fn tolerance_of(self, kind: ClaimKind) -> Ppm {
        let claim = self.claim(kind).filter(|it| it.unit == Unit::Ppm);
        let ratio = claim.and_then(|it| u64::try_from(it.limit?).ok()).unwrap_or_default();
        Ppm::new(ratio).saturating_sub(Ppm::new(1_000_000))
    }
}

impl Passport {
    /// Every subject: checks, then of each operation its sizes and the whole, then windows of production.
    pub fn subjects(&self) -> impl Iterator<Item = SubjectResult<'_>> {
        let operations = self.operations.iter().flat_map(|operation| {
            let cases = operation.cases.iter().map(SubjectResult::Case);
            cases.chain([SubjectResult::Operation(operation)])
        });
        let windows = self.production.iter().flat_map(|it| &it.results).map(SubjectResult::Window);
        self.test_results.iter().map(SubjectResult::Check).chain(operations).chain(windows)
    }

    /// Every claim, with what it is about.
    pub fn claims(&self) -> impl Iterator<Item = (SubjectId<'_>, &Claim)> {
        self.subjects().flat_map(|it| it.claims().iter().map(move |claim| (it.id(), claim)))
    }
}
