//! Serving over TCP until told to stop.
//!
//! [`serve`] takes a listener that is already bound, so the caller knows the port. Connections are
//! HTTP/1.1 or HTTP/2 in the clear; there is no TLS.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::Notify};

use super::deadline::DeadlineListener;

/// How long a connection may take for its next request, from its head to the end of its body.
const REQUEST: Duration = Duration::from_secs(60);
/// How long requests that run at shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(10);

/// Serves `app` until `shutdown` is done; then accepts no more, and lets requests that run finish
/// for at most ten seconds. A connection whose next request is not there within a minute is closed.
///
/// # Errors
///
/// The error of the listener, or [`io::ErrorKind::TimedOut`] where requests outlived the grace.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = Arc::new(Notify::new());
    let told = Arc::clone(&stopping);
    let listener = DeadlineListener { listener, limit: REQUEST };
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        shutdown.await;
        told.notify_one();
    });
    let overdue = async {
        stopping.notified().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server => result,
        () = overdue => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "requests were still running at shutdown"))
        }
    }
}

/// What is done when the process is asked to end: by an interrupt, or on Unix a termination signal.
///
/// On Unix both are listened for from this call on, so that none which comes before the future is
/// first polled ends the process at once. Call it within a Tokio runtime.
///
/// # Errors
///
/// The system's error where signals cannot be listened for.
#[cfg(unix)]
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// What is done when the process is asked to end, by an interrupt.
///
/// # Errors
///
/// The system's error where signals cannot be listened for.
#[cfg(windows)]
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
