//! What an index holds of one passport.

use perf_passport::{
    contract::HistoryDocument,
    passport::{Passport, ProbeKind},
    text::printable,
};

use crate::{
    figures::{Figure, environment_of, figures_of},
    record::SaidPlacement,
};

/// Whether a passport is on the line of commits, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It names a tree or a commit.
    Placed,
    /// Tracked files differed from the commit.
    Dirty,
    /// A running service, of which nobody said the commit.
    NotSaid,
    /// It was measured outside of a repository, or imported.
    NoTree,
    /// Records say of it that it is of different commits.
    Disputed,
}

impl Standing {
    const ALL: [Self; 5] = [Self::Placed, Self::Dirty, Self::NotSaid, Self::NoTree, Self::Disputed];

    /// Its name in an index.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Dirty => "dirty",
            Self::NotSaid => "not-said",
            Self::NoTree => "no-tree",
            Self::Disputed => "disputed",
        }
    }

    /// The standing of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Why a passport is on no series, in a clause.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Placed => "its tree is on no commit of this line",
            Self::Dirty => "its working tree was dirty",
            Self::NotSaid => "it is of a running service: say its commit with --commit REF",
            Self::NoTree => "it names no tree of a repository",
            Self::Disputed => "records say that it is of different commits: remove the wrong one",
        }
    }
}

/// Where a passport says that it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whether it does.
    pub standing: Standing,
    /// The commit.
    pub commit: Option<String>,
    /// The tree.
    pub tree: Option<String>,
}

impl Place {
    /// What somebody said of a passport when it was kept.
    pub fn said(said: &SaidPlacement) -> Self {
        let (commit, tree) = (Some(said.commit.clone()), Some(said.tree.clone()));
        Self { standing: Standing::Placed, commit, tree }
    }

    /// That of a passport of which records say different commits: none of them is believed.
    pub const fn disputed() -> Self {
        Self { standing: Standing::Disputed, commit: None, tree: None }
    }

    /// What a passport says.
    pub fn of(passport: &Passport) -> Self {
        let placed = |commit: Option<&String>, tree: Option<&String>| Self {
            standing: Standing::Placed,
            commit: commit.cloned(),
            tree: tree.cloned(),
        };
        let provenance = &passport.provenance;
        if let Some(said) = &provenance.said_commit {
            return placed(Some(&said.commit), Some(&said.commit_tree));
        }
        let source = &provenance.source;
        let off = |standing| Self { standing, commit: source.commit.clone(), tree: None };
        if let Some(comparison) = &passport.comparison {
            // The current side, which need not be what is checked out.
            let Some(commit) = &comparison.current.commit else {
                let unknown = provenance.probe == ProbeKind::Http;
                return off(if unknown { Standing::NotSaid } else { Standing::Dirty });
            };
            let is_here = source.commit.as_ref() == Some(commit);
            return placed(Some(commit), source.commit_tree.as_ref().filter(|_| is_here));
        }
        match (provenance.probe, &source.commit_tree, source.dirty) {
            (ProbeKind::Http | ProbeKind::Production, ..) => off(Standing::NotSaid),
            (ProbeKind::Imported, ..) | (_, None, _) => off(Standing::NoTree),
            (_, Some(_), Some(false)) => {
                placed(source.commit.as_ref(), source.commit_tree.as_ref())
            }
            (_, Some(_), _) => off(Standing::Dirty),
        }
    }
}

/// What an index holds of one passport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The hash of the whole document.
    pub hash: String,
    /// The name of the contract; `imported` where there is none.
    pub contract: String,
    /// When measuring started.
    pub measured_at: String,
    /// The verdict on the contract as a whole.
    pub status: String,
    /// Where it belongs.
    pub place: Place,
    /// Machine and build.
    pub environment: String,
    /// The hash of what it was compared with.
    pub baseline: Option<String>,
    /// `[history]` of its contract.
    pub settings: Option<HistoryDocument>,
    /// Its figures.
    pub figures: Vec<Figure>,
}

impl Entry {
    /// What a verified passport gives.
    pub fn of(passport: &Passport) -> Self {
        let contract = passport.contract.as_ref().map(|it| &it.document);
        Self {
            hash: passport.evidence_hash.clone(),
            contract: contract.map_or_else(|| "imported".to_owned(), |it| it.name.clone()),
            measured_at: printable(passport.timestamp.as_bytes(), 40),
            status: passport.summary.overall_status.to_string(),
            place: Place::of(passport),
            environment: environment_of(passport),
            baseline: passport.baseline.as_ref().map(|it| it.evidence_hash.clone()),
            settings: contract.and_then(|it| it.history.clone()),
            figures: figures_of(passport),
        }
    }
}
