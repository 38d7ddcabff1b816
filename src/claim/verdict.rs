//! Shown, shown not to be so, or neither.

use std::fmt;

use serde::{Deserialize, Serialize};

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
