//! How a comparison decides: the rules that it names, and its thresholds.

use serde::{Deserialize, Serialize};

use crate::{
    rules::{ComparisonRule, InstructionsRule},
    units::{Count, Nanos, Ppm},
};

/// Executables of a build that is linked again, of which each session takes one: enough that none of
/// them decides, few enough to be linked in seconds.
pub const LINKS: u64 = 24;

/// Layouts that the links of a build must have, so that the margins of builds that are linked again hold:
/// those were measured with [`LINKS`] layouts. The error of a median of layouts goes with the root of their
/// number, so that with a sixth less it is a tenth more.
pub const LAYOUTS_MIN: u64 = 20;

/// What is compared, as far as thresholds depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparedBuilds {
    /// Executables that are linked again and again, so that code is elsewhere in each session.
    Relinked,
    /// Executables as they were given.
    Fixed,
    /// Servers that are asked over HTTP.
    Served,
    /// Servers that are asked over HTTP and have all mapped the same machine code, such as scripts of one
    /// interpreter.
    ServedByOneProgram,
    /// Servers of which each side has at least so many builds, and each session takes one of them.
    ServedByBuilds(Count),
}

/// The thresholds that a rule sets.
#[derive(Clone, Copy)]
pub(super) struct PairThresholds {
    pub(super) suite_error_ppm: Ppm,
    pub(super) rebuild_floor_ppm: Ppm,
    pub(super) layout_margin_ppm: Ppm,
    pub(super) injected_ppm: Ppm,
    pub(super) pair_time_ns: Nanos,
}

/// How a comparison decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The version of the rule that decides on times.
    pub rule: ComparisonRule,
    /// The version of the rule that decides on counts of instructions.
    pub instructions_rule: InstructionsRule,
    /// The probability that any check of the suite gets a FAIL that its sessions do not bear out,
    /// and likewise a PASS, all looks together. For each kind of claim: latency, drift against the
    /// anchor, and instructions have one each.
    pub suite_error_ppm: Ppm,
    /// Checks that share this probability.
    pub checks: Count,
    /// What rebuilding unchanged code does to the time on a machine like this, at most. An effect
    /// is real when it is shown to be above.
    pub rebuild_floor_ppm: Ppm,
    /// How much a build may be favoured by where the linker placed its code. A PASS needs this much
    /// room below the tolerance.
    pub layout_margin_ppm: Ppm,
    /// The slowdown that each session injects into a copy of the baseline, to show that it would
    /// have been found.
    pub injected_ppm: Ppm,
    /// Time of one session that a check's pairs of the two builds take: of servers at least.
    pub pair_time_ns: Nanos,
}

/// A rank from below and the same rank from above, in the sorted effects of some sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Sessions looked at.
    pub sessions: usize,
    /// The rank, from 1.
    pub rank: usize,
}
