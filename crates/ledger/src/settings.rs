//! What the ledger is told at start: where its database is, its limits, and its key.
//!
//! [`Settings`] has a default for everything: a database in memory and no key. The environment is
//! read in [`ApiKey::from_file_or_environment`] only, which a command line calls.

use std::{
    error::Error, fmt, fs, num::NonZeroUsize, path::Path, path::PathBuf, str::FromStr,
    time::Duration,
};

use super::auth::ApiKey;
pub use super::settings_error::SettingsError;
use perf_passport_meter::units::{BYTES_PER_MB, Bytes, Count};

/// The environment variable that holds the API key.
pub const API_KEY_VARIABLE: &str = "LEDGER_API_KEY";

/// How one ledger runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the rows are.
    pub database: DatabaseTarget,
    /// The key that requests must carry; none is asked for where there is none.
    pub api_key: Option<ApiKey>,
    /// Connections to the database at most.
    pub pool_size: NonZeroUsize,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// How long the database may take for one statement.
    pub statement_timeout: Duration,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// The largest body a request may announce.
    pub body_max: Bytes,
    /// Jobs that may wait at most; an event beyond is refused.
    pub queue_max: Count,
    /// Called with the cause of every 5xx answer, whose body does not tell it. Ignored by default.
    pub report: fn(&(dyn Error + 'static)),
}

impl Default for Settings {
    /// A database in memory, no key, 8 connections, 2 s for a connection or statement, 10 s for a
    /// request, 1 MiB for a body, 10,000 jobs.
    fn default() -> Self {
        Self {
            database: DatabaseTarget::Memory,
            api_key: None,
            pool_size: const { NonZeroUsize::new(8).expect("8 is not zero") },
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(10),
            body_max: Bytes::new(BYTES_PER_MB),
            queue_max: Count::new(10_000),
            report: |_| {},
        }
    }
}

/// Where the rows are. Parsed from `memory`, a `postgres://` address, or the path of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseTarget {
    /// SQLite in memory, gone with the process.
    Memory,
    /// SQLite in a file, created where it does not exist.
    File(PathBuf),
    /// A PostgreSQL server.
    Postgres(PostgresTarget),
}

/// A PostgreSQL database, and the schema inside it. Shown without its address, which may hold a
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresTarget {
    url: String,
    schema: Option<String>,
}

impl FromStr for DatabaseTarget {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(PostgresTarget { url: text.to_owned(), schema: None }));
        }
        match text.strip_prefix("sqlite://").unwrap_or(text) {
            "" => Err(SettingsError::NoDatabase),
            address if address.contains("://") => Err(SettingsError::UnknownAddress),
            "memory" | ":memory:" => Ok(Self::Memory),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

impl PostgresTarget {
    /// A server, by its `postgres://` address; tables are in the default schema.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), schema: None }
    }

    /// The same server with all tables in one schema, created where it does not exist.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Schema`] unless it is made of a-z, 0-9 and _ and starts with a letter.
    pub fn in_schema(self, schema: impl Into<String>) -> Result<Self, SettingsError> {
        let schema = schema.into();
        // It is written into SQL as it is.
        let plain = schema.starts_with(|c: char| c.is_ascii_lowercase())
            && schema.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if plain {
            Ok(Self { schema: Some(schema), ..self })
        } else {
            Err(SettingsError::Schema(schema))
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}

impl fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTarget").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// The key in `file` where one is given, else in `LEDGER_API_KEY` where that is set.
    ///
    /// White space around the key is no part of it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] where the file cannot be read, or the file or variable holds no key.
    pub fn from_file_or_environment(file: Option<&Path>) -> Result<Option<Self>, SettingsError> {
        if let Some(path) = file {
            let text = fs::read_to_string(path)
                .map_err(|source| SettingsError::KeyFile { path: path.to_owned(), source })?;
            return Self::parse(&text, &format!("`{}`", path.display())).map(Some);
        }
        match std::env::var_os(API_KEY_VARIABLE) {
            None => Ok(None),
            // What is not Unicode is refused below: a replacement character is not ASCII.
            Some(text) => Self::parse(&text.to_string_lossy(), API_KEY_VARIABLE).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_memory_a_file_or_a_server() {
        let parsed = |text: &str| text.parse::<DatabaseTarget>().unwrap();
        assert_eq!(parsed("memory"), DatabaseTarget::Memory);
        assert_eq!(parsed("sqlite:///a/b.db"), DatabaseTarget::File("/a/b.db".into()));
        assert_eq!(parsed("b.db"), DatabaseTarget::File("b.db".into()));
        let server = parsed("postgres://user:secret@host/db");
        assert!(matches!(server, DatabaseTarget::Postgres(_)));
        assert!(!format!("{server:?}").contains("secret"));
        assert!("".parse::<DatabaseTarget>().is_err());
        // A path has no such beginning, and an address may hold a password.
        for other in ["POSTGRES://u:secret@h/x", "mysql://u:secret@h/x", " postgres://u:secret@h/x"]
        {
            let said = other.parse::<DatabaseTarget>().unwrap_err().to_string();
            assert!(said.contains("not known") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        let target = || PostgresTarget::new("postgres://localhost");
        assert!(target().in_schema("ledger_normal_7").is_ok());
        for wrong in ["", "1a", "A", "a b", "a;drop", "a\"", "a-b"] {
            assert!(target().in_schema(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_comes_from_its_file_and_an_empty_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, " s3cret\n").unwrap();
        let key = ApiKey::from_file_or_environment(Some(&path)).unwrap().unwrap();
        assert!(key.matches(b"s3cret"));
        fs::write(&path, " \n").unwrap();
        let error = ApiKey::from_file_or_environment(Some(&path)).unwrap_err();
        assert!(matches!(error, SettingsError::EmptyKey { .. }), "{error}");
        fs::remove_file(&path).unwrap();
        let error = ApiKey::from_file_or_environment(Some(&path)).unwrap_err();
        assert!(matches!(error, SettingsError::KeyFile { .. }), "{error}");
    }
}
