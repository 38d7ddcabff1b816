//! A case against what a baseline says of it, and against builds that took turns with it.

use std::collections::BTreeMap;

use super::{
    CaseEvidence, CaseFigures,
    claim::{mean, most, shown_mean},
};
use crate::{
    claim::{Claim, CountChange, Reason, Unit, Verdict, instructions_change, paired_change},
    contract::{ClaimKind, Operation},
    paired::{InstructionCounts, Paired, Policy, decide, decide_anchor},
    units::{Bytes, Count, Picos, Ppm},
};

/// What two builds did side by side of one case.
#[derive(Debug, Clone, Copy)]
pub struct CaseTurns<'a> {
    /// How it is decided on.
    pub policy: &'a Policy,
    /// What both took, in turns.
    pub paired: &'a Paired,
    /// What parts of the time both took by their names, in turns of their own.
    pub parts: &'a BTreeMap<String, Paired>,
    /// Whether both are the same code: then nothing else is asked of a case that did the same.
    pub same_code: bool,
    /// What both executed; `None` where nobody says, and then nothing is claimed of it.
    pub instructions: Option<&'a InstructionCounts>,
}

/// Holds a case against what a baseline says of it; `None` when the baseline lacks the case. Where
/// both builds took turns, that decides on the time.
pub fn case_changes(
    operation: &Operation,
    evidence: &CaseEvidence,
    baseline: Option<&CaseFigures>,
    turns: Option<CaseTurns<'_>>,
) -> Vec<Claim> {
    let tolerance = &operation.tolerance;
    let same_build = baseline.is_some_and(|it| it.same_build);
    let allocations = count_change(
        ClaimKind::AllocationsChange,
        most(evidence.allocations),
        baseline.and_then(|it| it.allocations).map(Count::get),
        tolerance.allocations_ppm,
        same_build,
    );
    let heap = count_change(
        ClaimKind::HeapChange,
        most(evidence.heap_peak_bytes),
        baseline.and_then(|it| it.heap_peak_bytes).map(Bytes::get),
        tolerance.heap_ppm,
        same_build,
    );
    let mut claims: Vec<Claim> = allocations.into_iter().chain(heap).collect();
    // What nobody counted shows nothing.
    let is_counted = claims.iter().any(|it| it.kind == ClaimKind::AllocationsChange);
    let is_equal = |it: &Claim| it.reason == Reason::WithinTolerance && it.observed == it.limit;
    let did_the_same = is_counted && claims.iter().all(is_equal) && evidence.failure.is_none();
    // Sessions that were held decide.
    let is_same = |turns: &CaseTurns<'_>, paired: &Paired| {
        turns.same_code && did_the_same && paired.sessions.is_empty()
    };
    let now = shown_mean(evidence);
    let before = baseline.and_then(|it| it.mean_ps);
    match &turns {
        None => claims.push(time_change(ClaimKind::LatencyChange, now, before)),
        Some(turns) => {
            let same_code = is_same(turns, turns.paired).then_some(Reason::SameCode);
            let known = unknown_time(now, before).or(same_code);
            claims.extend(paired_changes(operation, known, *turns));
        }
    }
    for (part, tolerance) in operation.tolerance.parts() {
        let now = evidence.parts.get(part.name()).and_then(mean);
        let before = baseline.and_then(|it| it.parts_ps.get(part.name()).copied());
        let Some(turns) = turns else {
            claims.push(time_change(part.claim(), now, before));
            continue;
        };
        // A part that never had its turn has no session.
        let none = Paired::default();
        let paired = turns.parts.get(part.name()).unwrap_or(&none);
        let is_coarse = evidence.tells_finely(part.name()) == Some(false)
            || baseline.is_some_and(|it| it.parts_coarse.contains(part.name()));
        let known = match (now, before) {
            (None, _) => Some(Reason::NotTold),
            (_, None) => Some(Reason::NotInBaseline),
            _ if is_same(&turns, paired) => Some(Reason::SameCode),
            _ => is_coarse.then_some(Reason::ToldCoarsely),
        };
        let change = decide(turns.policy, tolerance, paired);
        let claim = paired_change(part.claim(), &change, known, tolerance);
        // What the baseline does not tell is new, unless nobody tells what the contract asks for.
        claims.push(Claim { required: before.is_some() || now.is_none(), ..claim });
    }
    claims
}

/// `None` where neither side has the figure: then nothing is claimed.
fn count_change(
    kind: ClaimKind,
    now: Option<u64>,
    before: Option<u64>,
    tolerance: Ppm,
    same_build: bool,
) -> Option<Claim> {
    now.or(before)?;
    let both = now.is_some() && before.is_some();
    let incomparable = (both && !same_build).then_some(Reason::IncomparableBuild);
    Some(CountChange { kind, now, before, incomparable, tolerance }.claim())
}

/// Why no time can be compared; `None` when both sides have one.
fn unknown_time(now: Option<Picos>, before: Option<Picos>) -> Option<Reason> {
    match (now, before) {
        (None, _) => Some(Reason::NoSample),
        (_, None) => Some(Reason::NotInBaseline),
        _ => None,
    }
}

fn time_change(kind: ClaimKind, now: Option<Picos>, before: Option<Picos>) -> Claim {
    let reason = unknown_time(now, before).unwrap_or(Reason::StoredLatency);
    Claim::new(kind, reason).in_unit(Unit::Ps).figures(now.map(Picos::get), before.map(Picos::get))
}

/// The change since the baseline, and since the anchor where there is one.
fn paired_changes(
    operation: &Operation,
    known: Option<Reason>,
    CaseTurns { policy, paired, instructions, .. }: CaseTurns<'_>,
) -> Vec<Claim> {
    let tolerance = operation.tolerance.latency_ppm;
    let change = decide(policy, tolerance, paired);
    let tolerated = operation.tolerance.of_instructions();
    let executed = instructions.map(|counts| {
        let claim = instructions_change(policy, tolerated, Some(counts), known);
        Claim { required: claim.verdict != Verdict::Abstain, ..claim }
    });
    let mut claims: Vec<Claim> = executed.into_iter().collect();
    claims.push(paired_change(ClaimKind::LatencyChange, &change, known, tolerance));
    let drift = decide_anchor(policy, tolerance, paired);
    claims.extend(drift.map(|it| paired_change(ClaimKind::LatencyDrift, &it, None, tolerance)));
    claims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        claim::Verdict,
        contract::Contract,
        operation::{Sample, Samples},
        paired::{Pairs, Session},
        units::Nanos,
    };

    fn operation() -> Operation {
        let text = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"o\"\n\
                    tolerance = { latency_percent = 10 }\n";
        Contract::parse(text).unwrap().operations.remove(0)
    }

    fn timed() -> CaseEvidence {
        let samples = [1_000, 1_001, 1_002].map(|ns| Sample { iterations: 1, ns });
        let samples = Samples::new(samples.to_vec()).unwrap();
        CaseEvidence { samples, ..CaseEvidence::default() }
    }

    fn pairs(effect: i64) -> Pairs {
        let mut pairs = Pairs::default();
        let after = u64::try_from(1_000_000 + effect).unwrap();
        pairs.push(Nanos::new(1_000_000), Nanos::new(after));
        pairs
    }

    /// As many sessions, in which the current side took that much longer than baseline and anchor.
    fn turns(sessions: u64, effect: i64, anchor: Option<i64>) -> Paired {
        let session = |seed| Session {
            seed,
            baseline_ns: Nanos::new(20_000),
            iterations: Some(Count::new(20)),
            current: pairs(effect),
            control: pairs(0),
            injected: pairs(50_000),
            anchor: anchor.map(pairs),
            http: None,
        };
        Paired { sessions: (0..sessions).map(session).collect(), ..Paired::default() }
    }

    fn claims(
        evidence: &CaseEvidence,
        baseline: Option<&CaseFigures>,
        paired: &Paired,
    ) -> Vec<Claim> {
        let policy = Policy::for_suite(1, true);
        let turns = CaseTurns {
            policy: &policy,
            paired,
            parts: &BTreeMap::new(),
            same_code: false,
            instructions: None,
        };
        case_changes(&operation(), evidence, baseline, Some(turns))
    }

    fn reasons(paired: &Paired) -> Vec<Reason> {
        let before = CaseFigures::of(&timed(), true);
        claims(&timed(), Some(&before), paired).iter().map(|it| it.reason).collect()
    }

    #[test]
    fn turns_decide_on_the_time_by_the_ratio_of_the_contract() {
        assert_eq!(reasons(&turns(10, 0, None)), [Reason::WithinTolerance]);
        // More than 5 % and less than 10 %.
        assert_eq!(reasons(&turns(10, 80_000, None)), [Reason::WithinTolerance]);
        assert_eq!(reasons(&turns(10, 150_000, None)), [Reason::BeyondTolerance]);
        assert_eq!(reasons(&turns(9, 150_000, None)), [Reason::TooFewSessions]);
        assert_eq!(reasons(&turns(0, 0, None)), [Reason::TooFewSessions]);
        let before = CaseFigures::of(&timed(), true);
        let slower = claims(&timed(), Some(&before), &turns(10, 150_000, None)).remove(0);
        assert_eq!(slower.verdict, Verdict::Fail);
        assert!(slower.required);
        assert_eq!((&*slower.show_observed(), &*slower.show_limit()), ("+15.00 %", "+10.00 %"));
    }

    #[test]
    fn the_same_code_needs_no_turns_where_it_did_the_same() {
        let counted = |count| {
            let allocations = Some(crate::evidence::Range::of(count));
            CaseEvidence { allocations, ..timed() }
        };
        let reason = |now: &CaseEvidence, before: &CaseEvidence| {
            let (policy, paired) = (Policy::for_suite(1, true), Paired::default());
            let turns = CaseTurns {
                policy: &policy,
                paired: &paired,
                parts: &BTreeMap::new(),
                same_code: true,
                instructions: None,
            };
            let before = CaseFigures::of(before, true);
            let claims = case_changes(&operation(), now, Some(&before), Some(turns));
            claims.last().unwrap().reason
        };
        for (now, before, expected) in [
            (timed(), timed(), Reason::TooFewSessions),
            (counted(3), counted(3), Reason::SameCode),
            (counted(3), counted(4), Reason::TooFewSessions),
            (counted(3), timed(), Reason::TooFewSessions),
        ] {
            assert_eq!(reason(&now, &before), expected);
        }
        let failed = CaseEvidence::default();
        assert_eq!(reason(&failed, &timed()), Reason::NoSample);
    }

    #[test]
    fn a_part_of_the_time_is_decided_on_by_turns_of_its_own() {
        let text = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"o\"\n\
                    tolerance = { latency_percent = 5, render_percent = 15, interaction_percent = 10 }\n";
        let operation = Contract::parse(text).unwrap().operations.remove(0);
        let told = |parts: &[&str]| {
            let parts = parts.iter().map(|name| ((*name).to_owned(), timed().samples));
            let allocations = Some(crate::evidence::Range::of(3));
            CaseEvidence { parts: parts.collect(), allocations, ..timed() }
        };
        let claims = |now: &[&str], parts: &[(&str, Paired)], same_code| {
            let (policy, paired) = (Policy::for_suite(1, true), Paired::default());
            let parts = parts.iter().map(|(name, paired)| ((*name).to_owned(), paired.clone()));
            let (parts, instructions) = (&parts.collect(), None);
            let turns =
                CaseTurns { policy: &policy, paired: &paired, parts, same_code, instructions };
            let before = CaseFigures::of(&told(&["render", "interaction"]), true);
            let claims = case_changes(&operation, &told(now), Some(&before), Some(turns));
            let of_parts = claims.into_iter().skip(2);
            of_parts.map(|it| (it.kind, it.reason, it.required)).collect::<Vec<_>>()
        };
        let (render, interaction) = (ClaimKind::RenderChange, ClaimKind::InteractionChange);
        let both = ["render", "interaction"];
        // More than 10 % and less than 15 %.
        let more = || turns(10, 120_000, None);
        let decided =
            [(render, Reason::WithinTolerance, true), (interaction, Reason::BeyondTolerance, true)];
        assert_eq!(claims(&both, &[("render", more()), ("interaction", more())], false), decided);
        // Neither had a turn.
        let undecided =
            [(render, Reason::TooFewSessions, true), (interaction, Reason::TooFewSessions, true)];
        assert_eq!(claims(&both, &[("render", Paired::default())], false), undecided);
        let same = [(render, Reason::SameCode, true), (interaction, Reason::BeyondTolerance, true)];
        let of_same = [("render", Paired::default()), ("interaction", more())];
        assert_eq!(claims(&both, &of_same, true), same);
        // What is not told any more has no turns.
        let untold =
            [(render, Reason::NotTold, true), (interaction, Reason::BeyondTolerance, true)];
        assert_eq!(claims(&["interaction"], &of_same, true), untold);
    }

    #[test]
    fn a_part_that_is_new_gates_nothing_and_one_in_coarse_steps_is_not_compared() {
        let text = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"o\"\n\
                    tolerance = { render_percent = 15 }\n";
        let operation = Contract::parse(text).unwrap().operations.remove(0);
        let told = |ns: [u64; 3]| {
            let samples = ns.map(|ns| Sample { iterations: 1, ns }).to_vec();
            let parts = [("render".to_owned(), Samples::new(samples).unwrap())].into();
            CaseEvidence { parts, ..timed() }
        };
        let claim = |now: &CaseEvidence, before: &CaseEvidence| {
            let (policy, paired) = (Policy::for_suite(2, true), turns(10, 0, None));
            let parts = [("render".to_owned(), paired.clone())].into();
            let turns = CaseTurns {
                policy: &policy,
                paired: &paired,
                parts: &parts,
                same_code: false,
                instructions: None,
            };
            let before = CaseFigures::of(before, true);
            let claim = case_changes(&operation, now, Some(&before), Some(turns)).pop().unwrap();
            (claim.kind, claim.reason, claim.required)
        };
        let render = ClaimKind::RenderChange;
        let fine = told([3_000_000, 3_001_000, 3_000_700]);
        assert_eq!(claim(&fine, &fine), (render, Reason::WithinTolerance, true));
        assert_eq!(claim(&fine, &timed()), (render, Reason::NotInBaseline, false));
        assert_eq!(claim(&timed(), &fine), (render, Reason::NotTold, true));
        assert_eq!(claim(&timed(), &timed()), (render, Reason::NotTold, true));
        for coarse in [[3_000_000, 4_000_000, 3_000_000], [3_000; 3]] {
            assert_eq!(claim(&told(coarse), &fine), (render, Reason::ToldCoarsely, true));
            assert_eq!(claim(&fine, &told(coarse)), (render, Reason::ToldCoarsely, true));
        }
    }

    #[test]
    fn small_steps_are_held_against_the_anchor() {
        let drifted = reasons(&turns(10, 0, Some(150_000)));
        assert_eq!(drifted, [Reason::WithinTolerance, Reason::BeyondTolerance]);
        let steady = reasons(&turns(10, 0, Some(1_000)));
        assert_eq!(steady, [Reason::WithinTolerance, Reason::WithinTolerance]);
    }

    #[test]
    fn what_one_side_lacks_is_not_compared() {
        let paired = turns(10, 150_000, None);
        let reason = |evidence: &CaseEvidence, baseline: Option<&CaseFigures>| {
            claims(evidence, baseline, &paired)[0].reason
        };
        let none = CaseEvidence::default();
        let before = CaseFigures::of(&timed(), true);
        assert_eq!(reason(&none, Some(&before)), Reason::NoSample);
        assert_eq!(reason(&timed(), None), Reason::NotInBaseline);
        let failed = CaseFigures::of(&none, true);
        assert_eq!(reason(&timed(), Some(&failed)), Reason::NotInBaseline);
    }
}
