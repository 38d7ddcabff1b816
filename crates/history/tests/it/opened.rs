//! A history of a repository, in a directory of its own.

use std::path::Path;

use perf_passport_history::{
    History,
    events::Event,
    history::{Followed, Opening},
    index::IndexLocation,
    store::Store,
};
use perf_passport_test_support::{
    made::{Made, MadeSubject},
    repository::GitRepository,
};
use tempfile::TempDir;

/// A repository, and a store beside it.
pub(crate) struct Fixture {
    pub(crate) repository: GitRepository,
    pub(crate) directory: TempDir,
    runs: u64,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { repository: GitRepository::new(), directory, runs: 0 }
    }

    pub(crate) fn store(&self) -> Store {
        Store::at(self.directory.path())
    }

    /// A passport of what is checked out: a check and an operation of so many allocations, and a body.
    pub(crate) fn made(&mut self, allocations: u64, body: u64) -> Made {
        self.runs += 1;
        let subject =
            |name: &str, body| MadeSubject { name: name.to_owned(), allocations, ns: 50_000, body };
        let subjects = vec![subject("cart", Some(body)), subject("total", None)];
        Made::new(self.repository.source(), self.runs, subjects)
    }

    /// Keeps one.
    pub(crate) fn keep(&mut self, allocations: u64, body: u64) {
        let passport = self.made(allocations, body).passport();
        self.store().keep(&passport).unwrap();
    }

    pub(crate) fn opening(&self) -> Opening {
        Opening {
            store: self.store(),
            index: IndexLocation::Own(self.store().index()),
            repository: self.repository.path().to_owned(),
            branch: "main".to_owned(),
            rebuild: false,
        }
    }

    pub(crate) fn open(&self) -> (History, Followed) {
        History::open(&self.opening()).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        events(&mut self.open().0)
    }
}

pub(crate) fn events(history: &mut History) -> Vec<Event> {
    let series = history.series().unwrap();
    history.events(&series)
}

/// Commits a file with this text.
pub(crate) fn commit(repository: &GitRepository, file: &str, text: &str) {
    repository.write(file, text);
    repository.commit(&format!("{file}: {text}"));
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
