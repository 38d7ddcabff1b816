//! What the telemetry of a request costs, against a layer that does nothing.
//!
//! `cargo bench --no-default-features --features instrument --bench telemetry`
//!
//! All sides take turns in batches, so a machine that slows down slows all of a round. Each round gives one
//! ratio and one difference to the first side; their medians are shown, with the middle half of the
//! differences. Without `--bench` each side runs once, and nothing is timed.

use std::{convert::Infallible, future, hint::black_box, time::Instant};

use axum::{Router, body::Body, body::HttpBody, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use perf_passport_meter::telemetry::{
    BucketEdges, BucketHistogram, Registry, RouteTemplate, SlowLog, Telemetry, TelemetryBuilder,
};
use perf_passport_meter::units::Nanos;
use tokio::runtime;
use tower::{Layer, Service, ServiceExt, layer::util::Identity, service_fn};

fn main() {
    let is_timed = std::env::args().any(|argument| argument == "--bench");
    let rounds = if is_timed { 4000 } else { 1 };
    report("any tower service, body read", &mut tower_sides(), rounds, 256);
    report("axum: GET /users/{id} -> hello, body read", &mut router_sides(), rounds, 64);
    report("parts, beside an empty loop", &mut part_sides(), rounds, 256);
}

/// One way to do the same work.
struct Side {
    name: &'static str,
    /// Does the work this many times.
    run: Box<dyn FnMut(u64)>,
}

fn side(name: &'static str, run: impl FnMut(u64) + 'static) -> Side {
    Side { name, run: Box::new(run) }
}

/// As a service has it: a slow log, and traces.
fn full() -> TelemetryBuilder {
    Telemetry::builder("bench").slow_log(SlowLog::new(|line| {
        black_box(line);
    }))
}

fn tower_sides() -> Vec<Side> {
    let service = || {
        service_fn(|_: Request<Body>| {
            let body = Full::new(Bytes::from_static(b"hello"));
            future::ready(Ok::<_, Infallible>(Response::new(body)))
        })
    };
    let layer = |builder: TelemetryBuilder| {
        builder.build().layer(RouteTemplate::Fixed("/users/{id}".into()))
    };
    vec![
        side("a layer that does nothing", asked(Identity::new().layer(service()))),
        side("the same again", asked(Identity::new().layer(service()))),
        side("telemetry without traces", {
            asked(layer(full().trace_context(false)).layer(service()))
        }),
        side("telemetry", asked(layer(full()).layer(service()))),
        side("telemetry with exemplars", asked(layer(full().exemplars(true)).layer(service()))),
    ]
}

fn router_sides() -> Vec<Side> {
    let router = || Router::new().route("/users/{id}", get(|| async { "hello" }));
    let telemetry = |builder: TelemetryBuilder| {
        asked(router().layer(builder.build().axum_layer()).with_state(()))
    };
    let nothing = || asked(router().layer(Identity::new()).with_state(()));
    vec![
        side("a layer that does nothing", nothing()),
        side("the same again", nothing()),
        side("telemetry without traces", telemetry(full().trace_context(false))),
        side("telemetry", telemetry(full())),
        side("telemetry with exemplars", telemetry(full().exemplars(true))),
    ]
}

/// Sends requests to `service` and reads the whole of its responses, on this thread.
fn asked<S, B>(service: S) -> impl FnMut(u64)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: HttpBody<Error: std::fmt::Debug>,
{
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    move |requests| {
        runtime.block_on(async {
            for _ in 0..requests {
                let mut request = Request::new(Body::empty());
                *request.uri_mut() = http::Uri::from_static("/users/7");
                let response = service.clone().oneshot(request).await;
                let body = response.expect("the service answers").into_body();
                black_box(body.collect().await.expect("the body is complete").to_bytes());
            }
        });
    }
}

fn part_sides() -> Vec<Side> {
    let registry = Registry::new();
    let counters = registry.counters("a_total", "A.", ["route", "method"]).expect("a new name");
    let counter = counters.with(["/users/{id}", "GET"]);
    let histogram = BucketHistogram::new(BucketEdges::latency());
    vec![
        side("nothing", |times| (0..times).for_each(|n| _ = black_box(n))),
        side("two readings of the clock", |times| {
            (0..times).for_each(|_| _ = black_box((now(), now())));
        }),
        side("a counter", move |times| (0..times).for_each(|_| counter.inc())),
        side("a histogram", move |times| {
            (0..times).for_each(|n| histogram.observe(black_box(Nanos::new(n * 100_000))));
        }),
        side("a counter found by its labels", move |times| {
            (0..times).for_each(|_| counters.with(["/users/{id}", black_box("GET")]).inc());
        }),
    ]
}

/// Lets all sides take turns and prints the median time of each beside the first.
#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn report(title: &str, sides: &mut [Side], rounds: usize, batch: u32) {
    let mut times: Vec<Vec<f64>> = sides.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds + rounds / 10 {
        for turn in 0..sides.len() {
            // Every side takes every place in the round, forwards and backwards.
            let turn = if round % 2 == 0 { turn } else { sides.len() - 1 - turn };
            let index = (turn + round / 2) % sides.len();
            (sides[index].run)(2);
            let start = now();
            (sides[index].run)(u64::from(batch));
            let nanos = start.elapsed().as_secs_f64() * 1e9 / f64::from(batch);
            if round >= rounds / 10 {
                times[index].push(nanos);
            }
        }
    }
    if rounds == 1 {
        return;
    }
    println!("{title} ({rounds} rounds of {batch})");
    println!("  {:>9}  {:>8}  {:>10}  {:^18}  side", "ns", "ratio", "more, ns", "middle half");
    for (side, own) in sides.iter().zip(&times) {
        let ratios: Vec<f64> = own.iter().zip(&times[0]).map(|(own, first)| own / first).collect();
        let more: Vec<f64> = own.iter().zip(&times[0]).map(|(own, first)| own - first).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(&more, share));
        let (nanos, ratio) = (quantile(own, 0.5), quantile(&ratios, 0.5));
        let half = format!("[{low:.1}, {high:.1}]");
        println!("  {nanos:>9.1}  {ratio:>8.4}  {middle:>10.1}  {half:^18}  {}", side.name);
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
