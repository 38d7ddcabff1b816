//! Why settings are not usable.

use std::{io, path::PathBuf};

/// Why settings are not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No database was named.
    #[error("no database is named: use `memory`, the path of a file, or postgres://...")]
    NoDatabase,
    /// An address of something else; not shown, as it may hold a password.
    #[error(
        "the database is an address that is not known: use `memory`, the path of a file, or postgres://..."
    )]
    UnknownAddress,
    /// A schema must be a plain lowercase SQL name.
    #[error("schema `{}` is not a name of a-z, 0-9 and _ that starts with a letter", .0.escape_default())]
    Schema(String),
    /// The file with the key cannot be read.
    #[error("cannot read the API key from `{}`", .path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is a place for a key, but no key in it.
    #[error("the API key in {place} is empty: write a key there, or do not ask for one")]
    EmptyKey {
        /// `the settings`, or the file or variable.
        place: String,
    },
    /// The key holds what a header cannot carry.
    #[error("the API key in {place} must be visible ASCII without spaces")]
    UnprintableKey {
        /// `the settings`, or the file or variable.
        place: String,
    },
}
