//! Where a history is: store, index and line of commits.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    exit::{Code, Failure},
    terminal,
};
use perf_passport_history::{
    History,
    git::Repository,
    history::{Followed, Opening},
    index::IndexLocation,
    store::{BranchStore, Store},
};

/// Where a history is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The directory that keeps passports and records
    #[arg(long, value_name = "DIR", default_value = "history")]
    directory: PathBuf,
    /// Keep them on this branch, which shares no commit with the others, instead of in a directory
    #[arg(long, value_name = "BRANCH", conflicts_with = "directory")]
    branch_ref: Option<String>,
    /// Pull that branch from this remote, and push what is added
    #[arg(long, value_name = "NAME", requires = "branch_ref")]
    remote: Option<String>,
    /// The index: a file of SQLite, or `postgres://USER@HOST/DATABASE`; `index.sqlite` beside the passports
    /// when left out
    #[arg(long, value_name = "FILE|URL")]
    index: Option<String>,
    /// The end of the line of commits: a branch, tag or commit
    #[arg(long, value_name = "REF", default_value = "HEAD")]
    branch: String,
}

/// What keeps passports and records.
pub(super) struct Keeper {
    /// The files.
    pub(super) store: Store,
    /// The branch that they are published on.
    pub(super) branch: Option<BranchStore>,
}

impl Keeper {
    /// Publishes what is new, where that is asked for.
    pub(super) fn publish(&self, message: &str) -> Result<(), Failure> {
        if let Some(branch) = &self.branch {
            branch.push(message)?;
        }
        Ok(())
    }
}

impl Place {
    /// The directory, or that of the branch with all that the branch has.
    pub(super) fn keeper(&self) -> Result<Keeper, Failure> {
        let Some(branch) = &self.branch_ref else {
            return Ok(Keeper { store: Store::at(&self.directory), branch: None });
        };
        let found = Repository::needed(repository())?;
        let branch = BranchStore::new(found, branch, self.remote.as_deref())?;
        if branch.pull()?.rewritten {
            terminal::note(
                "the history branch was written anew: what was on it before is still here, and is added \
                 again with what is added next",
            );
        }
        Ok(Keeper { store: branch.store.clone(), branch: Some(branch) })
    }

    pub(super) fn index(&self, store: &Store) -> Result<IndexLocation, Failure> {
        Ok(match &self.index {
            Some(address) => address.parse()?,
            None => IndexLocation::Own(store.index()),
        })
    }

    /// Opens the history; what is not sound in the store is told.
    pub(crate) fn open(&self, rebuild: bool) -> Result<(History, Followed), Failure> {
        let Keeper { store, .. } = self.keeper()?;
        self.open_kept(store, rebuild)
    }

    pub(super) fn open_kept(
        &self,
        store: Store,
        rebuild: bool,
    ) -> Result<(History, Followed), Failure> {
        let index = self.index(&store)?;
        let (repository, branch) = (PathBuf::from("."), self.branch.clone());
        let opening = Opening { store, index, repository, branch, rebuild };
        let (history, followed) = History::open(&opening)?;
        tell(&followed);
        if history.line().shallow {
            terminal::note(
                "this clone is shallow: what was measured of older commits is on no series; get the whole \
                 history (`fetch-depth: 0` for actions/checkout, else `git fetch --unshallow`)",
            );
        }
        Ok((history, followed))
    }
}

/// Where the repository is.
pub(super) fn repository() -> &'static Path {
    Path::new(".")
}

/// Tells what following the store came to, besides numbers.
pub(super) fn tell(followed: &Followed) {
    if followed.made_again {
        terminal::note("the index was of another version or no database, and is made again");
    }
}

/// Tells what is not sound in the store; the worst exit code of it.
pub(crate) fn tell_unsound(followed: Followed) -> Option<Code> {
    let mut worst = None;
    for (_, error) in followed.unsound {
        let failure = Failure::from(error);
        terminal::error(&failure);
        worst = match worst {
            Some(Code::Failed) => worst,
            _ => Some(failure.code),
        };
    }
    worst
}
