//! What was observed of one check: the facts that claims are decided on.
//!
//! An [`Evidence`] is filled by the pipeline from what a probe saw, and travels unchanged into the
//! passport, so that every verdict can be recomputed from it. It holds no verdict and no budget.
//! [`Evidence::validate`] finds what cannot have been observed.

mod behaviour;
mod bodies;
mod contradiction;
mod counts;
mod heap_growth;
mod of_check;
mod process;
mod rows;

pub use behaviour::{Behaviour, Response, ResponseDifference, WireBody};
pub use bodies::Bodies;
pub use contradiction::EvidenceError;
pub(crate) use contradiction::is_sha256;
pub use counts::{CountSource, Counts, OracleCounts, Range};
pub use heap_growth::HeapGrowth;
pub use of_check::Evidence;
pub use process::ProcessEvidence;
pub use rows::RowCoverage;
