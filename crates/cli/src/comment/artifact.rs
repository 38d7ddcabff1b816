//! The artifact of a run: a passport, and perhaps why checks got worse. A stranger may have written both.
//!
//! Sizes and names are bounded before anything is read. The passport is verified. Causes are no evidence:
//! only functions and places are taken of them, as text.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use serde::Deserialize;

use super::super::exit::{Code, Failure};
use perf_passport::{
    files,
    passport::{Passport, verify},
    report::SourcePlace,
    text::printable,
    units::{BYTES_PER_MB, Bytes},
};

/// What the passport of an artifact is called.
const PASSPORT: &str = "passport.json";
/// What its causes are called.
const CAUSES: &str = "causes.json";
const PASSPORT_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);
const CAUSES_MAX: Bytes = Bytes::new(4 * BYTES_PER_MB);

/// What a run left.
pub(super) struct Artifact {
    pub(super) passport: Passport,
    pub(super) places: Vec<SourcePlace>,
}

/// Reads an artifact: a directory with `passport.json` and perhaps `causes.json`, or a passport alone.
pub(super) fn read(path: &Path) -> Result<Artifact, Failure> {
    let (passport, causes) =
        if is_directory(path)? { names(path)? } else { (path.to_owned(), None) };
    let bytes = bounded(&passport, PASSPORT_MAX)?;
    let passport = verify(&bytes).map_err(|error| {
        let code = if error.is_edited() { Code::Failed } else { Code::Usage };
        Failure::new(code, anyhow!("the artifact's passport is refused: {error}"))
    })?;
    let places = match causes {
        Some(path) => places(&bounded(&path, CAUSES_MAX)?, &passport)?,
        None => Vec::new(),
    };
    Ok(Artifact { passport, places })
}

fn is_directory(path: &Path) -> Result<bool, Failure> {
    let found = fs::symlink_metadata(path)
        .map_err(|error| Failure::usage(anyhow!("cannot read `{}`: {error}", path.display())))?;
    Ok(found.is_dir())
}

/// The two files of a directory; anything else in it is refused.
fn names(directory: &Path) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let failed = |error| Failure::usage(anyhow!("cannot read `{}`: {error}", directory.display()));
    let mut has_causes = false;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let is_file = entry.file_type().is_ok_and(|it| it.is_file());
        if !is_file || (name != PASSPORT && name != CAUSES) {
            let name = printable(name.as_encoded_bytes(), 80);
            return Err(Failure::usage(anyhow!(
                "the artifact holds `{name}`: it may hold the files {PASSPORT} and {CAUSES} alone"
            )));
        }
        has_causes |= name == CAUSES;
    }
    Ok((directory.join(PASSPORT), has_causes.then(|| directory.join(CAUSES))))
}

fn bounded(path: &Path, limit: Bytes) -> Result<Vec<u8>, Failure> {
    files::read(path, limit).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::FileTooLarge => format!("{error}, and nothing of it is read"),
            io::ErrorKind::NotFound => "it is missing".to_owned(),
            _ => error.to_string(),
        };
        let name = path.file_name().map(|it| printable(it.as_encoded_bytes(), 80));
        Failure::usage(anyhow!("the artifact's `{}` is refused: {why}", name.unwrap_or_default()))
    })
}

/// What is read of causes; everything else is passed over.
#[derive(Deserialize)]
struct CausesFile {
    run_id: String,
    checks: Vec<CausesOfCheck>,
}

#[derive(Deserialize)]
struct CausesOfCheck {
    check: String,
    allocations: FoundPart<Sites>,
    instructions: Option<FoundPart<Functions>>,
}

/// A part is found, or unknown.
#[derive(Deserialize)]
struct FoundPart<T> {
    found: Option<T>,
}

#[derive(Deserialize)]
struct Sites {
    sites: Vec<Site>,
}

#[derive(Deserialize)]
struct Site {
    at: SiteFile,
    allocations_before: u64,
    allocations_after: u64,
}

#[derive(Deserialize)]
struct SiteFile {
    function: String,
    file: Option<String>,
    line: Option<u32>,
}

#[derive(Deserialize)]
struct Functions {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    function: String,
}

/// One place for each check: what allocates more, or else what executes more.
fn places(bytes: &[u8], passport: &Passport) -> Result<Vec<SourcePlace>, Failure> {
    let refused =
        |why: String| Failure::usage(anyhow!("the artifact's `{CAUSES}` is refused: {why}"));
    let causes: CausesFile = serde_json::from_slice(bytes)
        .map_err(|error| refused(format!("it is of another shape, at line {}", error.line())))?;
    if causes.run_id != passport.run_id {
        return Err(refused("it is of another run than the passport".to_owned()));
    }
    let place = |it: CausesOfCheck| {
        let sites = it.allocations.found.map(|it| it.sites).unwrap_or_default();
        let mut worse = sites.into_iter().filter(|it| it.allocations_after > it.allocations_before);
        let site = worse.find(|it| it.at.file.is_some()).map(|it| it.at);
        let function = it.instructions.and_then(|it| it.found?.functions.into_iter().next());
        let function =
            function.map(|it| SiteFile { function: it.function, file: None, line: None });
        let SiteFile { function, file, line } = site.or(function)?;
        Some(SourcePlace::of(&it.check, function, file, line))
    };
    Ok(causes.checks.into_iter().filter_map(place).collect())
}
