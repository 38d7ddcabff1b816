//! What one check or operation of one build does: where it allocates, and which functions execute its instructions.
//!
//! Nothing is held against anything, so nothing can fail. What is not known is said.

use perf_passport::{
    allocation::AllocationSite, operation::CaseSummary, paired::Instructions, units::Picos,
};

use crate::{
    allocation_sites::allocation_sites,
    call_chains::{ChainCost, call_chains, side_by_side},
    causes::CausePart,
    count_plan::CountPlan,
    error::WorkerError,
    instructions::count_instructions,
    item::Item,
    operations::observe_operations,
    side::Side,
    watch::Watch,
    workplace::{prepared, temporary_directory},
};

/// Samples that tell how long an iteration takes.
const OBSERVED: u32 = 5;

/// What one sample of a check, or of an operation, does in one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkProfile {
    /// The check or the operation.
    pub item: String,
    /// Iterations in a counted sample of an operation; 1 for a check.
    pub iterations: u64,
    /// The places that allocate, the one with most allocations first.
    pub sites: CausePart<Vec<AllocationSite>>,
    /// The functions that execute; `None` where nobody asked for them.
    pub instructions: Option<CausePart<Instructions>>,
    /// The same by chains of calls, to be drawn, as those of the current build.
    pub chains: Option<CausePart<Vec<ChainCost>>>,
}

/// Looks into a check or an operation of one build; its instructions are counted under valgrind, which takes seconds.
///
/// # Errors
///
/// When there is no place to work in, and when the user interrupts.
pub fn profile(
    side: &Side,
    item: Item<'_>,
    counts_instructions: bool,
    watch: Watch<'_>,
) -> Result<WorkProfile, WorkerError> {
    let plan = &plan(side, item, watch)?;
    let directory = temporary_directory()?;
    let small = prepared(side, directory.path(), "profiled")?;

    // With the executable's debug information, which names lines.
    let whole = Side { executable: side.executable.clone(), ..small.clone() };
    let sites = allocation_sites(&whole, plan, directory.path(), watch).map(|mut sites| {
        sites.sort_by_key(|it| std::cmp::Reverse((it.allocations, it.allocated_bytes)));
        sites
    });

    // Without it.
    let (mut instructions, mut chains) = (None, None);
    let why_not = plan.why_not_counted().filter(|_| counts_instructions);
    if let Some(why) = why_not {
        instructions = Some(CausePart::Unknown(why));
    } else if counts_instructions && !watch.is_over() {
        let counted = count_instructions(&small, &[*plan], watch, &mut |_| {});
        let counted = counted.and_then(|mut all| {
            let outcome = all.remove(&plan.id());
            outcome.unwrap_or(Err(crate::InstructionsError::Interrupted))
        });
        instructions = Some(CausePart::of(counted.map(|it| it.instructions)));
        let calls = call_chains(&small, plan, directory.path(), watch);
        chains = Some(CausePart::of(calls.map(|it| side_by_side(&it, &it))));
    }
    if watch.is_over() {
        return Err(WorkerError::Interrupted);
    }
    Ok(WorkProfile {
        item: plan.id(),
        iterations: plan.iterations(),
        sites: CausePart::of(sites),
        instructions,
        chains,
    })
}

/// How the item is counted, by how long an iteration takes.
fn plan<'a>(side: &Side, item: Item<'a>, watch: Watch<'_>) -> Result<CountPlan<'a>, WorkerError> {
    let (operation, at) = match item {
        Item::Check(check) => return Ok(CountPlan::of_check(check)),
        Item::Case(operation, at) | Item::Part(operation, at, _) => (operation, at),
    };
    let mut observed = observe_operations(side, &[item], OBSERVED, watch)?;
    if let Some(fault) = observed.fault.take() {
        return Err(fault);
    }
    let case = observed.measured.first();
    let summary = case.and_then(|it| CaseSummary::of(&it.evidence.samples));
    Ok(CountPlan::of_case(operation, at, summary.map_or(Picos::new(0), |it| it.mean_ps)))
}
