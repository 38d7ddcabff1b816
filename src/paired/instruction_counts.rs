//! The instructions that the samples of a check executed in two builds, and what they show.

use serde::{Deserialize, Serialize};

use super::{
    decision::{Outcome, Spread},
    evidence::Effect,
};
use crate::units::{Count, Ppm};

/// What the samples of one check executed in two builds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InstructionCounts {
    /// Samples that each process sent first and that were not counted.
    pub warmup_samples: Count,
    /// What a process of each build counted after and before other checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub among_others: Option<CountedPair>,
    /// What processes counted that did nothing else; only there where the first pair did not show that
    /// the change is within the tolerance, and then it is these that are decided on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<CountedPair>,
    /// Why nothing was counted; only there where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
}

/// What a process of each build counted, both doing the same from their start on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CountedPair {
    /// What the change started from.
    pub baseline: SampleCounts,
    /// The change.
    pub current: SampleCounts,
}

/// Why instructions were not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Uncounted {
    /// For programs.
    pub why: WhyUncounted,
    /// For people; printable ASCII.
    pub message: String,
}

/// The kinds of reason for which instructions were not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhyUncounted {
    /// Valgrind is not installed.
    ValgrindMissing,
    /// Servers were compared, and workers alone are counted.
    Servers,
    /// The user asked for no counting.
    LeftOut,
    /// Something went wrong.
    Failed,
}

/// Instructions of each sample of one process, in their order; as text with blanks between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleCounts(pub(super) Vec<u64>);

/// What the counts show of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionDecision {
    /// [`Outcome::Within`], [`Outcome::Beyond`] or [`Outcome::Undecided`].
    pub outcome: Outcome,
    /// Where the change lies.
    pub change: Spread,
}

impl InstructionDecision {
    /// The least change that such counts would show to be beyond this tolerance.
    pub fn detectable(&self, tolerance: Ppm) -> Effect {
        let tolerance = i64::try_from(tolerance.get()).unwrap_or(i64::MAX);
        tolerance.saturating_add(self.change.median.saturating_sub(self.change.lower))
    }
}

impl InstructionCounts {
    /// None, and why; the message is printable ASCII.
    pub fn uncounted(why: WhyUncounted, message: &str) -> Self {
        let uncounted = Some(Uncounted { why, message: message.to_owned() });
        Self { uncounted, ..Self::default() }
    }
}

impl SampleCounts {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u64> for SampleCounts {
    fn from_iter<T: IntoIterator<Item = u64>>(counts: T) -> Self {
        Self(counts.into_iter().collect())
    }
}

/// No count is larger: that no hash covers exactly.
const COUNT_MAX: u64 = 1 << 53;

impl Serialize for SampleCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = self.0.iter().map(u64::to_string).collect();
        serializer.serialize_str(&words.join(" "))
    }
}

impl<'de> Deserialize<'de> for SampleCounts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let counts = text.split(' ').filter(|_| !text.is_empty()).map(|word| {
            let count: u64 =
                word.parse().map_err(|_| D::Error::custom("counts are whole numbers"))?;
            // The same bytes must come out again, and what executes nothing is no sample.
            if count.to_string() != word || !(1..=COUNT_MAX).contains(&count) {
                return Err(D::Error::custom("no count of a sample"));
            }
            Ok(count)
        });
        counts.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SampleCounts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SampleCounts".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Instructions of each sample of one process, with blanks between.",
            "pattern": "^([1-9][0-9]*( [1-9][0-9]*)*)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(counts: impl IntoIterator<Item = u64>) -> SampleCounts {
        counts.into_iter().collect()
    }

    #[test]
    fn counts_come_back_from_text_and_nothing_else_does() {
        let counts = process([1, 20, 1 << 53]);
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(text, "\"1 20 9007199254740992\"");
        assert_eq!(serde_json::from_str::<SampleCounts>(&text).unwrap(), counts);
        assert_eq!(serde_json::from_str::<SampleCounts>("\"\"").unwrap(), process([]));
        for bad in ["0", "01", "-1", "1  2", "1 ", "9007199254740993", "+1"] {
            assert!(serde_json::from_str::<SampleCounts>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
    }
}
