//! What the sessions of a check show of themselves: how good they were, on that machine at that time.

use serde::{Deserialize, Serialize};

use super::{
    decide::decide,
    decision::Spread,
    evidence::{Effect, Paired},
    policy::Policy,
};
use crate::units::{Count, Ppm};

/// What sessions would have called an unchanged and a slower build. It follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Sessions that were decided on.
    pub sessions: Count,
    /// What a copy of the baseline looked like in them.
    pub unchanged: Spread,
    /// Those of them in which this copy alone was slower than rebuilding can make it.
    pub unchanged_beyond: Count,
    /// What the slowdown looked like that was injected into this copy.
    pub injected: Spread,
    /// The probability of a FAIL that they do not bear out, at most, all looks together; and that of
    /// such a PASS.
    pub error_ppm: Ppm,
    /// The smallest effect that they tell from none, in ppm: a PASS needs it to be within the tolerance.
    /// `null` below the first look.
    pub resolved_ppm: Option<Effect>,
    /// The smallest effect that they would have called a FAIL, in ppm; `null` below the first look.
    pub detectable_ppm: Option<Effect>,
}

impl Certificate {
    /// That of the sessions of a check; `None` without a session.
    pub fn of(policy: &Policy, tolerance: Ppm, paired: &Paired) -> Option<Self> {
        let decision = decide(policy, tolerance, paired);
        if decision.sessions == 0 {
            return None;
        }
        let floor = i64::try_from(policy.rebuild_floor_ppm.get()).unwrap_or(i64::MAX);
        let controls = paired.sessions.iter().take(decision.sessions);
        let beyond = controls.filter(|it| it.control.median().is_some_and(|effect| effect > floor));
        let checks = policy.checks.get().max(1);
        Some(Self {
            sessions: Count::new(decision.sessions as u64),
            unchanged: decision.control,
            unchanged_beyond: Count::new(beyond.count() as u64),
            injected: decision.injected,
            error_ppm: Ppm::new(policy.suite_error_ppm.get().div_ceil(checks)),
            resolved_ppm: decision.resolved,
            detectable_ppm: decision.detectable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        paired::{Pairs, Session},
        units::Nanos,
    };

    fn pairs(effect: u64) -> Pairs {
        let mut pairs = Pairs::default();
        pairs.push(Nanos::new(1_000_000), Nanos::new(1_000_000 + effect));
        pairs
    }

    fn paired(sessions: u64) -> Paired {
        let session = |seed| Session {
            seed,
            baseline_ns: Nanos::new(1_000_000),
            iterations: None,
            current: pairs(0),
            control: pairs(if seed == 3 { 40_000 } else { 1_000 }),
            injected: pairs(50_000),
            anchor: None,
            http: None,
        };
        Paired { sessions: (0..sessions).map(session).collect(), ..Paired::default() }
    }

    #[test]
    fn it_says_what_the_controls_were_like() {
        let policy = Policy::for_suite(20, true);
        let of = |sessions| Certificate::of(&policy, Ppm::new(50_000), &paired(sessions));
        assert_eq!(of(0), None);
        let few = of(5).unwrap();
        assert_eq!((few.sessions, few.detectable_ppm), (Count::new(5), None));
        // One that is slower makes the control none, and is told.
        let known = of(40).unwrap();
        assert_eq!(known.sessions, Count::new(16));
        assert_eq!(known.unchanged_beyond, Count::new(1));
        assert_eq!(known.error_ppm, Ppm::new(500));
        assert_eq!(known.unchanged.median, 1_000);
        assert_eq!((known.unchanged.upper, known.injected.median), (40_000, 50_000));
        assert_eq!((known.resolved_ppm, known.detectable_ppm), (Some(25_000), Some(25_000)));
    }
}
