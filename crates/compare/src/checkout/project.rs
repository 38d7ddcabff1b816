//! What is built: a project at a state of its source, and what that comes to.

use std::path::Path;

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
pub struct RefBuild {
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
    pub(super) object: String,
}
