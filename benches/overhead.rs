//! What counting and the layer cost a request.
//!
//! `cargo bench --no-default-features --features instrument --bench overhead`
//!
//! Two reports. First the paired one, which is the one to quote: all sides take turns in batches of
//! a few dozen requests, each round gives one ratio to the plain side, and the median of the ratios
//! is shown with the middle half of them. A machine that slows down slows all sides of a round.
//! Then criterion's, side after side.
//!
//! The plain side runs with counting switched off, so it pays one relaxed load per allocation.

use std::{convert::Infallible, hint::black_box, time::Instant};

use axum::{
    Router, ServiceExt as _,
    body::{Body, HttpBody},
    http::{Request, Response},
    response::IntoResponse,
    routing::get,
};
use criterion::Criterion;
use http_body_util::BodyExt;
use perf_passport::{
    allocation::{CountingAllocator, Meter, set_counting},
    instrument::InstrumentLayer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
};
use tower::{Layer, Service, ServiceExt};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const LAYER: InstrumentLayer = InstrumentLayer::new();

fn main() {
    let mut in_process = in_process_sides();
    let mut tcp = tcp_sides();
    let mut parts = part_sides();
    if std::env::args().any(|argument| argument == "--bench") {
        report_pairs("in process: GET / -> hello, head and body", &mut in_process, 4000, 32);
        report_pairs("loopback TCP, one connection kept alive", &mut tcp, 2000, 16);
        report_pairs("parts, beside an empty loop", &mut parts, 2000, 256);
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (group, sides) in
        [("in_process", &mut in_process), ("tcp", &mut tcp), ("parts", &mut parts)]
    {
        let mut group = criterion.benchmark_group(group);
        for side in sides {
            set_counting(side.counting);
            group.bench_function(side.name, |bencher| {
                bencher.iter_custom(|requests| {
                    let start = now();
                    (side.run)(requests);
                    start.elapsed()
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

/// One way to do the same work.
struct Side {
    name: &'static str,
    counting: bool,
    /// Does the work this many times.
    run: Box<dyn FnMut(u64)>,
}

fn side(name: &'static str, counting: bool, run: impl FnMut(u64) + 'static) -> Side {
    Side { name, counting, run: Box::new(run) }
}

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn in_process_sides() -> Vec<Side> {
    vec![
        side("plain", false, in_process(router())),
        side("plain again", false, in_process(router())),
        side("counting", true, in_process(router())),
        side("layer, not counting", false, in_process(LAYER.layer(router()))),
        side("layer without headers, not counting", false, {
            in_process(LAYER.expose_headers(false).layer(router()))
        }),
        side("layer without headers + counting", true, {
            in_process(LAYER.expose_headers(false).layer(router()))
        }),
        side("layer + counting", true, in_process(LAYER.layer(router()))),
        side("empty layer by Router::layer", false, {
            in_process(router().layer(tower::layer::util::Identity::new()))
        }),
        side("layer by Router::layer + counting", true, in_process(router().layer(LAYER))),
    ]
}

/// Sends requests to `service` and reads the whole of its responses, on this thread.
fn in_process<S, B>(service: S) -> impl FnMut(u64)
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug> + Clone,
    B: HttpBody<Error: std::fmt::Debug>,
{
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    move |requests| {
        runtime.block_on(async {
            for _ in 0..requests {
                let response = service.clone().oneshot(Request::new(Body::empty())).await;
                let body = response.expect("the service answers").into_body();
                black_box(body.collect().await.expect("the body is complete").to_bytes());
            }
        });
    }
}

fn tcp_sides() -> Vec<Side> {
    vec![
        side("plain", false, over_tcp(router())),
        side("plain again", false, over_tcp(router())),
        side("counting", true, over_tcp(router())),
        side("layer + counting", true, over_tcp(LAYER.layer(router()))),
        side("layer by Router::layer + counting", true, over_tcp(router().layer(LAYER))),
    ]
}

/// Sends requests over one connection to `service`, which is served on this thread too: a second
/// thread would measure where the scheduler puts it.
fn over_tcp<S>(service: S) -> impl FnMut(u64)
where
    S: Service<Request<Body>, Response: IntoResponse, Error = Infallible> + Clone + Send + 'static,
    S: Sync,
    S::Future: Send,
{
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut connection = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = service.map_response(IntoResponse::into_response);
        tokio::spawn(async { axum::serve(listener, service.into_make_service()).await });
        TcpStream::connect(address).await.expect("the server listens")
    });
    connection.set_nodelay(true).expect("a socket option");
    move |requests| {
        runtime.block_on(async {
            for _ in 0..requests {
                let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
                connection.write_all(request).await.expect("sent");
                let mut answer = [0; 1024];
                let mut length = 0;
                while !answer[..length].ends_with(b"\r\n\r\nhello") {
                    length += connection.read(&mut answer[length..]).await.expect("received");
                }
            }
        });
    }
}

fn part_sides() -> Vec<Side> {
    vec![
        side("nothing", true, |times| (0..times).for_each(|n| _ = black_box(n))),
        side("block, not counting", false, allocate),
        side("block, counting", true, allocate),
        side("two readings of the clock", true, |times| {
            (0..times).for_each(|_| _ = black_box((now(), now())));
        }),
        side("a scope", true, |times| {
            (0..times).for_each(|_| {
                let mut meter = Meter::new();
                meter.run(|| black_box(()));
                black_box(&mut meter);
            });
        }),
    ]
}

fn allocate(times: u64) {
    (0..times).for_each(|_| drop(black_box(Box::new(black_box(1_u64)))));
}

/// Lets all sides take turns and prints the median time of each and its ratio to the first.
#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn report_pairs(title: &str, sides: &mut [Side], rounds: usize, batch: u32) {
    let mut times: Vec<Vec<f64>> = sides.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds + rounds / 10 {
        for turn in 0..sides.len() {
            // Every side takes every place in the round, forwards and backwards.
            let turn = if round % 2 == 0 { turn } else { sides.len() - 1 - turn };
            let index = (turn + round / 2) % sides.len();
            let side = &mut sides[index];
            set_counting(side.counting);
            (side.run)(2);
            let start = now();
            (side.run)(u64::from(batch));
            let nanos = start.elapsed().as_secs_f64() * 1e9 / f64::from(batch);
            if round >= rounds / 10 {
                times[index].push(nanos);
            }
        }
    }
    set_counting(true);
    println!("{title} ({rounds} rounds of {batch})");
    println!("  {:>9}  {:>8}  {:^18}  side", "ns", "ratio", "middle half");
    for (side, own) in sides.iter().zip(&times) {
        let ratios: Vec<f64> = own.iter().zip(&times[0]).map(|(own, plain)| own / plain).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share));
        let nanos = quantile(own, 0.5);
        println!("  {nanos:>9.1}  {middle:>8.4}  [{low:.4}, {high:.4}]  {}", side.name);
    }
    println!();
}

/// The sample at this share of the sorted samples.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a few thousand samples"
)]
fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
