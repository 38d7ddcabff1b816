//! Operations of a side by themselves: counts, quality, time and growth, as the harness sees them.
//!
//! Each operation has a worker of its own, as it has a process of its own in the harness: one that
//! crashes or never returns takes nothing from the others, and what was measured of it before is kept.

use std::{collections::BTreeMap, fs, process::Command};

use perf_passport::{
    contract::Operation,
    environment::Build,
    operation::{CaseEvidence, FailureKind},
    passport::MeasuredCase,
    units::Nanos,
    worker::protocol::{Answer, Question},
};

use crate::{
    error::{WorkerError, without_last_words},
    item::Item,
    process::{Placement, Worker, copy_path},
    side::Side,
    watch::Watch,
    workplace::{prepared, temporary_directory},
};

/// What a side can measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What its worker was built with.
    pub build: Build,
    /// Whether it has a service, and so checks.
    pub service: bool,
    /// The operations that it declares.
    pub operations: Vec<String>,
}

/// Time to say what there is.
const OFFER_TIME: Nanos = Nanos::new(20_000_000_000);

/// Asks a side what it can measure.
///
/// # Errors
///
/// The worker's, when it cannot be started, dies or hangs.
pub fn offer(side: &Side, watch: Watch<'_>) -> Result<Offer, WorkerError> {
    let directory = temporary_directory()?;
    let copy = copy_path(directory.path(), "offer");
    let (mut worker, build) = Worker::start(side, &copy, Placement::ANYWHERE, watch)?;
    match worker.ask(&Question::Offers, OFFER_TIME)? {
        Answer::Offers { service, operations } => Ok(Offer { build, service, operations }),
        other => Err(worker.unexpected(&other)),
    }
}

/// What a side says of its operations.
#[derive(Debug, Default)]
pub struct OperationObservations {
    /// What was measured of each, at each of its sizes.
    pub measured: Vec<MeasuredCase>,
    /// Why others are missing: their worker could not be started or answers nonsense, or the user
    /// interrupted.
    pub fault: Option<WorkerError>,
}

/// Measures the operations among these items, at their sizes and by themselves; `samples` of time each.
/// What goes wrong with an operation is evidence.
///
/// # Errors
///
/// When there is nothing to start workers from.
pub fn observe_operations(
    side: &Side,
    items: &[Item<'_>],
    samples: u32,
    watch: Watch<'_>,
) -> Result<OperationObservations, WorkerError> {
    let mut operations: Vec<(&Operation, Vec<Option<u64>>)> = Vec::new();
    for item in items {
        let Item::Case(operation, at) = item else { continue };
        match operations.last_mut() {
            Some((last, sizes)) if last.name == operation.name => sizes.push(*at),
            _ => operations.push((operation, vec![*at])),
        }
    }
    if operations.is_empty() {
        return Ok(OperationObservations::default());
    }
    let directory = temporary_directory()?;
    let side = prepared(side, directory.path(), "operations")?;
    let copy = copy_path(directory.path(), "operations");
    fs::copy(&side.executable, &copy).map_err(|error| WorkerError::NotStarted {
        side: side.label.clone(),
        message: format!("cannot copy it: {error}"),
    })?;
    let mut observed = OperationObservations::default();
    for (operation, sizes) in operations {
        let mut cases = OperationCases::new(operation, &sizes, watch);
        let worker = Worker::start_by(Command::new(&copy), &side, Placement::ANYWHERE, watch);
        match worker.and_then(|(mut worker, _)| cases.measure(&mut worker, samples)) {
            Ok(()) => observed.measured.extend(cases.measured),
            Err(fault) => {
                observed.fault = Some(fault);
                break;
            }
        }
    }
    Ok(observed)
}

/// The cases of one operation while they are measured.
struct OperationCases<'a> {
    operation: &'a Operation,
    measured: Vec<MeasuredCase>,
    watch: Watch<'a>,
}

impl<'a> OperationCases<'a> {
    fn new(operation: &'a Operation, sizes: &[Option<u64>], watch: Watch<'a>) -> Self {
        let timestamp = watch.timestamp();
        let case = |size: &Option<u64>| MeasuredCase {
            operation: operation.name.clone(),
            size: *size,
            timestamp: timestamp.clone(),
            evidence: CaseEvidence::default(),
            baseline: None,
            paired: None,
            paired_parts: BTreeMap::new(),
            instructions: None,
        };
        Self { operation, measured: sizes.iter().map(case).collect(), watch }
    }

    /// Measures pass after pass over all sizes, up to the deadline.
    fn measure(&mut self, worker: &mut Worker<'_>, samples: u32) -> Result<(), WorkerError> {
        let began = self.watch.clock.elapsed();
        let (mut pass, mut passes) = (0, 1);
        while pass < passes {
            for place in 0..self.measured.len() {
                let case = &mut self.measured[place];
                if case.evidence.failure.is_some() {
                    continue;
                }
                let spent = self.watch.clock.elapsed().saturating_sub(began);
                let left = self.operation.deadline.saturating_sub(spent);
                let operation = self.operation.name.clone();
                let question = Question::ObserveCase { operation, size: case.size, samples, pass };
                let failure = match worker.ask(&question, left) {
                    Ok(Answer::ObservedCase { evidence, passes: all }) => {
                        if evidence.validate().is_err() {
                            return Err(WorkerError::Nonsense { side: worker.label().to_owned() });
                        }
                        passes = all;
                        if pass == 0 || evidence.failure.is_some() {
                            case.evidence = *evidence;
                        } else {
                            case.evidence.add_samples(&evidence.samples);
                        }
                        continue;
                    }
                    Ok(other) => return Err(worker.unexpected(&other)),
                    // Every size was measured; what later passes would add is not needed.
                    Err(WorkerError::Hangs { .. }) if pass > 0 => return Ok(()),
                    Err(WorkerError::Hangs { .. }) => {
                        let message = format!("ended after {}", self.operation.deadline);
                        CaseEvidence::failed(FailureKind::Deadline, &message)
                    }
                    Err(WorkerError::Died { message, .. }) => {
                        let message =
                            format!("its process ended early: {}", without_last_words(&message));
                        CaseEvidence::failed(FailureKind::Panicked, &message)
                    }
                    Err(other) => return Err(other),
                };
                self.end(place, pass, &failure);
                return Ok(());
            }
            pass += 1;
        }
        Ok(())
    }

    /// The worker is gone: the case that it was at failed, and those that it did not come to in the
    /// first pass. What was measured of others before is kept.
    fn end(&mut self, place: usize, pass: u32, failure: &CaseEvidence) {
        for (index, case) in self.measured.iter_mut().enumerate() {
            let never = pass == 0 && index > place;
            if (index == place || never) && case.evidence.failure.is_none() {
                case.evidence = failure.clone();
            }
        }
    }
}
