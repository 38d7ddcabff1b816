//! A check against its own expectations and budgets.

use super::{
    reason::Reason,
    statement::{Claim, mark_required},
};
use crate::{
    contract::{Check, ClaimKind, Contract, Quantile, Unit},
    evidence::{Counts, Evidence, ProcessEvidence, Range},
    rules::LatencyRule,
    statistics::{interval, quantile, samples_bounding},
    units::{Bytes, Count, Nanos, Ppm},
};

/// Times that a latency budget may be looked at while samples are added; the error probability is
/// shared out among them, so that looking again does not make a false verdict likelier
/// (Bonferroni; Jennison and Turnbull 1999, chapter 2, for better boundaries).
pub const LATENCY_LOOKS_MAX: u64 = 5;

/// The probability, of all looks together, that a latency bound is on the wrong side.
const LATENCY_ERROR: Ppm = Ppm::new(1_000);

/// The share of time under CPU pressure from which on a slow tail may be the machine's.
const PRESSURE_MAX: Ppm = Ppm::new(50_000);

/// Samples from which on a median says what is typical.
const MEDIAN_SAMPLES: Count = Count::new(20);

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
    let counts = evidence.counts.as_ref();
    let allocations = count_below(
        ClaimKind::Allocations,
        counts.map(|counts| counts.allocations),
        check.budgets.allocations_max.get(),
    );
    let heap = count_below(
        ClaimKind::Heap,
        counts.and_then(|counts| counts.heap_peak_bytes),
        check.budgets.heap_bytes_max.get(),
    );
    claims.push(of_all(allocations, counts.is_some_and(Counts::is_partly_told)));
    claims.push(of_all(heap, counts.is_some_and(Counts::is_heap_partly_told)));
    claims.extend(oracle(check, evidence));
    claims.push(latency(rule, check, evidence));
    if let Some(budget) = check.budgets.process_memory_bytes_max {
        claims.push(process_memory(evidence.process, budget));
    }
    mark_required(contract, claims)
}

/// Whether the samples taken so far leave a latency budget undecided that more could decide, by the
/// latest rule.
pub fn latency_is_undecided(check: &Check, evidence: &Evidence) -> bool {
    latency(LatencyRule::LATEST, check, evidence).reason == Reason::Undecided
}

/// The fewest samples that can show a latency budget at this quantile to be kept.
pub fn latency_samples_min(quantile: Quantile) -> Count {
    samples_bounding(quantile, Ppm::new(LATENCY_ERROR.get() / LATENCY_LOOKS_MAX))
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

fn latency(rule: LatencyRule, check: &Check, evidence: &Evidence) -> Claim {
    let budget = check.budgets.latency_ns_max;
    let reason = match rule {
        LatencyRule::One => latency_reason_1(check, evidence),
        LatencyRule::Two => latency_reason_2(check, evidence),
        #[cfg(test)]
        LatencyRule::Trial => Reason::Undecided,
    };
    // With too few samples for the quantile the largest one is the honest figure to show.
    let observed = quantile(&evidence.latency, check.budgets.latency_quantile)
        .or_else(|| (!evidence.latency.is_empty()).then(|| evidence.latency.max()));
    Claim::new(ClaimKind::Latency, reason).figures(observed.map(Nanos::get), Some(budget.get()))
}

/// The first rule of latencies. Passports are decided again by it for as long as there are any, so it,
/// its constants and [`interval`] stay as they are.
fn latency_reason_1(check: &Check, evidence: &Evidence) -> Reason {
    let budget = check.budgets.latency_ns_max;
    let error = Ppm::new(LATENCY_ERROR.get() / LATENCY_LOOKS_MAX);
    let bounds = interval(&evidence.latency, check.budgets.latency_quantile, error);
    match bounds {
        None => Reason::NoSample,
        Some(bounds) if bounds.lower >= budget => {
            // Others make a tail. That most requests were too slow is not their doing.
            let busy = evidence.cpu_pressure_ppm.is_some_and(|share| share > PRESSURE_MAX);
            if busy && typical(evidence) < budget {
                Reason::BusyMachine
            } else {
                Reason::OverBudget
            }
        }
        Some(bounds) if bounds.upper.is_some_and(|upper| upper < budget) => Reason::WithinBudget,
        Some(_) => Reason::Undecided,
    }
}

/// The second rule of latencies: as the first, but a tail above the budget is the machine's or the
/// service's where nobody knows how much others wanted the processor.
fn latency_reason_2(check: &Check, evidence: &Evidence) -> Reason {
    let reason = latency_reason_1(check, evidence);
    let is_known = evidence.cpu_pressure_ppm.is_some() || evidence.cpu_wait_ns.is_some();
    let is_tail = typical(evidence) < check.budgets.latency_ns_max;
    if reason == Reason::OverBudget && !is_known && is_tail {
        return Reason::PressureUnknown;
    }
    reason
}

/// The median latency; of too few samples for one, the least.
fn typical(evidence: &Evidence) -> Nanos {
    let latency = &evidence.latency;
    let median = quantile(latency, Quantile::P50).filter(|_| latency.samples() >= MEDIAN_SAMPLES);
    median.unwrap_or_else(|| latency.min())
}
