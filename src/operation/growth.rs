//! How the time of an operation grows with its size.
//!
//! [`Growth`] is what is told of it. How it is fitted, and whether a class holds, is decided by the rule
//! that the passport names: `growth_rule_1` explains the first.

use serde::{Deserialize, Serialize};

use crate::{
    contract::Complexity,
    units::{Count, Picos},
};

/// Growth over the sizes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Sizes measured.
    pub sizes: Count,
    /// The exponent of the size, in parts per million: 2000000 is a square.
    pub exponent_ppm: i64,
    /// Its 95 % confidence interval, lower end.
    pub exponent_lower_ppm: i64,
    /// Its 95 % confidence interval, upper end.
    pub exponent_upper_ppm: i64,
    /// The class that fits best, of those that fit about as well the smallest.
    pub class: Complexity,
    /// How far times are from the class's, root mean square in parts per million of the time.
    pub misfit_ppm: i64,
    /// The time at the smallest size.
    pub smallest_ps: Picos,
    /// The time at the largest size.
    pub largest_ps: Picos,
}
