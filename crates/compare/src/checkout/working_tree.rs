//! The working tree as it is, as a commit that no branch knows of, in the objects of our own clone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    CheckoutError,
    clone::LocalClone,
    git::{Snapshot, answer, paths, submodules, text_of},
};
use crate::temporary::TemporaryDirectory;

const MB: u64 = 1_000_000;

/// A new file of this size is named: it may be none of the source.
const NAMED_MIN: u64 = 10 * MB;

/// New files that are larger together are no source.
const NEW_MAX: u64 = 500 * MB;

/// Tracked files as they are, and new ones that are not ignored; those of submodules too. What was
/// `written` since the commit is left out.
pub(super) fn snapshot(
    clone: &LocalClone<'_>,
    written: Option<&Path>,
    progress: &mut dyn FnMut(&str),
) -> Result<Snapshot, CheckoutError> {
    let head = clone.users.named("HEAD")?;
    let directory = TemporaryDirectory::new()
        .map_err(|source| CheckoutError::Io { path: std::env::temp_dir(), source })?;
    let index = directory.path().join("index");
    clone.users.copy_index(&index)?;
    let taking = Taking { clone, index };
    let without = match written {
        Some(written) => clone.users.untracked(written)?,
        None => None,
    };
    let without = without.map(|it| format!(":(exclude,top,literal){it}"));
    let mut what = vec!["--", "."];
    what.extend(without.as_deref());
    taking.name_large_files(&what, progress)?;
    taking.ask(&[&["add", "--all"], &what[..]].concat())?;
    taking.add_submodules(progress)?;
    let tree = text_of(&taking.ask(&["write-tree"])?);
    if tree == head.tree {
        return Ok(head);
    }
    let object = clone.commit_of(&tree, &head.commit)?;
    Ok(Snapshot { commit: head.commit, object, tree, dirty: true })
}

/// An index of our own that becomes the working tree.
struct Taking<'a> {
    clone: &'a LocalClone<'a>,
    index: PathBuf,
}

impl Taking<'_> {
    fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, CheckoutError> {
        let mut command: Command = self.clone.users_git();
        self.clone.writing(&mut command).env("GIT_INDEX_FILE", &self.index).args(arguments);
        answer(self.clone.users.runner, arguments[0], &mut command)
    }

    /// Names new files that are large, and refuses them when there are too many.
    fn name_large_files(
        &self,
        what: &[&str],
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), CheckoutError> {
        let list = ["ls-files", "--others", "--exclude-standard", "-z"];
        let listed = self.ask(&[&list[..], what].concat())?;
        let mut total = 0_u64;
        let mut largest = (0, PathBuf::new());
        for path in paths(&listed) {
            let metadata = fs::symlink_metadata(self.clone.users.top.join(&path));
            let size = metadata.map_or(0, |it| if it.is_file() { it.len() } else { 0 });
            total = total.saturating_add(size);
            if size >= NAMED_MIN {
                progress(&format!(
                    "`{}` ({} MB) is new and not ignored, so it is copied as a part of the source",
                    path.display(),
                    size / MB
                ));
            }
            largest = largest.max((size, path));
        }
        if total <= NEW_MAX {
            return Ok(());
        }
        let (size, path) = largest;
        Err(CheckoutError::LargeFiles {
            largest: path.display().to_string(),
            largest_mb: size / MB,
            total_mb: total / MB,
        })
    }

    /// Puts submodules that are dirty into the index as they are.
    fn add_submodules(&self, progress: &mut dyn FnMut(&str)) -> Result<(), CheckoutError> {
        for submodule in submodules(&self.ask(&["ls-files", "--stage", "-z"])?) {
            let path = submodule.path.as_str();
            let Some(users) = self.clone.users.submodule(path, None)? else { continue };
            if !users.top.is_dir() {
                continue;
            }
            let inner = self.clone.submodule(path, users)?;
            let object = snapshot(&inner, None, progress)?.object;
            if object != submodule.commit {
                let entry = format!("160000,{object},{path}");
                self.ask(&["update-index", "--cacheinfo", &entry])?;
            }
        }
        Ok(())
    }
}
