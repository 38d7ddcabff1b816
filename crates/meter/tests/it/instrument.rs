//! The layer and the tasks of requests, in process.

use std::{
    convert::Infallible,
    future,
    hint::black_box,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use perf_passport_meter::allocation::{AllocationCost, current_request, measure};
use perf_passport_meter::instrument::{
    self, InstrumentLayer, PROCESS_TIME, SERVER_TIMING, metered,
};
use perf_passport_meter::units::{self, Count};
use tokio::runtime;
use tower::{Layer, Service, ServiceExt, service_fn};

const REQUESTS: usize = 400;

fn block_on<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().build().expect("a runtime can be built").block_on(future)
}

fn four_workers() -> runtime::Runtime {
    runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

/// Gives way to other tasks. Unlike tokio's own it allocates nothing in the runtime, which keeps a
/// list of such tasks for each worker and grows it when it is first used.
async fn yield_now() {
    let mut gave_way = false;
    future::poll_fn(|context| {
        if mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn block(size: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(size))
}

fn cost(allocations: u64, frees: u64, bytes: u64, heap_peak: u64) -> AllocationCost {
    AllocationCost {
        allocations: Count::new(allocations),
        frees: Count::new(frees),
        bytes: units::Bytes::new(bytes),
        heap_peak: units::Bytes::new(heap_peak),
    }
}

fn request() -> Request<()> {
    Request::new(())
}

/// The number in the description of one `Server-Timing` metric.
fn described<B>(response: &Response<B>, metric: &str) -> Option<u64> {
    let header = response.headers().get(SERVER_TIMING)?.to_str().ok()?;
    let entry = header.split(", ").find_map(|entry| entry.strip_prefix(metric))?;
    Some(
        entry
            .strip_prefix(";desc=\"")?
            .strip_suffix('"')?
            .parse()
            .expect("a description is a number"),
    )
}

fn assert_headers_say<B>(response: &Response<B>, expected: AllocationCost) {
    let said = ["alloc", "alloc-bytes", "heap-peak"].map(|metric| described(response, metric));
    let expected = [expected.allocations.get(), expected.bytes.get(), expected.heap_peak.get()];
    assert_eq!(said, expected.map(Some));
}

/// Holds 100 bytes while it allocates and frees 1000 eight times, giving way in between.
async fn handler() -> Bytes {
    let held = block(100);
    for _ in 0..8 {
        let passing = block(1000);
        yield_now().await;
        drop(passing);
    }
    drop(held);
    Bytes::from_static(b"done")
}

const HANDLER_COST: (u64, u64, u64, u64) = (9, 9, 8100, 1100);

fn handler_cost() -> AllocationCost {
    let (allocations, frees, bytes, heap_peak) = HANDLER_COST;
    cost(allocations, frees, bytes, heap_peak)
}

fn service() -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = Infallible>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    InstrumentLayer::new().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(handler().await)))
    }))
}

#[test]
fn the_headers_say_what_the_handler_allocated() {
    let response = block_on(service().oneshot(request())).unwrap();
    assert_headers_say(&response, handler_cost());

    let seconds = response.headers()[PROCESS_TIME].to_str().unwrap();
    let (whole, fraction) = seconds.split_once('.').unwrap();
    assert!(whole.parse::<u64>().is_ok() && fraction.len() == 9, "{seconds}");
    let timing = response.headers()[SERVER_TIMING].to_str().unwrap();
    let total = timing.split(", ").next().unwrap().strip_prefix("total;dur=").unwrap();
    let milliseconds: f64 = total.parse().unwrap();
    assert!((seconds.parse::<f64>().unwrap() * 1000.0 - milliseconds).abs() < 1e-6);
}

#[test]
fn the_headers_agree_with_measure() {
    let work = || Bytes::from((0..500_u32).map(|n| n.to_string()).collect::<String>());
    let expected = measure(work).1;
    let service = InstrumentLayer::new().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(work())))
    }));
    let response = block_on(service.oneshot(request())).unwrap();
    assert_headers_say(&response, expected);
}

#[test]
fn without_headers_the_scope_is_still_open() {
    let service =
        InstrumentLayer::new().expose_headers(false).layer(service_fn(async |_: Request<()>| {
            drop(block(10));
            assert_eq!(current_request(), Some(cost(1, 1, 10, 10)));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let response = block_on(service.oneshot(request())).unwrap();
    assert!(response.headers().is_empty());
    assert_eq!(response.body().cost(), cost(1, 1, 10, 10));
}

#[test]
fn four_hundred_concurrent_requests_are_exact() {
    let runtime = four_workers();
    let requests: Vec<_> =
        (0..REQUESTS).map(|_| runtime.spawn(service().oneshot(request()))).collect();
    for request in requests {
        let response = runtime.block_on(request).unwrap().unwrap();
        assert_headers_say(&response, handler_cost());
    }
}

#[test]
fn four_hundred_concurrent_requests_to_a_router_cost_the_same() {
    let runtime = four_workers();
    let router = Router::new().route("/", get(handler));
    for app in [router.clone(), router.layer(InstrumentLayer::new())] {
        let send = |app: Router| {
            InstrumentLayer::new().layer(app).oneshot(Request::<axum::body::Body>::default())
        };
        let first = runtime.block_on(send(app.clone())).unwrap();
        let first = first.body().cost();
        assert!(first.allocations > handler_cost().allocations);

        let requests: Vec<_> = (0..REQUESTS).map(|_| runtime.spawn(send(app.clone()))).collect();
        for request in requests {
            let response = runtime.block_on(request).unwrap().unwrap();
            assert_eq!(response.body().cost(), first);
        }
    }
}

/// A body that allocates each of its chunks when asked, then ends or fails.
struct Chunks {
    left: u32,
    fails: bool,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.left == 0 {
            return Poll::Ready(self.fails.then_some(Err("the source is gone")));
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(black_box(vec![b'x'; 1000]))))))
    }
}

async fn stream(fails: bool) -> (Result<usize, &'static str>, AllocationCost) {
    let service = InstrumentLayer::new().layer(service_fn(async |_: Request<()>| {
        drop(block(10));
        Ok::<_, Infallible>(Response::new(Chunks { left: 3, fails }))
    }));
    let response = service.oneshot(request()).await.expect("the service does not fail");
    assert_headers_say(&response, cost(1, 1, 10, 10));

    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => length += frame.into_data().map_or(0, |data| data.len()),
            Err(error) => return (Err(error), body.cost()),
        }
    }
    (Ok(length), body.cost())
}

#[test]
fn a_streamed_body_is_charged_to_its_request() {
    // The reader frees the chunks outside of the request, so they are live in its figures.
    assert_eq!(block_on(stream(false)), (Ok(3000), cost(4, 1, 3010, 3000)));
}

#[test]
fn the_error_of_a_body_passes_through() {
    assert_eq!(block_on(stream(true)), (Err("the source is gone"), cost(4, 1, 3010, 3000)));
}

#[test]
fn the_error_of_a_service_passes_through() {
    let service = InstrumentLayer::new().layer(service_fn(async |_: Request<()>| {
        future::ready(Err::<Response<Full<Bytes>>, _>("refused")).await
    }));
    assert_eq!(block_on(service.oneshot(request())).err(), Some("refused"));
}

#[test]
fn a_panicking_handler_leaves_its_thread_clean() {
    let service = InstrumentLayer::new().layer(service_fn(async |_: Request<()>| {
        let _held = block(100);
        yield_now().await;
        std::panic::resume_unwind(Box::new(()));
        #[expect(unreachable_code, reason = "gives the handler its type")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    block_on(async {
        let failed = tokio::spawn(service.oneshot(request())).await;
        assert!(failed.is_err_and(|error| error.is_panic()));
        // The runtime has one thread: this is the one that unwound.
        assert!(current_request().is_none());
        let response = self::service().oneshot(request()).await.unwrap();
        assert_headers_say(&response, handler_cost());
    });
}

#[test]
fn four_hundred_concurrent_futures_are_exact() {
    let runtime = four_workers();
    let futures: Vec<_> = (0..REQUESTS).map(|_| runtime.spawn(metered(handler()))).collect();
    for future in futures {
        assert_eq!(runtime.block_on(future).unwrap().1, handler_cost());
    }
}

async fn blocks(number: u64) {
    for _ in 0..number {
        let passing = block(10);
        yield_now().await;
        drop(passing);
    }
}

/// The cost of 400 concurrent requests that each wait for the task that `start` gives them.
fn with_tasks<T>(start: fn() -> T) -> AllocationCost
where
    T: Future<Output = Result<(), tokio::task::JoinError>> + Send + 'static,
{
    let runtime = four_workers();
    let request = move || metered(async move { start().await.expect("the task ends") });
    let expected = runtime.block_on(runtime.spawn(request())).expect("the request ends").1;
    let requests: Vec<_> = (0..REQUESTS).map(|_| runtime.spawn(request())).collect();
    for request in requests {
        let got = runtime.block_on(request).expect("the request ends").1;
        assert_eq!((got.allocations, got.bytes), (expected.allocations, expected.bytes));
    }
    expected
}

#[test]
fn tasks_started_by_the_wrapper_are_charged() {
    let idle = with_tasks(|| instrument::spawn(blocks(0)));
    let busy = with_tasks(|| instrument::spawn(blocks(100)));
    assert_eq!(busy.allocations.saturating_sub(idle.allocations), Count::new(100));
}

#[test]
fn blocking_work_started_by_the_wrapper_is_charged() {
    // One thread, which is there before anything is compared: starting it costs allocations too.
    let runtime = runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let costs = [0, 0, 100].map(|number| {
        let work = move || (0..number).for_each(|_| drop(block(10)));
        let request = async { instrument::spawn_blocking(work).await.unwrap() };
        runtime.block_on(metered(request)).1
    });
    let [_, idle, busy] = costs.map(|cost| cost.allocations);
    assert_eq!(busy.saturating_sub(idle), Count::new(100));
}

#[test]
fn tasks_of_tasks_are_charged() {
    let idle = with_tasks(|| {
        instrument::spawn(async {
            instrument::spawn(blocks(0)).await.unwrap();
        })
    });
    let busy = with_tasks(|| {
        instrument::spawn(async {
            instrument::spawn(blocks(100)).await.unwrap();
        })
    });
    assert_eq!(busy.allocations.saturating_sub(idle.allocations), Count::new(100));
}

#[test]
fn tasks_started_by_the_runtime_alone_escape() {
    let idle = with_tasks(|| tokio::spawn(blocks(0)));
    let busy = with_tasks(|| tokio::spawn(blocks(100)));
    assert_eq!(busy.allocations, idle.allocations);
}

#[test]
fn a_task_inside_the_layer_is_charged_to_a_probe_around_it() {
    let service =
        InstrumentLayer::new().expose_headers(false).layer(service_fn(async |_: Request<()>| {
            instrument::spawn(blocks(100)).await.unwrap();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let runtime = four_workers();
    let (response, probe) = runtime.block_on(metered(service.oneshot(request())));
    let inside = response.unwrap().body().cost();
    assert_eq!((probe.allocations, probe.bytes), (inside.allocations, inside.bytes));
    assert!(probe.allocations > Count::new(100));
}

#[test]
fn outside_of_a_request_the_wrappers_only_spawn() {
    let ran = block_on(async {
        let task = instrument::spawn(async { current_request().is_some() });
        let blocking = instrument::spawn_blocking(|| current_request().is_some());
        (task.await.unwrap(), blocking.await.unwrap())
    });
    assert_eq!(ran, (false, false));
}

#[test]
fn a_cancelled_task_is_charged_with_what_it_did() {
    let ((), figures) = block_on(metered(async {
        let task = instrument::spawn(async {
            let _held = block(12_345);
            future::pending::<()>().await;
        });
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }));
    assert!(figures.bytes >= units::Bytes::new(12_345));
}
