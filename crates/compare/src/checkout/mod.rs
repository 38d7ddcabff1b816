//! A side of a comparison from a git ref, or from the working tree as it is.
//!
//! [`checkout`] builds the harness target of a ref with the release profile. All refs are checked
//! out in one worktree and built in one target directory, one after the other, below
//! `<cargo's target directory>/perf-passport`: paths are a part of an executable and of the hashes
//! in its symbols, so that equal source gives equal bytes only at equal places; and dependencies are
//! built once. A lock keeps two that build apart. The executable is then copied, with the source
//! beside it, to where the next comparison of the same ref finds it. What that depends on is in the
//! name of the copy: the source, the compiler, the variables and configuration that change a build,
//! and the target.
//!
//! A worker is started in the copy of its package's directory. What a service reads at a path that
//! was fixed when it was compiled, such as one made of `env!("CARGO_MANIFEST_DIR")`, is that of the
//! ref that was checked out last. Submodules are not checked out. Configuration of cargo around the
//! target directory counts for every side, as does the toolchain that rustup is told to use.
//!
//! The user's index and files are read, never written: a dirty working tree becomes a commit object
//! that no branch knows of. Nothing is measured here.

mod cache;
mod cargo;
mod command;
mod git;
mod relink;

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use self::{
    cache::{Kept, Store},
    cargo::{Built, Harness, Metadata},
    command::Runner,
    git::{Repository, Snapshot},
};
use crate::side::Side;

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
    /// SHA-256 of the executable.
    pub executable_sha256: String,
    /// Whether the source differs from the commit.
    pub dirty: bool,
    /// The source as a commit, also when it is dirty.
    object: String,
}

/// Why a ref could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckoutError {
    /// The directory is in no repository that has a working tree.
    #[error("`{}` is in no git repository: {message}", directory.display())]
    NoRepository {
        /// The directory.
        directory: PathBuf,
        /// In git's words.
        message: String,
    },
    /// The contract is not in the repository.
    #[error("the contract `{}` is not in the repository `{}`", contract.display(), top.display())]
    ForeignContract {
        /// The contract.
        contract: PathBuf,
        /// The top of the repository's working tree.
        top: PathBuf,
    },
    /// No commit is called that.
    #[error("`{reference}` is no branch, tag or commit here")]
    UnknownReference {
        /// The reference.
        reference: String,
    },
    /// Two commits have no common ancestor.
    #[error("`{a}` and `{b}` have no common ancestor")]
    NoMergeBase {
        /// One.
        a: String,
        /// The other.
        b: String,
    },
    /// The ref has no contract at this path.
    #[error("`{reference}` has no contract `{}`", contract.display())]
    NoContract {
        /// The reference.
        reference: String,
        /// The contract's path in the repository.
        contract: PathBuf,
    },
    /// The ref has neither such a test target nor such a benchmark.
    #[error(
        "`{reference}` has no test target `{harness}` in the package of the contract, no benchmark \
         of that name, and not exactly one in the workspace"
    )]
    NoHarness {
        /// The reference.
        reference: String,
        /// The target.
        harness: String,
    },
    /// The ref does not build.
    #[error("`{reference}` does not build: {message}")]
    NotBuilt {
        /// The reference.
        reference: String,
        /// The last of what cargo says.
        message: String,
    },
    /// Git cannot.
    #[error("git {command} failed: {message}")]
    Git {
        /// Its command.
        command: String,
        /// In its words.
        message: String,
    },
    /// A program cannot be started or waited for.
    #[error("cannot run {program}: {source}")]
    NotRun {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file or directory cannot be read or written.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
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
    let (repository, harness, text) = asked.check_out(&runner)?;
    let Asked { store, snapshot, contract, .. } = &asked;
    let source = store.source();
    let not_built = |message| CheckoutError::NotBuilt { reference: reference.to_string(), message };
    let key = key(&runner, &snapshot.tree, contract, &harness)?;
    let kept = if let Some(kept) = store.find(&key) {
        kept
    } else {
        let built = cargo::build(&runner, &harness, &store.target(), progress)?;
        let built = built.map_err(not_built)?;
        store.keep(&key, &built.executable, |copy, directory| {
            link_again(&runner, &built, directory, progress)?;
            repository.export(&source, copy)
        })?
    };
    let Kept { executable, executable_sha256, relinked, source: copy } = kept;
    let directory =
        harness.directory.strip_prefix(&source).map_or(copy.clone(), |it| copy.join(it));
    let side = Side {
        label: reference.to_string(),
        executable,
        relinked,
        arguments: Vec::new(),
        environment: vec![("CARGO_MANIFEST_DIR".into(), directory.clone().into())],
        directory,
        contract: text,
    };
    let Snapshot { commit, tree, dirty, object } = asked.snapshot.clone();
    Ok(Build { side, commit, tree, executable_sha256, dirty, object })
}

/// Links what was built again. That it cannot be is told and no error: then the executable as it is
/// stands for the build.
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
    if let Err(message) = linked {
        progress(&format!("cannot link it with its parts in another order: {message}"));
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
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CheckoutError::Io { path, source }
    };
    let directory = project.repository.canonicalize().map_err(io(project.repository))?;
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
        contract: fs::read_to_string(project.contract).map_err(io(project.contract))?,
    })
}

/// Makes a build again, once for each seed, with one function more that nothing calls: the same code
/// as a change elsewhere in the program leaves it.
///
/// Executables are put into `directory`; the sides are in the order of the seeds. The source is that
/// of the build, whatever became of the working tree; only the test target itself is compiled again.
///
/// # Errors
///
/// [`CheckoutError`].
pub fn rebuild(
    project: &Project<'_>,
    build: &Build,
    (seeds, directory): (&[u64], &Path),
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Side>, CheckoutError> {
    let reference = Reference::Named(build.object.clone());
    let asked = Asked::of(project, &reference, stop, &mut *progress)?;
    let runner = Runner { stop, lock: Some(&asked.store.lock) };
    let (_, harness, _) = asked.check_out(&runner)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CheckoutError::Io { path, source }
    };
    // In the worktree, which the next checkout puts right.
    let original = fs::read_to_string(&harness.main).map_err(io(&harness.main))?;
    let one = |seed: &u64| {
        let text = format!("{original}\n{}", irrelevant(*seed));
        fs::write(&harness.main, text).map_err(io(&harness.main))?;
        let made = cargo::build(&runner, &harness, &asked.store.target(), &mut *progress)?;
        let made = made.map_err(|message| CheckoutError::NotBuilt {
            reference: build.side.label.clone(),
            message,
        })?;
        let place = directory.join(format!("rebuilt-{seed}"));
        fs::create_dir(&place).map_err(io(&place))?;
        let executable = place.join("executable");
        fs::copy(&made.executable, &executable).map_err(io(&executable))?;
        link_again(&runner, &made, &place, &mut *progress)?;
        let relinked = relink::relinked_in(&place).map_err(io(&place))?;
        Ok(Side { executable, relinked, ..build.side.clone() })
    };
    let sides = seeds.iter().map(one).collect();
    fs::write(&harness.main, original).map_err(io(&harness.main))?;
    sides
}

/// A function of a size that the seed gives, kept in the executable though nothing calls it.
fn irrelevant(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut steps = String::new();
    for _ in 0..=state % 61 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (left, other) = (state >> 58, state >> 8);
        steps += &format!("x = ::std::hint::black_box(x.rotate_left({left}) ^ {other});");
    }
    format!(
        "#[used]\nstatic PERF_PASSPORT_IRRELEVANT: fn(u64) -> u64 = {{\n    #[inline(never)]\n    \
         fn irrelevant(mut x: u64) -> u64 {{ {steps} x }}\n    irrelevant\n}};\n"
    )
}

/// What is asked for, and the place to build it, which is locked.
struct Asked<'a> {
    project: &'a Project<'a>,
    reference: &'a Reference,
    snapshot: Snapshot,
    /// The contract's path in the repository.
    contract: PathBuf,
    store: Store,
}

impl<'a> Asked<'a> {
    fn of(
        project: &'a Project<'a>,
        reference: &'a Reference,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, CheckoutError> {
        let runner = Runner { stop, lock: None };
        let repository = Repository::around(project.repository, &runner)?;
        let contract = path_in(&repository.top, project.contract)?;
        let package = contract.parent().unwrap_or(Path::new(""));
        let snapshot = match reference {
            Reference::Named(name) => repository.named(name)?,
            Reference::WorkingTree => repository.working_tree(project.written)?,
        };
        let here = Metadata::read(&runner, &repository.top.join(package))?.map_err(|message| {
            CheckoutError::NotBuilt { reference: reference.to_string(), message }
        })?;
        let store = Store::open(&here.target_directory.join("perf-passport"), stop, progress)?;
        Ok(Self { project, reference, snapshot, contract, store })
    }

    /// Checks the source out; the repository, the target in it, and its contract as written.
    fn check_out<'r>(
        &self,
        runner: &'r Runner<'r>,
    ) -> Result<(Repository<'r>, Harness, String), CheckoutError> {
        let repository = Repository::around(self.project.repository, runner)?;
        let source = self.store.source();
        repository.check_out(&source, &self.snapshot.object)?;
        let text = read_contract(&source, &self.contract, self.reference)?;
        let directory = source.join(self.contract.parent().unwrap_or(Path::new("")));
        let metadata = Metadata::read(runner, &directory)?.map_err(|message| {
            CheckoutError::NotBuilt { reference: self.reference.to_string(), message }
        })?;
        let mut harness = metadata.harness(self.project.harness, &directory).ok_or_else(|| {
            CheckoutError::NoHarness {
                reference: self.reference.to_string(),
                harness: self.project.harness.to_owned(),
            }
        })?;
        harness.lent_lock = cargo::lend_lock(&metadata, &source, &repository.top)
            .map_err(|error| CheckoutError::Io { path: source, source: error })?;
        Ok((repository, harness, text))
    }
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
    let parent = parent
        .canonicalize()
        .map_err(|source| CheckoutError::Io { path: parent.to_owned(), source })?;
    parent.strip_prefix(top).map(|it| it.join(name)).map_err(|_| foreign())
}

fn read_contract(
    source: &Path,
    contract: &Path,
    reference: &Reference,
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
    tree: &str,
    contract: &Path,
    harness: &Harness,
) -> Result<String, CheckoutError> {
    let compiler = cargo::compiler(runner, &harness.directory)?;
    let variables = cargo::variables();
    let configuration = cargo::configuration(&harness.directory);
    let count = (variables.len() as u64).to_le_bytes();
    let mut parts = vec![
        tree.as_bytes(),
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
