//! What was observed of one case of an operation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Samples, ToldFigures};
use crate::{
    evidence::Range,
    statistics::are_fine,
    units::{Count, Nanos},
};

/// The largest count that a hash covers exactly.
const COUNT_MAX: u64 = 1 << 53;
/// The longest message of a failure.
const MESSAGE_LENGTH_MAX: usize = 2000;
const NAMES_MAX: usize = 64;
const QUALITY_MAX: u64 = 1_000_000_000_000_000;

/// Everything observed of one case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CaseEvidence {
    /// Raw samples of time.
    pub samples: Samples,
    /// Samples whose allocations were counted; 0 where nobody counted.
    pub counted: Count,
    /// Allocations of one iteration.
    pub allocations: Option<Range>,
    /// Bytes allocated by one iteration.
    pub allocated_bytes: Option<Range>,
    /// The most bytes that one iteration held at one moment.
    pub heap_peak_bytes: Option<Range>,
    /// The worst that the operation said of its result, by metric, in parts per million; `null` for
    /// what was no finite number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quality: BTreeMap<String, Option<i64>>,
    /// Parts of the time that the operation told by name, such as `render`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, Samples>,
    /// What another tool told of it that keeps no samples; only there where it told something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldFigures>,
    /// Why it was not measured to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a case was not measured to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// What was said of it; printable ASCII.
    pub message: String,
}

/// What can happen to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The operation panicked.
    Panicked,
    /// The operation was not done by its deadline.
    Deadline,
    /// What another tool wrote of it cannot be used: nothing is known.
    Unusable,
}

/// A part of the evidence that cannot be what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`evidence.{field}` {problem}")]
pub struct CaseEvidenceError {
    field: &'static str,
    problem: &'static str,
}

fn holds(field: &'static str, holds: bool, problem: &'static str) -> Result<(), CaseEvidenceError> {
    if holds { Ok(()) } else { Err(CaseEvidenceError { field, problem }) }
}

impl CaseEvidence {
    /// Whether it tells this part of its time finely enough to be compared; `None` where it does not tell it.
    pub fn tells_finely(&self, part: &str) -> Option<bool> {
        let told = self.parts.get(part)?.as_slice();
        let times: Vec<Nanos> = told.iter().map(|it| Nanos::new(it.ns)).collect();
        Some(are_fine(&times))
    }

    /// Evidence of nothing but a failure.
    pub fn failed(kind: FailureKind, message: &str) -> Self {
        let message = crate::text::printable(message.as_bytes(), MESSAGE_LENGTH_MAX);
        Self { failure: Some(Failure { kind, message }), ..Self::default() }
    }

    /// Adds the samples that a later pass took; what was counted stays as it is.
    pub fn add_samples(&mut self, later: &Samples) {
        let mut samples = self.samples.as_slice().to_vec();
        samples.extend_from_slice(later.as_slice());
        self.samples = Samples::new(samples).unwrap_or_default();
    }

    /// Checks what holds of all evidence, for some that was read from outside.
    ///
    /// # Errors
    ///
    /// [`CaseEvidenceError`] naming the field that contradicts the others.
    pub fn validate(&self) -> Result<(), CaseEvidenceError> {
        let counted = self.counted > Count::ZERO;
        for (field, range) in [
            ("allocations", self.allocations),
            ("allocated_bytes", self.allocated_bytes),
            ("heap_peak_bytes", self.heap_peak_bytes),
        ] {
            holds(field, counted || range.is_none(), "is there, and nothing was counted")?;
            let fits = range.is_none_or(|it| it.min <= it.max && it.max <= COUNT_MAX);
            holds(field, fits, "is no range up to 2^53")?;
        }
        let counts = [self.allocations, self.allocated_bytes, self.heap_peak_bytes];
        let any = counts.iter().any(Option::is_some);
        holds("counted", any || !counted, "is above 0, and no count is there")?;
        let small = |value: &Option<i64>| value.is_none_or(|it| it.unsigned_abs() <= QUALITY_MAX);
        let named = self.quality.len() <= NAMES_MAX && self.quality.values().all(small);
        holds("quality", named, "has more than 64 metrics, or one beyond 1e9")?;
        let timed = self.parts.len() <= NAMES_MAX && self.parts.values().all(|it| !it.is_empty());
        holds("parts", timed, "has more than 64 parts, or one without a sample")?;
        let is_alone = self.told.is_none() || self.samples.is_empty();
        holds("told", is_alone, "is there beside samples")?;
        let fits = self.told.is_none_or(ToldFigures::is_possible);
        holds(
            "told",
            fits,
            "says nothing, has a figure beyond 2^53, or bounds in the wrong order",
        )?;
        let Some(failure) = &self.failure else { return Ok(()) };
        let plain = failure.message.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let fits = plain && failure.message.len() <= MESSAGE_LENGTH_MAX;
        holds("failure.message", fits, "is not printable ASCII of at most 2000 characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Picos;

    #[test]
    fn a_contradiction_is_named() {
        let counted = CaseEvidence {
            counted: Count::new(1),
            allocations: Some(Range::of(3)),
            ..CaseEvidence::default()
        };
        assert_eq!(counted.validate(), Ok(()));
        assert_eq!(CaseEvidence::default().validate(), Ok(()));
        let wrong = |change: fn(&mut CaseEvidence)| {
            let mut evidence = counted.clone();
            change(&mut evidence);
            evidence.validate().unwrap_err().to_string()
        };
        assert!(wrong(|it| it.counted = Count::ZERO).contains("nothing was counted"));
        assert!(wrong(|it| it.allocations = None).contains("no count is there"));
        assert!(wrong(|it| it.allocations = Some(Range { min: 2, max: 1 })).contains("no range"));
        assert!(
            wrong(|it| it.quality = [("a".to_owned(), Some(i64::MIN))].into()).contains("beyond")
        );
        let told = ToldFigures { mean_ps: Some(Picos::new(5)), ..ToldFigures::default() };
        assert_eq!(CaseEvidence { told: Some(told), ..counted.clone() }.validate(), Ok(()));
        assert!(wrong(|it| it.told = Some(ToldFigures::default())).contains("says nothing"));
        assert!(
            wrong(|it| it.parts = [("a".to_owned(), Samples::default())].into()).contains("part")
        );
        let loud = Failure { kind: FailureKind::Panicked, message: "\u{1b}[31m".to_owned() };
        let mut evidence = counted;
        evidence.failure = Some(loud);
        assert!(evidence.validate().unwrap_err().to_string().contains("printable"));
    }

    #[test]
    fn a_message_is_made_printable_and_cut() {
        let evidence = CaseEvidence::failed(FailureKind::Panicked, &"\u{e9}\n".repeat(5000));
        assert_eq!(evidence.validate(), Ok(()));
        assert!(evidence.failure.unwrap().message.starts_with("\\xc3\\xa9\\n"));
    }
}
