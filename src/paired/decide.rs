//! From sessions to a verdict, by the rule that the policy names.

use super::{
    decision::{Decision, Outcome, Side},
    evidence::Paired,
    policy::Policy,
    rule_1, rule_2,
};
use crate::{rules::ComparisonRule, units::Ppm};

/// Decides by the policy's rule, on the first look at which there is something to decide; on the last
/// look that there are sessions for, when there is none. Sessions after the deciding look are not
/// looked at, so that whoever adds sessions to a decided check changes nothing.
pub fn decide(policy: &Policy, tolerance: Ppm, paired: &Paired) -> Decision {
    let current = Side { pairs: |session| &session.current, untold: |http| http.untold_ppm };
    decide_side(policy, tolerance, paired, current)
}

/// The same for the drift against the anchor; `None` without one.
pub fn decide_anchor(policy: &Policy, tolerance: Ppm, paired: &Paired) -> Option<Decision> {
    let anchored = paired.sessions.iter().all(|session| session.anchor.is_some());
    let anchor = Side {
        pairs: |session| session.anchor.as_ref().unwrap_or(&session.current),
        untold: |http| http.untold_anchor_ppm,
    };
    (anchored && !paired.sessions.is_empty())
        .then(|| decide_side(policy, tolerance, paired, anchor))
}

fn decide_side(policy: &Policy, tolerance: Ppm, paired: &Paired, side: Side) -> Decision {
    let looks = policy.looks();
    match policy.rule {
        ComparisonRule::One => rule_1::decide(policy, &looks, tolerance, paired, side),
        ComparisonRule::Two => rule_2::decide(policy, &looks, tolerance, paired, side),
        #[cfg(test)]
        ComparisonRule::Trial => rule_1::decide(policy, &looks, tolerance, paired, side),
    }
}

/// Whether more sessions would change nothing: a verdict was reached, or the last look is over.
pub fn is_decided(policy: &Policy, tolerance: Ppm, paired: &Paired) -> bool {
    let last = policy.looks().last().map_or(0, |bound| bound.sessions);
    let settled = |decision: Decision| match decision.outcome {
        Outcome::Within
        | Outcome::Beyond
        | Outcome::SameProcesses
        | Outcome::Hidden
        | Outcome::Untold => true,
        Outcome::Undecided | Outcome::Uncalibrated | Outcome::TooFewSessions | Outcome::NotWarm => {
            paired.sessions.len() >= last
        }
    };
    settled(decide(policy, tolerance, paired))
        && decide_anchor(policy, tolerance, paired).is_none_or(settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        paired::{ComparedBuilds, Effect, FALLING_MAX, OverHttp, Pairs, Session, TimeOf, WarmUp},
        units::{Count, Nanos},
    };

    const TOLERANCE: Ppm = Ppm::new(50_000);

    fn pairs(effect: Effect) -> Pairs {
        let after = u64::try_from(1_000_000 + effect).unwrap();
        let mut pairs = Pairs::default();
        pairs.push(Nanos::new(1_000_000), Nanos::new(after));
        pairs
    }

    /// Sessions with these effects of the change, a quiet control and a found injection.
    fn sessions(effects: impl IntoIterator<Item = Effect>) -> Paired {
        let session = |(seed, effect): (u64, Effect)| Session {
            seed,
            baseline_ns: Nanos::new(1_000_000),
            iterations: None,
            current: pairs(effect),
            control: pairs(if seed % 2 == 0 { 1_000 } else { -1_000 }),
            injected: pairs(50_000),
            anchor: None,
            http: None,
        };
        Paired { sessions: (0..).zip(effects).map(session).collect(), ..Paired::default() }
    }

    fn outcome(paired: &Paired) -> Outcome {
        decide(&Policy::for_suite(20, true), TOLERANCE, paired).outcome
    }

    #[test]
    fn no_change_is_within_and_five_percent_is_beyond() {
        assert_eq!(outcome(&sessions((0..16).map(|i| i * 500))), Outcome::Within);
        assert_eq!(outcome(&sessions((0..16).map(|i| 47_000 + i * 500))), Outcome::Beyond);
        assert_eq!(outcome(&sessions((0..16).map(|_| -300_000))), Outcome::Within);
    }

    #[test]
    fn below_the_first_look_nothing_is_decided() {
        assert_eq!(outcome(&sessions([0; 15])), Outcome::TooFewSessions);
        assert_eq!(outcome(&sessions([])), Outcome::TooFewSessions);
    }

    #[test]
    fn one_unlucky_process_costs_sessions_and_decides_nothing() {
        let mut effects = vec![0; 16];
        effects[3] = 240_000;
        assert_eq!(outcome(&sessions(effects.clone())), Outcome::Undecided);
        effects.extend([0; 20]);
        let decision = decide(&Policy::for_suite(20, true), TOLERANCE, &sessions(effects));
        assert_eq!(decision.outcome, Outcome::Within);
        assert!(decision.sessions < 32);
    }

    #[test]
    fn sessions_after_the_deciding_look_change_nothing() {
        let mut effects = vec![0; 16];
        let before = decide(&Policy::for_suite(20, true), TOLERANCE, &sessions(effects.clone()));
        effects.extend([100_000; 80]);
        assert_eq!(decide(&Policy::for_suite(20, true), TOLERANCE, &sessions(effects)), before);
    }

    #[test]
    fn a_control_that_is_slower_or_an_injection_that_is_missed_proves_nothing() {
        let mut busy = sessions([0; 16]);
        for session in &mut busy.sessions {
            session.control = pairs(30_000);
        }
        assert_eq!(outcome(&busy), Outcome::Uncalibrated);
        let mut slower = sessions([60_000; 16]);
        for session in &mut slower.sessions {
            session.control = pairs(30_000);
        }
        assert_eq!(outcome(&slower), Outcome::Uncalibrated);
        let mut blind = sessions([0; 16]);
        for session in &mut blind.sessions {
            session.injected = pairs(10_000);
        }
        assert_eq!(outcome(&blind), Outcome::Uncalibrated);
    }

    #[test]
    fn the_same_processes_all_along_prove_nothing_of_the_code() {
        for effect in [0, 100_000] {
            let mut running = Paired { same_processes: true, ..sessions([effect; 16]) };
            assert_eq!(outcome(&running), Outcome::SameProcesses);
            assert!(is_decided(&Policy::for_suite(20, true), TOLERANCE, &running));
            running.sessions.truncate(15);
            assert_eq!(outcome(&running), Outcome::TooFewSessions);
            assert!(!is_decided(&Policy::for_suite(20, true), TOLERANCE, &running));
        }
    }

    fn told(untold_ppm: Option<Effect>) -> OverHttp {
        OverHttp {
            time: TimeOf::Service,
            round_trip_ns: Nanos::new(100_000),
            floor_ns: None,
            untold_ppm,
            untold_anchor_ppm: None,
            warmup: None,
        }
    }

    #[test]
    fn code_that_is_not_warm_is_neither_slower_nor_as_fast() {
        let policy = Policy::for_servers(20, ComparedBuilds::Served);
        let served = |effect: Effect, cold: usize| {
            let mut paired = sessions([effect; 16]);
            for (number, session) in paired.sessions.iter_mut().enumerate() {
                let falling_ppm = if number < cold { FALLING_MAX + 1 } else { FALLING_MAX };
                let warmup = Some(WarmUp { samples: Count::new(400), falling_ppm });
                session.http = Some(OverHttp { warmup, ..told(Some(0)) });
            }
            decide(&policy, TOLERANCE, &paired).outcome
        };
        assert_eq!((served(0, 8), served(0, 9)), (Outcome::Within, Outcome::NotWarm));
        assert_eq!((served(100_000, 8), served(100_000, 9)), (Outcome::Beyond, Outcome::NotWarm));
        let last = policy.looks().last().unwrap().sessions;
        let is_decided = |sessions: usize| {
            let mut cold = super::tests::sessions(vec![0; sessions]);
            for session in &mut cold.sessions {
                let warmup = Some(WarmUp { samples: Count::new(400), falling_ppm: 900_000 });
                session.http = Some(OverHttp { warmup, ..told(Some(0)) });
            }
            is_decided(&policy, TOLERANCE, &cold)
        };
        // Later sessions may be warm. Those that were cold are left out once it is known what warms servers up.
        assert_eq!((is_decided(16), is_decided(last)), (false, true));
        assert_eq!((served(40_000, 8), served(40_000, 9)), (Outcome::Undecided, Outcome::NotWarm));
        // The first rule knows nothing of it.
        let first = Policy { rule: ComparisonRule::One, ..policy };
        let mut cold = sessions([0; 16]);
        for session in &mut cold.sessions {
            let warmup = Some(WarmUp { samples: Count::new(400), falling_ppm: 900_000 });
            session.http = Some(OverHttp { warmup, ..told(Some(0)) });
        }
        assert_eq!(decide(&first, TOLERANCE, &cold).outcome, Outcome::Within);
    }

    #[test]
    fn five_percent_are_found_where_both_sides_run_one_program() {
        let slower = sessions((0..16).map(|i| 45_000 + i * 500));
        let of = |policy: &Policy| decide(policy, TOLERANCE, &slower).outcome;
        let of_servers = |servers| of(&Policy::for_servers(20, servers));
        assert_eq!(of_servers(ComparedBuilds::ServedByOneProgram), Outcome::Beyond);
        assert_eq!(of_servers(ComparedBuilds::Served), Outcome::Undecided);
        // By hand: 60,000 by the roots of 2, 4 and 100.
        for (builds, floor) in [(2, 42_426), (4, 30_000), (100, 25_000)] {
            let builds = ComparedBuilds::ServedByBuilds(Count::new(builds));
            let policy = Policy::for_servers(20, builds);
            assert_eq!(policy.rebuild_floor_ppm, Ppm::new(floor));
            assert!(policy.is_of_its_rule(builds));
        }
    }

    #[test]
    fn what_a_service_does_and_does_not_tell_does_not_pass() {
        let over_http = |effect: Effect, untold: [Effect; 16]| {
            let mut paired = sessions([effect; 16]);
            for (session, untold) in paired.sessions.iter_mut().zip(untold) {
                session.http = Some(told(Some(untold)));
            }
            outcome(&paired)
        };
        assert_eq!(over_http(0, [20_000; 16]), Outcome::Within);
        assert_eq!(over_http(0, [60_000; 16]), Outcome::Untold);
        assert_eq!(over_http(100_000, [60_000; 16]), Outcome::Beyond);
        // It is typically so, and not in each session.
        let mut mostly = [60_000; 16];
        mostly[..7].fill(-20_000);
        assert_eq!(over_http(0, mostly), Outcome::Untold);
        mostly[..8].fill(-20_000);
        assert_eq!(over_http(0, mostly), Outcome::Within);
    }

    #[test]
    fn what_the_round_trip_hides_can_be_shown_to_be_slower_and_nothing_else() {
        let over_http = |effect: Effect, floor: u64| {
            let mut paired = sessions([effect; 16]);
            for session in &mut paired.sessions {
                session.http = Some(OverHttp {
                    time: TimeOf::AboveFloor,
                    floor_ns: Some(Nanos::new(floor)),
                    ..told(None)
                });
            }
            outcome(&paired)
        };
        assert_eq!(over_http(0, 90_000), Outcome::Within);
        assert_eq!(over_http(0, 90_001), Outcome::Hidden);
        assert_eq!(over_http(0, 110_000), Outcome::Hidden);
        assert_eq!(over_http(100_000, 90_001), Outcome::Beyond);
    }

    #[test]
    fn one_unlucky_process_makes_no_failure_of_what_is_within_a_wide_tolerance() {
        let mut effects = vec![40_000; 16];
        effects[3] = 240_000;
        let wide = |effects: &[Effect]| {
            let paired = sessions(effects.iter().copied());
            decide(&Policy::for_suite(20, true), Ppm::new(100_000), &paired).outcome
        };
        assert_eq!(wide(&effects), Outcome::Undecided);
        assert_eq!(wide(&[80_000; 16]), Outcome::Within);
        assert_eq!(wide(&[120_000; 16]), Outcome::Beyond);
    }

    #[test]
    fn between_floor_and_tolerance_sessions_on_both_sides_decide_nothing() {
        let effects = (0..16).map(|i| if i % 2 == 0 { 20_000 } else { 45_000 });
        assert_eq!(outcome(&sessions(effects)), Outcome::Undecided);
    }
}
