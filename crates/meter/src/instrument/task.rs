//! Tasks that stay inside the request which started them.
//!
//! A raw `tokio::spawn` starts a task that no request pays for. With clippy's `disallowed-methods` a
//! service can hold itself to these two.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use super::future::poll_in;
use crate::allocation::Meter;

/// [`tokio::spawn`], with what the task allocates charged to the request that is current here.
///
/// The request is told after every poll of the task. What the task does after the request has
/// ended is in nobody's figures. Outside of a request this is plain [`tokio::spawn`].
///
/// # Panics
///
/// Outside of a tokio runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match Meter::for_task() {
        Some(meter) => tokio::spawn(Charged { future: Some(future), meter }),
        None => tokio::spawn(future),
    }
}

/// [`tokio::task::spawn_blocking`], with what the work allocates charged to the request that is
/// current here.
///
/// The request is told at the end of the work.
///
/// # Panics
///
/// Outside of a tokio runtime.
#[track_caller]
pub fn spawn_blocking<W, R>(work: W) -> JoinHandle<R>
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    match Meter::for_task() {
        Some(mut meter) => tokio::task::spawn_blocking(move || meter.run(work)),
        None => tokio::task::spawn_blocking(work),
    }
}

pin_project! {
    /// A task's future, each poll of which is charged to a request.
    struct Charged<F> {
        #[pin]
        future: Option<F>,
        meter: Meter,
    }

    impl<F> PinnedDrop for Charged<F> {
        // A task that is cancelled frees what it held in the name of its request.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                this.meter.run(|| this.future.set(None));
            }
        }
    }
}

impl<F: Future> Future for Charged<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        poll_in(this.meter, this.future, context)
    }
}
