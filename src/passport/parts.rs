//! The facts that a passport is made of.

use std::collections::BTreeMap;

use super::{BaselineRecord, Comparison, MeasuredCase, Provenance};
use crate::{
    claim::BaselineFigures,
    environment::SystemInfo,
    evidence::Evidence,
    paired::{InstructionCounts, Paired, Policy},
    production::ProductionEvidence,
    rules::Rules,
};

/// The facts of a passport: what cannot be derived from anything else in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The program that measured, with its version.
    pub cartographer: String,
    /// Unique to this passport.
    pub run_id: String,
    /// Unique to the process that measured.
    pub session_id: String,
    /// When measuring started, RFC 3339 in UTC.
    pub timestamp: String,
    /// Whether measuring came to its end.
    pub complete: bool,
    /// By which rules it is decided on.
    pub rules: Rules,
    /// How and on what it was measured.
    pub provenance: Provenance,
    /// The machine.
    pub system_info: SystemInfo,
    /// What was compared with.
    pub baseline: Option<BaselineRecord>,
    /// The builds that took turns, where two were compared side by side.
    pub comparison: Option<Comparison>,
    /// Free text.
    pub annotations: BTreeMap<String, String>,
    /// What was measured, in any order.
    pub measured: Vec<MeasuredCheck>,
    /// What was measured of operations, in any order.
    pub operations: Vec<MeasuredCase>,
    /// What was read of a running service's counters.
    pub production: Option<ProductionEvidence>,
}

/// What was measured of one check.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredCheck {
    /// [`crate::contract::Check::id`].
    pub check: String,
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// What was observed.
    pub evidence: Evidence,
    /// What the baseline says of the check.
    pub baseline: Option<BaselineFigures>,
    /// What both builds took, in turns.
    pub paired: Option<Paired>,
    /// What both builds executed.
    pub instructions: Option<InstructionCounts>,
}

/// What a run is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compared {
    WithNothing,
    WithPassport,
    SideBySide {
        policy: Policy,
        /// See [`super::Comparison::is_same_code`].
        same_code: bool,
    },
}
