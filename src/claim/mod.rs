//! Claims: one statement about one check each, decided on evidence alone.
//!
//! [`claims`] holds a check against its budgets, [`changes`] against what a baseline says of it;
//! both are pure, so that [`crate::passport::verify`] decides the same again from the passport.
//! A claim passes when the evidence shows it, fails when the evidence shows the contrary, and
//! abstains otherwise. Nothing here measures, prints, or weighs one claim against another.

mod budget;
mod change;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    contract::{ClaimKind, Contract},
    units::{Bytes, Nanos},
};
pub use budget::{LATENCY_LOOKS_MAX, claims, latency_is_undecided};
pub use change::{BaselineFigures, SideBySide, changes};

/// The outcome of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// The evidence shows that the claim holds.
    Pass,
    /// The evidence shows neither.
    Abstain,
    /// The evidence shows that the claim does not hold.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Abstain => "ABSTAIN",
            Self::Fail => "FAIL",
        })
    }
}

/// Why a claim has its verdict, for programs; [`Reason::explain`] says it to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// PASS: every response was as expected.
    AsExpected,
    /// PASS: the cost is below the budget.
    WithinBudget,
    /// PASS: no worse than the baseline, up to the tolerance.
    WithinTolerance,
    /// FAIL: a response had another status.
    UnexpectedStatus,
    /// FAIL: a response had another media type.
    UnexpectedContentType,
    /// FAIL: a response says that it is JSON, and its body is not.
    NotJson,
    /// FAIL: responses to the same request differ.
    ResponsesDiffer,
    /// FAIL: the cost is not below the budget.
    OverBudget,
    /// FAIL: dhat and the counting allocator disagree.
    OracleDisagrees,
    /// FAIL of the behaviour, ABSTAIN of every cost: the response is not the baseline's.
    ChangedWork,
    /// FAIL: worse than the baseline, and not within the tolerance.
    BeyondTolerance,
    /// ABSTAIN: there is no sample that counts.
    NoSample,
    /// ABSTAIN: one response shows no determinism.
    TooFewSamples,
    /// ABSTAIN: the confidence interval lies on both sides of the budget.
    Undecided,
    /// ABSTAIN: the slower requests were too slow, and other processes wanted the processor meanwhile.
    BusyMachine,
    /// ABSTAIN: the service does not tell this cost.
    NotObserved,
    /// ABSTAIN: the baseline does not have the check, or not this figure of it.
    NotInBaseline,
    /// ABSTAIN: the responses differ among themselves, so they cannot be compared.
    NotDeterministic,
    /// ABSTAIN: toolchain, profile, target, database or source of the counts differ from the
    /// baseline's.
    IncomparableBuild,
    /// ABSTAIN: times of another session prove nothing about this one.
    StoredLatency,
    /// ABSTAIN: the sessions show the effect neither within the tolerance nor real and beyond it.
    UndecidedChange,
    /// ABSTAIN: the same sessions call a copy of the baseline slower, or miss an injected slowdown.
    NotCalibrated,
    /// ABSTAIN: the counts of one and the same build differ by too much.
    CountsVary,
    /// ABSTAIN: valgrind is not installed, so nobody counts instructions.
    ValgrindMissing,
    /// ABSTAIN: instructions were not counted.
    NotCounted,
    /// ABSTAIN: fewer sessions than the first look needs.
    TooFewSessions,
    /// ABSTAIN: the servers were running already, so all sessions asked the same processes.
    SameProcesses,
    /// ABSTAIN: the round trip hides the time of a service that does not tell it.
    HiddenByTransport,
    /// ABSTAIN: what the service tells is within the tolerance, and the rest of the round trip got
    /// longer.
    NotAllTold,
    /// ABSTAIN: the figure was taken over from a document that shows no evidence for it.
    Imported,
}

impl Reason {
    /// The reason as a fragment of a sentence, with the remedy where there is one.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::WithinBudget => "below the budget",
            Self::WithinTolerance => "within the tolerance of the baseline",
            Self::UnexpectedStatus => "a response had another status",
            Self::UnexpectedContentType => "a response had another media type",
            Self::NotJson => "a response says that it is JSON, and its body is not",
            Self::ResponsesDiffer => {
                "responses differ: fix the handler, or list what may differ under `ignore`"
            }
            Self::OverBudget => "not below the budget",
            Self::OracleDisagrees => "dhat and the counting allocator disagree",
            Self::ChangedWork => {
                "changed work: the response is not the baseline's, so it is neither faster nor slower"
            }
            Self::BeyondTolerance => "worse than the baseline, and not within the tolerance",
            Self::NoSample => "no sample that counts",
            Self::TooFewSamples => "too few samples",
            Self::Undecided => {
                "the confidence interval lies on both sides of the budget: take more samples"
            }
            Self::BusyMachine => {
                "some requests were slow while other processes wanted the processor: measure on an \
                 idle machine"
            }
            Self::NotObserved => {
                "the service does not tell: add the instrument layer, or do not require the claim"
            }
            Self::NotInBaseline => "not in the baseline: accept it with `passport baseline`",
            Self::NotDeterministic => "the responses differ among themselves",
            Self::IncomparableBuild => {
                "built or counted otherwise than the baseline: renew it with `passport baseline`"
            }
            Self::StoredLatency => {
                "stored times of another session prove nothing: measure two builds side by side"
            }
            Self::UndecidedChange => {
                "neither shown to be within the tolerance nor to be real: give it more time"
            }
            Self::NotCalibrated => {
                "the same sessions would misjudge an unchanged copy or miss an injected slowdown"
            }
            Self::CountsVary => {
                "the counts of one build differ too much among themselves: raise \
                 `instructions_percent` for this check"
            }
            Self::ValgrindMissing => "valgrind is not installed, so nobody counts instructions",
            Self::NotCounted => "instructions were not counted",
            Self::TooFewSessions => "too few sessions: give it more time",
            Self::SameProcesses => {
                "what stays with a process is not averaged out: let --baseline-cmd and \
                 --current-cmd start the servers"
            }
            Self::HiddenByTransport => {
                "the round trip hides the service's own time: let it tell that with `Server-Timing`"
            }
            Self::NotAllTold => {
                "the round trip got longer by more than the service tells: let it tell all that it \
                 does, or nothing"
            }
            Self::Imported => "imported: the document shows no evidence for it",
        }
    }

    const fn verdict(self) -> Verdict {
        match self {
            Self::AsExpected | Self::WithinBudget | Self::WithinTolerance => Verdict::Pass,
            Self::UnexpectedStatus
            | Self::UnexpectedContentType
            | Self::NotJson
            | Self::ResponsesDiffer
            | Self::OverBudget
            | Self::OracleDisagrees
            | Self::BeyondTolerance => Verdict::Fail,
            _ => Verdict::Abstain,
        }
    }
}

impl fmt::Display for Reason {
    /// The name as the passport has it: `over-budget`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The unit of a claim's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// An HTTP status.
    Status,
    /// A ratio in parts per million: 1030000 is 3 % more.
    Ppm,
}

/// One statement about one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is claimed.
    pub kind: ClaimKind,
    /// The outcome.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether the gate depends on it.
    pub required: bool,
    /// The unit of the figures below.
    pub unit: Unit,
    /// What was observed; of a latency the quantile, of a count the most that was seen.
    pub observed: Option<u64>,
    /// What it is held against: a budget, an expectation, or what the baseline says.
    pub limit: Option<u64>,
}

impl Claim {
    /// The observed figure with its unit; `-` when there is none.
    pub fn show_observed(&self) -> String {
        show(self.unit, self.observed)
    }

    /// The limit with its unit; `-` when there is none.
    pub fn show_limit(&self) -> String {
        show(self.unit, self.limit)
    }
}

fn show(unit: Unit, value: Option<u64>) -> String {
    match (unit, value) {
        (_, None) => "-".to_owned(),
        (Unit::Ns, Some(value)) => Nanos::new(value).to_string(),
        (Unit::Bytes, Some(value)) => Bytes::new(value).to_string(),
        (Unit::Count | Unit::Status, Some(value)) => value.to_string(),
        (Unit::Ppm, Some(value)) => show_ratio(value),
    }
}

/// A ratio as the difference from 1: `+3.00 %`.
#[expect(clippy::cast_precision_loss, reason = "display")]
fn show_ratio(ppm: u64) -> String {
    format!("{:+.2} %", (ppm as f64 - 1e6) / 1e4)
}

fn mark_required(contract: &Contract, mut claims: Vec<Claim>) -> Vec<Claim> {
    for claim in &mut claims {
        claim.required = contract.requires_of_each(claim.kind);
    }
    claims
}

fn decided(kind: ClaimKind, reason: Reason, unit: Unit) -> Claim {
    Claim {
        kind,
        verdict: reason.verdict(),
        reason,
        required: false,
        unit,
        observed: None,
        limit: None,
    }
}

impl Claim {
    fn with(mut self, observed: Option<u64>, limit: Option<u64>) -> Self {
        self.observed = observed;
        self.limit = limit;
        self
    }
}
