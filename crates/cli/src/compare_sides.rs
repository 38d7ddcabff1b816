//! What `passport compare` compares: two executables, or two refs that are built first.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use clap::Args;
use sha2::{Digest, Sha256};

use super::{
    exit::{Code, Failure},
    input, measure, terminal,
};
use perf_passport::{
    passport::ComparedBuild,
    text::{escaped, hex},
    units::{BYTES_PER_MB, Bytes, Count},
};
use perf_passport_compare::{
    Side, Sides,
    checkout::{self, CheckoutError, Project, Reference, checkout},
    guard,
};

/// The largest executable that is read.
const EXECUTABLE_MAX: Bytes = Bytes::new(4_096 * BYTES_PER_MB);

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
        default_value = "perf_sanity",
        conflicts_with_all = NOT_BUILT
    )]
    harness: String,
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

/// What is recorded of the builds.
pub(super) struct Builds {
    pub(super) baseline: ComparedBuild,
    pub(super) current: ComparedBuild,
    pub(super) anchor: Option<ComparedBuild>,
    /// What each runs beside its executable, in the order of [`Comparison::builds`]: the tree of its
    /// source, of which it may read files. `None` where nobody knows what is run.
    ///
    /// [`Comparison::builds`]: perf_passport::passport::Comparison::builds
    pub(super) sources: Option<Vec<String>>,
}

impl Builds {
    /// Whether sessions take each build at many addresses.
    pub(super) fn are_relinked(&self) -> bool {
        let all = [Some(&self.baseline), Some(&self.current), self.anchor.as_ref()];
        all.into_iter().flatten().all(|build| build.relinked > Count::ZERO)
    }
}

impl SideArguments {
    /// The sides that were asked for, built if they are refs. Executables are copied to `directory`: what
    /// is recorded of them is what is run, whatever becomes of their files.
    pub(super) fn sides(
        &self,
        contract: &Path,
        (artifacts, directory): (&Path, &Path),
        stop: &dyn Fn() -> bool,
    ) -> Result<(Sides, Builds), Failure> {
        let (baseline, current, anchor) =
            match (&self.baseline_branch, &self.baseline_exe, &self.current_exe) {
                (Some(baseline), _, _) => self.built(baseline, (contract, artifacts), stop)?,
                (None, Some(baseline), Some(current)) => {
                    self.executables((baseline, current), contract, directory)?
                }
                _ => {
                    return Err(Failure::usage(anyhow!(
                        "say what to compare with: --baseline-branch REF, or --baseline-exe FILE \
                         and --current-exe FILE, or --baseline-cmd CMD and --current-cmd CMD, or \
                         --baseline-url URL and --current-url URL"
                    )));
                }
            };
        let sources = [Some(&baseline), Some(&current), anchor.as_ref()];
        let sources = sources.into_iter().flatten().map(|one| one.source.clone()).collect();
        let (anchor_side, anchor) = anchor.map(|one| (one.side, one.build)).unzip();
        let sides = Sides { baseline: baseline.side, current: current.side, anchor: anchor_side };
        Ok((sides, Builds { baseline: baseline.build, current: current.build, anchor, sources }))
    }

    fn built(
        &self,
        baseline: &str,
        (contract, artifacts): (&Path, &Path),
        stop: &dyn Fn() -> bool,
    ) -> Result<Three, Failure> {
        let project = Project {
            repository: directory_of(contract),
            contract,
            harness: &self.harness,
            written: Some(artifacts),
        };
        let build = |role: &str, reference: &Reference| {
            terminal::note(&format!("{role}: {}", escaped(&reference.to_string())));
            let progress = &mut |line: &str| terminal::note(&escaped(line));
            checkout(&project, reference, stop, progress).map(compared).map_err(failure)
        };
        let named = |name: &str| Reference::Named(name.to_owned());
        let current = self.current_branch.as_deref().map_or(Reference::WorkingTree, named);
        let baseline = if self.merge_base {
            let current = self.current_branch.as_deref().unwrap_or("HEAD");
            checkout::merge_base(project.repository, baseline, current).map_err(failure)?
        } else {
            baseline.to_owned()
        };
        let baseline = build("baseline", &named(&baseline))?;
        let anchor = self.anchor.as_deref().map(|it| build("anchor", &named(it))).transpose()?;
        // Last: what is checked out then is what the user most likely builds next.
        Ok((baseline, build("current", &current)?, anchor))
    }

    fn executables(
        &self,
        (baseline, current): (&Path, &Path),
        contract: &Path,
        directory: &Path,
    ) -> Result<Three, Failure> {
        let text = measure::contract_text(contract)?;
        let side = |label: &str, executable: &Path| -> Result<One, Failure> {
            let bytes = read(executable)?;
            // What a script starts may be another program tomorrow.
            let source = (!bytes.starts_with(b"#!")).then(String::new);
            let executable_sha256 = Some(hex(&Sha256::digest(&bytes)));
            let copy = directory.join(format!("given-{label}"));
            let copied = fs::metadata(executable).and_then(|original| {
                fs::write(&copy, &bytes)?;
                fs::set_permissions(&copy, original.permissions())
            });
            copied.map_err(|error| {
                let path = terminal::path(executable);
                let message = anyhow!("cannot copy the executable `{path}`: {error}");
                Failure::new(Code::NotMeasured, message)
            })?;
            let side = Side {
                label: label.to_owned(),
                executable: copy,
                relinked: Vec::new(),
                arguments: Vec::new(),
                environment: Vec::new(),
                directory: PathBuf::from("."),
                contract: text.clone(),
            };
            let label = label.to_owned();
            let build = ComparedBuild { label, executable_sha256, ..ComparedBuild::default() };
            Ok(One { side, build, source })
        };
        let anchor = self.anchor_exe.as_deref().map(|path| side("anchor", path)).transpose()?;
        Ok((side("baseline", baseline)?, side("current", current)?, anchor))
    }
}

/// A side, and what is recorded of it.
struct One {
    side: Side,
    build: ComparedBuild,
    /// See [`Builds::sources`].
    source: Option<String>,
}

/// Baseline, current and anchor.
type Three = (One, One, Option<One>);

fn compared(build: checkout::Build) -> One {
    let compared = ComparedBuild {
        label: build.side.label.clone(),
        commit: (!build.dirty).then_some(build.commit),
        executable_sha256: Some(build.executable_sha256),
        relinked: Count::new(build.side.relinked.len() as u64),
        ..ComparedBuild::default()
    };
    One { side: build.side, build: compared, source: Some(build.tree) }
}

/// Starts what ends builds and workers when this process is killed.
pub(super) fn start_guard() {
    if let Err(error) = guard::start(Path::new(MYSELF)) {
        terminal::note(&format!(
            "no guard: what is started here may live on if this is killed: {error}"
        ));
    }
}

/// The directory that a contract is in.
pub(super) fn directory_of(contract: &Path) -> &Path {
    let parent = contract.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn read(executable: &Path) -> Result<Vec<u8>, Failure> {
    input::read(executable, EXECUTABLE_MAX).map_err(|error| {
        let path = terminal::path(executable);
        Failure::usage(anyhow!("cannot read the executable `{path}`: {error}"))
    })
}

/// What the user named wrongly is usage; what does not build could not be measured.
pub(super) fn failure(error: CheckoutError) -> Failure {
    let code = match error {
        CheckoutError::Interrupted => Code::Interrupted,
        CheckoutError::NotBuilt { .. }
        | CheckoutError::NotRun { .. }
        | CheckoutError::Git { .. }
        | CheckoutError::Io { .. } => Code::NotMeasured,
        _ => Code::Usage,
    };
    Failure::new(code, error)
}
