//! Serving over TCP until told to stop.
//!
//! [`serve`] takes a listener that is already bound, so the caller knows the port. Connections are
//! HTTP/1.1 or HTTP/2 in the clear; there is no TLS.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::Notify};

/// How long requests that run at shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(10);

/// Serves `app` until `shutdown` is done; then accepts no more, and lets requests that run finish
/// for at most ten seconds.
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

/// Done when the process is asked to end: an interrupt, or on Unix a termination signal.
///
/// # Errors
///
/// The system's error where signals cannot be listened for.
pub async fn shutdown_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await
    }
}
