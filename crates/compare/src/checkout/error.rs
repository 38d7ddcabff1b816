//! Why a ref could not be built.

use std::{io, path::PathBuf};

use thiserror::Error;

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
    /// There is no directory to build in.
    #[error(
        "there is nowhere to build refs: {refused}; set XDG_CACHE_HOME to a directory of yours \
         outside of the repository"
    )]
    NoPlace {
        /// Each directory that was tried, and why it was refused.
        refused: String,
    },
    /// No commit is called that.
    #[error("`{reference}` is no branch, tag or commit here{remedy}")]
    UnknownReference {
        /// The reference.
        reference: String,
        /// What to do, after a colon; empty when nothing is known.
        remedy: String,
    },
    /// Two commits have no common ancestor.
    #[error("`{a}` and `{b}` have no common ancestor{remedy}")]
    NoMergeBase {
        /// One.
        a: String,
        /// The other.
        b: String,
        /// What to do, after a colon; empty when nothing is known.
        remedy: String,
    },
    /// The working tree has more new files than anyone keeps in git.
    #[error(
        "new files of the working tree are too large to be its source ({total_mb} MB): add \
         `{largest}` ({largest_mb} MB) to .gitignore, or to git"
    )]
    LargeFiles {
        /// The largest of them.
        largest: String,
        /// Its size.
        largest_mb: u64,
        /// The size of all of them.
        total_mb: u64,
    },
    /// A commit of a submodule is not here.
    #[error(
        "`{reference}` needs commit {commit} of the submodule `{path}`, which is not here: run \
         `git -C {path} fetch origin {commit}`"
    )]
    NoSubmoduleCommit {
        /// The reference.
        reference: String,
        /// The path of the submodule.
        path: String,
        /// The commit.
        commit: String,
    },
    /// Git has a pointer, and not what it points to.
    #[error(
        "`{reference}` keeps `{file}` in git LFS and its content is not here: run `git lfs install` \
         and `git lfs fetch --all`, or set GIT_LFS_SKIP_SMUDGE=1 to build with the pointer"
    )]
    Pointer {
        /// The reference.
        reference: String,
        /// The file.
        file: String,
    },
    /// The source names a directory outside of the repository that cannot be had.
    #[error("`{reference}` does not build: `{manifest}` names `{path}`, which {problem}")]
    Outside {
        /// The reference.
        reference: String,
        /// The file that names it.
        manifest: String,
        /// The path as written.
        path: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// The versions that are written down are not those that the manifest asks for.
    #[error(
        "`{reference}` has a Cargo.lock that does not fit its Cargo.toml: run `cargo update \
         --workspace` there and commit Cargo.lock, or compare with a ref where it fits"
    )]
    StaleLock {
        /// The reference.
        reference: String,
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
         of that name, and not exactly one in the workspace: name yours with --harness"
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

/// What to do with an error of the system at this path.
pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CheckoutError {
    let path = path.into();
    move |source| CheckoutError::Io { path, source }
}
