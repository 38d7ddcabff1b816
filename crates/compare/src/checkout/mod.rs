//! A side of a comparison from a git ref, or from the working tree as it is.
//!
//! [`checkout`] builds the harness target of a ref with the release profile, as in a clone of its own:
//! no file of the working tree, or of a directory around it, reaches the build. All refs are checked
//! out at one place and built in one target directory, one after the other: paths are a part of an
//! executable and of the hashes in its symbols, so that equal source gives equal bytes only at equal
//! places; and dependencies are built once. The place is in the user's cache (`place.rs`). A lock keeps
//! two that build apart. The executable is then copied, with the source beside it, to where the next
//! comparison of the same ref finds it. What that depends on is in the name of the copy: the source,
//! the compiler, the variables and configuration that change a build, what the source names outside of
//! the repository, and the target.
//!
//! A worker is started in the copy of its package's directory. What a service reads at a path that
//! was fixed when it was compiled, such as one made of `env!("CARGO_MANIFEST_DIR")`, is that of the
//! ref that was checked out last.
//!
//! The user's index, files and objects are read, never written: a dirty working tree becomes a commit
//! object in a clone of ours (`clone.rs`). Nothing is measured here.

mod cache;
mod cargo;
mod clone;
mod command;
mod error;
mod git;
mod layout;
mod outside;
mod place;
mod rebuild;
mod relink;
mod working_tree;

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

pub use self::{error::CheckoutError, rebuild::{Seeds, rebuild}};
use self::{
    cache::{Kept, Store},
    cargo::{Built, Harness, Metadata},
    clone::{LocalClone, Source},
    command::Runner,
    error::at,
    git::{Repository, Snapshot},
    outside::Outside,
};
use crate::side::Side;
use perf_passport::{paired::LAYOUTS_MIN, text::hex};

/// Where the builds of a project come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project<'a> {
    /// A directory in the repository.
    pub repository: &'a Path,
    /// The contract; the directory it is in, in each ref, is that of the package.
    pub contract: &'a Path,
    /// The name of the test target, or else of the benchmark, that is made with [`perf_passport::harness`];
    /// after `test:` or `bench:` where both have it.
    pub harness: &'a str,
    /// A directory that is no part of the source unless git tracks some of it, although it may not be
    /// ignored: whoever compares writes there, and would else find another working tree each time.
    pub written: Option<&'a Path>,
    /// Where builds are kept, in a directory of this one; in the user's cache when left out.
    pub cache: Option<&'a Path>,
}

/// A state of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A branch, a tag, or a commit.
    Named(String),
    /// Tracked files as they are, and new ones that are not ignored.
    WorkingTree,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Named(name) => name,
            Self::WorkingTree => "working tree",
        })
    }
}

/// What a ref was built to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The side, which is called as the reference is.
    pub side: Side,
    /// The commit; that which the working tree started from if it is dirty.
    pub commit: String,
    /// The tree, which identifies the source also when it is dirty.
    pub tree: String,
    /// A digest of what the source names outside of its repository; empty when it names nothing.
    pub outside: String,
    /// SHA-256 of the executable.
    pub executable_sha256: String,
    /// Whether the source differs from the commit.
    pub dirty: bool,
    /// The source as a commit, also when it is dirty.
    object: String,
}

/// Builds a ref, unless it is built already.
///
/// `progress` is told what cargo says, line by line, as it says it.
///
/// # Errors
///
/// [`CheckoutError`].
pub fn checkout(
    project: &Project<'_>,
    reference: &Reference,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Build, CheckoutError> {
    let asked = Asked::of(project, reference, stop, &mut *progress)?;
    let runner = Runner { stop, lock: Some(&asked.store.lock) };
    let CheckedOut { source, outside, harness, contract } = asked.check_out(&runner)?;
    let Asked { store, snapshot, .. } = &asked;
    let outside_now = outside.digest();
    let key = key(&runner, (&snapshot.tree, &outside_now), &asked.contract, &harness)?;
    let kept = if let Some(kept) = store.find(&key) {
        kept
    } else {
        tell_what_is_outside(&asked, &outside, progress);
        let built = cargo::build(&runner, &harness, &store.target(), progress)?;
        let built = built.map_err(|message| asked.not_built(&message, &source, &outside))?;
        store.keep(&key, &built.executable, |copy, directory| {
            link_again(&runner, &built, directory, progress)?;
            source.export(copy)
        })?
    };
    let Kept { executable, executable_sha256, relinked, source: copy } = kept;
    let directory =
        harness.directory.strip_prefix(store.source()).map_or(copy.clone(), |it| copy.join(it));
    let side = Side {
        label: reference.to_string(),
        executable,
        relinked,
        arguments: Vec::new(),
        environment: vec![("CARGO_MANIFEST_DIR".into(), directory.clone().into())],
        directory,
        contract,
    };
    let Snapshot { commit, tree, dirty, object } = asked.snapshot.clone();
    let outside = hex(&outside_now);
    Ok(Build { side, commit, tree, outside, executable_sha256, dirty, object })
}

/// Says what of the directories around the repository is used, and what is not.
fn tell_what_is_outside(asked: &Asked<'_>, outside: &Outside, progress: &mut dyn FnMut(&str)) {
    for name in outside.names() {
        progress(&format!(
            "`{name}` is outside of the repository: every ref is built with what is there now"
        ));
    }
    let cache = asked.store.source();
    let around = asked.top.ancestors().skip(1).filter(|it| !cache.starts_with(it));
    for file in around.flat_map(|it| [it.join(".cargo/config.toml"), it.join(".cargo/config")]) {
        if file.exists() {
            progress(&format!(
                "`{}` is outside of the repository and not used: what refs need of it belongs into \
                 the user's configuration of cargo",
                file.display()
            ));
        }
    }
}

/// Links what was built again. That it cannot be is told and no error: then the executable as it is
/// stands for the build. So is told that it always comes out the same.
fn link_again(
    runner: &Runner<'_>,
    built: &Built,
    directory: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), CheckoutError> {
    let linked = match &built.linking {
        None => Err("rustc does not say how".to_owned()),
        Some(linking) => {
            let linked = linking.link_again(runner, directory);
            linking.clean_up();
            linked?
        }
    };
    match linked {
        Err(message) => {
            progress(&format!("cannot link it with its parts in another order: {message}"));
        }
        Ok(layouts) if layouts < LAYOUTS_MIN => progress(&format!(
            "linked with its parts in other orders it has {layouts} layouts, and {LAYOUTS_MIN} are needed: \
             changes are decided as those of executables that are given"
        )),
        Ok(_) => {}
    }
    Ok(())
}

/// Builds the harness target of the working tree where it is; nothing is copied, linked again or kept.
///
/// # Errors
///
/// [`CheckoutError`].
pub fn build_here(
    project: &Project<'_>,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Side, CheckoutError> {
    let runner = Runner { stop, lock: None };
    let reference = Reference::WorkingTree;
    let not_built = |message| CheckoutError::NotBuilt { reference: reference.to_string(), message };
    let directory = project.repository.canonicalize().map_err(at(project.repository))?;
    let metadata = Metadata::read(&runner, &directory)?.map_err(not_built)?;
    let harness =
        metadata.harness(project.harness, &directory).ok_or_else(|| CheckoutError::NoHarness {
            reference: reference.to_string(),
            harness: project.harness.to_owned(),
        })?;
    let executable = cargo::build_here(&runner, &harness, progress)?.map_err(not_built)?;
    Ok(Side {
        label: reference.to_string(),
        executable,
        relinked: Vec::new(),
        arguments: Vec::new(),
        environment: vec![("CARGO_MANIFEST_DIR".into(), harness.directory.clone().into())],
        directory: harness.directory,
        contract: fs::read_to_string(project.contract).map_err(at(project.contract))?,
    })
}

/// What is asked for, and the place to build it, which is locked.
struct Asked<'a> {
    project: &'a Project<'a>,
    /// What the user calls it.
    label: String,
    /// The top of the working tree.
    top: PathBuf,
    snapshot: Snapshot,
    /// The contract's path in the repository.
    contract: PathBuf,
    store: Store,
}

/// A source that is checked out.
struct CheckedOut<'r> {
    source: Source<'r>,
    outside: Outside,
    harness: Harness,
    /// The contract as written.
    contract: String,
}

impl<'a> Asked<'a> {
    fn of(
        project: &'a Project<'a>,
        reference: &Reference,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, CheckoutError> {
        let label = reference.to_string();
        Self::with(project, label, stop, progress, |clone, progress| match reference {
            Reference::Named(name) => clone.users.named(name),
            Reference::WorkingTree => {
                clone.forget_objects()?;
                working_tree::snapshot(clone, project.written, progress)
            }
        })
    }

    /// The source of a build, whatever became of the working tree.
    fn again(
        project: &'a Project<'a>,
        build: &Build,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, CheckoutError> {
        let Build { commit, object, tree, dirty, .. } = build.clone();
        let snapshot = Snapshot { commit, object, tree, dirty };
        Self::with(project, build.side.label.clone(), stop, progress, |_, _| Ok(snapshot))
    }

    fn with(
        project: &'a Project<'a>,
        label: String,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
        snapshot: impl FnOnce(
            &LocalClone<'_>,
            &mut dyn FnMut(&str),
        ) -> Result<Snapshot, CheckoutError>,
    ) -> Result<Self, CheckoutError> {
        let runner = Runner { stop, lock: None };
        let top = Repository::around(project.repository, &runner)?.top;
        let contract = path_in(&top, project.contract)?;
        let directory = place::directory(&top, project.cache)?;
        let store = Store::open((&directory, &top), stop, progress)?;
        let clone = clone_in(&store, project, &runner)?;
        let snapshot = snapshot(&clone, progress)?;
        Ok(Self { project, label, top, snapshot, contract, store })
    }

    /// Checks the source out, with what it needs around it.
    fn check_out<'r>(&self, runner: &'r Runner<'r>) -> Result<CheckedOut<'r>, CheckoutError> {
        let place = self.store.source();
        let clone = clone_in(&self.store, self.project, runner)?;
        let source = clone.check_out(&self.snapshot.object, &self.label)?;
        let outside = Outside::of(&source.files(&outside::NAMING)?, place, &self.top);
        outside.link(self.store.around(), &self.top)?;
        if let Some(problem) = outside.working_tree_itself(&self.label) {
            return Err(problem);
        }
        let contract = read_contract(place, &self.contract, &self.label)?;
        let directory = place.join(self.contract.parent().unwrap_or(Path::new("")));
        let metadata = Metadata::read(runner, &directory)?
            .map_err(|message| self.not_built(&message, &source, &outside))?;
        let mut harness = metadata.harness(self.project.harness, &directory).ok_or_else(|| {
            let (reference, harness) = (self.label.clone(), self.project.harness.to_owned());
            CheckoutError::NoHarness { reference, harness }
        })?;
        harness.lent_lock = cargo::lend_lock(&metadata, place, &self.top).map_err(at(place))?;
        Ok(CheckedOut { source, outside, harness, contract })
    }

    /// Why it does not build, when this is the last of what cargo says.
    fn not_built(&self, message: &str, source: &Source<'_>, outside: &Outside) -> CheckoutError {
        let reference = self.label.clone();
        if message.contains("--locked was passed") {
            return CheckoutError::StaleLock { reference };
        }
        if let Some(problem) = outside.problem(&reference, self.store.around(), message) {
            return problem;
        }
        let place = self.store.source();
        let is_needed = |path: &&String| message.contains(&*place.join(path).to_string_lossy());
        let remedy = source.empty.iter().find(is_needed).map(|path| {
            format!("; the submodule `{path}` is empty: run `git submodule update --init {path}`")
        });
        // As the paths are called in the repository.
        let message = message.replace(&format!("{}/", place.display()), "");
        CheckoutError::NotBuilt { reference, message: message + &remedy.unwrap_or_default() }
    }
}

/// Our clone of the repository, ready to be checked out.
fn clone_in<'r>(
    store: &Store,
    project: &Project<'_>,
    runner: &'r Runner<'r>,
) -> Result<LocalClone<'r>, CheckoutError> {
    let repository = Repository::around(project.repository, runner)?;
    LocalClone::of(repository, store.clone_directory(), store.source().to_owned())
}

/// The best common ancestor of two commits: what a branch started from.
///
/// # Errors
///
/// When either is unknown, or they have none.
pub fn merge_base(repository: &Path, a: &str, b: &str) -> Result<String, CheckoutError> {
    let runner = Runner { stop: &|| false, lock: None };
    Repository::around(repository, &runner)?.merge_base(a, b)
}

/// The contract's path in the repository. The file itself need not be there: a ref may have it.
fn path_in(top: &Path, contract: &Path) -> Result<PathBuf, CheckoutError> {
    let foreign =
        || CheckoutError::ForeignContract { contract: contract.to_owned(), top: top.to_owned() };
    let name = contract.file_name().ok_or_else(foreign)?;
    let parent = contract.parent().filter(|it| !it.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(at(parent))?;
    parent.strip_prefix(top).map(|it| it.join(name)).map_err(|_| foreign())
}

fn read_contract(
    source: &Path,
    contract: &Path,
    reference: &str,
) -> Result<String, CheckoutError> {
    let path = source.join(contract);
    fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => CheckoutError::NoContract {
            reference: reference.to_string(),
            contract: contract.to_owned(),
        },
        _ => CheckoutError::Io { path, source: error },
    })
}

/// What an executable depends on, as the name of its copy.
fn key(
    runner: &Runner<'_>,
    (tree, outside): (&str, &[u8]),
    contract: &Path,
    harness: &Harness,
) -> Result<String, CheckoutError> {
    let compiler = cargo::compiler(runner, &harness.directory)?;
    let variables = cargo::variables();
    let configuration = cargo::configuration(&harness.directory);
    let count = (variables.len() as u64).to_le_bytes();
    let mut parts = vec![
        tree.as_bytes(),
        outside,
        compiler.as_slice(),
        harness.features.as_bytes(),
        b"release",
        cargo::PLACES.as_bytes(),
        harness.kind.name().as_bytes(),
        harness.name.as_bytes(),
        contract.as_os_str().as_bytes(),
        harness.lent_lock.as_slice(),
        &count,
    ];
    for (name, value) in &variables {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    parts.extend(configuration.iter().map(Vec::as_slice));
    Ok(cache::key(parts))
}
