//! What pages are made of, gathered: of a history, or of passports that are in none.

use std::collections::{BTreeMap, BTreeSet};

use perf_passport::passport::Passport;

use crate::{
    curve::Curve,
    error::HistoryError,
    events::{Event, exact_events},
    git::{Line, Position},
    history::History,
    index::{Entry, Index, IndexLocation, IndexedPassport, Place, PointRow, Standing},
    site::{SiteContent, SitePicture},
    suspicions::suspicions,
    timeline::{Series, Timeline},
};

/// Series, events, and all that is shown beside them.
#[derive(Debug)]
pub struct Gathered {
    timeline: Timeline,
    by_time: bool,
    series: Vec<Series>,
    events: Vec<Event>,
    words: BTreeMap<i64, String>,
    newest: Vec<Passport>,
}

impl Gathered {
    /// Of a history.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] of its index or store.
    pub fn of(history: &mut History) -> Result<Self, HistoryError> {
        let series = history.series()?;
        let events = history.events(&series);
        let timeline = history.timeline.clone();
        let mut newest = Vec::new();
        for contract in timeline.contracts() {
            if let Some(passport) = timeline.newest(contract) {
                newest.push(history.store.read(&passport.hash)?);
            }
        }
        let words = history.index.words(&words_of(&series))?;
        Ok(Self { timeline, by_time: false, series, events, words, newest })
    }

    /// Of passports that are in no history, in the order of their time.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Write`] where nothing can be written to the directory for temporary files.
    pub fn of_passports(mut passports: Vec<Passport>) -> Result<Self, HistoryError> {
        passports.sort_by(|a, b| (&a.timestamp, &a.run_id).cmp(&(&b.timestamp, &b.run_id)));
        passports.dedup_by(|a, b| a.evidence_hash == b.evidence_hash);
        let path = std::env::temp_dir();
        let failed = |source| HistoryError::Write { path: path.clone(), source };
        let directory = tempfile::tempdir().map_err(failed)?;
        let mut index = Index::open(&IndexLocation::File(directory.path().join("index.sqlite")))?;
        let entry = |passport: &Passport| {
            // Each is a place of its own.
            let tree = Some(passport.evidence_hash.clone());
            Entry {
                place: Place { standing: Standing::Placed, commit: None, tree },
                ..Entry::of(passport)
            }
        };
        index.add(&passports.iter().map(entry).collect::<Vec<_>>())?;
        let line = Line { positions: passports.iter().map(position).collect(), shallow: false };
        let timeline = Timeline::new(line, index.passports()?, &[]);
        let mut points: Vec<PointRow> = Vec::new();
        index.points(None, |point| points.push(point))?;
        let series = timeline.series(&index.series()?, &points);
        let settings = timeline.settings();
        let of = |it: &Series| {
            if it.key.kind.is_exact() {
                return exact_events(it, &timeline.line);
            }
            let commits = settings.get(&it.key.contract).cloned().unwrap_or_default();
            suspicions(it, &timeline.line, commits.commits_per_false_nomination())
        };
        let mut events: Vec<Event> = series.iter().flat_map(of).collect();
        events.sort_by(|a, b| (a.to, a.certainty, &a.key).cmp(&(b.to, b.certainty, &b.key)));
        let words = index.words(&words_of(&series))?;
        let is_newest = |it: &Passport| {
            let name = it.contract.as_ref().map_or("imported", |it| it.document.name.as_str());
            timeline.newest(name).is_some_and(|newest| newest.hash == it.evidence_hash)
        };
        passports.retain(is_newest);
        Ok(Self { timeline, by_time: true, series, events, words, newest: passports })
    }

    /// What the pages show. Where there is evidence beside them, that is the passports on the line, and these
    /// flame graphs.
    pub fn content(&self, evidence: Option<Vec<SitePicture>>) -> SiteContent<'_> {
        SiteContent {
            line: &self.timeline.line,
            by_time: self.by_time,
            curves: self.series.iter().map(|it| Curve::of(it, &self.events)).collect(),
            events: &self.events,
            words: &self.words,
            newest: &self.newest,
            evidence: evidence.as_ref().map(|_| self.evidence()).unwrap_or_default(),
            graphs: evidence.unwrap_or_default(),
        }
    }

    /// The passports on the line, with each of their places.
    pub fn evidence(&self) -> Vec<(usize, &IndexedPassport)> {
        let of =
            |it: &'_ IndexedPassport| self.timeline.placing(it.id).map(|at| at.of_tree.clone());
        let passports = self.timeline.passports.iter();
        passports
            .flat_map(|it| of(it).unwrap_or_default().into_iter().map(move |place| (place, it)))
            .collect()
    }

    /// The subjects of all series.
    pub fn subjects(&self) -> BTreeSet<&str> {
        self.series.iter().map(|it| it.key.subject.as_str()).collect()
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.newest.is_empty()
    }
}

/// The numbers of the words of series: of tracks, and of values that are words.
fn words_of(series: &[Series]) -> BTreeSet<i64> {
    let mut words = BTreeSet::new();
    for it in series {
        for point in &it.points {
            words.insert(point.track);
            if it.key.kind.is_word() {
                words.insert(point.low);
            }
        }
    }
    words
}

/// A passport as a place: its time, and the commit where it names one.
fn position(passport: &Passport) -> Position {
    let at = humantime::parse_rfc3339_weak(&passport.timestamp);
    let since = at.ok().and_then(|it| it.duration_since(std::time::UNIX_EPOCH).ok());
    let source = &passport.provenance.source;
    // What somebody said of a service counts more than where whoever asked it stood.
    let said = passport.provenance.said_commit.as_ref().map(|it| &it.commit);
    let commit = said.or(source.commit.as_ref()).cloned().unwrap_or_default();
    Position {
        commit,
        tree: passport.evidence_hash.clone(),
        committed_s: since.and_then(|it| i64::try_from(it.as_secs()).ok()).unwrap_or_default(),
        subject: format!("{}: {}", passport.provenance.target, passport.timestamp),
    }
}
