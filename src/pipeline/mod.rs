//! The pipeline: from a contract and a target to measured evidence.
//!
//! [`measure`] goes through the checks of a contract, fixture by fixture, and returns what was
//! observed of each; [`passport`] makes the document of it. The pipeline decides nothing but when
//! to stop sampling, prints nothing, and writes no file.

mod captured;
mod echoed;
mod observed;
mod responses;
mod sampler;
mod turns;
mod code_turns;
mod work;

use std::{collections::BTreeMap, fmt};

use crate::{
    claim::{BaselineFigures, latency_can_be_decided},
    clock::Clock,
    contract::{Check, Contract, Sampling},
    environment::{Build, Source, SystemInfo},
    evidence::{Evidence, HeapGrowth, ProcessEvidence, RowCoverage},
    operation::CaseFigures,
    passport::{
        BaselineRecord, Comparison, HashError, MeasuredCase, MeasuredCheck, Parts, Passport,
        ProbeKind, Provenance, contract_digest,
    },
    probe::{Continue, Pass, PlanError, Probe, ProbeError, SamplePlan, Target},
    rules::Rules,
    text::printable,
    timestamp::rfc3339,
    units::{Bytes, Count, Nanos, Ppm},
};
use sampler::Sampler;

pub use code_turns::{CodeTurns, CountedSamples, Iterations, run_counted};
pub use observed::observed_passport;
pub use turns::{Batch, ResponseFingerprint, Turns, WARMUP_MIN};
pub use work::{Work, WorkKind};

/// Samples in a row whose counts must be equal before a service counts as warm.
const STABLE_RUN: u32 = 8;

/// Latency samples at most, in those that the contract asks for, while a budget is undecided.
const STRETCH_MAX: u64 = 16;

/// Time after which no further samples are taken where all budgets are decided.
const TIME_ENOUGH: Nanos = Nanos::new(2_000_000_000);

/// Samples between two looks at the budgets, at least; later a sixteenth of those that are there.
const LOOK_INTERVAL_MIN: u64 = 16;

/// Warm-up samples where nobody counts.
const WARMUP_UNCOUNTED: u64 = 20;

/// Tries of the oracle: allocations of other threads can only disturb it, not agree by chance.
const ORACLE_TRIES: u32 = 3;

/// What a run needs beside its contract.
pub struct RunContext<'a> {
    /// What is measured.
    pub target: &'a mut dyn Target,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Environment variables that headers may name.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Whether the run was interrupted.
    pub stop: &'a dyn Fn() -> bool,
    /// Is told what happens.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").finish_non_exhaustive()
    }
}

/// What a run is doing.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// What comes next needs the service in the state of a fixture.
    Fixture(&'a str),
    /// A check is being measured.
    Check(&'a Check),
    /// A check was measured.
    Measured(&'a Check, &'a Evidence),
}

/// What a run measured.
#[derive(Debug, Clone)]
pub struct Run {
    /// When it started, RFC 3339 in UTC.
    pub timestamp: String,
    /// One entry for each check that was begun, in the order of the contract.
    pub measured: Vec<MeasuredCheck>,
    /// What was measured of operations; [`measure`] knows of none.
    pub operations: Vec<MeasuredCase>,
    /// Whether every check was measured to its end.
    pub complete: bool,
}

/// A header names a variable that is not set, or not to what a header can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "check `{check}` needs the environment variable {variable}: set it, without control characters, \
     or give it by `Harness::variable` in a test of yours"
)]
pub struct MissingVariable {
    /// The check.
    pub check: String,
    /// The variable.
    pub variable: String,
}

/// Measures the checks of the contract that `select` picks.
///
/// # Errors
///
/// [`MissingVariable`], before anything is sent. What goes wrong while measuring is evidence.
pub fn measure(
    contract: &Contract,
    context: &mut RunContext<'_>,
    select: &dyn Fn(&Check) -> bool,
) -> Result<Run, MissingVariable> {
    let timestamp = timestamp(context.clock);
    let checks: Vec<&Check> = contract.checks.iter().filter(|check| select(check)).collect();
    let mut prepared = checks
        .iter()
        .map(|check| prepare(check, contract, context.environment).map(Some))
        .collect::<Result<Vec<_>, _>>()?;
    let mut measured: Vec<(usize, MeasuredCheck)> = Vec::new();
    let mut complete = true;
    for fixture in contract.fixtures() {
        let mine: Vec<usize> =
            (0..checks.len()).filter(|index| checks[*index].fixture == fixture).collect();
        if mine.is_empty() || (context.stop)() {
            complete &= mine.is_empty();
            continue;
        }
        (context.progress)(Progress::Fixture(fixture));
        for index in mine {
            if (context.stop)() {
                complete = false;
                break;
            }
            let check = checks[index];
            (context.progress)(Progress::Check(check));
            let timestamp = self::timestamp(context.clock);
            let evidence = match prepared[index].take() {
                None => Evidence::default(),
                Some(Err(error)) => failed(&error),
                Some(Ok(plan)) => match context.target.probe(check) {
                    Err(error) => failed(&error),
                    Ok(mut probe) => {
                        let counted_in =
                            if probe.counts_apart() { Pass::Counted } else { Pass::Timed };
                        Observation {
                            check,
                            sampler: Sampler::new(check, plan.rows_compared(), counted_in),
                            plan,
                            sampling: contract.sampling,
                            probe: probe.as_mut(),
                            clock: context.clock,
                            stop: context.stop,
                        }
                        .observe()
                    }
                },
            };
            (context.progress)(Progress::Measured(check, &evidence));
            let check = check.id();
            measured.push((
                index,
                MeasuredCheck {
                    check,
                    timestamp,
                    evidence,
                    baseline: None,
                    paired: None,
                    instructions: None,
                },
            ));
        }
    }
    complete &= !(context.stop)();
    measured.sort_by_key(|(index, _)| *index);
    let measured = measured.into_iter().map(|(_, measured)| measured).collect();
    Ok(Run { timestamp, measured, operations: Vec::new(), complete })
}

/// Where a run took place.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// How and on what it was measured.
    pub provenance: Provenance,
    /// The machine.
    pub system_info: SystemInfo,
    /// Unique to this process.
    pub session_id: String,
    /// The builds that took turns, where two were compared side by side.
    pub comparison: Option<Comparison>,
}

impl Circumstances {
    /// The circumstances of this process.
    pub fn current(
        probe: ProbeKind,
        target: impl Into<String>,
        directory: &std::path::Path,
    ) -> Self {
        // Over HTTP the build of this program says nothing of the service's.
        let build = (probe == ProbeKind::InProcess).then(Build::current);
        let source = Source::read(directory);
        Self {
            provenance: Provenance {
                probe,
                target: target.into(),
                build,
                source,
                said_commit: None,
            },
            system_info: SystemInfo::read(),
            session_id: uuid::Uuid::now_v7().to_string(),
            comparison: None,
        }
    }
}

/// Makes the passport of a run, compared with `baseline` where there is one.
///
/// # Errors
///
/// [`HashError`] when a figure cannot be written as JSON, which no parsed contract has.
pub fn passport(
    contract: &Contract,
    run: Run,
    circumstances: Circumstances,
    baseline: Option<&Passport>,
) -> Result<Passport, HashError> {
    let (mut measured, mut operations) = (run.measured, run.operations);
    let mut record = None;
    if let Some(baseline) = baseline {
        let (checks, results) = (contract.checks_by_id(), baseline.results());
        let same_build = circumstances.provenance.same_build(&baseline.provenance);
        for entry in &mut measured {
            entry.baseline = checks
                .get(&entry.check)
                .zip(results.get(entry.check.as_str()))
                .map(|(check, result)| BaselineFigures::of(check, &result.evidence, same_build));
        }
        let known: BTreeMap<_, _> = baseline
            .operation_cases()
            .map(|it| ((&*it.operation, it.parameters.size), it))
            .collect();
        for case in &mut operations {
            let before = known.get(&(&*case.operation, case.size));
            case.baseline = before.map(|it| CaseFigures::of(&it.evidence, same_build));
        }
        let operations_gone = baseline.operation_cases().map(|it| &it.name);
        let names = contract.operation_cases();
        let operations_gone = operations_gone.filter(|it| !names.contains(*it));
        let digest = contract_digest(&contract.document)?;
        let gone = baseline.test_results.iter().map(|result| &result.test_name);
        record = Some(BaselineRecord {
            passport_hash: baseline.passport_hash.clone(),
            evidence_hash: baseline.evidence_hash.clone(),
            timestamp: baseline.timestamp.clone(),
            same_build,
            same_contract: baseline.contract.as_ref().is_some_and(|it| it.digest == digest),
            overall_status: baseline.summary.overall_status,
            checks_gone: gone.filter(|name| !checks.contains_key(*name)).cloned().collect(),
            operations_gone: operations_gone.cloned().collect(),
        });
    }
    Passport::assemble(
        contract,
        Parts {
            cartographer: concat!("perf-passport ", env!("CARGO_PKG_VERSION")).to_owned(),
            run_id: uuid::Uuid::now_v7().to_string(),
            session_id: circumstances.session_id,
            timestamp: run.timestamp,
            complete: run.complete,
            rules: Rules::LATEST,
            provenance: circumstances.provenance,
            system_info: circumstances.system_info,
            baseline: record,
            comparison: circumstances.comparison,
            annotations: contract.document.annotations.clone(),
            measured,
            operations,
            production: None,
        },
    )
}

fn timestamp(clock: &dyn Clock) -> String {
    rfc3339(clock.now())
}

/// The plan of a check; that a file of it cannot be used is evidence.
fn prepare(
    check: &Check,
    contract: &Contract,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Result<SamplePlan, ProbeError>, MissingVariable> {
    match SamplePlan::new(check, &contract.directory, environment) {
        Ok(plan) => Ok(Ok(plan)),
        Err(PlanError::Variable(variable)) => Err(MissingVariable { check: check.id(), variable }),
        Err(PlanError::Input(problem)) => Ok(Err(ProbeError::Input(problem))),
    }
}

fn failed(error: &ProbeError) -> Evidence {
    Evidence {
        failed_samples: Count::new(1),
        first_failure: Some(printable(error.to_string().as_bytes(), 300)),
        ..Evidence::default()
    }
}

/// One check while it is measured.
struct Observation<'a> {
    check: &'a Check,
    plan: SamplePlan,
    sampling: Sampling,
    probe: &'a mut dyn Probe,
    clock: &'a dyn Clock,
    stop: &'a dyn Fn() -> bool,
    sampler: Sampler<'a>,
}

impl Observation<'_> {
    /// Warms up, counts, asks the oracle, warms up again, times, watches the heap.
    fn observe(mut self) -> Evidence {
        let before = self.probe.process_memory();
        self.warm_up();
        if self.probe.counts_apart() {
            self.count();
            self.ask_oracle();
            self.warm_up_again();
        }
        let cpu_pressure_ppm = self.time_under_pressure();
        let heap_growth = self.heap_growth();
        self.end();
        let process = before.zip(self.probe.process_memory());
        let process = process.map(|(before, after)| ProcessEvidence::of(before, after));
        let mut evidence =
            Evidence { heap_growth, cpu_pressure_ppm, process, ..self.sampler.evidence() };
        evidence.inputs.clone_from(self.plan.inputs());
        evidence.rows = self.row_coverage();
        echoed::leave_out(&mut evidence, self.plan.secrets());
        evidence
    }

    /// Sends samples until the counts of several in a row are equal.
    fn warm_up(&mut self) {
        let pass = if self.probe.counts_apart() { Pass::Counted } else { Pass::Timed };
        let started = self.clock.elapsed();
        let (mut last, mut run) = (None, 0);
        // Whatever time it takes: each run is to compare the responses of the same rows.
        let rows = self.plan.rows_compared();
        for sent in 1..=u64::from(self.sampling.warmup_max).max(rows) {
            self.sample(pass);
            let counted = self.sampler.last_allocations();
            run = if counted == last { run + 1 } else { 0 };
            last = counted;
            let enough = if last.is_some() { run >= STABLE_RUN } else { sent >= WARMUP_UNCOUNTED };
            let time_is_over = self.is_over(started, self.sampling.phase_time_max);
            if self.sampler.gives_up()
                || (self.stop)()
                || (sent >= rows && (enough || time_is_over))
            {
                break;
            }
        }
        self.sampler.end_warmup();
    }

    fn count(&mut self) {
        self.plan.restart();
        let started = self.clock.elapsed();
        // Whatever time it takes: the range of the counts is to be that of the same rows in each run.
        let rows = self.plan.rows();
        for sent in 0..u64::from(self.sampling.counted) {
            let time_is_over = self.is_over(started, self.sampling.phase_time_max);
            if self.sampler.gives_up() || (self.stop)() || (sent >= rows && time_is_over) {
                break;
            }
            self.sample(Pass::Counted);
        }
    }

    fn ask_oracle(&mut self) {
        self.plan.restart();
        for _ in 0..ORACLE_TRIES {
            if self.sampler.gives_up() || (self.stop)() {
                break;
            }
            self.sample(Pass::Oracle);
            if self.sampler.oracle_agrees() {
                break;
            }
        }
    }

    /// Fetches again what the oracle displaced from the caches.
    fn warm_up_again(&mut self) {
        for _ in 0..STABLE_RUN {
            if !self.sampler.gives_up() && !(self.stop)() {
                self.sample(Pass::Timed);
            }
        }
        self.sampler.forget_latency();
    }

    /// What a service keeps of requests, where the contract asks for it. The last of all passes, as it
    /// takes the service away.
    fn heap_growth(&mut self) -> Option<HeapGrowth> {
        self.check.budgets.heap_growth_bytes_max?;
        if self.sampler.gives_up() || (self.stop)() {
            return None;
        }
        let growth = self.watch_heap(self.sampling.heap_growth_samples);
        growth.unwrap_or_else(|error| {
            self.sampler.begin(Pass::Counted);
            self.sampler.fail(&error);
            None
        })
    }

    fn watch_heap(&mut self, samples: u32) -> Result<Option<HeapGrowth>, ProbeError> {
        // The service that setup was sent to goes away.
        self.plan.end(self.probe, Pass::Counted)?;
        self.plan.restart();
        if !self.probe.begin_heap_watch()? {
            return Ok(None);
        }
        let started = self.clock.elapsed();
        let mut live = [Bytes::ZERO; 2];
        for bytes in &mut live {
            for _ in 0..samples {
                if (self.stop)() {
                    return Ok(None);
                }
                if self.is_over(started, self.sampling.time_max) {
                    let message = "watching the heap takes longer than `seconds_max`: raise that, or lower \
                                   `heap_growth_samples`";
                    return Err(ProbeError::Broken(message.to_owned()));
                }
                self.send_and_forget()?;
            }
            let Some(now) = self.probe.live_heap() else { return Ok(None) };
            *bytes = now;
        }
        let [first_bytes, second_bytes] = live;
        let samples = Count::new(u64::from(samples));
        Ok(Some(HeapGrowth { samples, first_bytes, second_bytes }))
    }

    /// Sends one sample. What comes back is not looked at closely: whatever is kept of it would count.
    fn send_and_forget(&mut self) -> Result<(), ProbeError> {
        let mut unexpected = None;
        let requests = &self.check.requests;
        self.plan.run(self.probe, Pass::Counted, &mut |answered| {
            let (status, expected) = (answered.exchange.status, requests[answered.request].status);
            if status == expected {
                return Continue::Yes;
            }
            unexpected.get_or_insert((status, expected));
            Continue::No
        })?;
        let Some((status, expected)) = unexpected else { return Ok(()) };
        let message = format!("status {status} instead of {expected} while the heap was watched");
        Err(ProbeError::Broken(message))
    }

    /// Cleans up where that is due once. That it cannot be done takes nothing from what was measured, and
    /// is told.
    fn end(&mut self) {
        if let Err(error) = self.plan.end(self.probe, Pass::Timed) {
            self.sampler.fail_beside(&error);
        }
    }

    /// Takes the samples, and says for which share of the time others wanted the processor.
    fn time_under_pressure(&mut self) -> Option<Ppm> {
        self.plan.restart();
        let (started, before) = (self.clock.elapsed(), self.probe.cpu_pressure());
        self.time();
        let elapsed = self.clock.elapsed().saturating_sub(started).get();
        let waited = self.probe.cpu_pressure()?.saturating_sub(before?).get();
        let share = u128::from(waited) * 1_000_000 / u128::from(elapsed.max(1));
        Some(Ppm::new(u64::try_from(share).unwrap_or(u64::MAX).min(1_000_000)))
    }

    /// The rows that are to be timed: each, or as many as samples are asked for.
    fn rows_wanted(&self) -> u64 {
        // Each row whose responses are compared is answered once more than while warming up.
        self.plan.rows().min(u64::from(self.sampling.samples)).max(self.plan.rows_compared())
    }

    fn row_coverage(&self) -> Option<RowCoverage> {
        let rows = Some(self.plan.rows()).filter(|it| *it > 0)?;
        let timed = Count::new(self.sampler.rows_timed());
        Some(RowCoverage { rows: Count::new(rows), wanted: Count::new(self.rows_wanted()), timed })
    }

    /// Takes samples until their number is reached, or enough time is over and the budgets are decided;
    /// more of them while one is undecided, until there are many, or the time is over.
    fn time(&mut self) {
        let started = self.clock.elapsed();
        let rows = self.rows_wanted();
        let wanted = u64::from(self.sampling.samples).max(rows);
        let most = wanted * STRETCH_MAX;
        loop {
            let taken = self.sampler.timed();
            let enough = self.is_over(started, TIME_ENOUGH);
            if self.sampler.gives_up()
                || taken >= most
                || self.is_over(started, self.sampling.time_max)
            {
                return;
            }
            // Where even the most samples decide nothing, time does not either.
            let within = Count::new(if enough { most } else { u64::MAX });
            let is_open = || latency_can_be_decided(self.check, &self.sampler.evidence(), within);
            if (taken >= wanted || (enough && taken >= rows)) && !is_open() {
                return;
            }
            let next = taken + (taken / 16).max(LOOK_INTERVAL_MIN);
            // The number that is asked for is not exceeded without a reason.
            let next = if taken < wanted { next.min(wanted) } else { next.min(most) };
            self.take_until(next, started);
        }
    }

    /// Takes latency samples until there are so many, or the time is over.
    fn take_until(&mut self, number: u64, started: Nanos) {
        while self.sampler.timed() < number {
            if self.sampler.gives_up() || self.is_over(started, self.sampling.time_max) {
                return;
            }
            self.sample(Pass::Timed);
        }
    }

    fn is_over(&self, started: Nanos, time_max: Nanos) -> bool {
        (self.stop)() || self.clock.elapsed().saturating_sub(started) >= time_max
    }

    /// Sends one sample: all requests, as many rounds as the check says.
    fn sample(&mut self, pass: Pass) {
        self.sampler.begin(pass);
        let sampler = &mut self.sampler;
        match self.plan.run(self.probe, pass, &mut |answered| sampler.add(answered)) {
            Ok(()) => self.sampler.end(),
            // All that is measured was answered by then.
            Err(error @ ProbeError::NotTornDown { .. }) => {
                self.sampler.end();
                self.sampler.fail_beside(&error);
            }
            Err(error) => self.sampler.fail(&error),
        }
    }
}
