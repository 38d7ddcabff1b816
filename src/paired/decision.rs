//! What is decided of a check: the outcome, and where its effects lie.

use serde::{Deserialize, Serialize};

use super::evidence::{Effect, OverHttp, Pairs, Session};

/// What the sessions show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The effect is within the tolerance.
    Within,
    /// The effect is real, and not within the tolerance.
    Beyond,
    /// Neither is shown: more sessions may.
    Undecided,
    /// The same sessions would call a copy of the baseline slower than the baseline, or would not
    /// have found the slowdown that was injected, so they prove nothing.
    Uncalibrated,
    /// There are too few sessions for the first look.
    TooFewSessions,
    /// All sessions asked the same processes, so they are one draw of what stays with a process.
    SameProcesses,
    /// The code of a side was still being compiled, or something else still made it faster.
    NotWarm,
    /// The round trip hides the service's own time, so that nobody knows what a share of it is.
    Hidden,
    /// The time that the services tell is within the tolerance, and what they do not tell got longer.
    Untold,
}

/// Where an effect lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The lower bound, in ppm.
    pub lower: Effect,
    /// The median over sessions, in ppm.
    pub median: Effect,
    /// The upper bound, in ppm.
    pub upper: Effect,
}

/// What was decided of one check, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the sessions show.
    pub outcome: Outcome,
    /// Sessions that it was decided on.
    pub sessions: usize,
    /// The effect of the change.
    pub current: Spread,
    /// The effect of no change.
    pub control: Spread,
    /// The effect of the injected slowdown.
    pub injected: Spread,
    /// The smallest effect that these sessions tell from none, which a PASS needs to be within the
    /// tolerance; `None` below the first look.
    pub resolved: Option<Effect>,
    /// The smallest effect that these sessions would have called real; `None` below the first look.
    pub detectable: Option<Effect>,
}

/// One of the sides that may be slower than another.
#[derive(Clone, Copy)]
pub(super) struct Side {
    /// Its pairs in a session.
    pub(super) pairs: fn(&Session) -> &Pairs,
    /// What its service does not tell.
    pub(super) untold: fn(&OverHttp) -> Option<Effect>,
}
