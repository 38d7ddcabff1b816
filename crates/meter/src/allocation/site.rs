//! Where in a program memory was asked for.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Count};

/// A place in a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The function, without the hash of its symbol; what a closure or an `async` body does counts
    /// as done by the function that it is in.
    pub function: String,
    /// The file: below the package or repository where it is the program's own, and
    /// `axum-0.8.9/src/json.rs` or `library/alloc/src/string.rs` where it is not. `None` where the
    /// executable does not say.
    pub file: Option<String>,
    /// The line in the file; `None` where the executable does not say.
    pub line: Option<u32>,
}

/// What was allocated from one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocationSite {
    /// The innermost place in the program's own code; where there is none, in that of a package, or
    /// else in the standard library.
    pub at: Place,
    /// The innermost place at all, the machinery of allocation left out: what `at` called. Equal to
    /// `at` where that allocates by itself.
    pub within: Place,
    /// Blocks; each reallocation is one more, at the place that allocated the block first.
    pub allocations: Count,
    /// Their bytes; a reallocation adds its whole new size.
    pub allocated_bytes: Bytes,
    /// Bytes that were live when most were.
    pub peak_bytes: Bytes,
}
