//! Ledgers made for the measuring harness: filled with known rows, or broken.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use axum::Router;
use tempfile::TempDir;

use super::{
    database::Database,
    error::LedgerError,
    fixture::Fixture,
    router::app,
    settings::{DatabaseTarget, PostgresTarget, Settings},
    state::LedgerState,
};

/// A ledger filled with the fixture `name` and `seed`, ready to be driven in process.
///
/// Without `database` the rows are in SQLite in memory, loaded anew each time. With the
/// `postgres://` address of a server they are in a schema of their own, named after the fixture and
/// seed, and loaded only the first time. Besides the names of [`Fixture`] there is `broken`: for
/// SQLite a file that was filled and then overwritten with garbage, for PostgreSQL a port where
/// nothing listens. It starts, and each of its queries fails.
///
/// # Errors
///
/// [`LedgerError`] where there is no such fixture or the database cannot be filled.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use perf_passport_ledger::service_for_fixture;
/// use tower::ServiceExt;
///
/// let service = service_for_fixture("normal", 7, None).await?;
/// let request = axum::extract::Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
/// assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
/// # Ok::<(), perf_passport_ledger::LedgerError>(())
/// # }).unwrap();
/// ```
pub async fn service_for_fixture(
    name: &str,
    seed: u64,
    database: Option<&str>,
) -> Result<Router, LedgerError> {
    let state = match (name, database) {
        ("broken", None) => broken_file(seed).await?,
        ("broken", Some(_)) => broken_server()?,
        (name, database) => filled(name.parse()?, seed, database).await?,
    };
    Ok(app(state))
}

/// The same rows in a file of SQLite in `directory`, which is written if it is not there and then
/// only read: for processes that start often, as a large fixture takes seconds to load.
///
/// # Errors
///
/// As [`service_for_fixture`], and where the file cannot be written.
pub async fn service_from_copy(
    name: &str,
    seed: u64,
    directory: &Path,
) -> Result<Router, LedgerError> {
    let copy = directory.join(format!("ledger_{name}_{seed}.db"));
    if name == "broken" {
        if !copy.exists() {
            let partial = copy.with_extension(format!("partial-{}", std::process::id()));
            write_broken(&partial, seed).await?;
            fs::rename(&partial, &copy).map_err(LedgerError::Broken)?;
        }
        return Ok(app(broken(copy, None)?));
    }
    if !copy.exists() {
        let state = filled(name.parse()?, seed, None).await?;
        state.database().save(&copy).await?;
    }
    let settings = Settings::default();
    let database = Database::open_saved(&copy, &settings);
    Ok(app(LedgerState::new(database, settings)))
}

async fn filled(
    fixture: Fixture,
    seed: u64,
    database: Option<&str>,
) -> Result<LedgerState, LedgerError> {
    let target = match database {
        None => DatabaseTarget::Memory,
        Some(url) => {
            let schema = format!("ledger_{fixture}_{seed}");
            DatabaseTarget::Postgres(PostgresTarget::new(url).in_schema(schema)?)
        }
    };
    let state = LedgerState::open(Settings { database: target, ..Settings::default() }).await?;
    fixture.load_into(state.database(), seed).await?;
    Ok(state)
}

async fn broken_file(seed: u64) -> Result<LedgerState, LedgerError> {
    let directory = tempfile::tempdir().map_err(LedgerError::Broken)?;
    let path = directory.path().join("ledger.db");
    write_broken(&path, seed).await?;
    broken(path, Some(directory))
}

/// Writes a database that was filled and then overwritten with garbage.
async fn write_broken(path: &Path, seed: u64) -> Result<(), LedgerError> {
    let settings =
        Settings { database: DatabaseTarget::File(path.to_owned()), ..Settings::default() };
    let database = Database::open(&settings).await?;
    Fixture::Normal.load_into(&database, seed).await?;
    drop(database);
    let length =
        fs::metadata(path).and_then(|file| usize::try_from(file.len()).map_err(io::Error::other));
    let garbage = vec![0xa5; length.map_err(LedgerError::Broken)?];
    fs::write(path, garbage).map_err(LedgerError::Broken)
}

/// A ledger on a file that is no database.
fn broken(path: PathBuf, directory: Option<TempDir>) -> Result<LedgerState, LedgerError> {
    let settings = Settings { database: DatabaseTarget::File(path), ..Settings::default() };
    let database = Database::open_unchecked(&settings)?;
    Ok(LedgerState::with_directory(database, settings, directory))
}

fn broken_server() -> Result<LedgerState, LedgerError> {
    // A port that was free a moment ago: nothing listens there once this listener is dropped.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(LedgerError::Broken)?
        .port();
    let target = PostgresTarget::new(format!("postgres://nobody@127.0.0.1:{port}/nothing"));
    let settings = Settings { database: DatabaseTarget::Postgres(target), ..Settings::default() };
    let database = Database::open_unchecked(&settings)?;
    Ok(LedgerState::new(database, settings))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request, http::StatusCode};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_broken_copy_is_written_once_and_never_answers() {
        let directory = tempfile::tempdir().unwrap();
        let mut written = Vec::new();
        for _ in 0..2 {
            let service = service_from_copy("broken", 7, directory.path()).await.unwrap();
            let request = Request::get("/heartbeat.json").body(Body::empty()).unwrap();
            let status = service.oneshot(request).await.unwrap().status();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            let files = fs::read_dir(directory.path()).unwrap();
            let files: Vec<_> = files.map(Result::unwrap).collect();
            assert_eq!(files.len(), 1, "{files:?}");
            written.push(fs::metadata(files[0].path()).unwrap().modified().unwrap());
        }
        assert_eq!(written[0], written[1]);
    }
}
