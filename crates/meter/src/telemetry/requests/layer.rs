//! [`TelemetryLayer`]: counts and times the requests of any `tower` service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Extensions, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Requests, body::ObservedBody, observation::Observation};

/// Where the route of a request is read.
#[derive(Clone)]
pub enum RouteTemplate {
    /// From what a router left in the request's extensions. `None` is `<unmatched>`. It returns a
    /// template such as `/users/{id}` and never the path of the request.
    Extensions(fn(&Extensions) -> Option<&str>),
    /// All requests have this one.
    Fixed(Arc<str>),
}

impl RouteTemplate {
    #[inline]
    pub(super) fn read<'a>(&'a self, extensions: &'a Extensions) -> Option<&'a str> {
        match self {
            Self::Extensions(read) => read(extensions),
            Self::Fixed(route) => Some(route),
        }
    }
}

impl fmt::Debug for RouteTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extensions(_) => f.write_str("Extensions"),
            Self::Fixed(route) => f.debug_tuple("Fixed").field(route).finish(),
        }
    }
}

/// Counts and times every request of a service, to the last byte of its body.
///
/// - A response counts by its status class when its body was handed over whole.
/// - One that nobody waits for any more counts as `aborted`, before its head or in its body.
/// - A panic, an error of the service, and a body that ends with an error count as `5xx`.
/// - `HEAD`, `101`, `204` and `304` have no body, and count with their head.
///
/// Put it outermost, inside of what sets the route. What a layer outside of it answers, such as one that
/// sheds load, is not seen.
///
/// PERF: it allocates nothing, whatever the body is. `benches/telemetry.rs` has its time.
#[derive(Clone)]
pub struct TelemetryLayer(Arc<Observer>);

/// What observes requests, and by which routes.
struct Observer {
    requests: Arc<Requests>,
    template: RouteTemplate,
    /// The place of a route that all requests have.
    fixed: Option<u32>,
}

impl TelemetryLayer {
    pub(in crate::telemetry) fn new(requests: Arc<Requests>, template: RouteTemplate) -> Self {
        let fixed = match &template {
            RouteTemplate::Fixed(route) => Some(requests.routes.place(Some(route))),
            RouteTemplate::Extensions(_) => None,
        };
        Self(Arc::new(Observer { requests, template, fixed }))
    }

    #[inline]
    pub(super) fn begin<B>(&self, request: &Request<B>) -> Observation {
        let Observer { requests, template, fixed } = &*self.0;
        let place =
            fixed.unwrap_or_else(|| requests.routes.place(template.read(request.extensions())));
        Observation::begin(requests, request, place)
    }
}

impl fmt::Debug for TelemetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TelemetryLayer");
        shown.field("template", &self.0.template).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = TelemetryService<S>;

    fn layer(&self, inner: S) -> TelemetryService<S> {
        TelemetryService { inner, layer: self.clone() }
    }
}

/// The service of [`TelemetryLayer`].
#[derive(Clone, Debug)]
pub struct TelemetryService<S> {
    inner: S,
    layer: TelemetryLayer,
}

impl<S, B1, B2> Service<Request<B1>> for TelemetryService<S>
where
    S: Service<Request<B1>, Response = Response<B2>>,
    B2: Body,
{
    type Response = Response<ObservedBody<B2>>;
    type Error = S::Error;
    type Future = TelemetryFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<B1>) -> Self::Future {
        let mut observation = self.layer.begin(&request);
        let future = observation.run(|| self.inner.call(request));
        TelemetryFuture::new(future, observation)
    }
}

/// A response whose body is not wrapped yet, and what observes its request.
type ObservedResponse<'a, B> = (Response<B>, &'a mut Option<Observation>);

pin_project! {
    /// The response future of [`TelemetryService`].
    #[must_use = "futures do nothing unless they are polled"]
    pub struct TelemetryFuture<F> {
        #[pin]
        future: F,
        observation: Option<Observation>,
    }
}

impl<F> TelemetryFuture<F> {
    pub(super) const fn new(future: F, observation: Observation) -> Self {
        Self { future, observation: Some(observation) }
    }

    /// Polls the service. An error counts as soon as it is there.
    ///
    /// PERF: the observation stays where it is, as moving it costs more than counting.
    #[inline]
    pub(super) fn poll_head<'a, B, E>(
        self: Pin<&'a mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<ObservedResponse<'a, B>, E>>
    where
        F: Future<Output = Result<Response<B>, E>>,
    {
        let this = self.project();
        let observation = this.observation;
        let polled = match observation {
            Some(observation) => ready!(observation.run(|| this.future.poll(context))),
            None => ready!(this.future.poll(context)),
        };
        Poll::Ready(match polled {
            Ok(response) => Ok((response, observation)),
            Err(error) => {
                if let Some(observation) = observation.take() {
                    observation.failed();
                }
                Err(error)
            }
        })
    }
}

impl<F, B, E> Future for TelemetryFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ObservedBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, observation) = ready!(self.poll_head(context))?;
        let remaining = observation.as_mut().and_then(|it| it.head(&response));
        if remaining == Some(0) {
            Observation::complete_in(observation);
        }
        let observation = observation.take();
        Poll::Ready(Ok(response.map(|body| ObservedBody::new(body, observation, remaining))))
    }
}

impl<F: fmt::Debug> fmt::Debug for TelemetryFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryFuture").field("future", &self.future).finish_non_exhaustive()
    }
}
