//! What is asked of git in the user's repository. Neither its index nor files, branches, stashes or
//! objects are written, and no hook is run.

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
    error::at,
};

/// A repository with a working tree, or that of a submodule.
pub(super) struct Repository<'a> {
    /// The top of its working tree, without symbolic links. That of a submodule need not be there.
    pub(super) top: PathBuf,
    /// Where git keeps what belongs to this working tree.
    directory: PathBuf,
    /// Where git keeps what all working trees of the repository share.
    pub(super) common: PathBuf,
    pub(super) runner: &'a Runner<'a>,
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

/// A submodule, as the index of the repository around it has it.
pub(super) struct Submodule {
    /// Its path in that repository.
    pub(super) path: String,
    pub(super) commit: String,
}

impl<'a> Repository<'a> {
    /// The repository that a directory is in.
    pub(super) fn around(directory: &Path, runner: &'a Runner<'a>) -> Result<Self, CheckoutError> {
        let ask = |what: &[&str]| {
            let mut command = git();
            command.arg("-C").arg(directory).arg("rev-parse").args(what);
            let finished = runner.run_quietly(&mut command)?;
            if finished.status.success() {
                return Ok(path_of(finished.stdout));
            }
            let (directory, message) = (directory.to_owned(), finished.reason());
            Err(CheckoutError::NoRepository { directory, message })
        };
        let top = ask(&["--show-toplevel"])?;
        let top = top.canonicalize().map_err(at(top))?;
        let directory = ask(&["--absolute-git-dir"])?;
        let common = ask(&["--path-format=absolute", "--git-common-dir"])?;
        Ok(Self { top, directory, common, runner })
    }

    /// The repository of a submodule at this path, if it is here: where the working tree has it, or
    /// under its name where git keeps those that the working tree has no more.
    pub(super) fn submodule(
        &self,
        path: &str,
        name: Option<&str>,
    ) -> Result<Option<Self>, CheckoutError> {
        let top = self.top.join(path);
        if top.join(".git").exists() {
            let found = Self::around(&top, self.runner)?;
            return Ok((top.canonicalize().ok().as_ref() == Some(&found.top)).then_some(found));
        }
        let common = self.common.join("modules").join(name.unwrap_or(path));
        let is_there = common.join("HEAD").exists();
        let directory = common.clone();
        Ok(is_there.then_some(Self { top, directory, common, runner: self.runner }))
    }

    /// The state that a branch, tag or commit names.
    pub(super) fn named(&self, reference: &str) -> Result<Snapshot, CheckoutError> {
        let commit = self.commit(reference)?;
        let tree = self.ask(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")])?;
        Ok(Snapshot { object: commit.clone(), commit, tree, dirty: false })
    }

    fn commit(&self, reference: &str) -> Result<String, CheckoutError> {
        // It would be read as an option, or as what not to show.
        if !reference.is_empty() && !reference.starts_with(['-', '^']) {
            let name = format!("{reference}^{{commit}}");
            let finished = self.run(&["rev-parse", "--verify", "--quiet", &name])?;
            if finished.status.success() {
                return Ok(text_of(&finished.stdout));
            }
        }
        let remedy = self.remedy_for(reference)?;
        Err(CheckoutError::UnknownReference { reference: reference.to_owned(), remedy })
    }

    /// What to do about a name that no commit has: a remote may have it, or the part of the history
    /// that is not here.
    fn remedy_for(&self, reference: &str) -> Result<String, CheckoutError> {
        let format = "--format=%(refname:lstrip=2)";
        let remotes = self.ask(&["for-each-ref", format, "refs/remotes"])?;
        let is_it = |name: &&str| name.split_once('/').is_some_and(|(_, it)| it == reference);
        Ok(match remotes.lines().find(is_it) {
            Some(name) => format!(": `{name}` is, give that"),
            None => self.remedy_for_shallow()?,
        })
    }

    fn remedy_for_shallow(&self) -> Result<String, CheckoutError> {
        let is_shallow = self.ask(&["rev-parse", "--is-shallow-repository"])? == "true";
        let remedy = ": this clone is shallow, get the whole history (`fetch-depth: 0` for \
                      actions/checkout, else `git fetch --unshallow`)";
        Ok(if is_shallow { remedy.to_owned() } else { String::new() })
    }

    /// The best common ancestor of two commits.
    pub(super) fn merge_base(&self, a: &str, b: &str) -> Result<String, CheckoutError> {
        let (first, second) = (self.commit(a)?, self.commit(b)?);
        let finished = self.run(&["merge-base", &first, &second])?;
        if finished.status.code() == Some(0) {
            return Ok(text_of(&finished.stdout));
        }
        let remedy = self.remedy_for_shallow()?;
        Err(CheckoutError::NoMergeBase { a: a.to_owned(), b: b.to_owned(), remedy })
    }

    /// The path in the repository of a directory that is there, and of which git neither tracks
    /// anything, as that would be source, nor ignores all: to leave that out is an error to git.
    pub(super) fn untracked(&self, directory: &Path) -> Result<Option<String>, CheckoutError> {
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
    pub(super) fn copy_index(&self, copy: &Path) -> Result<(), CheckoutError> {
        let index = self.directory.join("index");
        match fs::copy(&index, copy) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(at(index)(error)),
            Ok(_) => {
                // A file is looked at again if it changed when the index was written, or later.
                let written =
                    fs::metadata(&index).and_then(|it| it.modified()).map_err(at(index))?;
                let file = fs::File::options().write(true).open(copy).map_err(at(copy))?;
                file.set_modified(written).map_err(at(copy))
            }
        }
    }

    /// Git in this repository.
    pub(super) fn git(&self) -> Command {
        let mut command = git();
        if self.top.is_dir() {
            command.arg("-C").arg(&self.top);
        } else {
            // Its configuration names the working tree that is gone.
            command.arg("--git-dir").arg(&self.directory).arg("--work-tree").arg(&self.directory);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Finished, CheckoutError> {
        self.runner.run_quietly(self.git().args(arguments))
    }

    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String, CheckoutError> {
        answer(self.runner, arguments[0], self.git().args(arguments)).map(|it| text_of(&it))
    }
}

/// Builds need all files, whatever the user works on.
pub(super) const WHOLE: [&str; 2] = ["-c", "core.sparseCheckout=false"];

pub(super) fn git() -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
    command.args(["-c", "submodule.recurse=false", "-c", "gc.auto=0"]);
    command
}

/// What a command of git printed.
///
/// # Errors
///
/// When it fails, in git's words.
pub(super) fn answer(
    runner: &Runner<'_>,
    name: &str,
    command: &mut Command,
) -> Result<Vec<u8>, CheckoutError> {
    let finished = runner.run_quietly(command)?;
    if finished.status.success() {
        return Ok(finished.stdout);
    }
    Err(CheckoutError::Git { command: name.to_owned(), message: finished.reason() })
}

/// The submodules that an index lists, as `git ls-files --stage -z` prints it.
pub(super) fn submodules(listed: &[u8]) -> Vec<Submodule> {
    let entries = listed.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let of = |entry: std::borrow::Cow<'_, str>| {
        let (meta, path) = entry.strip_prefix("160000 ")?.split_once('\t')?;
        let (commit, _) = meta.split_once(' ')?;
        Some(Submodule { path: path.to_owned(), commit: commit.to_owned() })
    };
    entries.filter_map(of).collect()
}

/// The paths that git printed with `-z`.
pub(super) fn paths(listed: &[u8]) -> impl Iterator<Item = PathBuf> {
    let paths = listed.split(|byte| *byte == 0).filter(|it| !it.is_empty());
    paths.map(|path| PathBuf::from(OsString::from_vec(path.to_vec())))
}

pub(super) fn text_of(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).trim_end().to_owned()
}

fn path_of(mut stdout: Vec<u8>) -> PathBuf {
    if stdout.last() == Some(&b'\n') {
        stdout.pop();
    }
    PathBuf::from(OsString::from_vec(stdout))
}
