//! The in-process probe: drives a `tower::Service`, such as an `axum::Router`, without a socket.
//!
//! It sees the service alone: no client, no kernel, no parsing of HTTP. A timed pass has every
//! profiler off and adds two clock reads and the reading of the body frames. A counted pass
//! attributes allocations to the request and watches the whole process beside it. It cannot see
//! what C libraries allocate, nor when a spawned task outlives the response.

#![expect(clippy::disallowed_methods, reason = "a probe is where latency is clocked")]

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::Instant,
};

use bytes::{Buf, Bytes as Buffer};
use http::header::CONTENT_TYPE;
use http_body::Body;
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower_service::Service;

use super::{
    collected::collected,
    cpu_wait::CpuWait,
    error::ProbeError,
    exchange::{Cost, Exchange},
    request::PreparedRequest,
    response_headers::named_headers,
    target::{Pass, Probe, Target},
};
#[cfg(feature = "oracle")]
use crate::allocation::OracleError;
use crate::{
    allocation::{self, Meter, ProcessWatch},
    contract::Sampling,
    evidence::{CountSource, OracleCounts},
    process_memory::{self, ProcessMemory},
    text::printable,
    units::{Bytes, Count, Nanos},
};

/// What a service is sent: a request whose body is already there.
///
/// An `axum::Router` takes it as it is. A service that only takes one body type of its own can be
/// wrapped with `tower::ServiceExt::map_request`.
pub type Request = http::Request<Full<Buffer>>;

/// Makes services for the fixtures of a contract, and probes of them.
///
/// `factory` is called with the name of a fixture and resolves to the service in that state.
#[derive(Debug)]
pub struct InProcessTarget<Factory> {
    factory: Factory,
    runtime: Runtime,
    sampling: Sampling,
}

impl<Factory> InProcessTarget<Factory> {
    /// A target on a runtime of one thread, the calling one, so that counts and times are those of
    /// the work and not of its scheduling.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Setup`] when the runtime cannot start.
    pub fn new(sampling: Sampling, factory: Factory) -> Result<Self, ProbeError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ProbeError::Setup(format!("no runtime: {error}")))?;
        Ok(Self { factory, runtime, sampling })
    }
}

impl<Factory, Made, Failure, S, Out> Target for InProcessTarget<Factory>
where
    Factory: FnMut(String) -> Made,
    Made: Future<Output = Result<S, Failure>>,
    Failure: Display,
    S: Service<Request, Response = http::Response<Out>> + Clone + 'static,
    S::Error: Display,
    Out: Body + 'static,
    Out::Error: Display,
{
    fn probe(&mut self, fixture: &str) -> Result<Box<dyn Probe + '_>, ProbeError> {
        let made = (self.factory)(fixture.to_owned());
        let service =
            self.runtime.block_on(made).map_err(|error| ProbeError::Setup(error.to_string()))?;
        Ok(Box::new(InProcessProbe {
            service,
            runtime: &self.runtime,
            sampling: self.sampling,
            cpu_wait: CpuWait::of_this_thread(),
            body: Vec::new(),
        }))
    }
}

/// Sends requests to one service in this process; made by [`InProcessTarget`].
struct InProcessProbe<'runtime, S> {
    service: S,
    runtime: &'runtime Runtime,
    sampling: Sampling,
    /// Of the thread that made the probe, which is the one that its requests run on.
    cpu_wait: Option<CpuWait>,
    /// Kept between requests, so that reading a body allocates nothing while the process is watched.
    body: Vec<u8>,
}

/// What one request left behind.
struct Sent {
    status: u16,
    headers: http::HeaderMap,
    latency: Nanos,
    cpu_wait: Option<Nanos>,
    meter: Meter,
    process_allocations: Option<Count>,
}

impl<S, Out> Probe for InProcessProbe<'_, S>
where
    S: Service<Request, Response = http::Response<Out>> + Clone,
    S::Error: Display,
    Out: Body,
    Out::Error: Display,
{
    fn send(&mut self, request: &PreparedRequest, pass: Pass) -> Result<Exchange, ProbeError> {
        let names = &request.compare_headers;
        let request = build(request)?;
        // Dropped at the end, also when the service panics.
        let _switch = Counting::switched(matches!(pass, Pass::Counted | Pass::Oracle));
        let sent = catch_unwind(AssertUnwindSafe(|| match pass {
            Pass::Timed | Pass::Counted | Pass::Instructions => {
                self.exchange(request, pass).map(|sent| (sent, None))
            }
            Pass::Oracle => self.exchange_with_oracle(request),
        }));
        let (sent, oracle) = sent.unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<&str>()
                .map(|it| (*it).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            let message = printable(message.as_bytes(), 200);
            Err(ProbeError::Broken(format!("the service panicked: {message}")))
        })?;
        let counted = pass == Pass::Counted && allocation::is_installed();
        Ok(Exchange {
            status: sent.status,
            content_type: sent.headers.get(CONTENT_TYPE).map(|it| it.as_bytes().to_vec()),
            headers: named_headers(&sent.headers, names),
            body: self.body.clone(),
            latency: sent.latency,
            cpu_wait: sent.cpu_wait,
            server_latency: None,
            cost: counted.then(|| {
                let cost = sent.meter.cost();
                Cost {
                    source: CountSource::InProcess,
                    allocations: cost.allocations,
                    allocated_bytes: Some(cost.bytes),
                    heap_peak: Some(cost.heap_peak),
                    process_allocations: sent.process_allocations,
                }
            }),
            oracle,
        })
    }

    fn process_memory(&mut self) -> Option<ProcessMemory> {
        process_memory::read_self().ok()
    }

    fn cpu_pressure(&mut self) -> Option<Nanos> {
        None
    }

    fn counts_apart(&self) -> bool {
        true
    }
}

impl<S, Out> InProcessProbe<'_, S>
where
    S: Service<Request, Response = http::Response<Out>> + Clone,
    S::Error: Display,
    Out: Body,
    Out::Error: Display,
{
    fn exchange(&mut self, request: Request, pass: Pass) -> Result<Sent, ProbeError> {
        let timeout = self.sampling.timeout;
        self.body.clear();
        let limits = (self.sampling.body_max, pass);
        let work = call(&self.service, request, &mut self.body, limits);
        if pass == Pass::Instructions {
            return collected(|| self.runtime.block_on(work));
        }
        let waited = || self.cpu_wait.as_ref().and_then(CpuWait::total);
        let before = waited();
        let sent = self.runtime.block_on(async {
            let work = pin!(work);
            tokio::time::timeout(timeout.to_duration(), work).await.unwrap_or(Err(
                ProbeError::Timeout { after: timeout, phase: "waiting for the service" },
            ))
        })?;
        let cpu_wait = before.zip(waited()).map(|(before, after)| after.saturating_sub(before));
        Ok(Sent { cpu_wait, ..sent })
    }

    #[cfg(feature = "oracle")]
    fn exchange_with_oracle(
        &mut self,
        request: Request,
    ) -> Result<(Sent, Option<OracleCounts>), ProbeError> {
        let busy = || ProbeError::Setup("another pass of dhat is under way in this process".into());
        let counted = allocation::is_installed();
        let again = request.clone();
        let watched = allocation::count_with_dhat(|| {
            // dhat counts the whole process, so the counting allocator does too.
            let watch = ProcessWatch::start().map_err(|_| busy())?;
            let (sent, own) = allocation::measure(|| self.exchange(request, Pass::Oracle));
            let process = watch.stop();
            sent.map(|sent| (sent, own, process))
        });
        let (sent, own, process, dhat) = match watched {
            Ok((sent, dhat)) => sent.map(|(sent, own, process)| (sent, own, process, dhat))?,
            Err(OracleError::NotInstalled) => {
                return Ok((self.exchange(again, Pass::Oracle)?, None));
            }
            Err(_) => return Err(busy()),
        };
        // What this thread allocated beside the request.
        let probe = own.allocations.saturating_sub(sent.meter.cost().allocations);
        let seen = counted && dhat.blocks > Count::ZERO;
        let oracle = seen.then_some(OracleCounts {
            allocations: dhat.blocks,
            allocated_bytes: dhat.bytes,
            heap_peak_bytes: dhat.heap_peak,
            counted_allocations: process.allocations,
            counted_bytes: process.bytes,
            request_allocations: dhat.blocks.saturating_sub(probe),
        });
        Ok((sent, oracle))
    }

    #[cfg(not(feature = "oracle"))]
    fn exchange_with_oracle(
        &mut self,
        request: Request,
    ) -> Result<(Sent, Option<OracleCounts>), ProbeError> {
        Ok((self.exchange(request, Pass::Oracle)?, None))
    }
}

/// Calls the service as hyper does, a clone for each request, and reads its body to the end.
async fn call<S, Out>(
    service: &S,
    request: Request,
    body: &mut Vec<u8>,
    (body_max, pass): (Bytes, Pass),
) -> Result<Sent, ProbeError>
where
    S: Service<Request, Response = http::Response<Out>> + Clone,
    S::Error: Display,
    Out: Body,
    Out::Error: Display,
{
    let broken = |what: &str, error: &dyn Display| {
        ProbeError::Broken(format!("{what}: {}", printable(error.to_string().as_bytes(), 200)))
    };
    let mut meter = Meter::new();
    let watch = (pass == Pass::Counted).then(ProcessWatch::start).and_then(Result::ok);
    let start = Instant::now();
    let mut service = meter.run(|| service.clone());
    poll_fn(|context| meter.run(|| service.poll_ready(context)))
        .await
        .map_err(|error| broken("the service is not ready", &error))?;
    let mut answer = pin!(meter.run(|| service.call(request)));
    let response = poll_fn(|context| meter.run(|| answer.as_mut().poll(context)))
        .await
        .map_err(|error| broken("the service failed", &error))?;
    let (head, stream) = response.into_parts();
    let mut stream = pin!(stream);
    while let Some(frame) =
        poll_fn(|context| meter.run(|| stream.as_mut().poll_frame(context))).await
    {
        let frame = frame.map_err(|error| broken("the body broke off", &error))?;
        if let Ok(mut data) = frame.into_data() {
            if (body.len() + data.remaining()) as u64 > body_max.get() {
                return Err(ProbeError::BodyTooLarge { limit: body_max });
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                body.extend_from_slice(chunk);
                let length = chunk.len();
                data.advance(length);
            }
        }
    }
    let latency = Nanos::from_duration(start.elapsed());
    let process_allocations = watch.map(|watch| watch.stop().allocations);
    Ok(Sent {
        status: head.status.as_u16(),
        headers: head.headers,
        latency,
        cpu_wait: None,
        meter,
        process_allocations,
    })
}

fn build(request: &PreparedRequest) -> Result<Request, ProbeError> {
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.path.as_str())
        .header(http::header::HOST, "localhost");
    for (name, value) in &request.headers {
        builder = builder.header(name.as_str(), value.expose());
    }
    // The error could quote a header value, so it is not shown.
    builder.body(Full::from(request.body.clone())).map_err(|_| {
        ProbeError::Setup(format!("`{} {}` is not a request", request.method, request.path))
    })
}

/// Switches the counting allocator for one request, and back.
struct Counting {
    before: bool,
}

impl Counting {
    fn switched(on: bool) -> Self {
        let before = allocation::is_counting();
        allocation::set_counting(on);
        Self { before }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        allocation::set_counting(self.before);
    }
}
