//! Git repositories that a test makes.

use std::{fs, path::Path, process::Command};

use perf_passport::environment::Source;
use tempfile::TempDir;

/// A repository of its own, with a branch `main`.
#[derive(Debug)]
pub struct GitRepository {
    directory: TempDir,
    commits: std::cell::Cell<u64>,
}

impl GitRepository {
    /// One without a commit.
    pub fn new() -> Self {
        let repository = Self { directory: tempfile::tempdir().unwrap(), commits: 0.into() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs git in it, with a clock of its own; what it prints.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.commits.set(self.commits.get() + 1);
        let at = format!("{} +0000", 1_750_000_000 + self.commits.get() * 60);
        git_in(self.path(), arguments, &at)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Commits all files.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// What is checked out, as a passport has it.
    pub fn source(&self) -> Source {
        Source::read(self.path())
    }
}

impl Default for GitRepository {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs git in a directory, by nobody's configuration; what it prints.
pub fn git_in(directory: &Path, arguments: &[&str], at: &str) -> String {
    let mut command = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_AUTHOR_DATE", at).env("GIT_COMMITTER_DATE", at);
    for (name, value) in [("NAME", "somebody"), ("EMAIL", "somebody@localhost")] {
        command.env(format!("GIT_AUTHOR_{name}"), value);
        command.env(format!("GIT_COMMITTER_{name}"), value);
    }
    command.args(["-c", "core.fsync=none", "-c", "gc.auto=0", "-c", "commit.gpgSign=false"]);
    let output = command.arg("-C").arg(directory).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
