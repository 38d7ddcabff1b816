//! A check against its own expectations and budgets.

use super::{
    latency,
    reason::Reason,
    statement::{Claim, mark_required},
};
use crate::{
    contract::{Check, ClaimKind, Contract, Unit},
    evidence::{Counts, Evidence, ProcessEvidence, Range},
    rules::LatencyRule,
    units::{Bytes, Count},
};

/// Holds a check against its expectations and budgets: one claim for each kind that applies, in
/// the order of [`ClaimKind::ALL`]. The rule is that of latencies.
pub fn claims(
    contract: &Contract,
    check: &Check,
    evidence: &Evidence,
    rule: LatencyRule,
) -> Vec<Claim> {
    let mut claims = vec![status(check, evidence)];
    claims.extend(content_type(check, evidence));
    claims.push(deterministic(evidence));
    claims.extend(counted(check, evidence.counts.as_ref()));
    claims.extend(oracle(check, evidence));
    claims.extend(latency::claims(rule, check, evidence));
    if let Some(budget) = check.budgets.heap_growth_bytes_max {
        let growth = evidence.heap_growth.map(|it| Range::of(it.growth().get()));
        claims.push(count_below(ClaimKind::HeapGrowth, growth, budget.get()));
    }
    if let Some(budget) = check.budgets.process_memory_bytes_max {
        claims.push(process_memory(evidence.process, budget));
    }
    mark_required(contract, claims)
}

fn status(check: &Check, evidence: &Evidence) -> Claim {
    let expected = check.requests.first().map(|request| u64::from(request.status));
    let (reason, observed) = match &evidence.behaviour {
        None => (Reason::NoSample, None),
        Some(seen) => match seen.status_unexpected {
            Some(status) => (Reason::UnexpectedStatus, Some(status)),
            None => (Reason::AsExpected, Some(seen.response.status)),
        },
    };
    Claim::new(ClaimKind::Status, reason).figures(observed.map(u64::from), expected)
}

fn content_type(check: &Check, evidence: &Evidence) -> Option<Claim> {
    check.requests.iter().find(|request| request.content_type.is_some())?;
    let (reason, observed) = match &evidence.behaviour {
        None => (Reason::NoSample, None),
        Some(seen) if seen.content_type_mismatches > Count::ZERO => {
            (Reason::UnexpectedContentType, Some(seen.content_type_mismatches.get()))
        }
        Some(seen) if seen.not_json > Count::ZERO => (Reason::NotJson, Some(seen.not_json.get())),
        Some(_) => (Reason::AsExpected, Some(0)),
    };
    Some(Claim::new(ClaimKind::ContentType, reason).figures(observed, Some(0)))
}

fn deterministic(evidence: &Evidence) -> Claim {
    let Some(seen) = &evidence.behaviour else {
        return Claim::new(ClaimKind::Deterministic, Reason::NoSample);
    };
    let unequal = seen.responses.saturating_sub(seen.responses_equal);
    // A pointer that meets nothing is the cause where what it should have met differs.
    let reason = if !seen.ignored_nothing.is_empty() {
        Reason::IgnoresNothing
    } else if !seen.is_deterministic() {
        match unequal {
            _ if unequal == seen.unequal_in_bytes_alone => Reason::BytesDiffer,
            _ if unequal == seen.unequal_in_headers_alone => Reason::HeadersDiffer,
            _ => Reason::ResponsesDiffer,
        }
    } else if seen.responses < Count::new(2) {
        Reason::TooFewSamples
    } else {
        Reason::AsExpected
    };
    let figures = (Some(seen.responses_equal.get()), Some(seen.responses.get()));
    Claim::new(ClaimKind::Deterministic, reason).figures(figures.0, figures.1)
}

/// What the requests allocated and held. Less than all of it shows no budget to be kept.
fn counted(check: &Check, counts: Option<&Counts>) -> [Claim; 2] {
    let seen = counts.map(|it| it.allocations);
    let peak = counts.and_then(|it| it.heap_peak_bytes);
    let allocations =
        count_below(ClaimKind::Allocations, seen, check.budgets.allocations_max.get());
    let heap = count_below(ClaimKind::Heap, peak, check.budgets.heap_bytes_max.get());
    let in_part = counts.is_some_and(|it| !it.is_whole());
    let peak_in_part = counts.is_some_and(|it| it.several_threads) && (in_part || peak.is_none());
    let unless = |in_part: bool, claim: Claim| {
        if !in_part || claim.reason == Reason::OverBudget {
            return claim;
        }
        abstaining(claim, Reason::OtherThreads)
    };
    let allocations = of_all(allocations, counts.is_some_and(Counts::is_partly_told));
    let heap = of_all(heap, counts.is_some_and(Counts::is_heap_partly_told));
    [unless(in_part, allocations), unless(peak_in_part, heap)]
}

/// The most that was seen decides: one request over the budget is a request over the budget.
pub(crate) fn count_below(kind: ClaimKind, seen: Option<Range>, limit: u64) -> Claim {
    let reason = match seen {
        None => Reason::NotObserved,
        Some(range) if range.max < limit => Reason::WithinBudget,
        Some(_) => Reason::OverBudget,
    };
    Claim::new(kind, reason).figures(seen.map(|range| range.max), Some(limit))
}

/// What several processes hold together is known between what they surely hold and what they hold if
/// nothing is shared.
fn process_memory(process: Option<ProcessEvidence>, budget: Bytes) -> Claim {
    let most = process.map(|process| Range::of(process.rss_highest().get()));
    let claim = count_below(ClaimKind::ProcessMemory, most, budget.get());
    let least = process.and_then(|it| it.held_min_bytes);
    if claim.reason == Reason::OverBudget && least.is_some_and(|least| least < budget) {
        return abstaining(claim, Reason::MemoryShared);
    }
    claim
}

/// What is known of some samples alone may be over the budget, and is not shown to be within it.
fn of_all(claim: Claim, is_partly_told: bool) -> Claim {
    if claim.reason != Reason::WithinBudget || !is_partly_told {
        return claim;
    }
    abstaining(claim, Reason::NotAlwaysTold)
}

/// The claim with its figures, which show less than it says.
fn abstaining(claim: Claim, reason: Reason) -> Claim {
    Claim { reason, verdict: reason.verdict(), ..claim }
}

/// dhat looks at one request of a sample, so it is held against the budget of one.
fn oracle(check: &Check, evidence: &Evidence) -> Option<Claim> {
    let oracle = evidence.oracle?;
    let claim = |reason| Claim::new(ClaimKind::Oracle, reason);
    let allocations_max = check.budgets.allocations_max.get() / check.requests_per_sample();
    let heap_max = check.budgets.heap_bytes_max;
    let observed = Some(oracle.request_allocations.get());
    Some(if !oracle.agree() {
        claim(Reason::OracleDisagrees)
            .figures(Some(oracle.counted_allocations.get()), Some(oracle.allocations.get()))
    } else if oracle.heap_peak_bytes >= heap_max {
        claim(Reason::OverBudget)
            .in_unit(Unit::Bytes)
            .figures(Some(oracle.heap_peak_bytes.get()), Some(heap_max.get()))
    } else if oracle.request_allocations.get() >= allocations_max {
        claim(Reason::OverBudget).figures(observed, Some(allocations_max))
    } else {
        claim(Reason::AsExpected).figures(observed, Some(allocations_max))
    })
}
