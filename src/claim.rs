//! Claims: one statement about one check each, decided on evidence alone.
//!
//! [`claims`] holds a check against its budgets, [`changes`] against what a baseline says of it;
//! both are pure, so that [`crate::passport::verify`] decides the same again from the passport.
//! A claim passes when the evidence shows it, fails when the evidence shows the contrary, and
//! abstains otherwise. Nothing here measures, prints, or weighs one claim against another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    contract::{Check, ClaimKind, Contract, Quantile},
    evidence::{CountSource, Counts, Evidence, Range, Response},
    paired::{Decision, Outcome, Paired, Policy, decide, decide_anchor},
    statistics::{interval, quantile},
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

/// The outcome of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// The evidence shows that the claim holds.
    Pass,
    /// The evidence shows neither.
    Abstain,
    /// The evidence shows that the claim does not hold.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Abstain => "ABSTAIN",
            Self::Fail => "FAIL",
        })
    }
}

/// Why a claim has its verdict, for programs; [`Reason::explain`] says it to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// PASS: every response was as expected.
    AsExpected,
    /// PASS: the cost is below the budget.
    WithinBudget,
    /// PASS: no worse than the baseline, up to the tolerance.
    WithinTolerance,
    /// FAIL: a response had another status.
    UnexpectedStatus,
    /// FAIL: a response had another media type.
    UnexpectedContentType,
    /// FAIL: a response says that it is JSON, and its body is not.
    NotJson,
    /// FAIL: responses to the same request differ.
    ResponsesDiffer,
    /// FAIL: the cost is not below the budget.
    OverBudget,
    /// FAIL: dhat and the counting allocator disagree.
    OracleDisagrees,
    /// FAIL of the behaviour, ABSTAIN of every cost: the response is not the baseline's.
    ChangedWork,
    /// FAIL: worse than the baseline by more than the tolerance.
    BeyondTolerance,
    /// ABSTAIN: there is no sample that counts.
    NoSample,
    /// ABSTAIN: one response shows no determinism.
    TooFewSamples,
    /// ABSTAIN: the confidence interval lies on both sides of the budget.
    Undecided,
    /// ABSTAIN: the slower requests were too slow, and other processes wanted the processor meanwhile.
    BusyMachine,
    /// ABSTAIN: the service does not tell this cost.
    NotObserved,
    /// ABSTAIN: the baseline does not have the check, or not this figure of it.
    NotInBaseline,
    /// ABSTAIN: the responses differ among themselves, so they cannot be compared.
    NotDeterministic,
    /// ABSTAIN: toolchain, profile, target, database or source of the counts differ from the
    /// baseline's.
    IncomparableBuild,
    /// ABSTAIN: times of another session prove nothing about this one.
    StoredLatency,
    /// ABSTAIN: the sessions show the effect neither within the tolerance nor real and beyond it.
    UndecidedChange,
    /// ABSTAIN: the same sessions call a copy of the baseline slower, or miss an injected slowdown.
    NotCalibrated,
    /// ABSTAIN: fewer sessions than the first look needs.
    TooFewSessions,
    /// ABSTAIN: the servers were running already, so all sessions asked the same processes.
    SameProcesses,
    /// ABSTAIN: the round trip hides the time of a service that does not tell it.
    HiddenByTransport,
    /// ABSTAIN: the figure was taken over from a document that shows no evidence for it.
    Imported,
}

impl Reason {
    /// The reason as a fragment of a sentence, with the remedy where there is one.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::WithinBudget => "below the budget",
            Self::WithinTolerance => "within the tolerance of the baseline",
            Self::UnexpectedStatus => "a response had another status",
            Self::UnexpectedContentType => "a response had another media type",
            Self::NotJson => "a response says that it is JSON, and its body is not",
            Self::ResponsesDiffer => {
                "responses differ: fix the handler, or list what may differ under `ignore`"
            }
            Self::OverBudget => "not below the budget",
            Self::OracleDisagrees => "dhat and the counting allocator disagree",
            Self::ChangedWork => {
                "changed work: the response is not the baseline's, so it is neither faster nor slower"
            }
            Self::BeyondTolerance => "worse than the baseline by more than the tolerance",
            Self::NoSample => "no sample that counts",
            Self::TooFewSamples => "too few samples",
            Self::Undecided => {
                "the confidence interval lies on both sides of the budget: take more samples"
            }
            Self::BusyMachine => {
                "some requests were slow while other processes wanted the processor: measure on an \
                 idle machine"
            }
            Self::NotObserved => {
                "the service does not tell: add the instrument layer, or do not require the claim"
            }
            Self::NotInBaseline => "not in the baseline: accept it with `passport baseline`",
            Self::NotDeterministic => "the responses differ among themselves",
            Self::IncomparableBuild => {
                "built or counted otherwise than the baseline: renew it with `passport baseline`"
            }
            Self::StoredLatency => {
                "stored times of another session prove nothing: measure two builds side by side"
            }
            Self::UndecidedChange => {
                "neither shown to be within the tolerance nor to be real: give it more time"
            }
            Self::NotCalibrated => {
                "the same sessions would misjudge an unchanged copy or miss an injected slowdown"
            }
            Self::TooFewSessions => "too few sessions: give it more time",
            Self::SameProcesses => {
                "what stays with a process is not averaged out: let --baseline-cmd and \
                 --current-cmd start the servers"
            }
            Self::HiddenByTransport => {
                "the round trip hides the service's own time: let it tell that with `Server-Timing`"
            }
            Self::Imported => "imported: the document shows no evidence for it",
        }
    }

    const fn verdict(self) -> Verdict {
        match self {
            Self::AsExpected | Self::WithinBudget | Self::WithinTolerance => Verdict::Pass,
            Self::UnexpectedStatus
            | Self::UnexpectedContentType
            | Self::NotJson
            | Self::ResponsesDiffer
            | Self::OverBudget
            | Self::OracleDisagrees
            | Self::BeyondTolerance => Verdict::Fail,
            _ => Verdict::Abstain,
        }
    }
}

impl fmt::Display for Reason {
    /// The name as the passport has it: `over-budget`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The unit of a claim's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// An HTTP status.
    Status,
    /// A ratio in parts per million: 1030000 is 3 % more.
    Ppm,
}

/// One statement about one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is claimed.
    pub kind: ClaimKind,
    /// The outcome.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether the gate depends on it.
    pub required: bool,
    /// The unit of the figures below.
    pub unit: Unit,
    /// What was observed; of a latency the quantile, of a count the most that was seen.
    pub observed: Option<u64>,
    /// What it is held against: a budget, an expectation, or what the baseline says.
    pub limit: Option<u64>,
}

impl Claim {
    /// The observed figure with its unit; `-` when there is none.
    pub fn show_observed(&self) -> String {
        show(self.unit, self.observed)
    }

    /// The limit with its unit; `-` when there is none.
    pub fn show_limit(&self) -> String {
        show(self.unit, self.limit)
    }
}

fn show(unit: Unit, value: Option<u64>) -> String {
    match (unit, value) {
        (_, None) => "-".to_owned(),
        (Unit::Ns, Some(value)) => Nanos::new(value).to_string(),
        (Unit::Bytes, Some(value)) => Bytes::new(value).to_string(),
        (Unit::Count | Unit::Status, Some(value)) => value.to_string(),
        (Unit::Ppm, Some(value)) => show_ratio(value),
    }
}

/// A ratio as the difference from 1: `+3.00 %`.
#[expect(clippy::cast_precision_loss, reason = "display")]
fn show_ratio(ppm: u64) -> String {
    format!("{:+.2} %", (ppm as f64 - 1e6) / 1e4)
}

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
}

impl BaselineFigures {
    /// What `evidence`, gathered for `check`, says to those who compare with it later.
    pub fn of(check: &Check, evidence: &Evidence, same_build: bool) -> Self {
        let deterministic = evidence.behaviour.as_ref().filter(|it| it.is_deterministic());
        let counts = evidence.counts.as_ref();
        Self {
            same_build,
            response: deterministic.map(|it| it.response.clone()),
            source: counts.map(|it| it.source),
            allocations: counts.map(|it| Count::new(it.allocations.max)),
            heap_peak_bytes: counts.and_then(|it| it.heap_peak_bytes).map(|it| Bytes::new(it.max)),
            latency_ns: quantile(&evidence.latency, check.budgets.latency_quantile),
        }
    }
}

/// Holds a check against its expectations and budgets: one claim for each kind that applies, in
/// the order of [`ClaimKind::ALL`].
pub fn claims(contract: &Contract, check: &Check, evidence: &Evidence) -> Vec<Claim> {
    let mut claims = vec![status(check, evidence)];
    claims.extend(content_type(check, evidence));
    claims.push(deterministic(evidence));
    claims.push(count_below(
        ClaimKind::Allocations,
        Unit::Count,
        evidence.counts.as_ref().map(|counts| counts.allocations),
        check.budgets.allocations_max.get(),
    ));
    claims.push(count_below(
        ClaimKind::Heap,
        Unit::Bytes,
        evidence.counts.as_ref().and_then(|counts| counts.heap_peak_bytes),
        check.budgets.heap_bytes_max.get(),
    ));
    claims.extend(oracle(check, evidence));
    claims.push(latency(check, evidence));
    if let Some(budget) = check.budgets.process_memory_bytes_max {
        let highest = evidence.process.map(|process| Range::of(process.rss_highest().get()));
        claims.push(count_below(ClaimKind::ProcessMemory, Unit::Bytes, highest, budget.get()));
    }
    mark_required(contract, claims)
}

/// Holds a check against what a baseline says of it; `None` when the baseline lacks the check. Where
/// both builds took turns, `paired` decides on the latency.
///
/// The kinds of change in the order of [`ClaimKind::ALL`].
pub fn changes(
    contract: &Contract,
    check: &Check,
    evidence: &Evidence,
    baseline: Option<&BaselineFigures>,
    paired: Option<(&Policy, &Paired)>,
) -> Vec<Claim> {
    let counts = evidence.counts.as_ref();
    let behaviour = behaviour_change(evidence, baseline);
    let same_work = behaviour.verdict == Verdict::Pass;
    let figure = |get: fn(&BaselineFigures) -> Option<u64>| baseline.and_then(get);
    let allocations = count_change(
        (ClaimKind::AllocationsChange, Unit::Count),
        counts.map(|it| it.allocations.max),
        figure(|it| it.allocations.map(Count::get)),
        (comparability(counts, baseline, same_work), check.tolerance.allocations_ppm),
    );
    let heap = count_change(
        (ClaimKind::HeapChange, Unit::Bytes),
        counts.and_then(|it| it.heap_peak_bytes).map(|it| it.max),
        figure(|it| it.heap_peak_bytes.map(Bytes::get)),
        (comparability(counts, baseline, same_work), check.tolerance.regression_ppm),
    );
    let Some((policy, paired)) = paired else {
        let observed = quantile(&evidence.latency, check.budgets.latency_quantile);
        let latency = decided(ClaimKind::LatencyChange, Reason::StoredLatency, Unit::Ns)
            .with(observed.map(Nanos::get), figure(|it| it.latency_ns.map(Nanos::get)));
        return mark_required(contract, vec![behaviour, allocations, heap, latency]);
    };
    let tolerance = check.tolerance.regression_ppm;
    let comparable = if same_work { None } else { Some(not_same_work(&behaviour)) };
    let latency = latency_change(
        ClaimKind::LatencyChange,
        &decide(policy, tolerance, paired),
        (comparable, tolerance),
    );
    let drift = decide_anchor(policy, tolerance, paired)
        .map(|decision| latency_change(ClaimKind::LatencyDrift, &decision, (None, tolerance)));
    let mut claims = mark_required(contract, vec![behaviour, allocations, heap]);
    claims.push(latency);
    claims.extend(drift);
    claims
}

/// Why work cannot be compared that is not shown to be the same.
fn not_same_work(behaviour: &Claim) -> Reason {
    if behaviour.verdict == Verdict::Fail { Reason::ChangedWork } else { behaviour.reason }
}

/// Whoever compares two builds side by side asks for this claim, so it is always required.
fn latency_change(
    kind: ClaimKind,
    decision: &Decision,
    (incomparable, tolerance): (Option<Reason>, Ppm),
) -> Claim {
    let reason = incomparable.unwrap_or(match decision.outcome {
        Outcome::Within => Reason::WithinTolerance,
        Outcome::Beyond => Reason::BeyondTolerance,
        Outcome::Undecided => Reason::UndecidedChange,
        Outcome::Uncalibrated => Reason::NotCalibrated,
        Outcome::TooFewSessions => Reason::TooFewSessions,
        Outcome::SameProcesses => Reason::SameProcesses,
        Outcome::Hidden => Reason::HiddenByTransport,
    });
    let ratio = |effect: i64| u64::try_from(effect.saturating_add(1_000_000)).unwrap_or(0);
    let known = decision.sessions > 0;
    let observed = known.then(|| ratio(decision.current.median));
    Claim { required: true, ..decided(kind, reason, Unit::Ppm) }
        .with(observed, Some(1_000_000_u64.saturating_add(tolerance.get())))
}

/// Whether the samples taken so far leave a latency budget undecided that more could decide.
pub fn latency_is_undecided(check: &Check, evidence: &Evidence) -> bool {
    latency(check, evidence).reason == Reason::Undecided
}

fn mark_required(contract: &Contract, mut claims: Vec<Claim>) -> Vec<Claim> {
    for claim in &mut claims {
        claim.required = contract.requires_of_each(claim.kind);
    }
    claims
}

fn decided(kind: ClaimKind, reason: Reason, unit: Unit) -> Claim {
    Claim {
        kind,
        verdict: reason.verdict(),
        reason,
        required: false,
        unit,
        observed: None,
        limit: None,
    }
}

impl Claim {
    fn with(mut self, observed: Option<u64>, limit: Option<u64>) -> Self {
        self.observed = observed;
        self.limit = limit;
        self
    }
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
    decided(ClaimKind::Status, reason, Unit::Status).with(observed.map(u64::from), expected)
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
    Some(decided(ClaimKind::ContentType, reason, Unit::Count).with(observed, Some(0)))
}

fn deterministic(evidence: &Evidence) -> Claim {
    let Some(seen) = &evidence.behaviour else {
        return decided(ClaimKind::Deterministic, Reason::NoSample, Unit::Count);
    };
    let reason = if !seen.is_deterministic() {
        Reason::ResponsesDiffer
    } else if seen.responses < Count::new(2) {
        Reason::TooFewSamples
    } else {
        Reason::AsExpected
    };
    let figures = (Some(seen.responses_equal.get()), Some(seen.responses.get()));
    decided(ClaimKind::Deterministic, reason, Unit::Count).with(figures.0, figures.1)
}

/// The most that was seen decides: one request over the budget is a request over the budget.
fn count_below(kind: ClaimKind, unit: Unit, seen: Option<Range>, limit: u64) -> Claim {
    let reason = match seen {
        None => Reason::NotObserved,
        Some(range) if range.max < limit => Reason::WithinBudget,
        Some(_) => Reason::OverBudget,
    };
    decided(kind, reason, unit).with(seen.map(|range| range.max), Some(limit))
}

/// dhat looks at one request of a sample, so it is held against the budget of one.
fn oracle(check: &Check, evidence: &Evidence) -> Option<Claim> {
    let oracle = evidence.oracle?;
    let claim = |reason| decided(ClaimKind::Oracle, reason, Unit::Count);
    let allocations_max = check.budgets.allocations_max.get() / check.requests_per_sample();
    let heap_max = check.budgets.heap_bytes_max;
    let observed = Some(oracle.request_allocations.get());
    Some(if !oracle.agree() {
        claim(Reason::OracleDisagrees)
            .with(Some(oracle.counted_allocations.get()), Some(oracle.allocations.get()))
    } else if oracle.heap_peak_bytes >= heap_max {
        decided(ClaimKind::Oracle, Reason::OverBudget, Unit::Bytes)
            .with(Some(oracle.heap_peak_bytes.get()), Some(heap_max.get()))
    } else if oracle.request_allocations.get() >= allocations_max {
        claim(Reason::OverBudget).with(observed, Some(allocations_max))
    } else {
        claim(Reason::AsExpected).with(observed, Some(allocations_max))
    })
}

fn latency(check: &Check, evidence: &Evidence) -> Claim {
    let budget = check.budgets.latency_ns_max;
    let error = Ppm::new(LATENCY_ERROR.get() / LATENCY_LOOKS_MAX);
    let bounds = interval(&evidence.latency, check.budgets.latency_quantile, error);
    let reason = match bounds {
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
    };
    // With too few samples for the quantile the largest one is the honest figure to show.
    let observed = quantile(&evidence.latency, check.budgets.latency_quantile)
        .or_else(|| (!evidence.latency.is_empty()).then(|| evidence.latency.max()));
    decided(ClaimKind::Latency, reason, Unit::Ns).with(observed.map(Nanos::get), Some(budget.get()))
}

/// The median latency; of too few samples for one, the least.
fn typical(evidence: &Evidence) -> Nanos {
    let latency = &evidence.latency;
    let median = quantile(latency, Quantile::P50).filter(|_| latency.samples() >= MEDIAN_SAMPLES);
    median.unwrap_or_else(|| latency.min())
}

fn behaviour_change(evidence: &Evidence, baseline: Option<&BaselineFigures>) -> Claim {
    let claim = |reason| decided(ClaimKind::Behaviour, reason, Unit::Status);
    let Some(seen) = &evidence.behaviour else { return claim(Reason::NoSample) };
    let before = baseline.and_then(|it| it.response.as_ref());
    let Some(before) = before else { return claim(Reason::NotInBaseline) };
    let mut decided = claim(if !seen.is_deterministic() {
        Reason::NotDeterministic
    } else if seen.response == *before {
        Reason::AsExpected
    } else {
        Reason::ChangedWork
    });
    if decided.reason == Reason::ChangedWork {
        decided.verdict = Verdict::Fail;
    }
    decided.with(Some(u64::from(seen.response.status)), Some(u64::from(before.status)))
}

/// Why counts cannot be compared; `None` when they can.
fn comparability(
    counts: Option<&Counts>,
    baseline: Option<&BaselineFigures>,
    same_work: bool,
) -> Option<Reason> {
    let Some(counts) = counts else { return Some(Reason::NotObserved) };
    let Some(baseline) = baseline else { return Some(Reason::NotInBaseline) };
    match baseline.source {
        None => Some(Reason::NotInBaseline),
        Some(_) if !same_work => Some(Reason::ChangedWork),
        Some(source) if source != counts.source || !baseline.same_build => {
            Some(Reason::IncomparableBuild)
        }
        Some(_) => None,
    }
}

fn count_change(
    (kind, unit): (ClaimKind, Unit),
    now: Option<u64>,
    before: Option<u64>,
    (incomparable, tolerance): (Option<Reason>, Ppm),
) -> Claim {
    let reason = match (incomparable, now, before) {
        (Some(reason), _, _) => reason,
        (None, None, _) => Reason::NotObserved,
        (None, _, None) => Reason::NotInBaseline,
        (None, Some(now), Some(before)) if within(now, before, tolerance) => {
            Reason::WithinTolerance
        }
        (None, Some(_), Some(_)) => Reason::BeyondTolerance,
    };
    decided(kind, reason, unit).with(now, before)
}

/// Whether `now <= before * (1 + tolerance)`, in integers.
fn within(now: u64, before: u64, tolerance: Ppm) -> bool {
    u128::from(now) * 1_000_000 <= u128::from(before) * (1_000_000 + u128::from(tolerance.get()))
}
