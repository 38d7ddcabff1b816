//! [`metered`]: a future with what it allocated.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::allocation::{AllocationCost, Meter};

pin_project! {
    /// The future of [`metered`], for where a type has to be named.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Metered<F> {
        #[pin]
        future: Option<F>,
        meter: Meter,
    }
}

impl<F> Metered<F> {
    /// Meters `future` from its first poll on.
    pub const fn new(future: F) -> Self {
        Self { future: Some(future), meter: Meter::new() }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = (F::Output, AllocationCost);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let output = ready!(poll_in(this.meter, this.future, context));
        Poll::Ready((output, this.meter.cost()))
    }
}

/// Runs `future` and returns its output with what it allocated in all its polls, wherever they
/// ran, and when it was dropped at its end.
///
/// Tasks that it starts with [`spawn`](super::spawn) are included as in
/// [`Meter::cost`]: a task still running at the end is not waited for.
pub async fn metered<F: Future>(future: F) -> (F::Output, AllocationCost) {
    Metered::new(future).await
}

/// One poll of `future` as a stretch of `meter`; a future that is ready is dropped in it too, since
/// what it frees bears on the peak of what follows.
#[inline]
pub(super) fn poll_in<F: Future>(
    meter: &mut Meter,
    mut future: Pin<&mut Option<F>>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    meter.run(|| {
        let running = future.as_mut().as_pin_mut().expect("polled after it was ready");
        let output = ready!(running.poll(context));
        future.set(None);
        Poll::Ready(output)
    })
}
