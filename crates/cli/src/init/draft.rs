//! Files that are to be written: all of them or none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::anyhow;

use super::super::{
    exit::Failure,
    terminal::{self, print},
};
use perf_passport::files;

/// A file of a draft.
#[derive(Debug)]
struct DraftFile {
    path: PathBuf,
    text: String,
    /// The text that was there, which the new one begins with; `None` of a file that is made.
    before: Option<String>,
    /// What it is, for the user.
    words: String,
}

/// Files that are to be written, and what the user is told.
#[derive(Debug, Default)]
pub(super) struct Draft {
    files: Vec<DraftFile>,
    notes: Vec<String>,
    next: Vec<String>,
}

impl Draft {
    /// Adds a file that must not be there.
    pub(super) fn make(
        &mut self,
        path: impl Into<PathBuf>,
        text: String,
        words: impl Into<String>,
    ) {
        self.files.push(DraftFile { path: path.into(), text, before: None, words: words.into() });
    }

    /// Adds lines to the end of a file that is there.
    pub(super) fn extend(
        &mut self,
        path: impl Into<PathBuf>,
        before: String,
        lines: &str,
        words: impl Into<String>,
    ) {
        let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        let text = format!("{before}{gap}{lines}");
        let (path, words) = (path.into(), words.into());
        self.files.push(DraftFile { path, text, before: Some(before), words });
    }

    /// Adds a sentence on what was not found, or is left to the user.
    pub(super) fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// Adds a command that comes next.
    pub(super) fn next(&mut self, command: impl Into<String>) {
        self.next.push(command.into());
    }

    /// Writes all of it and says so. Nothing is written where one of the files is there already, or one
    /// cannot be written.
    pub(super) fn write(self) -> Result<(), Failure> {
        let made = || self.files.iter().filter(|it| it.before.is_none());
        if let Some(there) = made().find(|it| fs::symlink_metadata(&it.path).is_ok()) {
            return Err(Failure::usage(anyhow!(
                "`{}` is there already, and nothing is replaced: move it away, or go on with it by hand",
                there.path.display()
            )));
        }
        let mut written: Vec<&DraftFile> = Vec::new();
        for file in &self.files {
            if let Err(error) = files::write(&file.path, file.text.as_bytes()) {
                for it in written {
                    take_back(it);
                }
                return Err(unwritable(&file.path, &error));
            }
            written.push(file);
        }
        let mut said = String::new();
        for file in &self.files {
            let verb = if file.before.is_some() { "added to" } else { "wrote" };
            said += &format!("{verb} {}: {}\n", terminal::path(&file.path), file.words);
        }
        said.extend(self.notes.iter().map(|it| format!("note: {it}\n")));
        said.extend(self.next.iter().map(|it| format!("next: {it}\n")));
        Ok(print(&said)?)
    }
}

/// Makes a file again what it was. That it cannot be is nothing that could be mended here.
fn take_back(file: &DraftFile) {
    let _ = match &file.before {
        Some(before) => files::write(&file.path, before.as_bytes()),
        None => fs::remove_file(&file.path),
    };
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(anyhow!("cannot write `{}`: {error}; nothing is written", path.display()))
}
