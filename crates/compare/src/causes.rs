//! Why a check or an operation got worse: what allocates and what executes more than in the baseline.
//!
//! This is advice. No verdict depends on it, and what is not known is said and is no error.

use std::fmt::Display;

use serde::Serialize;

use perf_passport::{
    allocation::AllocationSite,
    paired::{FunctionGrowth, change_ppm, grown},
    units::{Bytes, Count},
};

use crate::{
    allocation_sites::allocation_sites,
    call_chains::{ChainCost, call_chains, side_by_side},
    callgrind::InstructionsError,
    count_plan::CountPlan,
    error::WorkerError,
    instructions::{ExecutedInstructions, InstructionsByItem, count_instructions},
    side::{Side, Sides},
    site_changes::{SiteChange, site_changes},
    watch::Watch,
    workplace::{prepared, temporary_directory},
};

/// A part of the causes, or why nobody knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Finding"))]
#[serde(rename_all = "kebab-case")]
pub enum CausePart<T> {
    /// What was found.
    Found(T),
    /// Why it is not known.
    Unknown(String),
}

impl<T> CausePart<T> {
    pub(crate) fn of<E: Display>(result: Result<T, E>) -> Self {
        match result {
            Ok(found) => Self::Found(found),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }

    /// What was found.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Unknown(_) => None,
        }
    }
}

/// What one sample of a check, or one iteration of an operation, allocates in both builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AllocationCause {
    /// Allocations of the baseline.
    pub allocations_before: Count,
    /// Those of the current build.
    pub allocations_after: Count,
    /// Bytes that the baseline allocates.
    pub allocated_bytes_before: Bytes,
    /// Those of the current build.
    pub allocated_bytes_after: Bytes,
    /// The places that allocate otherwise than before, the worst first.
    pub sites: Vec<SiteChange>,
}

/// What one sample of a check, or some iterations of an operation, execute in both builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstructionCause {
    /// Instructions of the baseline.
    pub instructions_before: Count,
    /// Those of the current build.
    pub instructions_after: Count,
    /// How much more that is; `None` where the baseline has none.
    pub change_ppm: Option<i64>,
    /// The functions that execute more of their own, the most first, and then those that call them.
    pub functions: Vec<FunctionGrowth>,
}

/// Why a check got worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckCauses {
    /// The check, or the operation as `operation::name/size`.
    pub check: String,
    /// Where it allocates more.
    pub allocations: CausePart<AllocationCause>,
    /// Where it executes more; `None` where that was not asked for.
    pub instructions: Option<CausePart<InstructionCause>>,
    /// The instructions by chains of calls, to be drawn; `None` where they were not asked for.
    #[serde(skip)]
    pub chains: Option<CausePart<Vec<ChainCost>>>,
}

/// What got worse, and how closely it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Suspect<'a> {
    /// The check or the operation.
    pub plan: CountPlan<'a>,
    /// Whether its instructions are counted, which takes seconds.
    pub instructions: bool,
}

/// Looks for what each of them does more of than in the baseline; those after an interruption
/// are left out.
pub fn causes(sides: &Sides, suspects: &[Suspect<'_>], watch: Watch<'_>) -> Vec<CheckCauses> {
    let closely: Vec<CountPlan<'_>> =
        suspects.iter().filter(|it| it.instructions).map(|it| it.plan).collect();
    let counted = if closely.is_empty() {
        None
    } else {
        let count = |side| count_instructions(side, &closely, watch, &mut |_| {});
        Some(count(&sides.baseline).and_then(|before| Ok((before, count(&sides.current)?))))
    };
    let mut all = Vec::new();
    for suspect in suspects {
        if watch.is_over() {
            break;
        }
        let id = suspect.plan.id();
        let traces = traces(sides, *suspect, watch).unwrap_or_else(|error| CheckTraces {
            allocations: CausePart::Unknown(error.recorded()),
            chains: None,
        });
        let CheckTraces { allocations, chains } = traces;
        let counted = counted.as_ref().filter(|_| suspect.instructions);
        let instructions = counted.map(|counted| match counted {
            Ok((before, after)) => CausePart::of(instructions(&id, before, after)),
            Err(error) => CausePart::Unknown(error.to_string()),
        });
        all.push(CheckCauses { check: id, allocations, instructions, chains });
    }
    all
}

/// Where a check allocates otherwise, and its chains of calls.
struct CheckTraces {
    allocations: CausePart<AllocationCause>,
    chains: Option<CausePart<Vec<ChainCost>>>,
}

fn traces(
    sides: &Sides,
    suspect: Suspect<'_>,
    watch: Watch<'_>,
) -> Result<CheckTraces, WorkerError> {
    let plan = suspect.plan;
    let directory = temporary_directory()?;
    let of = |side: &Side, role: &str| -> Result<_, WorkerError> {
        let mut counted = prepared(side, directory.path(), role)?;
        // With its debug information, and without.
        let whole = Side { executable: side.executable.clone(), ..counted.clone() };
        counted.executable = side.relinked.first().unwrap_or(&counted.executable).clone();
        let places = allocation_sites(&whole, &plan, directory.path(), watch);
        // After the places: then the fixture is made, which takes long under valgrind.
        let chains =
            suspect.instructions.then(|| call_chains(&counted, &plan, directory.path(), watch));
        Ok((places, chains))
    };
    let (before, after) = (of(&sides.baseline, "baseline")?, of(&sides.current, "current")?);
    let allocations = before.0.and_then(|before| Ok(allocations(&before, &after.0?)));
    let chains = before.1.zip(after.1).map(|(before, after)| {
        CausePart::of(before.and_then(|before| Ok(side_by_side(&before, &after?))))
    });
    Ok(CheckTraces { allocations: CausePart::of(allocations), chains })
}

fn allocations(before: &[AllocationSite], after: &[AllocationSite]) -> AllocationCause {
    let blocks = |places: &[AllocationSite]| {
        places.iter().fold(Count::ZERO, |sum, it| sum.saturating_add(it.allocations))
    };
    let bytes = |places: &[AllocationSite]| {
        places.iter().fold(Bytes::ZERO, |sum, it| sum.saturating_add(it.allocated_bytes))
    };
    AllocationCause {
        allocations_before: blocks(before),
        allocations_after: blocks(after),
        allocated_bytes_before: bytes(before),
        allocated_bytes_after: bytes(after),
        sites: site_changes(before, after),
    }
}

fn instructions(
    check: &str,
    before: &InstructionsByItem,
    after: &InstructionsByItem,
) -> Result<InstructionCause, InstructionsError> {
    let known = |outcomes: &InstructionsByItem| -> Result<ExecutedInstructions, InstructionsError> {
        let missing = || Err(InstructionsError::Interrupted);
        outcomes.get(check).cloned().unwrap_or_else(missing)
    };
    let (before, after) = (known(before)?.instructions, known(after)?.instructions);
    Ok(InstructionCause {
        instructions_before: Count::new(before.per_sample()),
        instructions_after: Count::new(after.per_sample()),
        change_ppm: change_ppm(&before, &after),
        functions: grown(&before, &after),
    })
}
