//! What a harness target of the user's measures: operations of a contract, and checks of its service.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::{
    contract_file::{contract_text, directory_of},
    exit::Failure,
    terminal,
};
use perf_passport::{
    contract::{Check, Contract},
    environment::Build,
    passport::MeasuredCase,
    pipeline::{Progress, Run},
    text::{counted, escaped},
};
use perf_passport_compare::{
    self as compare, CheckObservations, Item, Offer, OperationObservations, Side, Watch,
    WorkerError,
    checkout::{self, Project},
};

/// Which target of the user's measures.
#[derive(Debug, Args)]
pub(super) struct CodeArguments {
    /// Measure by this test target or benchmark of yours, which is built first: the operations, and the
    /// checks where the contract has no target; `bench:NAME` where a test target has the same name
    #[arg(long, value_name = "NAME")]
    harness: Option<String>,
    /// The same by this executable, a harness target
    #[arg(long, value_name = "FILE", conflicts_with = "harness")]
    harness_exe: Option<PathBuf>,
}

/// A target that is built, and what it can measure.
pub(super) struct HarnessTarget {
    side: Side,
    offer: Offer,
}

/// What was measured of the operations.
pub(super) struct MeasuredCode {
    /// The build of the target.
    pub(super) build: Build,
    pub(super) cases: Vec<MeasuredCase>,
    /// Whether all that the target declares was measured.
    pub(super) complete: bool,
}

impl CodeArguments {
    /// Whether a target is named.
    pub(super) fn are_given(&self) -> bool {
        self.harness.is_some() || self.harness_exe.is_some()
    }

    /// Builds the target and asks it what it can measure; `None` when none is named.
    pub(super) fn open(
        &self,
        path: &Path,
        watch: Watch<'_>,
    ) -> Result<Option<HarnessTarget>, Failure> {
        let Some(side) = self.side(path, watch.stop)? else { return Ok(None) };
        let offer = compare::offer(&side, watch)?;
        Ok(Some(HarnessTarget { side, offer }))
    }

    fn side(&self, contract: &Path, stop: &dyn Fn() -> bool) -> Result<Option<Side>, Failure> {
        if let Some(executable) = &self.harness_exe {
            let label = executable.display().to_string();
            let text = contract_text(contract)?;
            let side = Side::of_executable(&label, executable.clone(), text);
            return Ok(Some(Side { files: directory_of(contract).to_owned(), ..side }));
        }
        let Some(harness) = &self.harness else { return Ok(None) };
        let repository = directory_of(contract);
        let project = Project { repository, contract, harness, written: None, cache: None };
        let progress = &mut |line: &str| terminal::note(&escaped(line));
        Ok(Some(checkout::build_here(&project, stop, progress)?))
    }
}

impl HarnessTarget {
    /// Measures what the target declares of the contract's operations.
    pub(super) fn measure_operations(
        &self,
        contract: &Contract,
        watch: Watch<'_>,
    ) -> Result<MeasuredCode, Failure> {
        let declared = |name: &String| self.offer.operations.contains(name);
        let (known, unknown): (Vec<_>, Vec<_>) =
            contract.operations.iter().partition(|it| declared(&it.name));
        for operation in unknown {
            let name = escaped(&operation.name);
            terminal::note(&format!("operation `{name}` is not declared by the target"));
        }
        let items: Vec<Item<'_>> = known.into_iter().flat_map(Item::cases).collect();
        if !items.is_empty() {
            terminal::note(&format!(
                "measuring {} at a size",
                counted(items.len() as u64, "operation")
            ));
        }
        let samples = contract.sampling.samples;
        let observed = compare::observe_operations(&self.side, &items, samples, watch)?;
        let OperationObservations { measured: cases, fault } = observed;
        let complete = is_complete(fault)?;
        Ok(MeasuredCode { build: self.offer.build.clone(), cases, complete })
    }

    /// Measures checks of the target's own service, in a process of the target.
    pub(super) fn measure_checks(
        &self,
        contract: &Contract,
        checks: &[&Check],
        watch: Watch<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Run, Failure> {
        if !self.offer.service {
            return Err(Failure::usage(anyhow!(
                "the target has no service, so it measures operations alone: make it with \
                 `Harness::new`, or give --api-url URL for the checks"
            )));
        }
        let samples = |_: &Check| contract.sampling.samples;
        let observed = compare::observe(&self.side, checks, &samples, watch, progress)?;
        let CheckObservations { timestamp, measured, fault, .. } = observed;
        let complete = is_complete(fault)?;
        Ok(Run { timestamp, measured, operations: Vec::new(), complete })
    }
}

/// Whether all was measured; what an interruption left is kept.
fn is_complete(fault: Option<WorkerError>) -> Result<bool, Failure> {
    match fault {
        None => Ok(true),
        Some(WorkerError::Interrupted) => Ok(false),
        Some(error) => Err(error.into()),
    }
}

/// What to say of operations that were not measured; `None` when all were.
pub(super) fn left_out(contract: &Contract, names: &[String]) -> Option<String> {
    /// Names that are shown.
    const SHOWN_MAX: usize = 5;
    if names.is_empty() {
        return None;
    }
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|it| escaped(it)).collect();
    let more = names.len().saturating_sub(SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let alone = if contract.checks.is_empty() { "" } else { "; --endpoint asks for checks alone" };
    Some(format!(
        "the contract's operations were not measured: {}{more}. They are code of yours: give \
         --harness NAME, a test target or benchmark that declares them{alone}",
        shown.join(", ")
    ))
}
