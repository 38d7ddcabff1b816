//! Passports on disk by their hash, and records of what people decided: append-only files.
//!
//! [`Store`] is a directory. A file's name is the hash of what is in it, so that joining two stores is a
//! union of files, and keeping one twice is keeping it once. Each file is written whole or not at all.

mod branch;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use perf_passport::{files, passport::Passport, store as passports, units::Bytes};

pub use branch::{BranchStore, Pulled};

use crate::{
    error::HistoryError,
    record::{self, Record},
};

const PASSPORTS: &str = "passports";
const RECORDS: &str = "records";

/// The largest record that is read.
const RECORD_MAX: Bytes = Bytes::new(64 * 1024);

/// What git ignores in a store that is committed: what is derived.
const IGNORED: &str = "index.sqlite*\n";

/// A directory that keeps passports and records.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// Whether a file is new to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is.
    New,
    /// It was there already.
    Already,
}

impl Store {
    /// The store in a directory, which need not be there.
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the index is, unless another place is named.
    pub fn index(&self) -> PathBuf {
        self.directory.join("index.sqlite")
    }

    /// Refuses a directory that holds no history.
    ///
    /// # Errors
    ///
    /// [`HistoryError::NoStore`].
    pub fn must_exist(&self) -> Result<(), HistoryError> {
        if self.directory.join(PASSPORTS).is_dir() {
            return Ok(());
        }
        Err(HistoryError::NoStore { directory: self.directory.clone() })
    }

    /// The path, below the directory, of the passport with this hash.
    pub fn passport_name(hash: &str) -> String {
        let group = hash.get(..2).unwrap_or("00");
        format!("{PASSPORTS}/{group}/{hash}.json")
    }

    /// The file of the passport with this hash.
    pub fn passport_path(&self, hash: &str) -> PathBuf {
        self.directory.join(Self::passport_name(hash))
    }

    /// Keeps a passport that was verified.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Write`]; nothing of it is then kept.
    pub fn keep(&self, passport: &Passport) -> Result<Kept, HistoryError> {
        let bytes = passport.to_bytes().map_err(perf_passport::store::StoreError::from)?;
        self.write_new(&self.passport_path(&passport.evidence_hash), &bytes)
    }

    /// Keeps a record.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Write`].
    pub fn keep_record(&self, record: &Record) -> Result<Kept, HistoryError> {
        let (hash, bytes) = record.to_bytes();
        self.write_new(&self.directory.join(RECORDS).join(format!("{hash}.json")), &bytes)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<Kept, HistoryError> {
        let is_there = fs::metadata(path).is_ok_and(|it| it.len() == bytes.len() as u64);
        // A damaged file of the same length is replaced; that is rare, and cheap to be sure of.
        if is_there && fs::read(path).is_ok_and(|it| it == bytes) {
            return Ok(Kept::Already);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HistoryError::Write { path, source }
        };
        let ignore = self.directory.join(".gitignore");
        if !ignore.exists() {
            files::write(&ignore, IGNORED.as_bytes()).map_err(failed(&ignore))?;
        }
        files::write(path, bytes).map_err(failed(path))?;
        Ok(Kept::New)
    }

    /// Reads the passport with this hash, and verifies it.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Passport`], also where it is another passport than its name says.
    pub fn read(&self, hash: &str) -> Result<Passport, HistoryError> {
        let path = self.passport_path(hash);
        let passport = passports::read(&path)?;
        if passport.evidence_hash != hash {
            let name = path.display().to_string();
            let why = "its name is not the hash of what is in it".to_owned();
            return Err(HistoryError::NotKept { name, why });
        }
        Ok(passport)
    }

    /// The hashes of all passports; none where there is no store.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Read`].
    pub fn hashes(&self) -> Result<BTreeSet<String>, HistoryError> {
        let mut hashes = BTreeSet::new();
        for group in names_in(&self.directory.join(PASSPORTS))? {
            let directory = self.directory.join(PASSPORTS).join(&group);
            if group.len() != 2 || !directory.is_dir() {
                continue;
            }
            let of_group = |hash: &String| hash.starts_with(&group);
            hashes
                .extend(names_in(&directory)?.iter().filter_map(|it| hash_of(it)).filter(of_group));
        }
        Ok(hashes)
    }

    /// Every record, by its hash.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Record`] where one is not what was written.
    pub fn records(&self) -> Result<Vec<Record>, HistoryError> {
        let directory = self.directory.join(RECORDS);
        let mut records = Vec::new();
        for hash in names_in(&directory)?.iter().filter_map(|it| hash_of(it)) {
            let path = directory.join(format!("{hash}.json"));
            let bytes = files::read(&path, RECORD_MAX);
            let bytes =
                bytes.map_err(|source| HistoryError::Read { path: path.clone(), source })?;
            records.push(
                record::parse(&bytes, &hash).map_err(|why| HistoryError::Record { path, why })?,
            );
        }
        Ok(records)
    }

    /// Removes the passport with this hash.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Write`].
    pub fn remove(&self, hash: &str) -> Result<(), HistoryError> {
        self.remove_file(&Self::passport_name(hash))
    }

    fn remove_file(&self, name: &str) -> Result<(), HistoryError> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(HistoryError::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// The bytes of all passports, and of all records.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Read`].
    pub fn size(&self) -> Result<Bytes, HistoryError> {
        let files = self.hashes()?.into_iter().map(|it| self.passport_path(&it));
        let sizes = files.filter_map(|it| fs::metadata(it).ok()).map(|it| it.len());
        Ok(Bytes::new(sizes.sum()))
    }
}

/// The hash that a file is named after.
fn hash_of(name: &str) -> Option<String> {
    let hash = name.strip_suffix(".json")?;
    let plain = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| hash.to_owned())
}

/// The names in a directory, in order; none where there is no directory.
fn names_in(directory: &Path) -> Result<BTreeSet<String>, HistoryError> {
    let failed = |source| HistoryError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}
