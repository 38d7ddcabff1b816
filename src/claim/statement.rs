//! What is claimed: one statement, its outcome, and its figures.

use serde::{Deserialize, Serialize};

use super::{reason::Reason, verdict::Verdict};
use crate::{
    contract::{ClaimKind, Contract, Direction, Unit},
    units::{Bytes, Millihertz, Nanos, Picos},
};

/// One statement about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is claimed.
    pub kind: ClaimKind,
    /// Of a quality the metric; of growth the class that is allowed; of a latency the quantile, where it is
    /// not the one that each check has a budget of; of production the time that a request may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The outcome.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether the gate depends on it.
    pub required: bool,
    /// The unit of the figures below.
    pub unit: Unit,
    /// What was observed: of a latency the quantile, of an operation's time the mean, of a count the
    /// most, of a quality the least, of growth the exponent; where two builds took turns, how many
    /// times the other's time.
    pub observed: Option<i64>,
    /// What it is held against: a budget, an expectation, or what the baseline says.
    pub limit: Option<i64>,
}

impl Claim {
    /// A claim without figures, in the unit of its kind, and required as the kind is by default.
    pub(crate) const fn new(kind: ClaimKind, reason: Reason) -> Self {
        Self {
            kind,
            metric: None,
            verdict: reason.verdict(),
            reason,
            required: kind.is_required_by_default(),
            unit: kind.unit(),
            observed: None,
            limit: None,
        }
    }

    pub(crate) fn in_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    pub(crate) fn figures(self, observed: Option<u64>, limit: Option<u64>) -> Self {
        Self { observed: observed.map(signed), limit: limit.map(signed), ..self }
    }

    /// Whether a reader must be told of it: it failed, or it must be proved and is not.
    pub fn is_at_fault(&self) -> bool {
        match self.verdict {
            Verdict::Fail => true,
            Verdict::Abstain => self.required,
            Verdict::Pass => false,
        }
    }

    /// The observed figure with its unit; `-` when there is none.
    pub fn show_observed(&self) -> String {
        self.show(self.observed)
    }

    /// The limit with its unit; `-` when there is none.
    pub fn show_limit(&self) -> String {
        self.show(self.limit)
    }

    #[expect(clippy::cast_precision_loss, reason = "display")]
    fn show(&self, value: Option<i64>) -> String {
        let Some(value) = value else { return "-".to_owned() };
        let whole = u64::try_from(value).unwrap_or_default();
        match self.unit {
            Unit::Ps => Picos::new(whole).to_string(),
            Unit::Ns => Nanos::new(whole).to_string(),
            Unit::Millihertz => Millihertz::new(whole).to_string(),
            Unit::Bytes => Bytes::new(whole).to_string(),
            Unit::Count | Unit::Status => whole.to_string(),
            // As the difference from 1.
            Unit::Ppm if self.kind.is_change() => format!("{:+.2} %", (value as f64 - 1e6) / 1e4),
            Unit::Ppm if self.kind.is_of_production() => format!("{:.4} %", value as f64 / 1e4),
            Unit::Ppm => format!("{:.4}", value as f64 / 1e6),
        }
    }

    /// How much of the budget is used: 1 is all of it. `None` where that makes no sense.
    #[expect(clippy::cast_precision_loss, reason = "display")]
    pub fn closeness(&self) -> Option<f64> {
        let (observed, limit) = self.observed.zip(self.limit)?;
        let (part, whole) = match self.kind.direction() {
            _ if !self.kind.is_budget() => return None,
            Direction::AtLeast => (limit, observed),
            Direction::Equal | Direction::Below | Direction::AtMost => (observed, limit),
        };
        match (part, whole) {
            (0, 0) => Some(1.0),
            (_, 0) => Some(f64::INFINITY),
            (part, whole) => Some(part as f64 / whole as f64),
        }
    }
}

/// Every figure is at most 2^53.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Marks the claims on which this contract lets the gate depend.
pub(super) fn mark_required(contract: &Contract, mut claims: Vec<Claim>) -> Vec<Claim> {
    for claim in &mut claims {
        // Where the share of deterministic checks gates, it excuses a check that differs, and not a
        // contract that ignores nothing.
        claim.required = if claim.reason == Reason::IgnoresNothing {
            contract.requires(claim.kind)
        } else {
            contract.requires_of_each(claim.kind)
        };
    }
    claims
}
