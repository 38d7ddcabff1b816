//! Where a check or an operation allocates: a worker that takes one sample under dhat.
//!
//! Everything that dhat changes (it is a hundred times slower) is the same for both builds, and no
//! time is measured. Places have lines where the executable has debug information.

use std::path::Path;

use thiserror::Error;

use perf_passport::{allocation::AllocationSite, worker::protocol::Answer};

use crate::{
    count_plan::CountPlan,
    deadlines::OBSERVE_TIME,
    error::WorkerError,
    process::{Placement, Worker, copy_path},
    side::Side,
    watch::Watch,
};

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

/// Asks a side, whose workers have a directory, where an item allocates. What is allocated only every few
/// samples falls on the same one of both builds.
pub(super) fn allocation_sites(
    side: &Side,
    plan: &CountPlan<'_>,
    directory: &Path,
    watch: Watch<'_>,
) -> Result<Vec<AllocationSite>, SitesError> {
    let copy = copy_path(directory, "sites");
    let (mut worker, _) = Worker::start(side, &copy, Placement::ANYWHERE, watch)?;
    match worker.ask(&plan.of_sites(), OBSERVE_TIME)? {
        Answer::AllocatedCase { sites } if plan.item().check().is_none() => Ok(sites),
        Answer::Allocated { sites, response: Some(_) } => Ok(sites),
        Answer::Allocated { response: None, .. } => {
            Err(WorkerError::AnswersDiffer { side: side.label.clone() }.into())
        }
        other => Err(worker.unexpected(&other).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_in_no_error_that_is_filed() {
        let (side, message) = ("current".to_owned(), "signal: 9; the key is hunter2".to_owned());
        let filed = SitesError::from(WorkerError::Died { side, message }).to_string();
        assert!(filed.ends_with("not known: the worker of current died: signal: 9"), "{filed}");
    }
}
