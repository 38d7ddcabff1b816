//! Comparing two builds: started side by side, round after round of sessions, until each check is decided.
//!
//! [`ComparisonRequest::run`] is the whole of it, from refs, executables or servers to a passport. Its
//! parts can be had alone: [`observe`] and [`observe_operations`] ask a side, an executable that is a
//! worker ([`perf_passport::worker`]), what its checks and operations do and cost by themselves;
//! [`hold_sessions`] has fresh copies of both sides take turns until [`perf_passport::paired`] decides
//! every [`Item`] or the time is over; [`causes`] says why a check got worse, and [`profile`] what a check of
//! one build does. [`calibrate`] puts
//! comparisons on trial. Linux only: elsewhere this crate is empty.

#![cfg(target_os = "linux")]

mod allocation_sites;
mod builds;
pub mod calibrate;
mod call_chains;
mod count_plan;
mod callgrind;
mod callgrind_file;
mod causes;
pub mod checkout;
mod command_line;
mod common_items;
mod comparison;
mod comparison_error;
mod cycles;
mod deadlines;
mod error;
mod floor;
pub mod guard;
mod instructions;
mod item;
mod loaded_code;
mod mapped_code;
mod observe;
mod operations;
mod process;
mod process_group;
mod profile;
mod progress;
mod random;
mod round;
mod server;
mod server_subject;
mod servers;
mod session;
mod session_history;
mod sessions;
mod side;
mod side_runs;
mod site_changes;
mod subject;
mod subjects;
pub mod supervisor;
mod suspects;
mod temporary;
mod turn_plan;
mod warm_up;
mod warm_windows;
mod watch;
mod workplace;

pub use allocation_sites::SitesError;
pub use builds::{BuildSource, RefBuilds};
pub use call_chains::ChainCost;
pub use callgrind::InstructionsError;
pub use causes::{AllocationCause, CausePart, CheckCauses, InstructionCause, Suspect, causes};
pub use command_line::{CommandLine, CommandLineError};
pub use common_items::ItemSelection;
pub use comparison::{ComparisonOutcome, ComparisonRequest};
pub use comparison_error::ComparisonError;
pub use count_plan::CountPlan;
pub use error::{ServerProblem, WorkerError};
pub use instructions::{
    ExecutedInstructions, InstructionsByItem, count_instructions, count_samples,
};
pub use item::Item;
pub use observe::{CheckObservations, observe};
pub use operations::{Offer, OperationObservations, observe_operations, offer};
pub use profile::{WorkProfile, profile};
pub use progress::ComparisonProgress;
pub use servers::{Server, ServerAt, Servers};
pub use sessions::{SessionProgress, SessionTask, hold_sessions};
pub use side::{Side, Sides};
pub use site_changes::{SiteChange, site_changes};
pub use subjects::Subjects;
pub use temporary::TemporaryDirectory;
pub use watch::Watch;
