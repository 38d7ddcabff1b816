//! What the sides of `passport compare` do and cost by themselves.

use super::compare::{Compared, checks_of};
use perf_passport::{
    contract::Contract,
    environment::Build,
    evidence::{Behaviour, Response},
    passport::MeasuredCase,
    pipeline::Run,
};
use perf_passport_compare::{self, Item, ObservedOperations, Side, Watch, WorkerError};

/// Samples of what is compared with: enough for what its responses are and what they allocate.
const BASELINE_SAMPLES: u32 = 20;

/// What a side does and costs by itself.
pub(super) struct Seen {
    pub(super) run: Run,
    /// The build of a worker.
    pub(super) build: Option<Build>,
}

/// What was observed of an operation at a size.
pub(super) fn case_of<'r>(
    cases: &'r mut [MeasuredCase],
    item: Item<'_>,
) -> Option<&'r mut MeasuredCase> {
    let Item::Case(operation, size) = item else { return None };
    cases.iter_mut().find(|it| it.operation == operation.name && it.size == size)
}

/// Whether there is a time to compare: an operation that panics has none, and of a check whose
/// responses differ among themselves nobody knows whether they are the same work.
pub(super) fn is_comparable(item: Item<'_>, before: &Seen, after: &Seen) -> bool {
    [before, after].iter().all(|seen| has_a_time(item, &seen.run))
}

fn has_a_time(item: Item<'_>, run: &Run) -> bool {
    match item {
        Item::Check(check) => {
            let measured = run.measured.iter().find(|it| it.check == check.id());
            let behaviour = measured.and_then(|it| it.evidence.behaviour.as_ref());
            behaviour.is_none_or(Behaviour::is_deterministic)
        }
        Item::Case(operation, size) => {
            let mut cases = run.operations.iter();
            let case = cases.find(|it| it.operation == operation.name && it.size == size);
            case.is_some_and(|it| it.evidence.failure.is_none() && !it.evidence.samples.is_empty())
        }
    }
}

/// What the sides do and cost by themselves.
pub(super) struct Observed {
    pub(super) before: Seen,
    pub(super) after: Seen,
    /// What went wrong with the current side.
    pub(super) fault: Option<String>,
    /// The names of checks that the anchor answers otherwise than the current side, or in more than one
    /// way, and of operations that it cannot do.
    pub(super) answers_otherwise: Vec<String>,
}

/// Asks the sides what each item does and costs by itself. Without a baseline nothing can be said, nor
/// without an anchor that was asked for.
pub(super) fn observe(
    contract: &Contract,
    compared: &Compared,
    (items, not_anchored): (&[Item<'_>], &[String]),
    (clock, stop): Watch<'_>,
) -> Result<Observed, WorkerError> {
    let anchored = items.iter().filter(|it| !not_anchored.contains(&it.id()));
    let anchored: Vec<Item<'_>> = anchored.copied().collect();
    let (before, after, fault, anchor) = match compared {
        Compared::Workers(sides) => {
            let watch = (clock, stop);
            let before = faultless(worker(&sides.baseline, (items, BASELINE_SAMPLES), watch)?)?;
            let anchor = sides.anchor.as_ref().map(|side| {
                let (seen, fault) = worker(side, (&anchored, BASELINE_SAMPLES), watch)?;
                faultless((seen.run, fault))
            });
            let (after, fault) = worker(&sides.current, (items, contract.sampling.samples), watch)?;
            let nothing = after.run.measured.is_empty() && after.run.operations.is_empty();
            if let (true, Some(fault)) = (nothing, &fault) {
                return Err(fault.clone());
            }
            (before, after, fault, anchor)
        }
        Compared::Servers(servers) => {
            let checks = checks_of(items);
            let observe = |server| servers.observe(server, contract, &checks, (clock, stop));
            let before = faultless(observe(&servers.baseline)?)?;
            let anchor = servers.anchor.as_ref().map(|server| faultless(observe(server)?));
            let (after, fault) = observe(&servers.current)?;
            let seen = |run| Seen { run, build: None };
            (seen(before), seen(after), fault, anchor)
        }
    };
    let answers_otherwise = match anchor.transpose()? {
        Some(anchor) => answering_otherwise(&anchored, &after.run, &anchor),
        None => Vec::new(),
    };
    Ok(Observed { before, after, fault: fault.map(|it| it.to_string()), answers_otherwise })
}

/// Asks a worker what these items do and cost, with so many samples of each; what went wrong with it.
fn worker(
    side: &Side,
    (items, samples): (&[Item<'_>], u32),
    watch: Watch<'_>,
) -> Result<(Seen, Option<WorkerError>), WorkerError> {
    let observed = perf_passport_compare::observe(side, &checks_of(items), samples, watch)?;
    let operations = match observed.fault {
        None => perf_passport_compare::observe_operations(side, items, samples, watch)?,
        Some(_) => ObservedOperations::default(),
    };
    let fault = observed.fault.or(operations.fault);
    let run = Run {
        timestamp: observed.timestamp,
        complete: fault.is_none(),
        measured: observed.measured,
        operations: operations.measured,
    };
    Ok((Seen { run, build: Some(observed.build) }, fault))
}

fn faultless<T>((seen, fault): (T, Option<WorkerError>)) -> Result<T, WorkerError> {
    fault.map_or(Ok(seen), Err)
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
