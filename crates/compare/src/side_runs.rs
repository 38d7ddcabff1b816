//! What the sides of a comparison do and cost by themselves.

use perf_passport::{
    claim::latency_samples_enough,
    contract::{Check, Contract},
    environment::Build,
    evidence::{Behaviour, Response},
    operation::CaseSummary,
    passport::{MappedCode, MeasuredCase},
    pipeline::Run,
    units::Count,
};

use crate::{
    count_plan::CountPlan,
    error::WorkerError,
    item::Item,
    observe::observe,
    operations::{OperationObservations, observe_operations},
    servers::{Server, ServerObservations, Servers},
    side::{Side, Sides},
    subjects::Subjects,
    watch::Watch,
};

/// Samples of what is compared with: enough for what its responses are and what they allocate.
const BASELINE_SAMPLES: u32 = 20;

/// What a side does and costs by itself.
#[derive(Clone)]
pub(crate) struct SideRun {
    pub(crate) run: Run,
    /// The build of a worker.
    pub(crate) build: Option<Build>,
    /// The code of a server, and how many builds of it there are.
    mapped_code: Option<MappedCode>,
    builds: Count,
    /// What went wrong, where anything did.
    fault: Option<WorkerError>,
}

/// What both sides do and cost by themselves.
#[derive(Clone)]
pub(crate) struct SideRuns {
    pub(crate) before: SideRun,
    pub(crate) after: SideRun,
    /// Why the current side was not observed to its end.
    pub(crate) fault: Option<String>,
    /// The names of items whose work is not the anchor's, or is not known to be.
    pub(crate) answers_otherwise: Vec<String>,
    /// The code that all servers have mapped, where it is the same.
    pub(crate) mapped_code: Option<MappedCode>,
    /// How many builds of each side there are.
    pub(crate) builds: Sides<Count>,
}

/// What is observed.
pub(crate) struct ObservationTask<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) subjects: &'a Subjects<'a>,
    pub(crate) items: &'a [Item<'a>],
    /// The names of items that the anchor lacks.
    pub(crate) not_anchored: &'a [String],
    /// Whether both sides are known to be the same code.
    pub(crate) is_same_code: bool,
    pub(crate) watch: Watch<'a>,
}

/// With how many samples items are observed.
#[derive(Clone, Copy)]
struct Samples<'a> {
    of_check: &'a dyn Fn(&Check) -> u32,
    of_case: u32,
}

impl ObservationTask<'_> {
    /// Asks all sides.
    ///
    /// # Errors
    ///
    /// What is wrong with what is compared with, and with a current side that says nothing at all.
    pub(crate) fn observe(&self) -> Result<SideRuns, WorkerError> {
        let is_anchored = |item: &&Item<'_>| item.is_anchored(self.not_anchored);
        let anchored: Vec<Item<'_>> = self.items.iter().filter(is_anchored).copied().collect();
        let Sides { baseline: before, current: mut after, anchor } = match self.subjects {
            Subjects::Workers(sides) => self.workers(sides, &anchored)?,
            Subjects::Servers(servers) => self.servers(servers)?,
        };
        let others = [&after].into_iter().chain(&anchor);
        let is_same = others.into_iter().all(|it| it.mapped_code == before.mapped_code);
        let mapped_code = before.mapped_code.clone().filter(|_| is_same);
        let builds = Sides {
            baseline: before.builds,
            current: after.builds,
            anchor: anchor.as_ref().map(|it| it.builds),
        };
        let answers_otherwise =
            anchor.map(|anchor| answering_otherwise(&anchored, &after.run, &anchor.run));
        let fault = after.fault.take().map(|fault| fault.to_string());
        let answers_otherwise = answers_otherwise.unwrap_or_default();
        Ok(SideRuns { before, after, fault, answers_otherwise, mapped_code, builds })
    }

    fn workers(&self, sides: &Sides, anchored: &[Item<'_>]) -> Result<Sides<SideRun>, WorkerError> {
        let of = |side, items, samples| SideRun::of_worker(side, items, samples, self.watch);
        let few = Samples { of_check: &|_| BASELINE_SAMPLES, of_case: BASELINE_SAMPLES };
        let baseline = of(&sides.baseline, self.items, few)?.faultless()?;
        let anchor = sides.anchor.as_ref().map(|side| of(side, anchored, few)?.faultless());
        let anchor = anchor.transpose()?;
        let of_case = self.contract.sampling.samples;
        let samples = Samples { of_check: &|check| self.current_samples(check), of_case };
        let current = of(&sides.current, self.items, samples)?;
        let nothing = current.run.measured.is_empty() && current.run.operations.is_empty();
        if let (true, Some(fault)) = (nothing, &current.fault) {
            return Err(fault.clone());
        }
        Ok(Sides { baseline, current, anchor })
    }

    /// As many as the contract says. Of the same code its time is not compared, so that what its budgets need is
    /// enough.
    fn current_samples(&self, check: &Check) -> u32 {
        let samples = self.contract.sampling.samples;
        if !self.is_same_code || check.rows.is_some() {
            return samples;
        }
        let enough = latency_samples_enough(check).and_then(|it| u32::try_from(it.get()).ok());
        enough.map_or(samples, |it| samples.min(it.max(BASELINE_SAMPLES)))
    }

    fn servers(&self, servers: &Servers<'_>) -> Result<Sides<SideRun>, WorkerError> {
        let checks: Vec<&Check> = self.items.iter().filter_map(Item::check).collect();
        let of = |server: &Server| -> Result<SideRun, WorkerError> {
            let builds = servers.try_builds(server, self.contract, &checks, self.watch)?;
            let observed = servers.observe(server, self.contract, &checks, self.watch)?;
            let ServerObservations { run, mapped_code, fault } = observed;
            Ok(SideRun { run, build: None, mapped_code, builds, fault })
        };
        let baseline = of(&servers.sides.baseline)?.faultless()?;
        let anchor = servers.sides.anchor.as_ref().map(|server| of(server)?.faultless());
        let anchor = anchor.transpose()?;
        let current = of(&servers.sides.current)?;
        Ok(Sides { baseline, current, anchor })
    }
}

impl SideRun {
    /// Asks a worker what these items do and cost, with so many samples.
    fn of_worker(
        side: &Side,
        items: &[Item<'_>],
        samples: Samples<'_>,
        watch: Watch<'_>,
    ) -> Result<Self, WorkerError> {
        let checks: Vec<&Check> = items.iter().filter_map(Item::check).collect();
        let observed = observe(side, &checks, samples.of_check, watch, &mut |_| {})?;
        let operations = match observed.fault {
            None => observe_operations(side, items, samples.of_case, watch)?,
            Some(_) => OperationObservations::default(),
        };
        let fault = observed.fault.or(operations.fault);
        let run = Run {
            timestamp: observed.timestamp,
            complete: fault.is_none(),
            measured: observed.measured,
            operations: operations.measured,
        };
        let (mapped_code, builds) = (None, Count::new(1));
        Ok(Self { run, build: Some(observed.build), mapped_code, builds, fault })
    }

    fn faultless(mut self) -> Result<Self, WorkerError> {
        self.fault.take().map_or(Ok(self), Err)
    }
}

impl SideRuns {
    /// Whether there is a time to compare: an operation that panics has none, and of a check whose
    /// responses differ among themselves nobody knows whether they are the same work.
    pub(crate) fn are_comparable(&self, item: Item<'_>) -> bool {
        [&self.before, &self.after].iter().all(|side| has_a_time(item, &side.run))
    }

    /// How the instructions of an item are counted; `None` of an operation that one side did not bring to
    /// its end, and of a part of one.
    pub(crate) fn plan<'a>(&self, item: Item<'a>) -> Option<CountPlan<'a>> {
        let (operation, size) = match item {
            Item::Check(check) => return Some(CountPlan::of_check(check)),
            Item::Case(operation, size) => (operation, size),
            Item::Part(..) => return None,
        };
        let mut cases = self.after.run.operations.iter();
        let case = cases.find(|it| it.operation == operation.name && it.size == size);
        let summary =
            CaseSummary::of(&case.filter(|_| self.are_comparable(item))?.evidence.samples)?;
        Some(CountPlan::of_case(operation, size, summary.mean_ps))
    }

    /// Whether both sides answered alike; true of what was not observed, and of operations.
    pub(crate) fn are_same_work(&self, item: Item<'_>) -> bool {
        let response = |side: &SideRun| {
            let check = item.check()?.id();
            let measured = side.run.measured.iter().find(|it| it.check == check)?;
            Some(measured.evidence.behaviour.as_ref()?.response.clone())
        };
        let both = response(&self.before).zip(response(&self.after));
        both.is_none_or(|(before, after)| before == after)
    }
}

/// What was observed of an operation at a size, of which an item may be a part.
pub(crate) fn case_of<'r>(
    cases: &'r mut [MeasuredCase],
    item: Item<'_>,
) -> Option<&'r mut MeasuredCase> {
    let (Item::Case(operation, size) | Item::Part(operation, size, _)) = item else { return None };
    cases.iter_mut().find(|it| it.operation == operation.name && it.size == size)
}

fn has_a_time(item: Item<'_>, run: &Run) -> bool {
    match item {
        Item::Check(check) => {
            let measured = run.measured.iter().find(|it| it.check == check.id());
            let behaviour = measured.and_then(|it| it.evidence.behaviour.as_ref());
            // What answers with another status is known to be wrong, and each session would end by it.
            let is_sound = |it: &Behaviour| it.is_deterministic() && it.status_unexpected.is_none();
            behaviour.is_none_or(is_sound)
        }
        Item::Case(operation, size) | Item::Part(operation, size, _) => {
            let mut cases = run.operations.iter();
            let case = cases.find(|it| it.operation == operation.name && it.size == size);
            let Some(evidence) = case.map(|it| &it.evidence) else { return false };
            let is_told = match item {
                Item::Part(_, _, part) => evidence.tells_finely(part.name()) == Some(true),
                Item::Check(_) | Item::Case(..) => true,
            };
            evidence.failure.is_none() && !evidence.samples.is_empty() && is_told
        }
    }
}

/// The names of items whose work is not the same as the anchor's, or is not known to be.
fn answering_otherwise(items: &[Item<'_>], now: &Run, anchor: &Run) -> Vec<String> {
    let response = |run: &Run, id: &str| -> Option<Response> {
        let measured = run.measured.iter().find(|it| it.check == id)?;
        measured.evidence.behaviour.as_ref().map(|it| it.response.clone())
    };
    let otherwise = items.iter().filter(|item| {
        let id = item.id();
        let is_check = item.check().is_some();
        let (after, then) = (response(now, &id), response(anchor, &id));
        // What was not observed of the current side is said already.
        let is_observed = if is_check { after.is_some() } else { has_a_time(**item, now) };
        is_observed && (after != then || !has_a_time(**item, anchor))
    });
    otherwise.map(Item::id).collect()
}
