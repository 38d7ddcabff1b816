//! What one check of one build does: where it allocates, and which functions execute its instructions.
//!
//! Nothing is held against anything, so nothing can fail. What is not known is said.

use perf_passport::{allocation::AllocationSite, contract::Check, paired::Instructions};

use crate::{
    allocation_sites::allocation_sites,
    call_chains::{ChainCost, call_chains, side_by_side},
    causes::CausePart,
    error::WorkerError,
    instructions::count_instructions,
    side::Side,
    watch::Watch,
    workplace::{prepared, temporary_directory},
};

/// What one sample of a check does in one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckProfile {
    /// The check.
    pub check: String,
    /// The places that allocate, the one with most allocations first.
    pub sites: CausePart<Vec<AllocationSite>>,
    /// The functions that execute; `None` where nobody asked for them.
    pub instructions: Option<CausePart<Instructions>>,
    /// The same by chains of calls, to be drawn, as those of the current build.
    pub chains: Option<CausePart<Vec<ChainCost>>>,
}

/// Looks into a check of one build; its instructions are counted under valgrind, which takes seconds.
///
/// # Errors
///
/// When there is no place to work in, and when the user interrupts.
pub fn profile(
    side: &Side,
    check: &Check,
    counts_instructions: bool,
    watch: Watch<'_>,
) -> Result<CheckProfile, WorkerError> {
    let directory = temporary_directory()?;
    let small = prepared(side, directory.path(), "profiled")?;

    // With the executable's debug information, which names lines.
    let whole = Side { executable: side.executable.clone(), ..small.clone() };
    let sites = allocation_sites(&whole, check, directory.path(), watch).map(|mut sites| {
        sites.sort_by_key(|it| std::cmp::Reverse((it.allocations, it.allocated_bytes)));
        sites
    });

    // Without it.
    let (mut instructions, mut chains) = (None, None);
    if counts_instructions && !watch.is_over() {
        let counted = count_instructions(&small, &[check], watch, &mut |_| {});
        let counted = counted.and_then(|mut all| {
            let outcome = all.remove(&check.id());
            outcome.unwrap_or(Err(crate::InstructionsError::Interrupted))
        });
        instructions = Some(CausePart::of(counted.map(|it| it.instructions)));
        let calls = call_chains(&small, check, directory.path(), watch);
        chains = Some(CausePart::of(calls.map(|it| side_by_side(&it, &it))));
    }
    if watch.is_over() {
        return Err(WorkerError::Interrupted);
    }
    Ok(CheckProfile { check: check.id(), sites: CausePart::of(sites), instructions, chains })
}
