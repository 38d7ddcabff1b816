//! [`ObservedBody`]: a response body that ends its request when its last byte is handed over.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::observation::Observation;

pin_project! {
    /// A response body that goes on with the observation of its request. Data, trailers, errors and
    /// size are those of the inner body.
    pub struct ObservedBody<B> {
        #[pin]
        inner: B,
        observation: Option<Observation>,
        // Bytes that are to come, if that is known.
        remaining: Option<u64>,
    }
}

impl<B> ObservedBody<B> {
    pub(super) const fn new(
        inner: B,
        observation: Option<Observation>,
        remaining: Option<u64>,
    ) -> Self {
        Self { inner, observation, remaining }
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(observation) = this.observation else {
            return this.inner.poll_frame(context);
        };
        let polled = observation.run(|| this.inner.as_mut().poll_frame(context));
        let is_complete = match &polled {
            Poll::Pending => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) => {
                if let Some(observation) = this.observation.take() {
                    observation.failed();
                }
                false
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(remaining)) = (frame.data_ref(), &mut *this.remaining) {
                    *remaining = remaining.saturating_sub(data.remaining() as u64);
                }
                *this.remaining == Some(0) || frame.is_trailers() || this.inner.is_end_stream()
            }
        };
        if is_complete {
            Observation::complete_in(this.observation);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for ObservedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
