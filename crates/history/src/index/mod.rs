//! The index: what is asked of all passports at once. It is derived of the store, and may be deleted.
//!
//! [`Index`] is a file of SQLite, or a PostgreSQL server, with the same tables. [`follow`](crate::history::follow) makes it
//! say what the store says. Nothing in it is the only copy of anything.

mod cell;
mod entry;
mod holder;
mod migrations;
mod postgres;
mod sqlite;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    str::FromStr,
};

use perf_passport::contract::HistoryDocument;

pub use entry::{Entry, Place, Standing};

use self::{
    cell::{Cell, Table},
    words::Words,
};
use crate::{
    error::HistoryError,
    figures::{Kind, Value},
};

/// Where an index is.
#[derive(Clone, PartialEq, Eq)]
pub enum IndexLocation {
    /// A file of SQLite. It is refused where it is something else than an index.
    File(PathBuf),
    /// The file in the directory of a history. What else lies there is replaced.
    Own(PathBuf),
    /// A PostgreSQL server, by its address, which may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for IndexLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Own(path) => f.debug_tuple("Own").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

impl FromStr for IndexLocation {
    type Err = HistoryError;

    fn from_str(text: &str) -> Result<Self, HistoryError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        // What is meant as the address of a server must not become the name of a file, password and all.
        let is_address = |path: &str| {
            path.contains("://")
                || path.starts_with("postgres")
                || path.contains('@')
                || path.contains("password=")
        };
        match text.strip_prefix("sqlite://").unwrap_or(text) {
            path if path.is_empty() || is_address(path) => Err(HistoryError::IndexAddress),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

/// An open index.
pub struct Index {
    backend: Backend,
    /// Whether it was empty because another version's, or what was no database, was removed.
    pub made_again: bool,
    /// Once they are asked for; none after something was added.
    words: Option<Words>,
}

enum Backend {
    Sqlite(sqlite::SqliteIndex),
    Postgres(postgres::PostgresIndex),
}

/// A passport of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPassport {
    /// Its number in the index.
    pub id: i64,
    /// The hash of the whole document.
    pub hash: String,
    /// The name of its contract.
    pub contract: String,
    /// When measuring started, RFC 3339 in UTC.
    pub measured_at: String,
    /// The verdict on the contract as a whole.
    pub status: String,
    /// Where it belongs.
    pub place: Place,
    /// The number of the word for its machine and build.
    pub environment: i64,
    /// The hash of what it was compared with.
    pub baseline: Option<String>,
    /// `[history]` of its contract.
    pub settings: Option<HistoryDocument>,
}

/// A series of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedSeries {
    /// Its number in the index.
    pub id: i64,
    /// The name of the contract.
    pub contract: String,
    /// The subject, as it was called.
    pub subject: String,
    /// What is told of it.
    pub kind: Kind,
}

/// A point of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointRow {
    /// The number of its series.
    pub series: i64,
    /// The number of its passport.
    pub passport: i64,
    /// The number of the word for its track.
    pub track: i64,
    /// The least of a number, or the number of a word.
    pub low: i64,
    /// The most of a number, or the number of a word.
    pub high: i64,
}

const PASSPORTS: Table = Table {
    name: "passports",
    columns: &[
        ("id", false),
        ("hash", true),
        ("contract", true),
        ("measured_at", true),
        ("status", true),
        ("standing", true),
        ("commit_hash", true),
        ("tree_hash", true),
        ("environment", false),
        ("baseline", true),
        ("settings", true),
    ],
};
const WORDS: Table = Table { name: "words", columns: &[("id", false), ("word", true)] };
const SERIES: Table = Table {
    name: "series",
    columns: &[("id", false), ("contract", true), ("subject", true), ("kind", true)],
};
const POINTS: Table = Table {
    name: "points",
    columns: &[
        ("series", false),
        ("passport", false),
        ("track", false),
        ("low", false),
        ("high", false),
    ],
};

impl Index {
    /// Opens the index, and makes its tables. An index of another version, or a corrupt one, is emptied.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`], [`HistoryError::IndexLocked`] or [`HistoryError::IndexAddress`];
    /// [`HistoryError::ForeignIndex`] of a file that is something else, which is left as it is.
    pub fn open(location: &IndexLocation) -> Result<Self, HistoryError> {
        let of_sqlite = |(index, again)| Self::of(Backend::Sqlite(index), again);
        Ok(match location {
            IndexLocation::File(path) => of_sqlite(sqlite::SqliteIndex::open(path, false)?),
            IndexLocation::Own(path) => of_sqlite(sqlite::SqliteIndex::open(path, true)?),
            IndexLocation::Postgres(address) => {
                let (index, made_again) = postgres::PostgresIndex::open(address)?;
                Self::of(Backend::Postgres(index), made_again)
            }
        })
    }

    const fn of(backend: Backend, made_again: bool) -> Self {
        Self { backend, made_again, words: None }
    }

    /// Opens the index with nothing in it.
    ///
    /// # Errors
    ///
    /// Those of [`Index::open`].
    pub fn open_empty(location: &IndexLocation) -> Result<Self, HistoryError> {
        let (index, made_again) = match location {
            IndexLocation::File(path) => sqlite::SqliteIndex::again(path, false)?,
            IndexLocation::Own(path) => sqlite::SqliteIndex::again(path, true)?,
            IndexLocation::Postgres(_) => {
                let mut index = Self::open(location)?;
                if let Backend::Postgres(postgres) = &mut index.backend {
                    postgres.again()?;
                }
                return Ok(index);
            }
        };
        Ok(Self::of(Backend::Sqlite(index), made_again))
    }

    /// The hashes of its passports.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn hashes(&mut self) -> Result<BTreeSet<String>, HistoryError> {
        let rows = self.rows("SELECT hash FROM passports", &[], 1)?;
        Ok(rows.into_iter().filter_map(|mut it| it.remove(0).text()).collect())
    }

    /// Adds passports, in one transaction. One that is there already is left as it is.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`]; nothing is then added.
    pub fn add(&mut self, entries: &[Entry]) -> Result<(), HistoryError> {
        self.words = None;
        self.in_transaction(|index| index.add_rows(entries))
    }

    fn add_rows(&mut self, entries: &[Entry]) -> Result<(), HistoryError> {
        let there = self.hashes()?;
        let entries: Vec<&Entry> = entries.iter().filter(|it| !there.contains(&it.hash)).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let mut words = Numbers::new(self.known_words(&entries)?, self.last("words")?);
        let known = self.rows("SELECT id, contract, subject, kind FROM series", &[], 4)?;
        let known = known.into_iter().map(|row| (key_of(&row[1..]), row[0].integer())).collect();
        let mut series = Numbers::new(known, self.last("series")?);
        let mut passport = self.last("passports")?;
        let (mut passports, mut points) = (Vec::new(), Vec::new());
        for entry in entries {
            passport += 1;
            let environment = words.of(entry.environment.clone());
            passports.push(row_of(passport, environment, entry));
            for figure in &entry.figures {
                let kind = figure.kind.name();
                let key = [entry.contract.as_str(), &figure.subject, kind].map(Cell::from);
                let track = words.of(figure.track.clone());
                let (low, high) = match &figure.value {
                    Value::Number { low, high } => (*low, *high),
                    Value::Word(word) => {
                        let word = words.of(word.clone());
                        (word, word)
                    }
                };
                let row = [series.of(key_of(&key)), passport, track, low, high];
                points.push(row.map(Cell::Integer).to_vec());
            }
        }
        let new_words: Vec<Vec<Cell>> =
            words.new.into_iter().map(|(word, id)| vec![id.into(), Cell::Text(word)]).collect();
        let new_series: Vec<Vec<Cell>> = (series.new.into_iter())
            .map(|(key, id)| {
                let parts = key.split('\n').map(Cell::from);
                std::iter::once(id.into()).chain(parts).collect()
            })
            .collect();
        self.insert(&WORDS, &new_words)?;
        self.insert(&SERIES, &new_series)?;
        self.insert(&PASSPORTS, &passports)?;
        self.insert(&POINTS, &points)
    }

    /// The numbers of those words that the entries have.
    ///
    /// PERF: an index of ten years has many responses, and one passport a few: those are asked for.
    fn known_words(&mut self, entries: &[&Entry]) -> Result<BTreeMap<String, i64>, HistoryError> {
        let mut asked = BTreeSet::new();
        for entry in entries {
            asked.insert(entry.environment.as_str());
            for figure in &entry.figures {
                asked.insert(figure.track.as_str());
                if let Value::Word(word) = &figure.value {
                    asked.insert(word.as_str());
                }
            }
        }
        let mut known = BTreeMap::new();
        for word in asked {
            let rows = self.rows("SELECT id FROM words WHERE word = $1", &[word.into()], 1)?;
            if let Some(row) = rows.first() {
                known.insert(word.to_owned(), row[0].integer());
            }
        }
        Ok(known)
    }

    fn last(&mut self, table: &str) -> Result<i64, HistoryError> {
        let rows = self.rows(&format!("SELECT coalesce(max(id), 0) FROM {table}"), &[], 1)?;
        Ok(rows.first().map_or(0, |row| row[0].integer()))
    }

    /// Removes passports and their points, in one transaction.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`]; nothing is then removed.
    pub fn remove<'a>(
        &mut self,
        hashes: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), HistoryError> {
        let hashes: Vec<&String> = hashes.into_iter().collect();
        if hashes.is_empty() {
            return Ok(());
        }
        self.in_transaction(|index| {
            for hash in hashes {
                let points = "DELETE FROM points WHERE passport IN \
                              (SELECT id FROM passports WHERE hash = $1)";
                index.rows(points, &[hash.as_str().into()], 0)?;
                let passport = "DELETE FROM passports WHERE hash = $1";
                index.rows(passport, &[hash.as_str().into()], 0)?;
            }
            Ok(())
        })
    }

    /// Its passports, by their hash.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn passports(&mut self) -> Result<Vec<IndexedPassport>, HistoryError> {
        let sql = format!("SELECT {} FROM passports ORDER BY hash", PASSPORTS.names());
        let rows = self.rows(&sql, &[], PASSPORTS.columns.len())?;
        let words = self.all_words()?;
        let numbered = |mut it: IndexedPassport| {
            it.environment = words.number(it.environment);
            it
        };
        Ok(rows.into_iter().filter_map(passport_of).map(numbered).collect())
    }

    /// Its series.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn series(&mut self) -> Result<Vec<IndexedSeries>, HistoryError> {
        let sql = "SELECT id, contract, subject, kind FROM series ORDER BY contract, subject, kind";
        let of = |row: Vec<Cell>| {
            let [id, contract, subject, kind] = <[Cell; 4]>::try_from(row).ok()?;
            let kind = Kind::named(&kind.text()?)?;
            Some(IndexedSeries {
                id: id.integer(),
                contract: contract.text()?,
                subject: subject.text()?,
                kind,
            })
        };
        Ok(self.rows(sql, &[], 4)?.into_iter().filter_map(of).collect())
    }

    /// The words with these numbers. Numbers are in the order of texts, so that nothing which is told
    /// depends on the order in which passports came; they hold until something is added.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn words(
        &mut self,
        numbers: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, String>, HistoryError> {
        let words = self.all_words()?;
        let of = |number: &i64| Some((*number, words.text(*number)?.to_owned()));
        Ok(numbers.iter().filter_map(of).collect())
    }

    fn all_words(&mut self) -> Result<Words, HistoryError> {
        if let Some(words) = &self.words {
            return Ok(words.clone());
        }
        let of = |row: Vec<Cell>| {
            let [id, word] = <[Cell; 2]>::try_from(row).ok()?;
            Some((id.integer(), word.text()?))
        };
        let rows = self.rows("SELECT id, word FROM words", &[], 2)?;
        let words = Words::new(rows.into_iter().filter_map(of).collect());
        Ok(self.words.insert(words).clone())
    }

    /// Shows the points of these series, or of all. Words have the numbers of [`Index::words`].
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn points(
        &mut self,
        series: Option<&[i64]>,
        mut visit: impl FnMut(PointRow),
    ) -> Result<(), HistoryError> {
        let words = self.all_words()?;
        let of_words = self.series()?.into_iter().filter(|it| it.kind.is_word());
        let of_words: BTreeSet<i64> = of_words.map(|it| it.id).collect();
        let mut visit = |mut point: PointRow| {
            point.track = words.number(point.track);
            if of_words.contains(&point.series) {
                (point.low, point.high) = (words.number(point.low), words.number(point.high));
            }
            visit(point);
        };
        match &mut self.backend {
            Backend::Sqlite(it) => it.points(series, &mut visit),
            Backend::Postgres(it) => it.points(series, &mut visit),
        }
    }

    /// All that it says, as text without the numbers of rows: equal for equal stores.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Index`].
    pub fn dump(&mut self) -> Result<String, HistoryError> {
        let passports = self.passports()?;
        let series: BTreeMap<i64, IndexedSeries> =
            self.series()?.into_iter().map(|it| (it.id, it)).collect();
        let words = self.all_words()?;
        let word = |number: i64| words.text(number).unwrap_or_default();
        let mut out = String::new();
        for it in &passports {
            let IndexedPassport { hash, contract, measured_at, status, place, .. } = it;
            let (baseline, settings, environment) =
                (&it.baseline, &it.settings, word(it.environment));
            let _ = writeln!(
                out,
                "{hash} {contract} {measured_at} {status} {place:?} {environment:?} {baseline:?} {settings:?}"
            );
        }
        let hashes: BTreeMap<i64, &str> =
            passports.iter().map(|it| (it.id, it.hash.as_str())).collect();
        let mut lines = Vec::new();
        self.points(None, |point| {
            let Some(of) = series.get(&point.series) else { return };
            let (hash, track) =
                (hashes.get(&point.passport).copied().unwrap_or("?"), word(point.track));
            let value = if of.kind.is_word() {
                word(point.low).to_owned()
            } else {
                format!("{} {}", point.low, point.high)
            };
            let (contract, subject, kind) = (&of.contract, &of.subject, of.kind);
            lines.push(format!("{contract} {subject} {kind} {hash} {track:?} {value}\n"));
        })?;
        lines.sort();
        out.extend(lines);
        Ok(out)
    }

    fn in_transaction(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        match &mut self.backend {
            Backend::Sqlite(it) => it.begin()?,
            Backend::Postgres(it) => it.begin()?,
        }
        let done = work(self).and_then(|()| self.execute("COMMIT"));
        if done.is_err() {
            // The error of the work says more than one of taking it back.
            let _ = self.execute("ROLLBACK");
        }
        done
    }

    fn execute(&mut self, sql: &str) -> Result<(), HistoryError> {
        match &mut self.backend {
            Backend::Sqlite(it) => it.execute(sql),
            Backend::Postgres(it) => it.execute(sql),
        }
    }

    fn rows(
        &mut self,
        sql: &str,
        parameters: &[Cell],
        columns: usize,
    ) -> Result<Vec<Vec<Cell>>, HistoryError> {
        match &mut self.backend {
            Backend::Sqlite(it) => it.rows(sql, parameters, columns),
            Backend::Postgres(it) => it.rows(sql, parameters, columns),
        }
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), HistoryError> {
        match &mut self.backend {
            Backend::Sqlite(it) => it.insert(table, rows),
            Backend::Postgres(it) => it.insert(table, rows),
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("made_again", &self.made_again).finish_non_exhaustive()
    }
}

/// Numbers of texts: those that are known, and new ones.
struct Numbers {
    known: BTreeMap<String, i64>,
    new: Vec<(String, i64)>,
    last: i64,
}

impl Numbers {
    fn new(known: BTreeMap<String, i64>, last: i64) -> Self {
        Self { known, new: Vec::new(), last }
    }

    fn of(&mut self, text: String) -> i64 {
        if let Some(id) = self.known.get(&text) {
            return *id;
        }
        self.last += 1;
        self.new.push((text.clone(), self.last));
        self.known.insert(text, self.last);
        self.last
    }
}

/// Contract, subject and kind in one text: no name has a newline.
fn key_of(cells: &[Cell]) -> String {
    let parts = cells.iter().map(|it| it.clone().text().unwrap_or_default().replace('\n', " "));
    parts.collect::<Vec<_>>().join("\n")
}

fn row_of(id: i64, environment: i64, entry: &Entry) -> Vec<Cell> {
    let settings = entry.settings.as_ref().and_then(|it| serde_json::to_string(it).ok());
    vec![
        id.into(),
        entry.hash.as_str().into(),
        entry.contract.as_str().into(),
        entry.measured_at.as_str().into(),
        entry.status.as_str().into(),
        entry.place.standing.name().into(),
        entry.place.commit.as_ref().into(),
        entry.place.tree.as_ref().into(),
        environment.into(),
        entry.baseline.as_ref().into(),
        settings.unwrap_or_default().as_str().into(),
    ]
}

fn passport_of(row: Vec<Cell>) -> Option<IndexedPassport> {
    let row = <[Cell; 11]>::try_from(row).ok()?;
    let [
        id,
        hash,
        contract,
        measured_at,
        status,
        standing,
        commit,
        tree,
        environment,
        baseline,
        settings,
    ] = row;
    Some(IndexedPassport {
        id: id.integer(),
        hash: hash.text()?,
        contract: contract.text()?,
        measured_at: measured_at.text()?,
        status: status.text()?,
        place: Place {
            standing: Standing::named(&standing.text()?)?,
            commit: commit.text(),
            tree: tree.text(),
        },
        environment: environment.integer(),
        baseline: baseline.text(),
        settings: settings.text().and_then(|it| serde_json::from_str(&it).ok()),
    })
}
