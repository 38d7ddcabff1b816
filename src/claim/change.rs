//! A check against what a baseline says of it.

use serde::{Deserialize, Serialize};

use super::{
    reason::Reason,
    statement::{Claim, mark_required},
    verdict::Verdict,
};
use crate::{
    contract::{Check, ClaimKind, Contract, Unit},
    evidence::{Bodies, CountSource, Counts, Evidence, Response, ResponseDifference},
    paired::{
        Decision, InstructionCounts, Outcome, Paired, Policy, WhyUncounted, decide, decide_anchor,
        decide_instructions,
    },
    statistics::quantile,
    units::{Bytes, Count, Nanos, Ppm},
};

/// What a baseline says of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BaselineFigures {
    /// Whether the baseline's counts may be compared: see [`crate::passport::BaselineRecord`].
    pub same_build: bool,
    /// The response; `null` when there was none or it was not deterministic.
    pub response: Option<Response>,
    /// Who counted; `null` when nobody did.
    pub source: Option<CountSource>,
    /// The most allocations of a sample.
    pub allocations: Option<Count>,
    /// The largest peak heap of a request.
    pub heap_peak_bytes: Option<Bytes>,
    /// The latency at the quantile of the budget; shown, never compared.
    pub latency_ns: Option<Nanos>,
    /// What is shown of the bodies, where both sides were asked by this process; in no file.
    #[serde(skip)]
    pub bodies: Bodies,
}

impl BaselineFigures {
    /// What `evidence`, gathered for `check`, says to those who compare with it later.
    pub fn of(check: &Check, evidence: &Evidence, same_build: bool) -> Self {
        let deterministic = evidence.behaviour.as_ref().filter(|it| it.is_deterministic());
        // Less than all of it, and what is known of some samples alone, is nothing to compare with.
        let counts = evidence.counts.as_ref();
        let counts = counts.filter(|it| it.is_whole() && !it.is_partly_told());
        Self {
            same_build,
            response: deterministic.map(|it| it.response.clone()),
            source: counts.map(|it| it.source),
            allocations: counts.map(|it| Count::new(it.allocations.max)),
            heap_peak_bytes: counts
                .filter(|it| !it.is_heap_partly_told())
                .and_then(|it| it.heap_peak_bytes)
                .map(|it| Bytes::new(it.max)),
            latency_ns: quantile(&evidence.latency, check.budgets.latency_quantile),
            bodies: evidence.bodies.clone(),
        }
    }
}

/// What two builds did side by side.
#[derive(Debug, Clone, Copy)]
pub struct SideBySide<'a> {
    /// How it is decided on.
    pub policy: &'a Policy,
    /// Whether both are the same code: then nothing else is asked of a check that did the same.
    pub same_code: bool,
    /// What both took, in turns.
    pub paired: &'a Paired,
    /// What both executed; `None` where nobody says.
    pub instructions: Option<&'a InstructionCounts>,
}

/// Holds a check against what a baseline says of it; `None` when the baseline lacks the check. Where
/// both builds were measured side by side, that decides on instructions and latency.
///
/// The kinds of change in the order of [`ClaimKind::ALL`].
pub fn changes(
    contract: &Contract,
    check: &Check,
    evidence: &Evidence,
    baseline: Option<&BaselineFigures>,
    beside: Option<SideBySide<'_>>,
) -> Vec<Claim> {
    let counts = evidence.counts.as_ref();
    let behaviour = behaviour_change(evidence, baseline);
    let same_work = behaviour.verdict == Verdict::Pass;
    let figure = |get: fn(&BaselineFigures) -> Option<u64>| baseline.and_then(get);
    let incomparable = comparability(counts, baseline, same_work);
    let heap_incomparable = incomparable.or_else(|| {
        counts.is_some_and(Counts::is_heap_partly_told).then_some(Reason::NotAlwaysTold)
    });
    let allocations = CountChange {
        kind: ClaimKind::AllocationsChange,
        now: counts.map(|it| it.allocations.max),
        before: figure(|it| it.allocations.map(Count::get)),
        incomparable,
        tolerance: check.tolerance.allocations_ppm,
    };
    let heap = CountChange {
        kind: ClaimKind::HeapChange,
        now: counts.and_then(|it| it.heap_peak_bytes).map(|it| it.max),
        before: figure(|it| it.heap_peak_bytes.map(Bytes::get)),
        incomparable: heap_incomparable,
        tolerance: check.tolerance.regression_ppm,
    };
    let (allocations, heap) = (allocations.claim(), heap.claim());
    let Some(SideBySide { policy, paired, instructions, same_code }) = beside else {
        let observed = quantile(&evidence.latency, check.budgets.latency_quantile);
        let latency = Claim::new(ClaimKind::LatencyChange, Reason::StoredLatency)
            .in_unit(Unit::Ns)
            .figures(observed.map(Nanos::get), figure(|it| it.latency_ns.map(Nanos::get)));
        return mark_required(contract, vec![behaviour, allocations, heap, latency]);
    };
    let tolerance = check.tolerance.regression_ppm;
    let incomparable = if same_work { None } else { Some(not_same_work(&behaviour)) };
    // Sessions that were held decide.
    let same_code = same_code && paired.sessions.is_empty();
    let same_code = same_code && same_work && is_equal(&allocations) && is_equal(&heap);
    let known = same_code.then_some(Reason::SameCode).or(incomparable);
    let tolerated = check.tolerance.of_instructions();
    let executed = instructions_change(policy, tolerated, instructions, known);
    let change = decide(policy, tolerance, paired);
    let latency = paired_change(ClaimKind::LatencyChange, &change, known, tolerance);
    let drift = decide_anchor(policy, tolerance, paired)
        .map(|decision| paired_change(ClaimKind::LatencyDrift, &decision, None, tolerance));
    let mut claims = mark_required(contract, vec![behaviour, allocations, heap]);
    claims.push(Claim {
        // Where it is not decided, only who asks for it misses it.
        required: executed.verdict != Verdict::Abstain || contract.requires(executed.kind),
        ..executed
    });
    claims.push(latency);
    claims.extend(drift);
    claims
}

/// Whether a count is known of both and the same. What nobody counted shows nothing.
fn is_equal(change: &Claim) -> bool {
    change.reason == Reason::WithinTolerance && change.observed == change.limit
}

/// Why work cannot be compared that is not shown to be the same.
fn not_same_work(behaviour: &Claim) -> Reason {
    if behaviour.verdict == Verdict::Fail { Reason::ChangedWork } else { behaviour.reason }
}

/// Whoever compares two builds side by side asks for this claim, so it is always required.
pub(crate) fn paired_change(
    kind: ClaimKind,
    decision: &Decision,
    incomparable: Option<Reason>,
    tolerance: Ppm,
) -> Claim {
    let reason = incomparable.unwrap_or(match decision.outcome {
        Outcome::Within => Reason::WithinTolerance,
        Outcome::Beyond => Reason::BeyondTolerance,
        Outcome::Undecided => Reason::UndecidedChange,
        Outcome::Uncalibrated => Reason::NotCalibrated,
        Outcome::TooFewSessions => Reason::TooFewSessions,
        Outcome::SameProcesses => Reason::SameProcesses,
        Outcome::NotWarm => Reason::NotWarm,
        Outcome::Hidden => Reason::HiddenByTransport,
        Outcome::Untold => Reason::NotAllTold,
    });
    let known = decision.sessions > 0;
    let observed = known.then(|| ratio(decision.current.median));
    Claim { required: true, ..Claim::new(kind, reason) }
        .figures(observed, Some(1_000_000_u64.saturating_add(tolerance.get())))
}

/// Whether both executed the same, up to the tolerance.
pub(crate) fn instructions_change(
    policy: &Policy,
    tolerance: Ppm,
    counts: Option<&InstructionCounts>,
    incomparable: Option<Reason>,
) -> Claim {
    let decision = counts.and_then(|it| decide_instructions(policy, tolerance, it));
    let why = counts.and_then(|it| it.uncounted.as_ref()).map(|it| it.why);
    let reason = match (decision, why) {
        (None, _) if incomparable == Some(Reason::SameCode) => Reason::SameCode,
        (None, Some(WhyUncounted::ValgrindMissing)) => Reason::ValgrindMissing,
        (None, _) => Reason::NotCounted,
        (Some(decision), _) => incomparable.unwrap_or(match decision.outcome {
            Outcome::Within => Reason::WithinTolerance,
            Outcome::Beyond => Reason::BeyondTolerance,
            _ => Reason::CountsVary,
        }),
    };
    Claim::new(ClaimKind::InstructionsChange, reason).figures(
        decision.map(|it| ratio(it.change.median)),
        Some(1_000_000_u64.saturating_add(tolerance.get())),
    )
}

/// An effect as a ratio: 1030000 is 3 % more.
fn ratio(effect: i64) -> u64 {
    u64::try_from(effect.saturating_add(1_000_000)).unwrap_or(0)
}

fn behaviour_change(evidence: &Evidence, baseline: Option<&BaselineFigures>) -> Claim {
    let claim = |reason| Claim::new(ClaimKind::Behaviour, reason);
    let Some(seen) = &evidence.behaviour else { return claim(Reason::NoSample) };
    let Some(baseline) = baseline else { return claim(Reason::NotInBaseline) };
    // A baseline that was accepted has no response where its responses differed.
    let before = baseline.response.as_ref().filter(|_| seen.is_deterministic());
    let Some(before) = before else { return claim(Reason::NotDeterministic) };
    let mut decided = claim(match before.difference(&seen.response) {
        None => Reason::AsExpected,
        Some(ResponseDifference::BytesAlone) => Reason::BytesDiffer,
        Some(ResponseDifference::HeadersAlone) => Reason::HeadersDiffer,
        Some(ResponseDifference::Work) => Reason::ChangedWork,
    });
    if decided.reason == Reason::ChangedWork {
        decided.verdict = Verdict::Fail;
    }
    decided.figures(Some(u64::from(seen.response.status)), Some(u64::from(before.status)))
}

/// Why counts cannot be compared; `None` when they can.
fn comparability(
    counts: Option<&Counts>,
    baseline: Option<&BaselineFigures>,
    same_work: bool,
) -> Option<Reason> {
    let Some(counts) = counts else { return Some(Reason::NotObserved) };
    if !counts.is_whole() {
        return Some(Reason::OtherThreads);
    }
    let Some(baseline) = baseline else { return Some(Reason::NotInBaseline) };
    if counts.is_partly_told() {
        return Some(Reason::NotAlwaysTold);
    }
    match baseline.source {
        None => Some(Reason::NotInBaseline),
        Some(_) if !same_work => Some(Reason::ChangedWork),
        Some(source) if source != counts.source || !baseline.same_build => {
            Some(Reason::IncomparableBuild)
        }
        Some(_) => None,
    }
}

/// A count beside the baseline's.
pub(crate) struct CountChange {
    pub(crate) kind: ClaimKind,
    pub(crate) now: Option<u64>,
    pub(crate) before: Option<u64>,
    /// Why the two cannot be compared.
    pub(crate) incomparable: Option<Reason>,
    pub(crate) tolerance: Ppm,
}

impl CountChange {
    pub(crate) fn claim(self) -> Claim {
        let Self { kind, now, before, incomparable, tolerance } = self;
        let reason = match (incomparable, now, before) {
            (Some(reason), _, _) => reason,
            (None, None, _) => Reason::NotObserved,
            (None, _, None) => Reason::NotInBaseline,
            (None, Some(now), Some(before)) if within(now, before, tolerance) => {
                Reason::WithinTolerance
            }
            (None, Some(_), Some(_)) => Reason::BeyondTolerance,
        };
        Claim::new(kind, reason).figures(now, before)
    }
}

/// Whether `now <= before * (1 + tolerance)`, in integers.
fn within(now: u64, before: u64, tolerance: Ppm) -> bool {
    u128::from(now) * 1_000_000 <= u128::from(before) * (1_000_000 + u128::from(tolerance.get()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::evidence::{Behaviour, Range, WireBody};

    const CONTRACT: &str = "schema_version = 1\nname = \"a\"\n[tolerance]\nallocations_percent = 50\n\
                            [[endpoint]]\nname = \"a\"\npath = \"/\"\n";

    /// What was observed: 20 equal responses with this digit as their digest, and perhaps a count.
    fn evidence(digit: &str, allocations: Option<u64>) -> Evidence {
        let all = Count::new(20);
        let sha256 = digit.repeat(64);
        let response = Response {
            status: 200,
            content_type: None,
            body_sha256: sha256.clone(),
            body_bytes: Bytes::new(1),
            json_sha256: None,
            headers: BTreeMap::new(),
        };
        let behaviour = Behaviour {
            response,
            responses: all,
            responses_equal: all,
            status_mismatches: Count::ZERO,
            status_unexpected: None,
            content_type_mismatches: Count::ZERO,
            not_json: Count::ZERO,
            wire: WireBody { sha256, bytes: Bytes::new(1), responses_equal: all },
            unequal_in_bytes_alone: Count::ZERO,
            unequal_in_headers_alone: Count::ZERO,
            headers_unequal: BTreeSet::new(),
            ignored_nothing: BTreeSet::new(),
        };
        let counts = allocations.map(|count| Counts {
            source: CountSource::InProcess,
            samples: all,
            allocations: Range::of(count),
            allocated_bytes: None,
            heap_peak_bytes: Some(Range::of(1_000)),
            unattributed_allocations: None,
            untold_samples: Count::ZERO,
            heap_untold_samples: Count::ZERO,
            several_threads: false,
        });
        Evidence { behaviour: Some(behaviour), counts, ..Evidence::default() }
    }

    #[test]
    fn the_same_code_needs_no_sessions_where_it_was_counted_and_did_the_same() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let (check, policy) = (&contract.checks[0], Policy::for_suite(1, true));
        let reasons = |same_code: bool, now: &Evidence, before: &Evidence| {
            let paired = Paired::default();
            let beside =
                SideBySide { policy: &policy, same_code, paired: &paired, instructions: None };
            let before = BaselineFigures::of(check, before, true);
            let claims = changes(&contract, check, now, Some(&before), Some(beside));
            let of = |kind| claims.iter().find(|it| it.kind == kind).unwrap().reason;
            [of(ClaimKind::InstructionsChange), of(ClaimKind::LatencyChange)]
        };
        let counted = |count| evidence("0", Some(count));
        let open = [Reason::NotCounted, Reason::TooFewSessions];
        assert_eq!(reasons(true, &counted(9), &counted(9)), [Reason::SameCode; 2]);
        assert_eq!(reasons(false, &counted(9), &counted(9)), open);
        // Within the tolerance is not the same, and what nobody counted shows nothing.
        assert_eq!(reasons(true, &counted(10), &counted(9)), open);
        assert_eq!(reasons(true, &evidence("0", None), &evidence("0", None)), open);
        let changed = reasons(true, &evidence("1", Some(9)), &counted(9));
        assert_eq!(changed, [Reason::NotCounted, Reason::ChangedWork]);
    }
}
