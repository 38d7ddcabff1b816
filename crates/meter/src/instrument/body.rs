//! [`MeteredBody`]: a response body whose production is charged to its request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::allocation::{AllocationCost, Meter};

pin_project! {
    /// A response body that goes on with the meter of its request. Data, trailers, errors and size
    /// are those of the inner body.
    #[derive(Debug)]
    pub struct MeteredBody<B> {
        #[pin]
        inner: B,
        meter: Meter,
    }
}

impl<B> MeteredBody<B> {
    pub(super) const fn new(inner: B, meter: Meter) -> Self {
        Self { inner, meter }
    }

    /// What the request has cost so far: all of it once the body has ended.
    ///
    /// The headers were written before the body and cannot say this. All zero when nothing is
    /// counted, as [`AllocationCost`] explains.
    pub fn cost(&self) -> AllocationCost {
        self.meter.cost()
    }
}

impl<B: Body> Body for MeteredBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        this.meter.run(|| this.inner.poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
