//! A request counts once, whatever becomes of it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use perf_passport_meter::{
    telemetry::{
        ExpositionFormat, RouteTemplate, SlowLog, TRACEPARENT, Telemetry, current_trace,
        inject_trace,
    },
    units::Nanos,
};
use tokio::runtime;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{by_hand, sample, samples};

fn block_on<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn telemetry() -> Telemetry {
    by_hand().0.build()
}

/// A body whose frames are given, and whose size is told or not.
#[derive(Default)]
struct Frames {
    parts: VecDeque<Result<Frame<Bytes>, String>>,
    size: Option<u64>,
    panics: bool,
    waits: bool,
}

impl Frames {
    fn data(parts: &[&'static str]) -> Self {
        let parts = parts.iter().map(|it| Ok(Frame::data(Bytes::from_static(it.as_bytes()))));
        Self { parts: parts.collect(), ..Self::default() }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        match self.parts.pop_front() {
            None if self.panics => panic!("on purpose"),
            None if self.waits => Poll::Pending,
            frame => Poll::Ready(frame),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A service behind the layer that answers with one response.
fn answering<B: Body>(
    telemetry: &Telemetry,
    response: Response<B>,
) -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = B::Data, Error = B::Error>>,
    Error = Infallible,
> {
    let mut response = Some(response);
    let service = service_fn(move |_: Request<()>| {
        future::ready(Ok::<_, Infallible>(response.take().expect("one request")))
    });
    telemetry.layer(RouteTemplate::Fixed("/r".into())).layer(service)
}

fn get() -> Request<()> {
    Request::new(())
}

/// What was counted, as `method status figure`.
fn counted(telemetry: &Telemetry) -> Vec<String> {
    let all = samples(telemetry.registry(), "http_requests_total");
    let short = |line: String| {
        let line = line.replace("{route=\"/r\",method=\"", "").replace("\"} ", " ");
        line.replace("\",status=\"", " ")
    };
    // Failures are shown before there is one.
    all.into_iter().filter(|line| !line.ends_with(" 0")).map(short).collect()
}

fn active(telemetry: &Telemetry) -> String {
    sample(telemetry.registry(), "http_active_requests", "").unwrap()
}

#[track_caller]
fn assert_counted(telemetry: &Telemetry, expected: &str) {
    assert_eq!(counted(telemetry), [expected]);
    assert_eq!(active(telemetry), "0");
    let count = samples(telemetry.registry(), "http_request_duration_seconds_count");
    assert_eq!(count.len(), 1, "{count:?}");
    assert!(count[0].ends_with(" 1"), "{count:?}");
}

fn whole<B: Body>(response: Response<B>) -> Result<Bytes, B::Error> {
    block_on(response.into_body().collect()).map(http_body_util::Collected::to_bytes)
}

/// Asks, and returns the response with its body unread.
fn ask<S: Service<Request<()>, Error = Infallible>>(
    service: S,
    request: Request<()>,
) -> S::Response {
    block_on(service.oneshot(request)).unwrap()
}

/// `rate` sees nothing of a counter that begins with its first failure.
#[test]
fn failures_are_zero_before_the_first_request_has_ended() {
    let telemetry = telemetry();
    let response = ask(answering(&telemetry, Response::new(Full::new(Bytes::from("abc")))), get());
    let of = |status: &str, figure: u8| {
        format!("{{route=\"/r\",method=\"GET\",status=\"{status}\"}} {figure}")
    };
    let shown = || samples(telemetry.registry(), "http_requests_total");
    assert_eq!(shown(), [of("5xx", 0), of("aborted", 0)]);
    drop(response);
    assert_eq!(shown(), [of("5xx", 0), of("aborted", 1)]);
}

#[test]
fn a_body_of_known_size_counts_with_its_last_byte() {
    let telemetry = telemetry();
    let response = ask(answering(&telemetry, Response::new(Full::new(Bytes::from("abc")))), get());
    assert_eq!((counted(&telemetry), active(&telemetry)), (vec![], "1".to_owned()));
    assert_eq!(whole(response).unwrap(), "abc");
    assert_counted(&telemetry, "GET 2xx 1");
}

#[test]
fn a_stream_counts_with_its_end() {
    let (builder, hand) = by_hand();
    let telemetry = builder.build();
    let body = Frames::data(&["a", "b"]);
    let mut response = ask(answering(&telemetry, Response::new(body)), get());
    hand.put(Duration::from_millis(30));
    block_on(response.body_mut().frame()).unwrap().unwrap();
    block_on(response.body_mut().frame()).unwrap().unwrap();
    assert_eq!((counted(&telemetry), active(&telemetry)), (vec![], "1".to_owned()));
    hand.put(Duration::from_millis(70));
    assert!(block_on(response.body_mut().frame()).is_none());
    hand.put(Duration::from_millis(500));
    drop(response);
    assert_counted(&telemetry, "GET 2xx 1");
    let sum = sample(
        telemetry.registry(),
        "http_request_duration_seconds_sum",
        "{route=\"/r\",method=\"GET\",status=\"2xx\"}",
    );
    assert_eq!(sum.unwrap(), "0.07");
}

#[test]
fn trailers_and_a_told_length_end_a_stream() {
    let telemetry_of_trailers = telemetry();
    let mut body = Frames::data(&["a"]);
    body.parts.push_back(Ok(Frame::trailers(HeaderMap::new())));
    let mut response = ask(answering(&telemetry_of_trailers, Response::new(body)), get());
    for _ in 0..2 {
        block_on(response.body_mut().frame()).unwrap().unwrap();
    }
    drop(response);
    assert_counted(&telemetry_of_trailers, "GET 2xx 1");

    // A server that was told the length asks no further.
    let telemetry = telemetry();
    let mut response = Response::new(Frames::data(&["ab", "c"]));
    response.headers_mut().insert("content-length", "3".parse().unwrap());
    let mut response = ask(answering(&telemetry, response), get());
    for _ in 0..2 {
        block_on(response.body_mut().frame()).unwrap().unwrap();
    }
    drop(response);
    assert_counted(&telemetry, "GET 2xx 1");
}

#[test]
fn what_has_no_body_counts_with_its_head() {
    for (method, status, expected) in [
        (Method::HEAD, StatusCode::OK, "HEAD 2xx 1"),
        (Method::GET, StatusCode::NO_CONTENT, "GET 2xx 1"),
        (Method::GET, StatusCode::NOT_MODIFIED, "GET 3xx 1"),
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS, "GET 1xx 1"),
    ] {
        let telemetry = telemetry();
        let mut response = Response::new(Full::new(Bytes::from("never sent")));
        *response.status_mut() = status;
        let mut request = get();
        *request.method_mut() = method;
        drop(ask(answering(&telemetry, response), request));
        assert_counted(&telemetry, expected);
    }
    let telemetry = telemetry();
    let mut request = get();
    *request.method_mut() = Method::CONNECT;
    drop(ask(answering(&telemetry, Response::new(Empty::<Bytes>::new())), request));
    assert_counted(&telemetry, "CONNECT 2xx 1");
}

#[test]
fn an_empty_stream_that_is_never_read_is_aborted_and_one_of_size_zero_is_not() {
    let unread = telemetry();
    drop(ask(answering(&unread, Response::new(Frames::default())), get()));
    assert_counted(&unread, "GET aborted 1");
    let empty = telemetry();
    let body = Frames { size: Some(0), ..Frames::default() };
    drop(ask(answering(&empty, Response::new(body)), get()));
    assert_counted(&empty, "GET 2xx 1");
}

#[test]
fn a_body_that_ends_with_an_error_or_a_panic_is_a_failure() {
    let of_error = telemetry();
    let mut body = Frames::data(&["half"]);
    body.parts.push_back(Err("broken".to_owned()));
    let response = ask(answering(&of_error, Response::new(body)), get());
    assert_eq!(whole(response).unwrap_err(), "broken");
    assert_counted(&of_error, "GET 5xx 1");

    let of_panic = telemetry();
    let body = Frames { panics: true, ..Frames::data(&["half"]) };
    let response = ask(answering(&of_panic, Response::new(body)), get());
    let read = catch_unwind(AssertUnwindSafe(|| whole(response)));
    assert!(read.is_err());
    assert_counted(&of_panic, "GET 5xx 1");
}

#[test]
fn a_request_that_nobody_waits_for_is_aborted() {
    let before_head = telemetry();
    let service = service_fn(|_: Request<()>| future::pending::<Result<Response<Frames>, ()>>());
    let layer = before_head.layer(RouteTemplate::Fixed("/r".into()));
    let mut waiting = Box::pin(layer.clone().layer(service).oneshot(get()));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(active(&before_head), "1");
    drop(waiting);
    assert_counted(&before_head, "GET aborted 1");

    // Never polled, as by a `select` that another branch won.
    let mut service = layer.layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Frames::default()))
    }));
    drop(service.call(get()));
    assert_eq!(counted(&before_head), ["GET aborted 2"]);

    let in_body = telemetry();
    let body = Frames { waits: true, ..Frames::data(&["half"]) };
    let mut response = ask(answering(&in_body, Response::new(body)), get());
    block_on(response.body_mut().frame()).unwrap().unwrap();
    drop(response);
    assert_counted(&in_body, "GET aborted 1");
}

#[test]
fn errors_and_panics_of_the_service_are_failures() {
    let rejected = telemetry();
    let layer = |telemetry: &Telemetry| telemetry.layer(RouteTemplate::Fixed("/r".into()));
    let service = service_fn(|_: Request<()>| future::ready(Err::<Response<Frames>, _>("full")));
    assert_eq!(block_on(layer(&rejected).layer(service).oneshot(get())).err(), Some("full"));
    assert_counted(&rejected, "GET 5xx 1");

    let in_call = telemetry();
    let service = service_fn(|_: Request<()>| -> future::Ready<Result<Response<Frames>, ()>> {
        panic!("on purpose")
    });
    let service = layer(&in_call).layer(service);
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(service.oneshot(get())))).is_err());
    assert_counted(&in_call, "GET 5xx 1");

    let in_poll = telemetry();
    let service = service_fn(|_: Request<()>| async {
        assert!(current_trace().is_none(), "on purpose");
        Ok::<_, ()>(Response::new(Frames::default()))
    });
    let service = layer(&in_poll).layer(service);
    // What catches the panic outside of the future may drop the future later.
    let mut request = Box::pin(service.oneshot(get()));
    let mut context = Context::from_waker(Waker::noop());
    let polled = catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(&mut context).is_ready()));
    assert!(polled.is_err());
    drop(request);
    assert_counted(&in_poll, "GET 5xx 1");
    assert_eq!(current_trace(), None, "the trace ends with the panic");
}

#[test]
fn a_clock_that_jumps_makes_no_time_below_zero() {
    let (builder, hand) = by_hand();
    let telemetry = builder.build();
    hand.put(Duration::from_secs(100));
    let response = ask(answering(&telemetry, Response::new(Full::new(Bytes::from("abc")))), get());
    hand.put(Duration::from_secs(3));
    whole(response).unwrap();
    assert_counted(&telemetry, "GET 2xx 1");
    let response = ask(answering(&telemetry, Response::new(Full::new(Bytes::from("abc")))), get());
    hand.put(Duration::from_secs(3_000_000_000));
    whole(response).unwrap();
    let labels = "{route=\"/r\",method=\"GET\",status=\"2xx\"}";
    let sum = sample(telemetry.registry(), "http_request_duration_seconds_sum", labels);
    assert_eq!(sum.unwrap(), "2999999997");
    let lowest = "{route=\"/r\",method=\"GET\",status=\"2xx\",le=\"0.0001\"}";
    let bucket = sample(telemetry.registry(), "http_request_duration_seconds_bucket", lowest);
    assert_eq!(bucket.unwrap(), "1");
}

#[test]
fn slow_requests_are_written_by_template() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let (builder, hand) = by_hand();
    let log = SlowLog::new(move |line| sink.lock().unwrap().push(line.to_owned()));
    let telemetry = builder.slow_log(log).build();
    for (time, secret) in [(99, "quick"), (100, "secret")] {
        hand.put(Duration::ZERO);
        let mut request = get();
        *request.uri_mut() = format!("/users/{secret}?token={secret}").parse().unwrap();
        request.headers_mut().insert("cookie", secret.parse().unwrap());
        let response = ask(answering(&telemetry, Response::new(Frames::data(&["x"]))), request);
        hand.put(Duration::from_millis(time));
        whole(response).unwrap();
    }
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let start = r#"{"event":"slow_request","time":"2023-11-14T22:13:20.000Z","route":"/r","method":"GET","status":"2xx","code":200,"duration_seconds":0.100000,"trace_id":""#;
    assert!(lines[0].starts_with(start), "{}", lines[0]);
    assert!(!lines[0].contains("secret"), "{}", lines[0]);
}

#[test]
fn slow_operations_are_written_with_their_request() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let (builder, hand) = by_hand();
    let log = SlowLog::new(move |line| sink.lock().unwrap().push(line.to_owned()));
    let telemetry = builder.slow_log(log.threshold(Nanos::new(5_000_000))).build();
    let database = telemetry.database("main").unwrap();
    let service = service_fn(|_: Request<()>| {
        let operation = database.operation("select", "users");
        hand.put(Duration::from_millis(7));
        operation.ok();
        let trace = current_trace().unwrap().trace.to_string();
        future::ready(Ok::<_, Infallible>(Response::new(trace)))
    });
    let service = telemetry.layer(RouteTemplate::Fixed("/r".into())).layer(service);
    let trace = whole(ask(service, get())).unwrap();
    let trace = String::from_utf8(trace.to_vec()).unwrap();
    let lines = lines.lock().unwrap();
    let expected = format!(
        r#""operation":"select","table":"users","outcome":"ok","duration_seconds":0.007000,"trace_id":"{trace}"}}"#
    );
    assert!(lines[0].ends_with(&expected), "{lines:?}");
    assert!(lines[1].contains("slow_request") && lines[1].contains(&trace), "{lines:?}");
}

#[test]
fn without_spans_the_place_of_the_caller_is_passed_on_as_it_is() {
    let service = service_fn(|_: Request<()>| {
        let mut headers = HeaderMap::new();
        let is_there = inject_trace(&mut headers);
        assert_eq!(is_there, headers.contains_key(&TRACEPARENT));
        let header = headers.get(&TRACEPARENT).map_or(&b""[..], |it| it.as_bytes());
        future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::copy_from_slice(header)))))
    });
    let telemetry = by_hand().0.build();
    let service = telemetry.layer(RouteTemplate::Fixed("/r".into())).layer(service);
    for flag in ["00", "01"] {
        let outside = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flag}");
        let mut request = get();
        request.headers_mut().insert(&TRACEPARENT, outside.parse().unwrap());
        assert_eq!(whole(ask(service.clone(), request)).unwrap(), outside);
    }
    // A trace that nobody records is none that others should take part in.
    assert_eq!(whole(ask(service, get())).unwrap(), "");
}

#[test]
fn the_trace_of_a_request_is_the_exemplar_of_its_bucket() {
    let telemetry = by_hand().0.exemplars(true).build();
    let traced = |value: &str| {
        let mut request = get();
        request.headers_mut().insert(&TRACEPARENT, value.parse().unwrap());
        let response = Response::new(Full::new(Bytes::from("abc")));
        whole(ask(answering(&telemetry, response), request)).unwrap();
        telemetry.registry().text(ExpositionFormat::OpenMetrics)
    };
    let id = "0af7651916cd43dd8448eb211c80319c";
    let text = traced(&format!("00-{id}-b7ad6b7169203331-01"));
    let expected = format!("le=\"0.0001\"}} 1 # {{trace_id=\"{id}\"}} 0 1700000000.000\n");
    assert!(text.contains(&expected), "{text}");
    // One that is malformed is no trace, and the request has a new one.
    let text = traced(&format!("00-{id}-0000000000000000-01"));
    assert!(text.contains("le=\"0.0001\"} 2 # {trace_id=\"") && !text.contains(id), "{text}");
    let text = telemetry.registry().text(ExpositionFormat::Text);
    assert!(!text.contains("trace_id"), "{text}");
}

#[test]
fn many_requests_at_once_each_count_once() {
    let telemetry = telemetry();
    let runtime = runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let service = service_fn(async |_: Request<()>| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(Frames::data(&["a", "b"])))
    });
    let service = telemetry.layer(RouteTemplate::Fixed("/r".into())).layer(service);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..400)
            .map(|number| {
                let service = service.clone();
                tokio::spawn(async move {
                    let response = service.oneshot(get()).await.unwrap();
                    if number % 4 > 0 {
                        response.into_body().collect().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(counted(&telemetry), ["GET 2xx 300", "GET aborted 100"]);
    assert_eq!(active(&telemetry), "0");
}
