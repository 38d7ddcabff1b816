//! What is asked of git: the line of first parents, and what names mean.
//!
//! [`Repository`] asks the command line, without hooks, and whatever repository the environment names.
//! Nothing of the user's repository is written here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use perf_passport::environment::{REPOSITORY_VARIABLES, Source};

use crate::error::HistoryError;

/// The longest subject of a commit that is kept.
const SUBJECT_MAX: usize = 200;

/// A git repository.
#[derive(Debug, Clone)]
pub struct Repository {
    directory: PathBuf,
    shallow: bool,
}

/// A commit of the line of first parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// When it was committed, in seconds since 1970. It orders nothing.
    pub committed_s: i64,
    /// The first line of its message, as it was written: text from outside.
    pub subject: String,
}

/// A commit, and the tree that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCommit {
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
}

/// The commits that follow the first parent of each, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The positions.
    pub positions: Vec<Position>,
    /// Whether the clone is shallow, so that older ones are missing.
    pub shallow: bool,
}

impl Line {
    /// The place of a commit.
    pub fn place(&self, commit: &str) -> Option<usize> {
        self.positions.iter().position(|it| it.commit == commit)
    }

    /// The places of each tree, rising, and that of each commit.
    pub(crate) fn places(&self) -> (BTreeMap<&str, Vec<usize>>, BTreeMap<&str, usize>) {
        let (mut trees, mut commits) = (BTreeMap::<&str, Vec<usize>>::new(), BTreeMap::new());
        for (place, position) in self.positions.iter().enumerate() {
            trees.entry(position.tree.as_str()).or_default().push(place);
            commits.insert(position.commit.as_str(), place);
        }
        (trees, commits)
    }
}

impl Repository {
    /// The repository around a directory; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`HistoryError::NoGit`] where git cannot be run.
    pub fn around(directory: &Path) -> Result<Option<Self>, HistoryError> {
        let mut repository = Self { directory: directory.to_owned(), shallow: false };
        let output = repository.run(&["rev-parse", "--is-shallow-repository"])?;
        repository.shallow = text(&output.stdout) == "true";
        Ok(output.status.success().then_some(repository))
    }

    /// The same, where there must be one.
    ///
    /// # Errors
    ///
    /// [`HistoryError::NoRepository`], and those of [`Repository::around`].
    pub fn needed(directory: &Path) -> Result<Self, HistoryError> {
        let found = Self::around(directory)?;
        found.ok_or_else(|| HistoryError::NoRepository { directory: directory.to_owned() })
    }

    /// The first commit, by which clones of a repository know each other; `None` in a shallow clone.
    pub fn root(&self) -> Option<String> {
        Source::read(&self.directory).root_commit
    }

    /// The commit that a branch, tag or hash names.
    ///
    /// # Errors
    ///
    /// [`HistoryError::UnknownReference`], also of a range, which names several.
    pub fn named(&self, reference: &str) -> Result<NamedCommit, HistoryError> {
        let commit = self.commit_of(reference)?;
        let tree = self.ask(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")])?;
        Ok(NamedCommit { commit, tree })
    }

    fn commit_of(&self, reference: &str) -> Result<String, HistoryError> {
        // It would be read as an option, or as what not to show.
        if !reference.is_empty() && !reference.starts_with(['-', '^']) {
            let name = format!("{reference}^{{commit}}");
            let output = self.run(&["rev-parse", "--verify", "--quiet", &name])?;
            if output.status.success() {
                return Ok(text(&output.stdout));
            }
        }
        let remedy = if self.shallow {
            ": this clone is shallow, get the whole history (`fetch-depth: 0` for actions/checkout, \
             else `git fetch --unshallow`)"
        } else {
            ""
        };
        let (reference, remedy) = (reference.to_owned(), remedy.to_owned());
        Err(HistoryError::UnknownReference { reference, remedy })
    }

    /// The commits from the first to this one, each the first parent of the next.
    ///
    /// # Errors
    ///
    /// [`HistoryError::UnknownReference`], or [`HistoryError::Git`].
    pub fn line(&self, reference: &str) -> Result<Line, HistoryError> {
        // `log` would take a range, and of `HEAD..HEAD` say that there is no commit.
        let end = self.commit_of(reference)?;
        let output = self.run(&[
            "log",
            "--first-parent",
            "--no-show-signature",
            "--no-notes",
            "--no-color",
            "--no-mailmap",
            "-z",
            "--encoding=UTF-8",
            "--format=%H %T %ct %s",
            &end,
            "--",
        ])?;
        let listed = succeeded("log", output)?;
        let listed = String::from_utf8_lossy(&listed);
        let mut positions: Vec<Position> = listed.split('\0').filter_map(position).collect();
        positions.reverse();
        Ok(Line { positions, shallow: self.shallow })
    }

    /// The place on the line from which a ref is part of it: its own, or that of the best common ancestor.
    ///
    /// # Errors
    ///
    /// [`HistoryError::UnknownReference`], also where the line does not come by that ref.
    pub fn place_on(&self, line: &Line, reference: &str) -> Result<usize, HistoryError> {
        let commit = self.named(reference)?.commit;
        if let Some(place) = line.place(&commit) {
            return Ok(place);
        }
        let end = line.positions.last().map(|it| it.commit.as_str()).unwrap_or_default();
        let output = self.run(&["merge-base", &commit, end])?;
        let place = output.status.success().then(|| line.place(&text(&output.stdout))).flatten();
        place.ok_or_else(|| HistoryError::UnknownReference {
            reference: reference.to_owned(),
            remedy: " on this line of commits".to_owned(),
        })
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String, HistoryError> {
        succeeded(arguments[0], self.run(arguments)?).map(|it| text(&it))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Output, HistoryError> {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::null()).output().map_err(HistoryError::NoGit)
    }

    /// Git in this repository: no hook, no program of its configuration, and history as it was committed.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("git");
        for name in REPOSITORY_VARIABLES {
            command.env_remove(name);
        }
        command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_REPLACE_OBJECTS", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
        command.args(["-c", "gc.auto=0", "-c", "log.showSignature=false"]);
        command.arg("-C").arg(&self.directory);
        command
    }
}

fn position(listed: &str) -> Option<Position> {
    let mut parts = listed.splitn(4, ' ');
    let (commit, tree) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let committed_s = parts.next()?.parse().ok()?;
    let subject = parts.next().unwrap_or_default().chars().take(SUBJECT_MAX).collect();
    Some(Position { commit, tree, committed_s, subject })
}

/// What a command printed.
pub(crate) fn succeeded(command: &str, output: Output) -> Result<Vec<u8>, HistoryError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join("; ");
    let message = if last.is_empty() { output.status.to_string() } else { last };
    Err(HistoryError::Git { command: command.to_owned(), message: without_passwords(&message) })
}

pub(crate) fn text(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).trim_end().to_owned()
}

/// A message without what stands between `://` and `@`: git names the address of a remote.
pub(crate) fn without_passwords(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "'\"`/".contains(c));
        let host = &after[..end.unwrap_or(after.len())];
        rest = match host.rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_remotes_are_left_out() {
        let said = "fatal: 'https://me:s3c@ret@host/x.git' and https://a@b c://d";
        assert_eq!(without_passwords(said), "fatal: 'https://host/x.git' and https://b c://d");
    }

    #[test]
    fn a_listed_commit_has_its_parts_and_its_subject_any_text() {
        let found = position("c t 12 one  two").unwrap();
        assert_eq!((found.commit.as_str(), found.tree.as_str()), ("c", "t"));
        assert_eq!((found.committed_s, found.subject.as_str()), (12, "one  two"));
        assert_eq!(position("c t 12 ").unwrap().subject, "");
        assert_eq!(position(""), None);
    }
}
