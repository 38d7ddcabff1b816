//! Why a history cannot be read, kept or shown.

use std::{error::Error, io, path::PathBuf};

use perf_passport::store::StoreError;
use thiserror::Error;

/// A history that cannot be read, kept or shown. No message holds a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Git is not there, or cannot be started.
    #[error("cannot run git, which the order of commits is asked of: {0}")]
    NoGit(io::Error),
    /// There is no repository.
    #[error("`{}` is in no git repository, and only commits put passports in an order", directory.display())]
    NoRepository {
        /// Where one was looked for.
        directory: PathBuf,
    },
    /// A command of git failed.
    #[error("`git {command}` failed: {message}")]
    Git {
        /// Its first word.
        command: String,
        /// What git said.
        message: String,
    },
    /// No commit has this name.
    #[error("no commit is called `{reference}`{remedy}")]
    UnknownReference {
        /// The name.
        reference: String,
        /// What to do, after a colon; empty where nobody knows.
        remedy: String,
    },
    /// The passport cannot be read, or is not sound.
    #[error(transparent)]
    Passport(#[from] StoreError),
    /// A file of the store cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`: {source}; what was there is unchanged", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no store.
    #[error("there is no history in `{}`: `passport history add FILE` begins one", directory.display())]
    NoStore {
        /// Where it would be.
        directory: PathBuf,
    },
    /// The passport cannot be part of this history.
    #[error("passport `{name}` is not kept: {why}")]
    NotKept {
        /// The file that was given.
        name: String,
        /// Why, in a clause.
        why: String,
    },
    /// A record of the store is not what was written.
    #[error("record `{}`: {why}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The branch that keeps the history cannot be used.
    #[error("branch `{branch}`: {why}")]
    Branch {
        /// Its name.
        branch: String,
        /// What is wrong.
        why: String,
    },
    /// Others pushed to the branch each time before this one could.
    #[error(
        "branch `{branch}`: others were faster {attempts} times, run it again: what is to be added is kept here: {said}"
    )]
    Overtaken {
        /// Its name.
        branch: String,
        /// How often it was tried.
        attempts: u64,
        /// What was said the last time.
        said: String,
    },
    /// Another process has the index.
    #[error(
        "the index `{name}` is locked by another process: wait for that, or name another with --index"
    )]
    IndexLocked {
        /// The file, or the kind of database.
        name: String,
    },
    /// The index cannot be used.
    #[error(
        "cannot use the index `{name}`: {source}; it can be made again with `passport history index --rebuild`"
    )]
    Index {
        /// The file, or the kind of database.
        name: String,
        /// What the database said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The index cannot be written.
    #[error(
        "cannot write the index `{name}`: {why}; what is kept stays as it is: name another place with --index"
    )]
    IndexNotWritten {
        /// The file.
        name: String,
        /// What the database said.
        why: String,
    },
    /// The server that has the index is away: it cannot be reached, ends, or does not answer.
    #[error("the index in `{name}` is away: {why}; run it again once that is back")]
    IndexAway {
        /// The kind of database.
        name: String,
        /// What is so.
        why: String,
    },
    /// What is to be the index is something else.
    #[error(
        "`{}` is no index of a history, and is left as it is: name another file with --index",
        path.display()
    )]
    ForeignIndex {
        /// The file.
        path: PathBuf,
    },
    /// The address of the index is not one.
    #[error(
        "the index is not at that address: give the path of a file, or `postgres://USER@HOST/DATABASE`"
    )]
    IndexAddress,
    /// There is no such event.
    #[error("there is no event `{0}`: `passport history log` lists them")]
    NoSuchEvent(String),
    /// Several events begin like this.
    #[error("several events begin with `{0}`: give more of the name")]
    AmbiguousEvent(String),
    /// There is nothing to show.
    #[error("{0}")]
    Nothing(String),
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The pages or a plot cannot be made.
    #[error("cannot draw: {0}")]
    Draw(String),
}

impl HistoryError {
    /// Whether nothing about what was asked is wrong, so that the same may work at another time.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Overtaken { .. }
                | Self::IndexLocked { .. }
                | Self::IndexAway { .. }
                | Self::Git { .. }
                | Self::NoGit(_)
        )
    }
}
