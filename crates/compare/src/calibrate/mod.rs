//! A comparison on trial: how often it is wrong, and what it finds, on the machine at hand.
//!
//! [`run`] has [`crate`] decide again and again on builds of which the answer is known: the
//! same code built anew, with no work added or with a known share of it. What was decided becomes a
//! [`Calibration`], to which later runs add. [`tally`] counts; [`markdown`] renders.

mod busy;
mod markdown;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Item, Progress, Side, Sides, Stop, Subjects, Task, TemporaryDirectory, WorkerError};
use busy::Busy;
pub use markdown::markdown;
use perf_passport::{
    clock::Clock,
    contract::{Check, Contract},
    environment::SystemInfo,
    paired::{Decision, Effect, Outcome, Policy, Spread, decide},
    pipeline::WorkKind,
    statistics::{share_at_least, share_at_most},
    units::{Nanos, Ppm},
    worker::ADDED_WORK,
};

/// Changes when the document does.
pub const SCHEMA_VERSION: u32 = 2;

/// The probability that a bound on a share is wrong.
pub const SHARE_ERROR: f64 = 0.05;

/// What a machine's comparisons decided on builds of which the answer is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The machine.
    pub system_info: SystemInfo,
    /// How was decided.
    pub policy: Policy,
    /// The contract's name.
    pub contract: String,
    /// The tolerance of its checks, which is the same for all.
    pub tolerance_ppm: Ppm,
    /// Every comparison, in the order in which they took place.
    pub trials: Vec<Trial>,
}

/// What is done to the current side of a comparison, and to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// How much work is added to each of its samples, as a share of their time.
    pub slower_ppm: Ppm,
    /// What this work consists of.
    pub work: WorkKind,
    /// Threads that never rest meanwhile.
    pub busy: u32,
}

/// One comparison of the whole suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// When it began, RFC 3339 in UTC.
    pub timestamp: String,
    /// What was done.
    pub arm: Arm,
    /// The seed of the function by which the current side is larger; `null` for a copy of the
    /// baseline's file.
    pub rebuilt: Option<u64>,
    /// How long it took.
    pub seconds: u64,
    /// What was decided of each check.
    pub decisions: Vec<Decided>,
}

/// What was decided of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The check.
    pub check: String,
    /// What the sessions showed.
    pub outcome: Outcome,
    /// On how many.
    pub sessions: u64,
    /// The effect that they showed.
    pub effect: Spread,
    /// The smallest effect that they would have called real.
    pub detectable: Option<Effect>,
}

impl Decided {
    fn of(check: &Check, decision: &Decision) -> Self {
        Self {
            check: check.id(),
            outcome: decision.outcome,
            sessions: decision.sessions as u64,
            effect: decision.current,
            detectable: decision.detectable,
        }
    }
}

impl Calibration {
    /// A calibration of this contract without a trial; `None` when its checks have not all the same
    /// tolerance. `relinked`: whether its builds are.
    pub fn new(contract: &Contract, checks: &[&Check], relinked: bool) -> Option<Self> {
        let tolerance_ppm = checks.first()?.tolerance.regression_ppm;
        checks.iter().all(|it| it.tolerance.regression_ppm == tolerance_ppm).then(|| Self {
            schema_version: SCHEMA_VERSION,
            system_info: SystemInfo::read(),
            policy: Policy::for_suite(checks.len() as u64, relinked),
            contract: contract.name.clone(),
            tolerance_ppm,
            trials: Vec::new(),
        })
    }

    /// Whether trials of `other` may be added: machine, policy and contract are the same.
    pub fn continues(&self, other: &Self) -> bool {
        let key = |it: &Self| {
            let Self { schema_version, system_info, policy, contract, tolerance_ppm, .. } = it;
            (*schema_version, system_info.clone(), *policy, contract.clone(), *tolerance_ppm)
        };
        key(self) == key(other)
    }
}

/// The builds of a calibration.
#[derive(Debug, Clone)]
pub struct Builds {
    /// The side that others are compared with.
    pub baseline: Side,
    /// The same code built with a function more that nothing calls, with the seed of each.
    pub rebuilt: Vec<(u64, Side)>,
}

/// What a trial needs beside its builds and its arm.
pub struct Setting<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// The checks.
    pub checks: &'a [&'a Check],
    /// How to decide.
    pub policy: Policy,
    /// The sessions of a comparison take this long, all together.
    pub time_max: Nanos,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Whether the run was interrupted.
    pub stop: Stop<'a>,
}

impl std::fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Compares once. The trial's `number` picks the build: one after the other, so that each is tried
/// as often as the others.
///
/// # Errors
///
/// When no worker can be started, and when the run was interrupted: half a trial decides nothing.
pub fn run(
    setting: &Setting<'_>,
    builds: &Builds,
    (arm, number): (Arm, usize),
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Trial, WorkerError> {
    let picked = number.checked_rem(builds.rebuilt.len()).map(|it| &builds.rebuilt[it]);
    let mut current = picked.map_or(&builds.baseline, |(_, side)| side).clone();
    if arm.work == WorkKind::Memory {
        current.environment.push((ADDED_WORK.into(), "memory".into()));
    }
    let timestamp = humantime::format_rfc3339_seconds(setting.clock.now()).to_string();
    let busy = Busy::start(arm.busy);
    let started = setting.clock.elapsed();
    let directory =
        TemporaryDirectory::new().map_err(|error| WorkerError::NoDirectory(error.to_string()))?;
    let sides = Sides { baseline: builds.baseline.clone(), current, anchor: None };
    let watch = (setting.clock, setting.stop);
    let sides = crate::with_caches(sides, setting.checks, &directory, watch)?;
    let mut task = Task {
        contract: setting.contract,
        items: setting.checks.iter().copied().map(Item::Check).collect(),
        not_anchored: &[],
        subjects: Subjects::Workers(&sides),
        policy: setting.policy,
        time_max: setting.time_max,
        known: BTreeMap::new(),
        slower: arm.slower_ppm,
        seed: uuid::Uuid::now_v7().as_u64_pair().1,
        clock: setting.clock,
        stop: setting.stop,
        progress,
    };
    let seen = crate::run(&mut task)?;
    let seconds = setting.clock.elapsed().saturating_sub(started).get() / 1_000_000_000;
    drop(busy);
    if (setting.stop)() {
        return Err(WorkerError::Interrupted);
    }
    let decisions = setting.checks.iter().filter_map(|check| {
        let paired = seen.get(&check.id())?;
        let decision = decide(&setting.policy, check.tolerance.regression_ppm, paired);
        Some(Decided::of(check, &decision))
    });
    let decisions = decisions.collect();
    Ok(Trial { timestamp, arm, rebuilt: picked.map(|(seed, _)| *seed), seconds, decisions })
}

/// How often what was decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decisions.
    pub decisions: u64,
    /// Of these, PASS.
    pub passed: u64,
    /// And FAIL; the rest abstained.
    pub failed: u64,
    /// Comparisons of the whole suite.
    pub trials: u64,
    /// Those in which any check failed.
    pub trials_failed: u64,
    /// Builds that were compared.
    pub builds: u64,
}

impl Tally {
    /// The share of FAIL is at most this, and at least that, each with an error of
    /// [`SHARE_ERROR`].
    pub fn failed_share(&self) -> (f64, f64) {
        let (events, trials) = (self.failed, self.decisions);
        (share_at_least(events, trials, SHARE_ERROR), share_at_most(events, trials, SHARE_ERROR))
    }

    /// The same of PASS.
    pub fn passed_share(&self) -> (f64, f64) {
        let (events, trials) = (self.passed, self.decisions);
        (share_at_least(events, trials, SHARE_ERROR), share_at_most(events, trials, SHARE_ERROR))
    }
}

/// Counts what was decided in each arm; of one check only, where it is named.
pub fn tally(calibration: &Calibration, check: Option<&str>) -> BTreeMap<Arm, Tally> {
    let mut tallies: BTreeMap<Arm, Tally> = BTreeMap::new();
    let mut builds: BTreeMap<Arm, std::collections::BTreeSet<Option<u64>>> = BTreeMap::new();
    for trial in &calibration.trials {
        let tally = tallies.entry(trial.arm).or_default();
        let decisions = trial.decisions.iter();
        let mut any_failed = false;
        for decided in decisions.filter(|it| check.is_none_or(|name| name == it.check)) {
            tally.decisions += 1;
            match decided.outcome {
                Outcome::Within => tally.passed += 1,
                Outcome::Beyond => {
                    tally.failed += 1;
                    any_failed = true;
                }
                _ => {}
            }
        }
        tally.trials += 1;
        tally.trials_failed += u64::from(any_failed);
        let known = builds.entry(trial.arm).or_default();
        known.insert(trial.rebuilt);
        tally.builds = known.len() as u64;
    }
    tallies
}

/// Pairs of build and check that were called better once and worse once, with the same work added;
/// and how many were decided more than once.
pub fn contradictions(calibration: &Calibration) -> (Vec<String>, u64) {
    let mut seen: BTreeMap<_, Vec<Outcome>> = BTreeMap::new();
    for trial in &calibration.trials {
        for decided in &trial.decisions {
            let Arm { slower_ppm, work, .. } = trial.arm;
            let key = (decided.check.as_str(), slower_ppm, work, trial.rebuilt);
            seen.entry(key).or_default().push(decided.outcome);
        }
    }
    let both = |outcomes: &[Outcome]| {
        outcomes.contains(&Outcome::Within) && outcomes.contains(&Outcome::Beyond)
    };
    let contradicted = seen.iter().filter(|(_, outcomes)| both(outcomes));
    let contradicted = contradicted.map(|((check, ..), _)| (*check).to_owned()).collect();
    (contradicted, seen.values().filter(|outcomes| outcomes.len() > 1).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(slower: u64) -> Arm {
        Arm { slower_ppm: Ppm::new(slower), work: WorkKind::Arithmetic, busy: 0 }
    }

    fn calibration(outcomes: &[(u64, Outcome)]) -> Calibration {
        let contract = Contract::parse(
            "schema_version = 1\nname = \"x\"\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n",
        )
        .unwrap();
        let checks: Vec<&Check> = contract.checks.iter().collect();
        let mut calibration = Calibration::new(&contract, &checks, true).unwrap();
        let spread = Spread { lower: 0, median: 0, upper: 0 };
        for (slower, outcome) in outcomes {
            calibration.trials.push(Trial {
                timestamp: String::new(),
                arm: arm(*slower),
                rebuilt: Some(1),
                seconds: 1,
                decisions: vec![Decided {
                    check: "a/default".to_owned(),
                    outcome: *outcome,
                    sessions: 12,
                    effect: spread,
                    detectable: None,
                }],
            });
        }
        calibration
    }

    #[test]
    fn verdicts_are_counted_by_arm() {
        let calibration = calibration(&[
            (0, Outcome::Within),
            (0, Outcome::Undecided),
            (50_000, Outcome::Beyond),
            (0, Outcome::Within),
        ]);
        let tallies = tally(&calibration, None);
        let quiet = tallies[&arm(0)];
        assert_eq!((quiet.decisions, quiet.passed, quiet.failed), (3, 2, 0));
        assert_eq!((quiet.trials, quiet.trials_failed, quiet.builds), (3, 0, 1));
        let slower = tallies[&arm(50_000)];
        assert_eq!((slower.decisions, slower.failed, slower.trials_failed), (1, 1, 1));
        assert!(tally(&calibration, Some("b")).values().all(|it| it.decisions == 0));
    }

    #[test]
    fn better_once_and_worse_once_is_a_contradiction() {
        let agreed = calibration(&[(0, Outcome::Within), (0, Outcome::Undecided)]);
        assert_eq!(contradictions(&agreed), (Vec::new(), 1));
        let both = calibration(&[(0, Outcome::Within), (0, Outcome::Beyond)]);
        assert_eq!(contradictions(&both), (vec!["a/default".to_owned()], 1));
        let apart = calibration(&[(0, Outcome::Within), (50_000, Outcome::Beyond)]);
        assert_eq!(contradictions(&apart), (Vec::new(), 0));
    }
}
