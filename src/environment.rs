//! Facts about the build, the machine and the source tree.
//!
//! [`Build`] decides whether counts of two passports may be compared; [`SystemInfo`] and
//! [`Source`] tell a reader where a passport comes from. What cannot be learned is `null`, never a
//! guess. This module measures nothing, and reads no variable but those the build script set.

use std::{fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};

use crate::{
    text::printable,
    units::{Bytes, Count},
};

/// What the measured code was built with, as far as the build of this crate tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// `rustc --version`.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// The optimisation level.
    pub opt_level: String,
    /// Whether debug assertions are on.
    pub debug_assertions: bool,
}

impl Build {
    /// The build of this crate, which Cargo makes with the toolchain and profile of the program
    /// that uses it.
    pub fn current() -> Self {
        Self {
            rustc: env!("PERF_PASSPORT_RUSTC").to_owned(),
            target: env!("PERF_PASSPORT_TARGET").to_owned(),
            opt_level: env!("PERF_PASSPORT_OPT_LEVEL").to_owned(),
            debug_assertions: env!("PERF_PASSPORT_DEBUG_ASSERTIONS") == "on",
        }
    }
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SystemInfo {
    /// The operating system, as Rust names it.
    pub platform: String,
    /// The processor architecture.
    pub architecture: String,
    /// The kernel release.
    pub kernel: Option<String>,
    /// The processor model.
    pub cpu_model: Option<String>,
    /// Processors that this process may use.
    pub cpu_count: Option<Count>,
    /// Memory of the machine.
    pub memory_total_bytes: Option<Bytes>,
}

impl SystemInfo {
    /// This machine. On systems other than Linux only what the standard library knows.
    pub fn read() -> Self {
        let line = |path: &str, key: &str| {
            let text = fs::read_to_string(path).ok()?;
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(plain(line.split_once(':')?.1))
        };
        let kilobytes = line("/proc/meminfo", "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            platform: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|it| plain(&it)),
            cpu_model: line("/proc/cpuinfo", "model name"),
            cpu_count: std::thread::available_parallelism()
                .ok()
                .map(|count| Count::new(count.get() as u64)),
            memory_total_bytes: kilobytes.map(|it| Bytes::new(it.saturating_mul(1024))),
        }
    }
}

/// The source tree that was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The commit; `null` outside a git repository or without git.
    pub commit: Option<String>,
    /// Whether tracked files differ from the commit.
    pub dirty: Option<bool>,
    /// The tree of the commit: equal where commits differ and their files do not. What was measured is
    /// this tree only where nothing is dirty; a dirty working tree has no name in git.
    pub commit_tree: Option<String>,
    /// The first commit of the repository, by which its clones know each other: of several, the least
    /// by its name. `null` in a shallow clone, which does not have it.
    pub root_commit: Option<String>,
}

/// Variables by which a process says which repository git looks at, as those do that run hooks. What is
/// asked here is about the directory, so they are taken away. Git's configuration stays: it may say
/// which directories are safe.
pub const REPOSITORY_VARIABLES: [&str; 14] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

impl Source {
    /// Asks git about the tree around `directory`, whatever repository the environment names.
    pub fn read(directory: &Path) -> Self {
        Self::ask(&|arguments| {
            let output = git(directory, Command::new("git")).args(arguments).output();
            let output = output.ok().filter(|it| it.status.success())?;
            String::from_utf8(output.stdout).ok()
        })
    }

    fn ask(git: &dyn Fn(&[&str]) -> Option<String>) -> Self {
        let object =
            |name: &str| git(&["rev-parse", "--verify", "--quiet", name]).map(|it| plain(&it));
        let root = || {
            let shallow = git(&["rev-parse", "--is-shallow-repository"])?;
            // An old git does not know the question, and repeats it.
            if shallow.trim() != "false" {
                return None;
            }
            let roots = git(&["rev-list", "--max-parents=0", "HEAD", "--"])?;
            roots.lines().min().map(plain)
        };
        Self {
            commit: object("HEAD^{commit}"),
            dirty: git(&["status", "--porcelain", "--untracked-files=no"])
                .map(|changes| !changes.trim().is_empty()),
            commit_tree: object("HEAD^{tree}"),
            root_commit: root(),
        }
    }
}

/// Git in a directory. It runs no program of the repository's, waits for no lock, and shows history as
/// it was committed.
fn git(directory: &Path, mut command: Command) -> Command {
    for name in REPOSITORY_VARIABLES {
        command.env_remove(name);
    }
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_REPLACE_OBJECTS", "1");
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command.arg("-C").arg(directory);
    command
}

/// Printable ASCII, because it comes from outside.
fn plain(text: &str) -> String {
    printable(text.trim().as_bytes(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_known() {
        assert!(Build::current().rustc.starts_with("rustc 1."));
        assert!(!Build::current().target.is_empty());
    }

    /// A repository with one commit, and its directory.
    fn repository() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path(), &["init", "--quiet", "--initial-branch", "main"]);
        commit(directory.path(), "a");
        directory
    }

    /// Writes a file of this name, and commits.
    fn commit(directory: &Path, name: &str) {
        fs::write(directory.join(name), name).unwrap();
        run(directory, &["add", "--all"]);
        run(directory, &["commit", "--quiet", "--message", name]);
    }

    #[track_caller]
    fn run(directory: &Path, arguments: &[&str]) -> String {
        let who =
            ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgSign=false"];
        let mut command = git(directory, Command::new("git"));
        let output = command.args(who).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_tree_and_a_root_are_those_of_git() {
        let directory = repository();
        let directory = directory.path();
        let first = Source::read(directory);
        let root = run(directory, &["log", "-1", "--format=%H"]);
        assert_eq!(first.commit.as_deref(), Some(root.as_str()));
        assert_eq!(first.root_commit.as_deref(), Some(root.as_str()));
        assert_eq!(first.commit_tree, Some(run(directory, &["log", "-1", "--format=%T"])));
        assert_eq!(first.dirty, Some(false));

        // Another commit of the same files has the same tree; files of the name `HEAD` are none.
        fs::write(directory.join("HEAD"), "HEAD").unwrap();
        run(directory, &["commit", "--quiet", "--allow-empty", "--message", "again"]);
        let again = Source::read(directory);
        assert_ne!(again.commit, first.commit);
        assert_eq!(again.commit_tree, first.commit_tree);
        assert_eq!(again.root_commit, first.root_commit);

        // What is dirty has the tree of its commit, and says that it is dirty.
        fs::write(directory.join("a"), "other").unwrap();
        let dirty = Source::read(directory);
        assert_eq!(dirty, Source { dirty: Some(true), ..again });
    }

    #[test]
    fn of_several_roots_the_least_is_told_and_of_a_shallow_clone_none() {
        let directory = repository();
        let directory = directory.path();
        run(directory, &["checkout", "--quiet", "--orphan", "other"]);
        commit(directory, "b");
        run(directory, &["merge", "--quiet", "--allow-unrelated-histories", "--no-edit", "main"]);
        let mut roots =
            [run(directory, &["rev-parse", "main"]), run(directory, &["rev-parse", "other^1"])];
        roots.sort();
        assert_eq!(Source::read(directory).root_commit.as_deref(), Some(roots[0].as_str()));

        let shallow = tempfile::tempdir().unwrap();
        let (from, to) = (format!("file://{}", directory.display()), shallow.path().join("clone"));
        run(shallow.path(), &["clone", "--quiet", "--depth", "1", &from, "clone"]);
        let cloned = Source::read(&to);
        assert_eq!(cloned.root_commit, None);
        assert!(cloned.commit_tree.is_some());
    }

    #[test]
    fn a_repository_without_a_commit_has_none_of_it() {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path(), &["init", "--quiet"]);
        let source = Source::read(directory.path());
        assert_eq!(source, Source { dirty: Some(false), ..Source::default() });
    }

    /// As in a hook, or from somebody who wants another repository to be told.
    #[test]
    fn what_the_environment_names_is_not_looked_at() {
        let (asked, other) = (repository(), repository());
        commit(other.path(), "b");
        let files = other.path().join(".git");
        let hostile = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.env("GIT_DIR", &files).env("GIT_WORK_TREE", other.path());
            command.env("GIT_INDEX_FILE", files.join("index"));
            command.env("GIT_OBJECT_DIRECTORY", files.join("objects"));
            let output = git(asked.path(), command).args(arguments).output().unwrap();
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
        };
        let told = Source::ask(&hostile);
        assert_eq!(told, Source::read(asked.path()));
        assert_ne!(told.commit_tree, Source::read(other.path()).commit_tree);
        // History that was replaced is not what was committed.
        let main = run(other.path(), &["rev-parse", "main"]);
        run(other.path(), &["replace", "--graft", &main]);
        assert_ne!(Source::read(other.path()).root_commit, Some(main));
    }

    #[test]
    fn outside_a_repository_nothing_is_guessed() {
        assert_eq!(Source::read(Path::new("/")), Source::default());
    }
}
