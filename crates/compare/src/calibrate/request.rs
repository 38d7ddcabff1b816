//! A calibration from the working tree on: built, built again, and compared with itself trial by trial.

use std::collections::VecDeque;

use perf_passport::{
    contract::{Check, Contract},
    units::Nanos,
};
use thiserror::Error;

use super::{
    calibration::{Arm, Calibration, Trial},
    trial::{CalibrationBuilds, RebuiltSide, TrialSetting, run_trial},
};
use crate::{
    checkout::{CheckoutError, Project, Reference, Seeds, checkout, rebuild},
    error::WorkerError,
    sessions::SessionProgress,
    temporary::TemporaryDirectory,
    watch::Watch,
    workplace::temporary_directory,
};

/// What is put on trial, and how often.
#[derive(Debug, Clone)]
pub struct CalibrationRequest<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// The checks that are compared.
    pub checks: &'a [&'a Check],
    /// Where the working tree is.
    pub project: Project<'a>,
    /// How often it is built again, each time with another function that nothing calls.
    pub rebuilds: u64,
    /// Comparisons of each kind.
    pub runs: u32,
    /// The kinds of comparison.
    pub arms: &'a [Arm],
    /// The sessions of a comparison take this long, all together.
    pub time_max: Nanos,
}

/// Why nothing is put on trial.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// One policy decides on all checks.
    #[error("the checks have not all the same tolerance: name some of them")]
    SeveralTolerances,
    /// What is known is of something else.
    #[error("it is of another machine, policy, contract or form of the document")]
    AnotherCalibration,
    /// The working tree could not be built.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// A worker could not do what it was asked.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl<'a> CalibrationRequest<'a> {
    /// Builds the working tree, and builds it again; `progress` is told what cargo says. Trials are
    /// added to what is known.
    ///
    /// # Errors
    ///
    /// [`CalibrationError`]; that what is known is of something else, before anything is built.
    pub fn begin(
        self,
        known: Option<Calibration>,
        watch: Watch<'a>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<CalibrationRun<'a>, CalibrationError> {
        // Nobody knows yet whether the builds can be linked again.
        let fits = |relinked| self.calibration(known.clone(), relinked);
        fits(true).or_else(|_| fits(false))?;

        // The builds, all of one state of the source.
        let directory = temporary_directory()?;
        let built = checkout(&self.project, &Reference::WorkingTree, watch.stop, progress)?;
        let seeds: Vec<u64> = (1..=self.rebuilds).collect();
        let place = Seeds { seeds: &seeds, directory: directory.path() };
        let sides = rebuild(&self.project, &built, place, watch.stop, progress)?;
        let rebuilt = seeds.iter().zip(sides).map(|(seed, side)| RebuiltSide { seed: *seed, side });
        let builds = CalibrationBuilds { baseline: built.side, rebuilt: rebuilt.collect() };

        // The trials that are to come.
        let calibration = self.calibration(known, builds.are_relinked())?;
        let round = self.arms.iter().copied();
        let arms = (0..self.runs).flat_map(|_| round.clone()).collect();
        Ok(CalibrationRun {
            request: self,
            builds,
            calibration,
            arms,
            watch,
            _directory: directory,
        })
    }

    /// What is known, if it is of the same machine, policy and contract; an empty one where nothing is.
    fn calibration(
        &self,
        known: Option<Calibration>,
        relinked: bool,
    ) -> Result<Calibration, CalibrationError> {
        let new = Calibration::new(self.contract, self.checks, relinked)
            .ok_or(CalibrationError::SeveralTolerances)?;
        match known {
            None => Ok(new),
            Some(known) if new.continues(&known) => Ok(known),
            Some(_) => Err(CalibrationError::AnotherCalibration),
        }
    }
}

/// A calibration that goes on.
pub struct CalibrationRun<'a> {
    request: CalibrationRequest<'a>,
    builds: CalibrationBuilds,
    calibration: Calibration,
    /// Those of the trials that are to come.
    arms: VecDeque<Arm>,
    watch: Watch<'a>,
    /// Where builds are.
    _directory: TemporaryDirectory,
}

impl std::fmt::Debug for CalibrationRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CalibrationRun").field("arms", &self.arms).finish_non_exhaustive()
    }
}

impl CalibrationRun<'_> {
    /// Holds the next trial, and adds it to what is known; `None` once all were held.
    ///
    /// # Errors
    ///
    /// When no worker can be started, and when the user interrupted.
    pub fn hold_next(
        &mut self,
        progress: &mut dyn FnMut(SessionProgress<'_>),
    ) -> Result<Option<&Trial>, WorkerError> {
        let Some(arm) = self.arms.pop_front() else { return Ok(None) };
        let number = self.calibration.trials.iter().filter(|trial| trial.arm == arm).count();
        let setting = TrialSetting {
            contract: self.request.contract,
            checks: self.request.checks,
            policy: self.calibration.policy,
            time_max: self.request.time_max,
            watch: self.watch,
        };
        let trial = run_trial(&setting, &self.builds, arm, number, progress)?;
        self.calibration.trials.push(trial);
        Ok(self.calibration.trials.last())
    }

    /// All that is known by now.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_builds_that_nobody_links_again_is_added_to() {
        let text = "schema_version = 1\nname = \"x\"\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n";
        let contract = Contract::parse(text).unwrap();
        let checks: Vec<&Check> = contract.checks.iter().collect();
        let nowhere = std::path::Path::new("/nowhere");
        let project = Project {
            repository: nowhere,
            contract: nowhere,
            harness: "x",
            written: None,
            cache: None,
        };
        let begin = |known: Calibration| {
            let request = CalibrationRequest {
                contract: &contract,
                checks: &checks,
                project,
                rebuilds: 0,
                runs: 1,
                arms: &[],
                time_max: Nanos::ZERO,
            };
            let clock = perf_passport::clock::SystemClock::start();
            let watch = Watch { clock: &clock, stop: &|| false };
            request.begin(Some(known), watch, &mut |_| {}).unwrap_err()
        };
        for relinked in [true, false] {
            // It is not refused, but there is nothing to build.
            let known = Calibration::new(&contract, &checks, relinked).unwrap();
            let error = begin(known);
            assert!(matches!(error, CalibrationError::Checkout(_)), "{error}");
        }
        let mut other = Calibration::new(&contract, &checks, true).unwrap();
        other.contract = "y".to_owned();
        assert!(matches!(begin(other), CalibrationError::AnotherCalibration));
    }
}
