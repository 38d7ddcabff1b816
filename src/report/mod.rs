//! Reports: a passport as text that a person reads.
//!
//! Each report is a pure function of a passport. ASCII only; texts from outside are already
//! printable in a passport. Colour is the caller's decision.

mod comparison;
mod faults;
mod operations;
mod table;

pub use comparison::{comparison_markdown, comparison_table};
pub use faults::claims_at_fault;
pub use operations::operations_table;
pub use table::{
    Style, differences, exact_counts, passport_table, summary_lines, whole_summary_lines,
};
