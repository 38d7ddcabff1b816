//! The in-process probe: drives a `tower::Service`, such as an `axum::Router`, without a socket.
//!
//! It sees the service alone: no client, no kernel, no parsing of HTTP. A timed pass has every
//! profiler off and adds two clock reads and the reading of the body frames. A counted pass
//! attributes allocations to the request and watches the whole process beside it. It cannot see
//! what C libraries allocate, nor when a spawned task outlives the response.

#![expect(clippy::disallowed_methods, reason = "a probe is where latency is clocked")]

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Display,
    future::{Future, poll_fn},
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::Instant,
};

use bytes::{Buf, Bytes as Buffer};
use http::header::CONTENT_TYPE;
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{
    collected::collected,
    cpu_pressure,
    cpu_wait::CpuWait,
    error::ProbeError,
    exchange::{Cost, Exchange},
    instance::{Instance, Threads},
    request::PreparedRequest,
    response_headers::named_headers,
    target::{Pass, Probe, Target, set_up},
};
#[cfg(feature = "oracle")]
use crate::allocation::OracleError;
use crate::{
    allocation::{self, Meter, ProcessWatch},
    contract::{Check, Sampling, ServiceLife},
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
/// `factory` is called with the name of a fixture and makes the service in that state: for each check
/// or for each sample, and once where the contract says that the fixture is shared. Each service has a
/// runtime of its own, so that tasks end with the service that started them. It has one thread, the
/// calling one, unless [`InProcessTarget::multi_thread`] says otherwise. What the program keeps
/// beside its services, such as a `static`, is there for all checks.
pub struct InProcessTarget<Factory, S> {
    factory: Factory,
    sampling: Sampling,
    threads: Threads,
    /// Those that are shared, by fixture.
    shared: BTreeMap<String, Instance<S>>,
}

impl<Factory, S> std::fmt::Debug for InProcessTarget<Factory, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcessTarget").field("sampling", &self.sampling).finish_non_exhaustive()
    }
}

impl<Factory, Made, Failure, S> InProcessTarget<Factory, S>
where
    Factory: FnMut(String) -> Made,
    Made: Future<Output = Result<S, Failure>>,
    Failure: Display,
{
    /// A target that has made nothing yet.
    pub fn new(sampling: Sampling, factory: Factory) -> Self {
        Self { factory, sampling, threads: Threads::Calling, shared: BTreeMap::new() }
    }

    /// The same with so many threads for the tasks of each service, as `tokio::task::block_in_place` needs.
    /// Requests run on the calling thread all the same. What then cannot be counted exactly is not claimed:
    /// see [`Counts::is_whole`](crate::evidence::Counts::is_whole).
    #[must_use]
    pub fn multi_thread(self, worker_threads: NonZero<usize>) -> Self {
        Self { threads: Threads::Others(worker_threads), ..self }
    }
}

impl<Factory, Made, Failure, S, Out> Target for InProcessTarget<Factory, S>
where
    Factory: FnMut(String) -> Made,
    Made: Future<Output = Result<S, Failure>>,
    Failure: Display,
    S: Service<Request, Response = http::Response<Out>> + Clone + 'static,
    S::Error: Display,
    Out: Body + 'static,
    Out::Error: Display,
{
    fn probe(&mut self, check: &Check) -> Result<Box<dyn Probe + '_>, ProbeError> {
        let Self { factory, sampling, threads, shared } = self;
        let (threads, fixture) = (*threads, check.fixture.clone());
        let mut make = move || Instance::make(threads, || factory(fixture.clone()));
        let service = match check.service_life {
            ServiceLife::Check | ServiceLife::Sample => Answering::Own(Some(make()?)),
            ServiceLife::Process => {
                let known: &Instance<S> = match shared.entry(check.fixture.clone()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(make()?),
                };
                Answering::Shared(known)
            }
        };
        Ok(Box::new(InProcessProbe {
            service,
            make,
            sampling: *sampling,
            threads,
            cpu_wait: CpuWait::of_this_thread().filter(|_| threads == Threads::Calling),
            body: Vec::new(),
            heap: None,
        }))
    }
}

/// Sends requests to one service in this process; made by [`InProcessTarget`].
struct InProcessProbe<'target, Make, S> {
    service: Answering<'target, S>,
    /// Makes another one in the same state.
    make: Make,
    sampling: Sampling,
    threads: Threads,
    /// Of the thread that made the probe, which is the one that its requests run on; `None` where a
    /// request may wait for others.
    cpu_wait: Option<CpuWait>,
    /// Kept between requests, so that reading a body allocates nothing while the process is watched.
    body: Vec<u8>,
    /// While the heap of the process is counted.
    heap: Option<HeapWatch>,
}

/// Counts what the whole process holds, until it is dropped.
struct HeapWatch {
    watch: ProcessWatch,
    _counting: Counting,
}

/// The service that answers.
enum Answering<'target, S> {
    /// `None` where no other one could be made.
    Own(Option<Instance<S>>),
    Shared(&'target Instance<S>),
}

impl<S> Answering<'_, S> {
    fn instance(&self) -> Result<&Instance<S>, ProbeError> {
        match self {
            Self::Own(instance) => instance.as_ref(),
            Self::Shared(instance) => Some(*instance),
        }
        .ok_or_else(|| ProbeError::Setup("there is no service".to_owned()))
    }
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

impl<Make, S, Out> Probe for InProcessProbe<'_, Make, S>
where
    Make: FnMut() -> Result<Instance<S>, ProbeError>,
    S: Service<Request, Response = http::Response<Out>> + Clone,
    S::Error: Display,
    Out: Body,
    Out::Error: Display,
{
    fn send(&mut self, request: &PreparedRequest, pass: Pass) -> Result<Exchange, ProbeError> {
        let several_threads = self.threads != Threads::Calling;
        if several_threads && pass == Pass::Instructions {
            return Err(ProbeError::SeveralThreads);
        }
        set_up(self, request, pass)?;
        let names = &request.compare_headers;
        let request = build(request)?;
        // Dropped at the end, also when the service panics.
        let counts = self.heap.is_some() || matches!(pass, Pass::Counted | Pass::Oracle);
        let _switch = Counting::switched(counts);
        let sent = catch_unwind(AssertUnwindSafe(|| match pass {
            Pass::Setup { .. } | Pass::Timed | Pass::Counted | Pass::Instructions => {
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
                    // Of tasks at the same time it is only known at the ends of their polls.
                    heap_peak: (!several_threads || !sent.meter.has_tasks())
                        .then_some(cost.heap_peak),
                    process_allocations: sent.process_allocations,
                    several_threads,
                }
            }),
            oracle,
        })
    }

    /// The one before is gone by then, so that both need not be there at the same time.
    fn renew(&mut self) -> Result<(), ProbeError> {
        self.service = Answering::Own(None);
        self.service = Answering::Own(Some((self.make)()?));
        Ok(())
    }

    fn can_renew(&self) -> bool {
        true
    }

    fn begin_heap_watch(&mut self) -> Result<bool, ProbeError> {
        // What was there before is freed before anything is counted.
        if let Answering::Own(before) = &mut self.service
            && let Some(instance) = before.take()
        {
            instance.end();
        }
        self.service = Answering::Own(None);
        self.body = Vec::new();
        if !allocation::is_installed() {
            return Ok(false);
        }
        let counting = Counting::switched(true);
        let Ok(watch) = ProcessWatch::start() else { return Ok(false) };
        self.heap = Some(HeapWatch { watch, _counting: counting });
        self.renew()?;
        Ok(true)
    }

    fn live_heap(&mut self) -> Option<Bytes> {
        // The probe's own.
        self.body = Vec::new();
        self.heap.as_ref().and_then(|it| it.watch.live())
    }

    fn process_memory(&mut self) -> Option<ProcessMemory> {
        process_memory::read_self().ok()
    }

    fn cpu_pressure(&mut self) -> Option<Nanos> {
        match self.threads {
            Threads::Calling => None,
            Threads::Others(_) => cpu_pressure::total(),
        }
    }

    fn counts_apart(&self) -> bool {
        true
    }
}

impl<Make, S, Out> InProcessProbe<'_, Make, S>
where
    S: Service<Request, Response = http::Response<Out>> + Clone,
    S::Error: Display,
    Out: Body,
    Out::Error: Display,
{
    fn exchange(&mut self, request: Request, pass: Pass) -> Result<Sent, ProbeError> {
        let Self { service, sampling, cpu_wait, body, .. } = self;
        let instance = service.instance()?;
        let timeout = sampling.timeout;
        body.clear();
        let work = |service| call(service, request, body, (sampling.body_max, pass));
        match pass {
            Pass::Instructions => return collected(|| instance.block_on(work)),
            Pass::Setup { unhurried: true } => return instance.block_on(work),
            _ => {}
        }
        let waited = || cpu_wait.as_ref().and_then(CpuWait::total);
        let before = waited();
        let sent = instance.block_on(|service| async move {
            let work = pin!(work(service));
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
