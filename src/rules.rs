//! The numbers of the rules by which evidence is decided on.
//!
//! A passport records the number of each rule: those of a comparison in [`crate::paired::Policy`],
//! that of production in its evidence, the others as [`Rules`]. [`crate::passport::verify`] decides again by the rules that the document
//! names, whatever is latest. So a better rule is a new variant here, a new function beside the old
//! one, and an arm in each `match` that the compiler then names. The old function stays as it was.
//!
//! What has no number is a part of the format, and only another schema version may change it: sums,
//! means and quantiles of samples, and whether an exact figure is within its limit.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number that no rule of this program has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{rule} rule {number} is not known, this program knows 1 to {latest}")]
pub struct UnknownRule {
    /// What the rule decides on.
    pub rule: &'static str,
    /// The number that is not known.
    pub number: u32,
    /// The latest that is.
    pub latest: u32,
}

/// The versions of one rule, written as their numbers.
///
/// The variant `Trial` is there in unit tests alone. It shows that a second version changes nothing
/// for the passports of the first.
macro_rules! versions {
    ($(#[$doc:meta])* $rule:ident, $name:literal: $($version:ident = $number:literal),+; latest $latest:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub enum $rule {
            $(#[doc = concat!("Version ", stringify!($number), ".")] $version,)+
            /// Only in unit tests.
            #[cfg(test)]
            Trial,
        }

        impl $rule {
            /// The version by which new evidence is decided on, but where a policy says otherwise.
            pub const LATEST: Self = Self::$latest;

            /// What the rule decides on, as it is told.
            pub const NAME: &'static str = $name;

            /// The number, from 1.
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$version => $number,)+
                    #[cfg(test)]
                    Self::Trial => TRIAL,
                }
            }
        }

        impl TryFrom<u32> for $rule {
            type Error = UnknownRule;

            fn try_from(number: u32) -> Result<Self, UnknownRule> {
                match number {
                    $($number => Ok(Self::$version),)+
                    #[cfg(test)]
                    TRIAL => Ok(Self::Trial),
                    _ => Err(UnknownRule { rule: $name, number, latest: Self::LATEST.number() }),
                }
            }
        }

        impl From<$rule> for u32 {
            fn from(rule: $rule) -> Self {
                rule.number()
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $rule {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($rule).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "integer",
                    "description": concat!("The version of the ", $name, " rule."),
                    "minimum": 1,
                    "maximum": Self::LATEST.number(),
                })
            }
        }
    };
}

/// The number of the rules that only unit tests have.
#[cfg(test)]
const TRIAL: u32 = 1_000;

versions! {
    /// How the sessions of a comparison are decided on: thresholds, looks and verdict.
    ComparisonRule, "comparison": One = 1, Two = 2; latest Two
}
versions! {
    /// How counts of instructions are decided on: what is whole, bounds and verdict.
    InstructionsRule, "instructions": One = 1; latest One
}
versions! {
    /// When two builds are the same code: what of an executable counts, what is looked through, and which
    /// files a build may read while it runs.
    SameCodeRule, "same-code": One = 1; latest One
}
versions! {
    /// How a latency is held against its budget: bounds of the quantile, and what a busy machine does.
    LatencyRule, "latency": One = 1, Two = 2; latest Two
}
versions! {
    /// How far the mean time of an operation may be from the true one.
    MeanRule, "mean": One = 1; latest One
}
versions! {
    /// Which claims must be proved where the contract does not say it. By the second, what a service that
    /// is asked over HTTP does not tell need not be, unless the contract has a budget of it.
    RequiredRule, "required": One = 1, Two = 2; latest Two
}
versions! {
    /// How the growth of an operation's time is fitted, and held against a class.
    GrowthRule, "growth": One = 1; latest One
}

versions! {
    /// How the share of bad requests of a running service is bounded, and held against what is allowed.
    /// Evidence of production names it. The second counts with what the first did not know: counts that may
    /// be from before, requests that one metric has and the other lacks, and counters that contradict
    /// themselves.
    ProductionRule, "production": One = 1, Two = 2; latest Two
}

/// The rules that are no part of a comparison's policy, and not of production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Of latencies and their budgets.
    pub latency: LatencyRule,
    /// Of the mean times of operations and their budgets.
    pub mean: MeanRule,
    /// Of the growth of operations.
    pub growth: GrowthRule,
    /// Of what must be proved; the first where it is not said.
    #[serde(default = "RequiredRule::first", skip_serializing_if = "RequiredRule::is_first")]
    pub required: RequiredRule,
}

impl RequiredRule {
    /// That of passports from before there was another.
    const fn first() -> Self {
        Self::One
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    const fn is_first(&self) -> bool {
        matches!(self, Self::One)
    }
}

impl Rules {
    /// Those by which new evidence is decided on.
    pub const LATEST: Self = Self {
        latency: LatencyRule::LATEST,
        mean: MeanRule::LATEST,
        growth: GrowthRule::LATEST,
        required: RequiredRule::LATEST,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_its_number_and_read_again() {
        let written = serde_json::to_string(&Rules::LATEST).unwrap();
        assert_eq!(written, r#"{"latency":2,"mean":1,"growth":1,"required":2}"#);
        assert_eq!(serde_json::from_str::<Rules>(&written).unwrap(), Rules::LATEST);
        // Before there was a second rule of what is required, there was no number of it.
        let before = r#"{"latency":1,"mean":1,"growth":1}"#;
        let rules: Rules = serde_json::from_str(before).unwrap();
        assert_eq!(rules.required, RequiredRule::One);
        assert_eq!(serde_json::to_string(&rules).unwrap(), before);
    }

    #[test]
    fn a_number_that_no_rule_has_is_refused_by_name() {
        for number in [0, GrowthRule::LATEST.number() + 1, u32::MAX] {
            let refused = GrowthRule::try_from(number).unwrap_err().to_string();
            let said = format!("growth rule {number} is not known, this program knows 1 to 1");
            assert_eq!(refused, said);
        }
        assert!(serde_json::from_str::<ComparisonRule>("-1").is_err());
        assert!(serde_json::from_str::<ComparisonRule>("\"1\"").is_err());
    }
}
