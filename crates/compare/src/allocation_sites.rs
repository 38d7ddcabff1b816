//! Where a check allocates: a worker that takes one sample under dhat.
//!
//! Everything that dhat changes (it is a hundred times slower) is the same for both builds, and no
//! time is measured. Places have lines where the executable has debug information.

use std::path::Path;

use thiserror::Error;

use super::{
    OBSERVE_TIME, Side, Watch, WorkerError,
    process::{Placement, Worker, copy_path},
};
use perf_passport::{
    allocation::AllocationSite,
    contract::Check,
    worker::protocol::{Answer, Question},
};

/// Samples that warm a check up. What is allocated only every few requests falls on the same sample
/// of both builds.
const WARMUP: u32 = 20;

/// Why nobody knows where a check allocates.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SitesError {
    /// The harness cannot tell, or the worker could not do its work.
    #[error("allocation sites are not known: {0}")]
    Unavailable(String),
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl From<WorkerError> for SitesError {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Interrupted => Self::Interrupted,
            WorkerError::Refused { message, .. } => Self::Unavailable(message),
            error => Self::Unavailable(error.recorded()),
        }
    }
}

/// Asks a side, whose workers have a directory, where a check allocates.
pub(super) fn allocation_sites(
    side: &Side,
    check: &Check,
    directory: &Path,
    (clock, stop): Watch<'_>,
) -> Result<Vec<AllocationSite>, SitesError> {
    let placement = Placement { cpu: None, padding: 0, layout: 0 };
    let copy = copy_path(directory, "sites");
    let (mut worker, _) = Worker::start(side, &copy, placement, (clock, stop))?;
    let question = Question::AllocationSites { check: check.id(), warmup: WARMUP };
    match worker.ask(&question, OBSERVE_TIME)? {
        Answer::Allocated { sites, response: Some(_) } => Ok(sites),
        Answer::Allocated { response: None, .. } => {
            Err(WorkerError::AnswersDiffer { side: side.label.clone() }.into())
        }
        other => Err(worker.unexpected(&other).into()),
    }
}
