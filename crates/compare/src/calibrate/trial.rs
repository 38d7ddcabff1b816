//! One comparison on trial: the same code built anew, with no work added or with a known share of it.

use std::collections::BTreeMap;

use perf_passport::{
    contract::{Check, Contract},
    paired::{LAYOUTS_MIN, Policy, decide},
    pipeline::WorkKind,
    units::Nanos,
    worker::ADDED_WORK,
};

use super::{
    busy::Busy,
    calibration::{Arm, CheckDecision, Trial},
};
use crate::{
    error::WorkerError,
    item::Item,
    sessions::{SessionProgress, SessionTask, hold_sessions},
    side::{Side, Sides},
    subjects::Subjects,
    watch::Watch,
    workplace::{temporary_directory, with_caches},
};

/// The builds of a calibration.
#[derive(Debug, Clone)]
pub struct CalibrationBuilds {
    /// The side that others are compared with.
    pub baseline: Side,
    /// The same code, each built with another function more that nothing calls.
    pub rebuilt: Vec<RebuiltSide>,
}

impl CalibrationBuilds {
    /// Whether each has so many layouts that the margins of builds that are linked again hold.
    pub(crate) fn are_relinked(&self) -> bool {
        let all = self.rebuilt.iter().map(|it| &it.side).chain([&self.baseline]);
        all.map(|side| side.relinked.len() as u64).all(|layouts| layouts >= LAYOUTS_MIN)
    }
}

/// The code of a build, built again with one function more that nothing calls.
#[derive(Debug, Clone)]
pub struct RebuiltSide {
    /// The seed of that function.
    pub seed: u64,
    /// The side.
    pub side: Side,
}

/// What a trial needs beside its builds and its arm.
pub struct TrialSetting<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// The checks.
    pub checks: &'a [&'a Check],
    /// How to decide.
    pub policy: Policy,
    /// The sessions of a comparison take this long, all together.
    pub time_max: Nanos,
    /// The time, and whether the run was interrupted.
    pub watch: Watch<'a>,
}

impl std::fmt::Debug for TrialSetting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrialSetting").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Compares once. The trial's `number` picks the build: one after the other, so that each is tried
/// as often as the others.
///
/// # Errors
///
/// When no worker can be started, and when the run was interrupted: half a trial decides nothing.
pub fn run_trial(
    setting: &TrialSetting<'_>,
    builds: &CalibrationBuilds,
    arm: Arm,
    number: usize,
    progress: &mut dyn FnMut(SessionProgress<'_>),
) -> Result<Trial, WorkerError> {
    // The builds, of which the current one does the work that is added.
    let picked = number.checked_rem(builds.rebuilt.len()).map(|it| &builds.rebuilt[it]);
    let mut current = picked.map_or(&builds.baseline, |rebuilt| &rebuilt.side).clone();
    if arm.work == WorkKind::Memory {
        current.environment.push((ADDED_WORK.into(), "memory".into()));
    }
    let sides = Sides { baseline: builds.baseline.clone(), current, anchor: None };

    // The sessions, beside threads that never rest.
    let watch = setting.watch;
    let timestamp = watch.timestamp();
    let busy = Busy::start(arm.busy);
    let started = watch.clock.elapsed();
    let directory = temporary_directory()?;
    let sides = with_caches(sides, false, setting.checks, &directory, watch)?;
    let mut task = SessionTask {
        contract: setting.contract,
        items: setting.checks.iter().copied().map(Item::Check).collect(),
        not_anchored: &[],
        subjects: &Subjects::Workers(Box::new(sides)),
        policy: setting.policy,
        time_max: setting.time_max,
        known: BTreeMap::new(),
        slower: arm.slower_ppm,
        seed: uuid::Uuid::now_v7().as_u64_pair().1,
        watch,
        progress,
    };
    let seen = hold_sessions(&mut task)?;
    let seconds = watch.clock.elapsed().saturating_sub(started).get() / 1_000_000_000;
    drop(busy);
    if watch.is_over() {
        return Err(WorkerError::Interrupted);
    }

    // What they decide.
    let decisions = setting.checks.iter().filter_map(|check| {
        let paired = seen.get(&check.id())?;
        let decision = decide(&setting.policy, check.tolerance.regression_ppm, paired);
        Some(CheckDecision::of(check, &decision))
    });
    let (decisions, rebuilt) = (decisions.collect(), picked.map(|rebuilt| rebuilt.seed));
    Ok(Trial { timestamp, arm, rebuilt, seconds, decisions })
}
