//! What is asked of git. Neither the user's index nor files, branches or stashes are touched, and no
//! hook is run.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    CheckoutError,
    command::{Finished, Runner},
};
use crate::temporary::TemporaryDirectory;

/// A repository with a working tree.
pub(super) struct Repository<'a> {
    /// The top of its working tree, without symbolic links.
    pub(super) top: PathBuf,
    runner: &'a Runner<'a>,
}

/// A state of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The commit; that which the working tree started from if it is `dirty`.
    pub(super) commit: String,
    /// What is checked out: the commit, or one that was made of a dirty working tree.
    pub(super) object: String,
    pub(super) tree: String,
    pub(super) dirty: bool,
}

impl<'a> Repository<'a> {
    /// The repository that a directory is in.
    pub(super) fn around(directory: &Path, runner: &'a Runner<'a>) -> Result<Self, CheckoutError> {
        let finished = runner
            .run_quietly(git().arg("-C").arg(directory).args(["rev-parse", "--show-toplevel"]))?;
        if !finished.status.success() {
            let (directory, message) = (directory.to_owned(), finished.reason());
            return Err(CheckoutError::NoRepository { directory, message });
        }
        let top = path_of(finished.stdout);
        let top = top.canonicalize().map_err(|source| CheckoutError::Io { path: top, source })?;
        Ok(Self { top, runner })
    }

    /// The state that a branch, tag or commit names.
    pub(super) fn named(&self, reference: &str) -> Result<Snapshot, CheckoutError> {
        let commit = self.commit(reference)?;
        let tree = self.ask(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")])?;
        Ok(Snapshot { object: commit.clone(), commit, tree, dirty: false })
    }

    fn commit(&self, reference: &str) -> Result<String, CheckoutError> {
        let unknown = || CheckoutError::UnknownReference { reference: reference.to_owned() };
        // It would be read as an option, or as what not to show.
        if reference.is_empty() || reference.starts_with(['-', '^']) {
            return Err(unknown());
        }
        let name = format!("{reference}^{{commit}}");
        let finished = self.run(&["rev-parse", "--verify", "--quiet", &name])?;
        if finished.status.success() { Ok(text_of(&finished.stdout)) } else { Err(unknown()) }
    }

    /// The best common ancestor of two commits.
    pub(super) fn merge_base(&self, a: &str, b: &str) -> Result<String, CheckoutError> {
        let (first, second) = (self.commit(a)?, self.commit(b)?);
        let finished = self.run(&["merge-base", &first, &second])?;
        match finished.status.code() {
            Some(0) => Ok(text_of(&finished.stdout)),
            _ => Err(CheckoutError::NoMergeBase { a: a.to_owned(), b: b.to_owned() }),
        }
    }

    /// The working tree as it is: tracked files, and new ones that are not ignored. What was `written`
    /// since the commit is left out.
    pub(super) fn working_tree(&self, written: Option<&Path>) -> Result<Snapshot, CheckoutError> {
        let head = self.named("HEAD")?;
        let directory = TemporaryDirectory::new()
            .map_err(|source| CheckoutError::Io { path: std::env::temp_dir(), source })?;
        let index = directory.path().join("index");
        self.copy_index(&index)?;
        let without = match written {
            Some(written) => self.untracked(written)?,
            None => None,
        };
        let without = without.map(|it| format!(":(exclude,top,literal){it}"));
        let mut add = vec!["add", "--all", "--", "."];
        add.extend(without.as_deref());
        self.ask_with_index(&index, &add)?;
        let tree = self.ask_with_index(&index, &["write-tree"])?;
        if tree == head.tree {
            return Ok(head);
        }
        // The same tree is the same object whoever makes it, and whenever.
        let mut command = self.git();
        command.args(["commit-tree", &tree, "-p", &head.commit, "-m", "working tree"]);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "passport")
                .env(format!("GIT_{role}_EMAIL"), "passport@localhost")
                .env(format!("GIT_{role}_DATE"), "@0 +0000");
        }
        let object = self.answer("commit-tree", &mut command)?;
        Ok(Snapshot { commit: head.commit, object, tree, dirty: true })
    }

    /// The path in the repository of a directory that is there, and of which git neither tracks
    /// anything, as that would be source, nor ignores all: to leave that out is an error to git.
    fn untracked(&self, directory: &Path) -> Result<Option<String>, CheckoutError> {
        let Ok(directory) = directory.canonicalize() else { return Ok(None) };
        let path = directory.strip_prefix(&self.top).ok().and_then(Path::to_str);
        let Some(path) = path.filter(|it| !it.is_empty()) else { return Ok(None) };
        if !self.ask(&["ls-files", "--", &format!(":(top,literal){path}")])?.is_empty() {
            return Ok(None);
        }
        let ignored = self.run(&["check-ignore", "--quiet", "--", path])?;
        Ok((!ignored.status.success()).then(|| path.to_owned()))
    }

    /// Copies the index, which knows what is tracked although it is ignored, and what is left out of
    /// a sparse checkout.
    fn copy_index(&self, copy: &Path) -> Result<(), CheckoutError> {
        let index = self.top.join(self.ask(&["rev-parse", "--git-path", "index"])?);
        let failed = |source| CheckoutError::Io { path: index.clone(), source };
        match fs::copy(&index, copy) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(_) => {
                // A file is looked at again if it changed when the index was written, or later.
                let written = fs::metadata(&index).and_then(|it| it.modified()).map_err(failed)?;
                let file = fs::File::options().write(true).open(copy).map_err(failed)?;
                file.set_modified(written).map_err(failed)
            }
        }
    }

    /// Makes `source` a worktree of exactly this commit, whatever is left there of an earlier one.
    pub(super) fn check_out(&self, source: &Path, object: &str) -> Result<(), CheckoutError> {
        if self.update(source, object)? {
            return Ok(());
        }
        match fs::remove_dir_all(source) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CheckoutError::Io { path: source.to_owned(), source: error });
            }
            _ => {}
        }
        // Twice: also when it was locked.
        let mut command = self.git();
        command.args(WHOLE).args(["worktree", "add", "--quiet", "--detach", "--force", "--force"]);
        self.answer("worktree add", command.arg(source).arg(object)).map(drop)
    }

    /// Checks out in a worktree that is there; false if it is not usable.
    fn update(&self, source: &Path, object: &str) -> Result<bool, CheckoutError> {
        if !source.join(".git").exists() {
            return Ok(false);
        }
        let directory = self.run_in(source, &["rev-parse", "--absolute-git-dir"])?;
        if !directory.status.success() {
            return Ok(false);
        }
        // Whoever holds the lock of the builds knows that no git is at work here.
        let _ = fs::remove_file(path_of(directory.stdout).join("index.lock"));
        // A worktree of another repository with the same target directory does not know the commit.
        for arguments in [
            &["checkout", "--quiet", "--detach", "--force", object][..],
            &["clean", "--quiet", "-ffdx"],
        ] {
            if !self.run_in(source, arguments)?.status.success() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies what is checked out in `source`.
    pub(super) fn export(&self, source: &Path, copy: &Path) -> Result<(), CheckoutError> {
        let mut prefix = OsString::from("--prefix=");
        prefix.push(copy);
        prefix.push("/");
        let mut command = in_worktree(source);
        self.answer("checkout-index", command.args(["checkout-index", "--all"]).arg(prefix))
            .map(drop)
    }

    fn git(&self) -> Command {
        let mut command = git();
        command.arg("-C").arg(&self.top);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Finished, CheckoutError> {
        self.runner.run_quietly(self.git().args(arguments))
    }

    fn run_in(&self, source: &Path, arguments: &[&str]) -> Result<Finished, CheckoutError> {
        self.runner.run_quietly(in_worktree(source).args(arguments))
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, CheckoutError> {
        self.answer(arguments[0], self.git().args(arguments))
    }

    fn ask_with_index(&self, index: &Path, arguments: &[&str]) -> Result<String, CheckoutError> {
        let mut command = self.git();
        self.answer(arguments[0], command.args(arguments).env("GIT_INDEX_FILE", index))
    }

    fn answer(&self, name: &str, command: &mut Command) -> Result<String, CheckoutError> {
        let finished = self.runner.run_quietly(command)?;
        if finished.status.success() {
            return Ok(text_of(&finished.stdout));
        }
        Err(CheckoutError::Git { command: name.to_owned(), message: finished.reason() })
    }
}

/// Builds need all files, whatever the user works on.
const WHOLE: [&str; 2] = ["-c", "core.sparseCheckout=false"];

fn git() -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
    command.args(["-c", "submodule.recurse=false", "-c", "gc.auto=0"]);
    command
}

/// Git in a worktree of ours. The repository is named, and not looked for: around a directory that
/// lost its `.git` is the user's working tree.
fn in_worktree(source: &Path) -> Command {
    let mut command = git();
    command.args(WHOLE).arg("--git-dir").arg(source.join(".git"));
    command.arg("--work-tree").arg(source).current_dir(source);
    command
}

fn text_of(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).trim_end().to_owned()
}

fn path_of(mut stdout: Vec<u8>) -> PathBuf {
    if stdout.last() == Some(&b'\n') {
        stdout.pop();
    }
    PathBuf::from(OsString::from_vec(stdout))
}
