//! A history that is open: its store, its index, and the line of commits.
//!
//! [`History::open`] makes the index follow the store. Everything that is asked afterwards is a function
//! of index, records and line.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use perf_passport::{
    contract::{COMMITS_PER_FALSE_NOMINATION, HistoryDocument},
    store::StoreError,
    text::escaped,
};

use crate::{
    error::HistoryError,
    events::{Acceptances, Event, exact_events},
    git::{Line, Repository},
    index::{Entry, Index, IndexLocation, IndexedPassport, IndexedSeries, PointRow, Standing},
    record::{Acceptance, Record, SaidPlacement},
    store::Store,
    suspicions::suspicions,
    timeline::{Series, Timeline, name_now},
};

/// Passports that are read and indexed at a time.
const BATCH: usize = 64;

/// What a history is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The directory of the store.
    pub store: Store,
    /// Where the index is.
    pub index: IndexLocation,
    /// Where the repository is.
    pub repository: PathBuf,
    /// The end of the line of commits: a branch, tag or commit.
    pub branch: String,
    /// Whether the index is made again.
    pub rebuild: bool,
}

/// What following the store came to.
#[derive(Debug, Default)]
pub struct Followed {
    /// Passports that are new in the index.
    pub added: usize,
    /// Passports that the store no longer has.
    pub removed: usize,
    /// Passports of the store that are not sound: they are on no series.
    pub unsound: Vec<(String, HistoryError)>,
    /// Whether the index was emptied first, because another version or nobody made it.
    pub made_again: bool,
}

/// An open history.
#[derive(Debug)]
pub struct History {
    /// The passports and records.
    pub store: Store,
    /// What is asked of all at once.
    pub index: Index,
    /// The passports on the line of commits.
    pub timeline: Timeline,
    acceptances: Vec<Acceptance>,
}

impl History {
    /// Opens a history and makes its index follow the store.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] of store, index or git.
    pub fn open(opening: &Opening) -> Result<(Self, Followed), HistoryError> {
        let Opening { store, index, repository, branch, rebuild } = opening;
        store.must_exist()?;
        let line = Repository::needed(repository)?.line(branch)?;
        let mut index = if *rebuild { Index::open_empty(index)? } else { Index::open(index)? };
        let followed = follow(store, &mut index)?;
        let (acceptances, said) = records(store)?;
        let timeline = Timeline::new(line, index.passports()?, &said);
        Ok((Self { store: store.clone(), index, timeline, acceptances }, followed))
    }

    /// The commits.
    pub const fn line(&self) -> &Line {
        &self.timeline.line
    }

    /// Every series with a point on the line, by name.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn series(&mut self) -> Result<Vec<Series>, HistoryError> {
        self.series_of(|_| true)
    }

    /// The series of which the index has these.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn series_of(
        &mut self,
        wanted: impl Fn(&IndexedSeries) -> bool,
    ) -> Result<Vec<Series>, HistoryError> {
        let all = self.index.series()?;
        let count = all.len();
        let of: Vec<IndexedSeries> = all.into_iter().filter(wanted).collect();
        let ids: Vec<i64> = of.iter().map(|it| it.id).collect();
        let mut points: Vec<PointRow> = Vec::new();
        let which = (ids.len() < count).then_some(ids.as_slice());
        self.index.points(which, |point| points.push(point))?;
        Ok(self.timeline.series(&of, &points))
    }

    /// What a subject of a contract is called now.
    pub fn name_now(&self, contract: &str, subject: &str) -> String {
        let settings = self.timeline.settings();
        settings.get(contract).map_or_else(|| subject.to_owned(), |it| name_now(subject, it))
    }

    /// The events and suspicions of these series, by place, exact ones first.
    pub fn events(&self, series: &[Series]) -> Vec<Event> {
        let settings = self.timeline.settings();
        let commits = |contract: &str| {
            let of = settings.get(contract);
            of.map_or(COMMITS_PER_FALSE_NOMINATION, HistoryDocument::commits_per_false_nomination)
        };
        let line = self.line();
        let of = |it: &Series| {
            if it.key.kind.is_exact() {
                exact_events(it, line)
            } else {
                suspicions(it, line, commits(&it.key.contract))
            }
        };
        let mut events: Vec<Event> = series.iter().flat_map(of).collect();
        let name = |contract: &str, subject: &str| {
            settings.get(contract).map_or_else(|| subject.to_owned(), |it| name_now(subject, it))
        };
        Acceptances::new(&self.acceptances, name).apply(&mut events, line);
        events.sort_by(|a, b| {
            (a.to, a.certainty, &a.key, a.from).cmp(&(b.to, b.certainty, &b.key, b.from))
        });
        events
    }

    /// The words of these numbers.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn words(&mut self, events: &[Event]) -> Result<BTreeMap<i64, String>, HistoryError> {
        let of_words = events.iter().filter(|it| it.key.kind.is_word());
        let ids: BTreeSet<i64> = of_words.flat_map(|it| [it.before.0, it.after.0]).collect();
        self.index.words(&ids)
    }

    /// How many passports of commits that a shallow clone does not have may tell of a change after this place.
    ///
    /// They tell of none where each series has a figure at that place or before: what changed since is known.
    pub fn beyond_the_clone(&self, series: &[Series], since: Option<usize>) -> usize {
        let begins_before = |it: &Series| {
            let first = it.points.first().map(|it| it.place);
            since.is_some_and(|since| first.is_some_and(|first| first <= since))
        };
        if !self.line().shallow || (!series.is_empty() && series.iter().all(begins_before)) {
            return 0;
        }
        let elsewhere = |it: &&IndexedPassport| {
            it.place.standing == Standing::Placed && self.timeline.placing(it.id).is_none()
        };
        self.timeline.passports.iter().filter(elsewhere).count()
    }

    /// The passports that are on no series, and why, in a clause.
    pub fn off_the_line(&self) -> Vec<(&IndexedPassport, &'static str)> {
        let off = self.timeline.passports.iter();
        let off = off.filter(|it| self.timeline.placing(it.id).is_none());
        off.map(|it| (it, it.place.standing.why())).collect()
    }
}

/// The acceptances and placements of a store.
///
/// # Errors
///
/// [`HistoryError::Record`].
pub fn records(store: &Store) -> Result<(Vec<Acceptance>, Vec<SaidPlacement>), HistoryError> {
    let (mut acceptances, mut said) = (Vec::new(), Vec::new());
    for record in store.records()? {
        match record {
            Record::Acceptance(it) => acceptances.push(it),
            Record::Placement(it) => said.push(it),
        }
    }
    Ok((acceptances, said))
}

/// Makes an index say what a store says.
///
/// # Errors
///
/// [`HistoryError::Index`] or [`HistoryError::Read`]. A passport that is not sound is no error: it is told.
pub fn follow(store: &Store, index: &mut Index) -> Result<Followed, HistoryError> {
    let mut followed = Followed { made_again: index.made_again, ..Followed::default() };
    let (kept, indexed) = (store.hashes()?, index.hashes()?);
    let gone: Vec<&String> = indexed.difference(&kept).collect();
    followed.removed = gone.len();
    index.remove(gone)?;
    let new: Vec<&String> = kept.difference(&indexed).collect();
    for batch in new.chunks(BATCH) {
        let mut entries = Vec::with_capacity(batch.len());
        for hash in batch {
            match store.read(hash) {
                Ok(passport) => entries.push(Entry::of(&passport)),
                Err(error) => followed.unsound.push(((*hash).clone(), error)),
            }
        }
        followed.added += entries.len();
        index.add(&entries)?;
    }
    Ok(followed)
}

/// What a passport must have to be kept in the history of this repository.
///
/// # Errors
///
/// [`HistoryError::NotKept`] of another repository.
pub fn must_belong(
    passport: &perf_passport::passport::Passport,
    name: &str,
    root: Option<&str>,
) -> Result<(), HistoryError> {
    let theirs = passport.provenance.source.root_commit.as_deref();
    match (theirs, root) {
        (Some(theirs), Some(ours)) if theirs != ours => Err(HistoryError::NotKept {
            name: escaped(name),
            why: format!(
                "it is of another repository, whose first commit is {}, and not {}",
                escaped(&theirs.chars().take(12).collect::<String>()),
                ours.chars().take(12).collect::<String>()
            ),
        }),
        _ => Ok(()),
    }
}

/// Whether a passport was edited, as far as an error says.
pub fn is_edited(error: &HistoryError) -> bool {
    matches!(error, HistoryError::Passport(StoreError::Unsound { source, .. }) if source.is_edited())
}
