//! Checks of a side by themselves: what each does and costs.

use perf_passport::{
    contract::Check,
    environment::Build,
    evidence::Evidence,
    passport::MeasuredCheck,
    pipeline::Progress,
    worker::protocol::{Answer, Question},
};

use crate::{
    deadlines::OBSERVE_TIME,
    error::WorkerError,
    process::{Placement, Worker, copy_path},
    side::Side,
    watch::Watch,
    workplace::temporary_directory,
};

/// What a side says of its checks.
#[derive(Debug)]
pub struct CheckObservations {
    /// When it was asked, RFC 3339 in UTC.
    pub timestamp: String,
    /// The build of its worker.
    pub build: Build,
    /// What each check does and costs by itself.
    pub measured: Vec<MeasuredCheck>,
    /// Why checks are missing: the worker died or hung, or the user interrupted.
    pub fault: Option<WorkerError>,
}

/// Asks a side what each check does and costs by itself, with as many samples as `samples` says.
/// What goes wrong with a check is evidence; when the worker is gone, what it said before is kept.
/// `progress` is told of each check.
///
/// # Errors
///
/// When the worker cannot be started.
pub fn observe(
    side: &Side,
    checks: &[&Check],
    samples: &dyn Fn(&Check) -> u32,
    watch: Watch<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<CheckObservations, WorkerError> {
    let directory = temporary_directory()?;
    let copy = copy_path(directory.path(), "observe");
    let (mut worker, build) = Worker::start(side, &copy, Placement::ANYWHERE, watch)?;
    let timestamp = watch.timestamp();
    let mut observed = CheckObservations { timestamp, build, measured: Vec::new(), fault: None };
    for check in checks {
        let timestamp = watch.timestamp();
        progress(Progress::Check(check));
        let question = Question::Observe { check: check.id(), samples: samples(check) };
        let answer = worker.ask(&question, OBSERVE_TIME).and_then(|answer| match answer {
            // What cannot have been observed would be in no passport that verifies.
            Answer::Observed { evidence, bodies } if evidence.validate(check).is_ok() => {
                Ok(Evidence { bodies: *bodies, ..*evidence })
            }
            other => Err(worker.unexpected(&other)),
        });
        match answer {
            Ok(evidence) => {
                progress(Progress::Measured(check, &evidence));
                observed.measured.push(MeasuredCheck {
                    check: check.id(),
                    timestamp,
                    evidence,
                    baseline: None,
                    paired: None,
                    instructions: None,
                });
            }
            Err(fault) => {
                observed.fault = Some(fault);
                break;
            }
        }
    }
    Ok(observed)
}
