//! `passport serve`: the reference service.

use std::{
    error::Error,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::anyhow;
use clap::Args;
use tokio::net::TcpListener;

use super::{
    duration,
    exit::{Code, Failure, sentence},
    limits, terminal,
};
use perf_passport::{
    files,
    units::{Bytes, Count, Nanos},
};
use perf_passport_ledger::{
    self as ledger, ApiKey, Fixture, LedgerState, Settings, Waiting, WorkSettings, Workers, server,
    settings::DatabaseTarget,
    telemetry::{SlowLog, Telemetry, TelemetryBuilder},
};
use perf_passport_monitor::budgets::verify;

/// The seed of a fixture, unless the user says otherwise.
const SEED: u64 = 42;
/// Workers, unless the user says otherwise or a fixture is to stay as it is.
const WORKERS: u16 = 2;
/// The largest file of budgets.
const BUDGETS_MAX: Bytes = Bytes::new(1 << 20);
/// How long jobs that run at shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(10);

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
    /// Jobs that are done at once, up to 1024; 2 when left out, and 0 with a fixture, which so stays
    /// as it is
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=1024))]
    workers: Option<u16>,
    /// Jobs that may wait; an event beyond is answered with 503
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    queue_max: u64,
    /// The file of `passport monitor budgets`: its edges are in the histogram of durations, and `observe`
    /// knows the service by its digest
    #[arg(long, value_name = "FILE")]
    budgets: Option<PathBuf>,
    /// Write a line of JSON to standard error for each request and query that takes so long
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    slow_log: Option<Nanos>,
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
    watch(arguments, &state)?;
    terminal::note(&format!(
        "ledger on http://{address}, database {}",
        state.database().kind().name()
    ));
    let workers = workers(arguments, &state);
    let served = ledger::serve(listener, ledger::app(state.clone()), shutdown).await;
    finish(workers, &state).await;
    served.map_err(|error| Failure::new(Code::NotMeasured, anyhow!("the service ended: {error}")))
}

/// Shows the metrics of this process at `/metrics`, to who asks for them.
fn watch(arguments: &ServeArguments, state: &LedgerState) -> Result<(), Failure> {
    let telemetry = match &arguments.budgets {
        None => Telemetry::builder("ledger"),
        Some(path) => of_budgets(path)?,
    };
    let mut telemetry = telemetry.version(env!("CARGO_PKG_VERSION"));
    if let Some(threshold) = arguments.slow_log {
        let log = SlowLog::new(terminal::note).threshold(threshold);
        telemetry = telemetry.slow_log(log);
    }
    let telemetry = telemetry.build();
    telemetry.watch_heap().map_err(Failure::usage)?;
    state.watch(&telemetry).map_err(Failure::usage)
}

fn of_budgets(path: &Path) -> Result<TelemetryBuilder, Failure> {
    let refused =
        |problem: String| Failure::usage(anyhow!("cannot use `{}`: {problem}", path.display()));
    let text = files::read(path, BUDGETS_MAX).map_err(|error| refused(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    verify(&text).map_err(|error| refused(error.to_string()))?;
    Telemetry::from_budgets(&text).map_err(|error| refused(error.to_string()))
}

/// The workers that were asked for. A fixture is there to be measured, so nobody works on it unasked.
fn workers(arguments: &ServeArguments, state: &LedgerState) -> Option<Workers> {
    let unasked = if arguments.fixture.is_some() { 0 } else { WORKERS };
    let workers = NonZeroUsize::new(arguments.workers.unwrap_or(unasked).into())?;
    let settings = WorkSettings { workers, ..WorkSettings::default() };
    Some(Workers::start(state.clone(), settings))
}

/// Lets jobs finish. What waits stays in a database that is kept; one in memory is emptied first.
async fn finish(workers: Option<Workers>, state: &LedgerState) {
    let in_memory = state.settings().database == DatabaseTarget::Memory;
    if let Some(workers) = workers {
        let waiting = if in_memory { Waiting::Finish } else { Waiting::Keep };
        workers.stop(waiting, GRACE).await;
    }
    if in_memory && let Ok(waiting) = state.events_waiting().await {
        match waiting.get() {
            0 => {}
            1 => terminal::note("1 event was not done, and ends with the database in memory"),
            many => terminal::note(&format!(
                "{many} events were not done, and end with the database in memory"
            )),
        }
    }
}

fn settings(arguments: &ServeArguments) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    if let Some(database) = &arguments.database {
        settings.database = database.parse::<DatabaseTarget>().map_err(Failure::usage)?;
    }
    settings.api_key = ApiKey::from_file_or_environment(arguments.api_key_file.as_deref())
        .map_err(Failure::usage)?;
    settings.queue_max = Count::new(arguments.queue_max);
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
