//! Which executables or refs `passport compare` compares, as the user names them.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::{
    contract_file::{contract_text, directory_of},
    exit::Failure,
    terminal,
};
use perf_passport_compare::{
    BuildSource, RefBuilds, Side, Sides,
    checkout::{Project, Reference},
    guard,
};

/// This very program, also when its file was replaced since.
pub(super) const MYSELF: &str = "/proc/self/exe";

/// The sides of a comparison, in one of two ways.
#[derive(Debug, Args)]
pub(super) struct SideArguments {
    /// Build the baseline from this branch, tag or commit
    #[arg(long, value_name = "REF", conflicts_with_all = EXECUTABLES)]
    baseline_branch: Option<String>,
    /// Build what is compared with it from this ref; the working tree when left out
    #[arg(long, value_name = "REF", requires = "baseline_branch", conflicts_with_all = EXECUTABLES)]
    current_branch: Option<String>,
    /// Build the baseline from the common ancestor of that and the current side
    #[arg(long, requires = "baseline_branch")]
    merge_base: bool,
    /// Build what was accepted last from this ref, so that small steps do not add up
    #[arg(long, value_name = "REF", requires = "baseline_branch", conflicts_with_all = EXECUTABLES)]
    anchor: Option<String>,
    /// The test target or benchmark to build, made with this library's harness; `bench:NAME` where a
    /// test target has the same name
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = NOT_BUILT
    )]
    harness: Option<String>,
    /// The executable of the baseline, a harness target
    #[arg(long, value_name = "FILE", requires = "current_exe")]
    baseline_exe: Option<PathBuf>,
    /// The executable to compare with it
    #[arg(long, value_name = "FILE", requires = "baseline_exe")]
    current_exe: Option<PathBuf>,
    /// An executable that was accepted, so that small steps do not add up
    #[arg(long, value_name = "FILE", requires = "baseline_exe")]
    anchor_exe: Option<PathBuf>,
}

/// What is compared as it is.
const NOT_BUILT: [&str; 5] =
    ["baseline_exe", "current_exe", "anchor_exe", "baseline_cmd", "baseline_url"];

const EXECUTABLES: [&str; 3] = ["baseline_exe", "current_exe", "anchor_exe"];

impl SideArguments {
    /// The refs or executables that were asked for. `written` is where this program writes.
    pub(super) fn source<'a>(
        &'a self,
        contract: &'a Path,
        written: &'a Path,
    ) -> Result<BuildSource<'a>, Failure> {
        match (&self.baseline_branch, &self.baseline_exe, &self.current_exe) {
            (Some(baseline), _, _) => {
                let harness = harness_or_default(self.harness.as_deref(), contract);
                let repository = directory_of(contract);
                let project =
                    Project { repository, contract, harness, written: Some(written), cache: None };
                Ok(BuildSource::Refs(self.refs(baseline, project)))
            }
            (None, Some(baseline), Some(current)) => {
                let text = contract_text(contract)?;
                let side = |label: &str, path: &PathBuf| {
                    Side::of_executable(label, path.clone(), text.clone())
                };
                Ok(BuildSource::Executables(Box::new(Sides {
                    baseline: side("baseline", baseline),
                    current: side("current", current),
                    anchor: self.anchor_exe.as_ref().map(|path| side("anchor", path)),
                })))
            }
            _ => Err(Failure::usage(anyhow!(
                "say what to compare with: --baseline-branch REF, or --baseline-exe FILE and \
                 --current-exe FILE, or --baseline-cmd CMD and --current-cmd CMD, or \
                 --baseline-url URL and --current-url URL"
            ))),
        }
    }

    fn refs<'a>(&self, baseline: &str, project: Project<'a>) -> RefBuilds<'a> {
        let named = |name: &str| Reference::Named(name.to_owned());
        let current = self.current_branch.as_deref().map_or(Reference::WorkingTree, named);
        let anchor = self.anchor.as_deref().map(named);
        let refs = Sides { baseline: named(baseline), current, anchor };
        RefBuilds { project, refs, from_merge_base: self.merge_base }
    }
}

/// The harness target that is named, or else the one that is expected: `perf_sanity`, or that which
/// `passport init` writes, where it is there alone.
pub(super) fn harness_or_default<'a>(named: Option<&'a str>, contract: &Path) -> &'a str {
    let is_there = |name: &str| {
        let tests = directory_of(contract).join("tests");
        tests.join(format!("{name}.rs")).is_file() || tests.join(name).is_dir()
    };
    let written =
        if is_there("passport") && !is_there("perf_sanity") { "passport" } else { "perf_sanity" };
    named.unwrap_or(written)
}

/// Starts what ends builds and workers when this process is killed.
pub(super) fn start_guard() {
    if let Err(error) = guard::start(Path::new(MYSELF)) {
        terminal::note(&format!(
            "no guard: what is started here may live on if this is killed: {error}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_harness_is_that_of_init_where_it_is_there_alone() {
        let directory = tempfile::tempdir().unwrap();
        let contract = directory.path().join("passport.toml");
        let of = |named| harness_or_default(named, &contract);
        assert_eq!((of(None), of(Some("other"))), ("perf_sanity", "other"));
        fs::create_dir(directory.path().join("tests")).unwrap();
        fs::write(directory.path().join("tests/passport.rs"), "").unwrap();
        assert_eq!((of(None), of(Some("other"))), ("passport", "other"));
        fs::create_dir(directory.path().join("tests/perf_sanity")).unwrap();
        assert_eq!(of(None), "perf_sanity");
    }
}
