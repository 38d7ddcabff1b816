//! How often a calibration decided what.

use std::collections::BTreeMap;

use perf_passport::{
    paired::Outcome,
    statistics::{share_at_least, share_at_most},
};

use super::calibration::{Arm, Calibration};

/// The probability that a bound on a share is wrong.
pub const SHARE_ERROR: f64 = 0.05;

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
    /// The bounds of the share of FAIL.
    pub fn failed_share(&self) -> ShareBounds {
        ShareBounds::of(self.failed, self.decisions)
    }

    /// The bounds of the share of PASS.
    pub fn passed_share(&self) -> ShareBounds {
        ShareBounds::of(self.passed, self.decisions)
    }
}

/// What a share is at least and at most, each with an error of [`SHARE_ERROR`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShareBounds {
    /// The lower bound, from 0 to 1.
    pub lower: f64,
    /// The upper bound, from 0 to 1.
    pub upper: f64,
}

impl ShareBounds {
    fn of(events: u64, trials: u64) -> Self {
        Self {
            lower: share_at_least(events, trials, SHARE_ERROR),
            upper: share_at_most(events, trials, SHARE_ERROR),
        }
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

/// Pairs of build and check that were decided more than once, with the same work added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradictions {
    /// The checks that were called better once and worse once, one for each pair.
    pub checks: Vec<String>,
    /// All pairs that were decided more than once.
    pub repeated: u64,
}

/// What was decided of the same build and check more than once.
pub fn contradictions(calibration: &Calibration) -> Contradictions {
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
    let checks = contradicted.map(|((check, ..), _)| (*check).to_owned()).collect();
    let repeated = seen.values().filter(|outcomes| outcomes.len() > 1).count() as u64;
    Contradictions { checks, repeated }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::calibration::{CheckDecision, Trial};
    use perf_passport::{
        contract::{Check, Contract},
        paired::Spread,
        pipeline::WorkKind,
        units::Ppm,
    };

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
                decisions: vec![CheckDecision {
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
        let found = |calibration: &Calibration| {
            let Contradictions { checks, repeated } = contradictions(calibration);
            (checks, repeated)
        };
        let agreed = calibration(&[(0, Outcome::Within), (0, Outcome::Undecided)]);
        assert_eq!(found(&agreed), (Vec::new(), 1));
        let both = calibration(&[(0, Outcome::Within), (0, Outcome::Beyond)]);
        assert_eq!(found(&both), (vec!["a/default".to_owned()], 1));
        let apart = calibration(&[(0, Outcome::Within), (50_000, Outcome::Beyond)]);
        assert_eq!(found(&apart), (Vec::new(), 0));
    }
}
