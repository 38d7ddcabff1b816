//! `passport serve`: the reference service.

use std::{error::Error, net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::Args;
use tokio::net::TcpListener;

use super::{
    exit::{Code, Failure, sentence},
    limits, terminal,
};
use perf_passport_ledger::{
    self as ledger, ApiKey, Fixture, LedgerState, Settings, server, settings::DatabaseTarget,
};

/// The seed of a fixture, unless the user says otherwise.
const SEED: u64 = 42;

/// Run the reference service: a small ledger on SQLite or PostgreSQL.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The database: a file for SQLite, or `postgres://...`; SQLite in memory when left out
    #[arg(long, value_name = "FILE|URL")]
    database: Option<String>,
    /// Fill an empty database: `empty`, `zeros`, `normal` or `huge`
    #[arg(long, value_name = "NAME")]
    fixture: Option<String>,
    /// The seed of the fixture; 42 when left out
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A file with the key that requests must send as X-API-Key; else `LEDGER_API_KEY` is asked
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
}

pub(super) fn run(arguments: &ServeArguments) -> Result<ExitCode, Failure> {
    limits::refuse_too_few_files()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(anyhow!("cannot start the runtime: {error}")))?;
    runtime.block_on(serve(arguments))?;
    Ok(Code::Pass.into())
}

async fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    let settings = settings(arguments)?;
    let fixture: Option<Fixture> =
        arguments.fixture.as_deref().map(str::parse).transpose().map_err(Failure::usage)?;
    if fixture.is_none() && arguments.seed.is_some() {
        return Err(Failure::usage(anyhow!(
            "--seed is that of a fixture: give --fixture NAME, or leave it out"
        )));
    }
    // Before the fixture is loaded: a port that is taken is said at once.
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        Failure::usage(anyhow!("cannot listen on {}: {error}", arguments.listen))
    })?;
    let state = LedgerState::open(settings).await.map_err(unusable)?;
    if let Some(fixture) = fixture {
        let loaded = fixture.load_into(state.database(), arguments.seed.unwrap_or(SEED)).await;
        loaded.map_err(|error| unusable(error.into()))?;
    }
    let address = listener.local_addr().map_err(Failure::usage)?;
    // Before anybody is told that it runs: whoever is told may end it.
    let shutdown = server::shutdown_signal()
        .map_err(|error| Failure::usage(anyhow!("cannot listen for signals: {error}")))?;
    terminal::note(&format!(
        "ledger on http://{address}, database {}",
        state.database().kind().name()
    ));
    let served = ledger::serve(listener, ledger::app(state), shutdown).await;
    served.map_err(|error| Failure::new(Code::NotMeasured, anyhow!("the service ended: {error}")))
}

fn settings(arguments: &ServeArguments) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    if let Some(database) = &arguments.database {
        settings.database = database.parse::<DatabaseTarget>().map_err(Failure::usage)?;
    }
    settings.api_key = ApiKey::from_file_or_environment(arguments.api_key_file.as_deref())
        .map_err(Failure::usage)?;
    settings.report = report;
    Ok(settings)
}

fn unusable(error: ledger::LedgerError) -> Failure {
    Failure::usage(error)
}

/// The database error behind a 503 goes to the log, never to the client.
fn report(error: &(dyn Error + 'static)) {
    terminal::error(&sentence(error));
}
