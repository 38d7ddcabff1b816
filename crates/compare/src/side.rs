//! The builds of a comparison: executables that are workers ([`perf_passport::worker`]).

use std::{ffi::OsString, path::PathBuf};

/// One of the builds that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What people call it: `baseline`, or a ref.
    pub label: String,
    /// The executable.
    pub executable: PathBuf,
    /// The same code at other addresses. Each session takes one of them. Empty when nobody can link
    /// the code again: each session takes `executable` then.
    pub relinked: Vec<PathBuf>,
    /// Arguments before the worker's flag.
    pub arguments: Vec<OsString>,
    /// Variables that it gets beside those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// Where what its workers make may be kept for later comparisons of this build with itself, if anywhere.
    pub kept_cache: Option<PathBuf>,
    /// The directory that it is started in.
    pub directory: PathBuf,
    /// Its contract as written.
    pub contract: String,
    /// Where the files are that the contract names. In a comparison all sides are given those of the
    /// current one, so that all are sent the same.
    pub files: PathBuf,
}

impl Side {
    /// An executable as it is, started in this directory.
    pub fn of_executable(label: &str, executable: PathBuf, contract: String) -> Self {
        Self {
            label: label.to_owned(),
            executable,
            relinked: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            kept_cache: None,
            directory: PathBuf::from("."),
            contract,
            files: PathBuf::from("."),
        }
    }
}

/// What each side of a comparison has: a [`Side`], or something else that there is one of for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides<T = Side> {
    /// What the change started from.
    pub baseline: T,
    /// The change.
    pub current: T,
    /// What was accepted last, so that small steps do not add up unseen.
    pub anchor: Option<T>,
}

impl<T> Sides<T> {
    /// All of them: the baseline first, the anchor last.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.baseline, &self.current].into_iter().chain(&self.anchor)
    }

    /// What comes of each, by its role: `baseline`, `current` or `anchor`.
    pub(crate) fn try_map<U, E>(
        self,
        mut of: impl FnMut(&'static str, T) -> Result<U, E>,
    ) -> Result<Sides<U>, E> {
        Ok(Sides {
            baseline: of("baseline", self.baseline)?,
            current: of("current", self.current)?,
            anchor: self.anchor.map(|anchor| of("anchor", anchor)).transpose()?,
        })
    }

    /// What comes of each.
    pub(crate) fn map<U>(self, mut of: impl FnMut(T) -> U) -> Sides<U> {
        Sides {
            baseline: of(self.baseline),
            current: of(self.current),
            anchor: self.anchor.map(of),
        }
    }

    /// The same, borrowed.
    pub(crate) fn as_ref(&self) -> Sides<&T> {
        Sides { baseline: &self.baseline, current: &self.current, anchor: self.anchor.as_ref() }
    }
}
