//! Operations of a contract, measured by a harness target of the user's.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    contract_file::{contract_text, directory_of},
    exit::Failure,
    terminal,
};
use perf_passport::{
    contract::Contract,
    environment::Build,
    passport::MeasuredCase,
    text::{counted, escaped},
};
use perf_passport_compare::{
    self as compare, Item, OperationObservations, Side, Watch, WorkerError,
    checkout::{self, Project},
};

/// Which target measures the operations.
#[derive(Debug, Args)]
pub(super) struct CodeArguments {
    /// Measure the operations too, by this test target or benchmark of yours, which is built first;
    /// `bench:NAME` where a test target has the same name
    #[arg(long, value_name = "NAME")]
    harness: Option<String>,
    /// Measure the operations too, by this executable, a harness target
    #[arg(long, value_name = "FILE", conflicts_with = "harness")]
    harness_exe: Option<PathBuf>,
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
    /// Whether operations are to be measured.
    pub(super) fn are_given(&self) -> bool {
        self.harness.is_some() || self.harness_exe.is_some()
    }

    /// Measures what the target declares of the contract's operations; `None` when no target is named.
    pub(super) fn measure(
        &self,
        path: &Path,
        contract: &Contract,
        watch: Watch<'_>,
    ) -> Result<Option<MeasuredCode>, Failure> {
        let Some(side) = self.side(path, watch.stop)? else { return Ok(None) };
        let offer = compare::offer(&side, watch)?;
        let declared = |name: &String| offer.operations.contains(name);
        let (known, unknown): (Vec<_>, Vec<_>) =
            contract.operations.iter().partition(|it| declared(&it.name));
        for operation in unknown {
            let name = escaped(&operation.name);
            terminal::note(&format!("operation `{name}` is not declared by the target"));
        }
        let items: Vec<Item<'_>> = known.into_iter().flat_map(Item::cases).collect();
        terminal::note(&format!(
            "measuring {} at a size",
            counted(items.len() as u64, "operation")
        ));
        let samples = contract.sampling.samples;
        let observed = compare::observe_operations(&side, &items, samples, watch)?;
        let OperationObservations { measured: cases, fault } = observed;
        match fault {
            None | Some(WorkerError::Interrupted) => {
                Ok(Some(MeasuredCode { build: offer.build, cases, complete: fault.is_none() }))
            }
            Some(error) => Err(error.into()),
        }
    }

    fn side(&self, contract: &Path, stop: &dyn Fn() -> bool) -> Result<Option<Side>, Failure> {
        if let Some(executable) = &self.harness_exe {
            let label = executable.display().to_string();
            let text = contract_text(contract)?;
            return Ok(Some(Side::of_executable(&label, executable.clone(), text)));
        }
        let Some(harness) = &self.harness else { return Ok(None) };
        let repository = directory_of(contract);
        let project = Project { repository, contract, harness, written: None, cache: None };
        let progress = &mut |line: &str| terminal::note(&escaped(line));
        Ok(Some(checkout::build_here(&project, stop, progress)?))
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
