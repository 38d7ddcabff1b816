//! The document of a calibration: every comparison that took place, and what it decided.

use serde::{Deserialize, Serialize};

use perf_passport::{
    contract::{Check, Contract},
    environment::SystemInfo,
    paired::{Decision, Effect, Outcome, Policy, Spread},
    pipeline::WorkKind,
    units::Ppm,
};

/// Changes when the document does.
pub const SCHEMA_VERSION: u32 = 2;

/// What a machine's comparisons decided on builds of which the answer is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The machine.
    pub system_info: SystemInfo,
    /// How was decided.
    pub policy: Policy,
    /// The contract's name.
    pub contract: String,
    /// The tolerance of its checks, which is the same for all.
    pub tolerance_ppm: Ppm,
    /// Every comparison, in the order in which they took place.
    pub trials: Vec<Trial>,
}

/// What is done to the current side of a comparison, and to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// How much work is added to each of its samples, as a share of their time.
    pub slower_ppm: Ppm,
    /// What this work consists of.
    pub work: WorkKind,
    /// Threads that never rest meanwhile.
    pub busy: u32,
}

/// One comparison of the whole suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// When it began, RFC 3339 in UTC.
    pub timestamp: String,
    /// What was done.
    pub arm: Arm,
    /// The seed of the function by which the current side is larger; `null` for a copy of the
    /// baseline's file.
    pub rebuilt: Option<u64>,
    /// How long it took.
    pub seconds: u64,
    /// What was decided of each check.
    pub decisions: Vec<CheckDecision>,
}

/// What was decided of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckDecision {
    /// The check.
    pub check: String,
    /// What the sessions showed.
    pub outcome: Outcome,
    /// On how many.
    pub sessions: u64,
    /// The effect that they showed.
    pub effect: Spread,
    /// The smallest effect that they would have called real.
    pub detectable: Option<Effect>,
}

impl CheckDecision {
    pub(super) fn of(check: &Check, decision: &Decision) -> Self {
        Self {
            check: check.id(),
            outcome: decision.outcome,
            sessions: decision.sessions as u64,
            effect: decision.current,
            detectable: decision.detectable,
        }
    }
}

impl Calibration {
    /// A calibration of this contract without a trial; `None` when its checks have not all the same
    /// tolerance. `relinked`: whether its builds are.
    pub fn new(contract: &Contract, checks: &[&Check], relinked: bool) -> Option<Self> {
        let tolerance_ppm = checks.first()?.tolerance.regression_ppm;
        checks.iter().all(|it| it.tolerance.regression_ppm == tolerance_ppm).then(|| Self {
            schema_version: SCHEMA_VERSION,
            system_info: SystemInfo::read(),
            policy: Policy::for_suite(checks.len() as u64, relinked),
            contract: contract.name.clone(),
            tolerance_ppm,
            trials: Vec::new(),
        })
    }

    /// Whether trials of `other` may be added: machine, policy and contract are the same.
    pub fn continues(&self, other: &Self) -> bool {
        let key = |it: &Self| {
            let Self { schema_version, system_info, policy, contract, tolerance_ppm, .. } = it;
            (*schema_version, system_info.clone(), *policy, contract.clone(), *tolerance_ppm)
        };
        key(self) == key(other)
    }
}
