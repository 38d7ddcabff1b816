//! Where a check allocates: a worker that takes one sample under dhat.
//!
//! Everything that dhat changes (it is a hundred times slower) is the same for both builds, and no
//! time is measured. Places have lines where the executable has debug information.

use std::path::Path;

use thiserror::Error;

use perf_passport::{
    allocation::AllocationSite,
    contract::Check,
    worker::protocol::{Answer, Question},
};

use crate::{
    deadlines::OBSERVE_TIME,
    error::WorkerError,
    process::{Placement, Worker, copy_path},
    side::Side,
    watch::Watch,
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
    watch: Watch<'_>,
) -> Result<Vec<AllocationSite>, SitesError> {
    let copy = copy_path(directory, "sites");
    let (mut worker, _) = Worker::start(side, &copy, Placement::ANYWHERE, watch)?;
    let question = Question::AllocationSites { check: check.id(), warmup: WARMUP };
    match worker.ask(&question, OBSERVE_TIME)? {
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
