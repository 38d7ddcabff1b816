//! A ref that is asked for, from its name to a source that is checked out.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    cache::Store,
    cargo::{self, Harness, Metadata},
    clone::{LocalClone, Source},
    command::Runner,
    error::{CheckoutError, at},
    git::{Repository, Snapshot},
    outside::{self, Outside},
    place,
    project::{Project, RefBuild, Reference},
    working_tree,
};

/// What is asked for, and the place to build it, which is locked.
pub(super) struct Asked<'a> {
    project: &'a Project<'a>,
    /// What the user calls it.
    pub(super) label: String,
    /// The top of the working tree.
    pub(super) top: PathBuf,
    pub(super) snapshot: Snapshot,
    /// The contract's path in the repository.
    pub(super) contract: PathBuf,
    pub(super) store: Store,
}

/// A source that is checked out.
pub(super) struct CheckedOut<'r> {
    pub(super) source: Source<'r>,
    pub(super) outside: Outside,
    pub(super) harness: Harness,
    /// The contract as written.
    pub(super) contract: String,
}

impl<'a> Asked<'a> {
    pub(super) fn of(
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

    /// The source of a build again, whatever became of the working tree.
    pub(super) fn again(
        project: &'a Project<'a>,
        build: &RefBuild,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, CheckoutError> {
        let RefBuild { commit, object, tree, dirty, .. } = build.clone();
        let snapshot = Snapshot { commit, object, tree, dirty };
        Self::with(project, build.side.label.clone(), stop, progress, |_, _| Ok(snapshot))
    }

    fn with(
        project: &'a Project<'a>,
        label: String,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
        snapshot: impl FnOnce(&LocalClone<'_>, &mut dyn FnMut(&str)) -> Result<Snapshot, CheckoutError>,
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
    pub(super) fn check_out<'r>(
        &self,
        runner: &'r Runner<'r>,
    ) -> Result<CheckedOut<'r>, CheckoutError> {
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

    /// The paths of files that differ between two trees, also of those of dirty working trees.
    pub(super) fn changed(
        &self,
        before: &str,
        after: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<PathBuf>, CheckoutError> {
        let runner = Runner { stop, lock: None };
        clone_in(&self.store, self.project, &runner)?.changed(before, after)
    }

    /// Why it does not build, when this is the last of what cargo says.
    pub(super) fn not_built(
        &self,
        message: &str,
        source: &Source<'_>,
        outside: &Outside,
    ) -> CheckoutError {
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

fn read_contract(source: &Path, contract: &Path, reference: &str) -> Result<String, CheckoutError> {
    let path = source.join(contract);
    fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => CheckoutError::NoContract {
            reference: reference.to_string(),
            contract: contract.to_owned(),
        },
        _ => CheckoutError::Io { path, source: error },
    })
}
