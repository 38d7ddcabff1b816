//! `passport history prune`: remove what nothing is shown by.

use std::{collections::BTreeSet, path::Path, process::ExitCode, time::Duration};

use anyhow::anyhow;
use clap::Args;

use super::place::{Place, tell_unsound};
use crate::{
    contract_file,
    exit::{Code, Failure},
    terminal,
};
use perf_passport::{clock::Clock, store, text::counted};
use perf_passport_history::prune::{Retention, evidence_of, removable};

/// Remove passports, but never the evidence of an event, an acceptance, or a baseline.
#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    /// Keep the latest so many passports of each contract
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Remove only what was measured so long ago, such as 90d
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older: Option<Duration>,
    /// Remove nothing, and print what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &PruneArguments) -> Result<ExitCode, Failure> {
    if arguments.keep.is_none() && arguments.older.is_none() {
        return Err(Failure::usage(anyhow!("say what goes: --keep N, --older TIME, or both")));
    }
    let now = crate::clock::started()?.now();
    let keeper = arguments.place.keeper()?;
    let (mut history, followed) = arguments.place.open_kept(keeper.store.clone(), false)?;
    let series = history.series()?;
    let events = history.events(&series);
    let passports = &history.timeline.passports;
    let mut protected = evidence_of(&events, &series, passports);
    protected.extend(baseline_here());
    let before =
        match arguments.older {
            Some(older) => Some(now.checked_sub(older).ok_or_else(|| {
                Failure::usage(anyhow!("--older is before the beginning of time"))
            })?),
            None => None,
        };
    let gone = removable(&history.timeline, &protected, Retention { keep: arguments.keep, before });
    if !arguments.dry_run {
        remove(&keeper, &gone)?;
        history.index.remove(&gone)?;
    }
    let verb = if arguments.dry_run { "would be removed" } else { "removed" };
    let mut text = String::new();
    for hash in &gone {
        text += &format!("{verb}  {hash}\n");
    }
    text += &format!(
        "{} {verb}, {} kept\n",
        counted(gone.len() as u64, "passport"),
        passports.len() - gone.len()
    );
    terminal::print(&text)?;
    Ok(tell_unsound(followed).unwrap_or(Code::Pass).into())
}

fn remove(keeper: &super::place::Keeper, gone: &BTreeSet<String>) -> Result<(), Failure> {
    match &keeper.branch {
        Some(branch) if !gone.is_empty() => branch.prune(gone)?,
        _ => gone.iter().try_for_each(|hash| keeper.store.remove(hash))?,
    }
    Ok(())
}

/// The baseline of the contract that is here, where there is one.
fn baseline_here() -> Option<String> {
    let path = Path::new(contract_file::DEFAULT);
    let contract = path.exists().then(|| contract_file::read_contract(path).ok()).flatten()?;
    let baseline = contract_file::directory_of(path).join(contract.document.baseline?);
    Some(store::read(&baseline).ok()?.evidence_hash)
}
