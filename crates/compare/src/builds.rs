//! The builds that are compared: made, copied or named, and what is recorded of them.

use std::{fs, path::Path};

use perf_passport::{
    files,
    passport::{ComparedBuild, SameCode},
    rules::SameCodeRule,
    text::hex,
    units::{BYTES_PER_MB, Bytes, Count},
};
use sha2::{Digest, Sha256};

use crate::{
    checkout::{self, Project, Reference, checkout},
    command_line::CommandLine,
    comparison_error::ComparisonError,
    loaded_code::loaded_sha256,
    progress::ComparisonProgress,
    servers::{Server, ServerAt, Servers},
    side::{Side, Sides},
    subjects::Subjects,
    watch::Watch,
};

/// The largest executable that is read.
const EXECUTABLE_MAX: Bytes = Bytes::new(4_096 * BYTES_PER_MB);

/// Where the builds of a comparison come from.
#[derive(Debug, Clone)]
pub enum BuildSource<'a> {
    /// Refs, which are built first. Each has a contract of its own.
    Refs(RefBuilds<'a>),
    /// Executables that are workers. Each is copied first: what is recorded of it is what is run,
    /// whatever becomes of its file.
    Executables(Box<Sides>),
    /// Servers that are asked over HTTP.
    Servers {
        /// The servers.
        servers: Box<Servers<'a>>,
        /// The contract as written.
        contract: String,
    },
}

/// Refs that are built.
#[derive(Debug, Clone)]
pub struct RefBuilds<'a> {
    /// Where they come from.
    pub project: Project<'a>,
    /// The refs.
    pub refs: Sides<Reference>,
    /// Whether the baseline is the common ancestor of its ref and of the current side.
    pub from_merge_base: bool,
}

/// The builds of a comparison, ready to be run.
pub(crate) struct Builds<'a> {
    pub(crate) subjects: Subjects<'a>,
    /// What is recorded of each.
    pub(crate) recorded: Sides<ComparedBuild>,
    /// What each runs beside its executable, in the order of
    /// [`Comparison::builds`](perf_passport::passport::Comparison::builds): the tree of its source, of
    /// which it may read files. `None` where nobody knows what is run.
    pub(crate) sources: Option<Vec<String>>,
    /// That baseline and current side load the same.
    pub(crate) same_code: Option<SameCode>,
}

impl<'a> Builds<'a> {
    /// Makes them; executables are copied to this directory.
    pub(crate) fn make(
        source: &BuildSource<'a>,
        directory: &Path,
        watch: Watch<'_>,
        progress: &mut dyn FnMut(ComparisonProgress<'_>),
    ) -> Result<Self, ComparisonError> {
        match source {
            BuildSource::Refs(refs) => {
                let (built, same_code) = refs.build(watch, progress)?;
                Ok(Self { same_code, ..Self::of_workers(built) })
            }
            BuildSource::Executables(sides) => {
                let copy = |role, side| BuiltSide::copied(role, side, directory);
                let copied = sides.as_ref().clone().try_map(copy)?;
                let same_code = same_code_of_files(&copied);
                Ok(Self { same_code, ..Self::of_workers(copied) })
            }
            BuildSource::Servers { servers, .. } => Ok(Self {
                recorded: servers.sides.as_ref().map(recorded_server),
                subjects: Subjects::Servers(servers.clone()),
                // Nobody tells which build a command starts.
                sources: None,
                same_code: None,
            }),
        }
    }

    fn of_workers(built: Sides<BuiltSide>) -> Self {
        let sources = built.iter().map(|it| it.source.clone()).collect();
        let recorded = built.as_ref().map(|it| it.recorded.clone());
        let sides = built.map(|it| it.side);
        let subjects = Subjects::Workers(Box::new(sides));
        Self { subjects, recorded, sources, same_code: None }
    }

    /// Whether sessions take each build at many addresses.
    pub(crate) fn are_relinked(&self) -> bool {
        self.recorded.iter().all(ComparedBuild::is_relinked)
    }
}

/// A side, and what is recorded of it.
struct BuiltSide {
    side: Side,
    recorded: ComparedBuild,
    /// See [`Builds::sources`].
    source: Option<String>,
}

impl RefBuilds<'_> {
    /// Builds them; with what is known where baseline and current side load the same.
    fn build(
        &self,
        watch: Watch<'_>,
        progress: &mut dyn FnMut(ComparisonProgress<'_>),
    ) -> Result<(Sides<BuiltSide>, Option<SameCode>), ComparisonError> {
        let Sides { baseline, current, anchor } = &self.refs;
        let baseline = if self.from_merge_base {
            let name = |reference: &Reference| match reference {
                Reference::Named(name) => name.clone(),
                Reference::WorkingTree => "HEAD".to_owned(),
            };
            let (ours, theirs) = (name(baseline), name(current));
            &Reference::Named(checkout::merge_base(self.project.repository, &ours, &theirs)?)
        } else {
            baseline
        };
        let mut build = |role: &str, reference: &Reference| {
            progress(ComparisonProgress::Building { role, reference });
            let say = &mut |line: &str| progress(ComparisonProgress::BuildOutput(line));
            checkout(&self.project, reference, watch.stop, say)
        };
        let baseline = build("baseline", baseline)?;
        let anchor = anchor.as_ref().map(|it| build("anchor", it)).transpose()?;
        // Last: what is checked out then is what the user most likely builds next.
        let current = build("current", current)?;
        let same_code = checkout::same_code(&self.project, &baseline, &current, watch.stop);
        let sides = Sides { baseline, current, anchor };
        Ok((sides.map(BuiltSide::checked_out), same_code))
    }
}

impl BuiltSide {
    fn checked_out(build: checkout::RefBuild) -> Self {
        let recorded = ComparedBuild {
            label: build.side.label.clone(),
            commit: (!build.dirty).then_some(build.commit),
            executable_sha256: Some(build.executable_sha256),
            relinked: Count::new(build.side.relinked.len() as u64),
            ..ComparedBuild::default()
        };
        let source = [build.tree.as_str(), build.outside.as_str()].join(" ");
        Self { side: build.side, recorded, source: Some(source) }
    }

    fn copied(role: &str, side: Side, directory: &Path) -> Result<Self, ComparisonError> {
        let path = side.executable.clone();
        let bytes = files::read(&path, EXECUTABLE_MAX).map_err(|source| {
            let path = path.clone();
            ComparisonError::UnreadableExecutable { path, source }
        })?;
        // What a script starts may be another program tomorrow, and so may what is told more.
        let alone = side.arguments.is_empty() && side.environment.is_empty();
        let source = (alone && !bytes.starts_with(b"#!")).then(String::new);
        let recorded = ComparedBuild {
            label: side.label.clone(),
            executable_sha256: Some(hex(&Sha256::digest(&bytes))),
            relinked: Count::new(side.relinked.len() as u64),
            ..ComparedBuild::default()
        };
        let executable = directory.join(format!("given-{role}"));
        let copied = fs::metadata(&path).and_then(|original| {
            fs::write(&executable, &bytes)?;
            fs::set_permissions(&executable, original.permissions())
        });
        copied.map_err(|source| ComparisonError::NotCopied { path, source })?;
        Ok(Self { side: Side { executable, ..side }, recorded, source })
    }
}

/// What is known where two given executables load the same. What each reads is then the same too: they are
/// started in one directory, and told nothing.
fn same_code_of_files(built: &Sides<BuiltSide>) -> Option<SameCode> {
    let Sides { baseline, current, .. } = built;
    let told_nothing = baseline.source.is_some() && current.source.is_some();
    (told_nothing && baseline.side.directory == current.side.directory).then_some(())?;
    let loaded = |it: &BuiltSide| {
        loaded_sha256(&files::read(&it.side.executable, EXECUTABLE_MAX).ok()?, &|_| false)
    };
    let loaded_sha256 = loaded(baseline)?;
    (loaded(current)? == loaded_sha256).then(|| SameCode {
        rule: SameCodeRule::LATEST,
        loaded_sha256,
        read_files_changed: Vec::new(),
    })
}

fn recorded_server(server: &Server) -> ComparedBuild {
    let label = server.label.clone();
    match &server.at {
        ServerAt::Commands(commands) => {
            let command = commands.first().map(CommandLine::shown);
            ComparedBuild { label, command, ..ComparedBuild::default() }
        }
        ServerAt::Url(url) => {
            ComparedBuild { label, url: Some(url.clone()), ..ComparedBuild::default() }
        }
    }
}
