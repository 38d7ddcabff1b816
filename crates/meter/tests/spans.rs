//! Spans by OTLP: sent over HTTP to a collector that decodes what it gets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use perf_passport_meter::{
    telemetry::{
        ExpositionFormat, RouteTemplate, TRACEPARENT, Telemetry, current_trace, inject_trace,
    },
    units::Ppm,
};
use prost::Message;
use tower::{Layer, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(20);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Takes requests until its channel has no receiver any more. Each gets `status`.
fn collector(status: u16) -> (SocketAddr, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let body = read_message(&mut stream);
            let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            if sender.send(ExportTraceServiceRequest::decode(&*body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// The body of a message whose head tells its length.
fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "the message is cut");
        bytes.extend_from_slice(&chunk[..read]);
        let Some(head) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().trim().parse().unwrap();
        if bytes.len() >= head + 4 + length {
            return bytes.split_off(head + 4);
        }
    }
}

/// A client of one connection for each message, as a service would give one with TLS.
#[derive(Debug)]
struct Plain(SocketAddr);

#[async_trait::async_trait]
impl HttpClient for Plain {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut stream = TcpStream::connect(self.0)?;
        let (head, body) = request.into_parts();
        assert_eq!(head.headers["content-type"], "application/x-protobuf");
        let line =
            format!("POST {} HTTP/1.1\r\ncontent-length: {}\r\n\r\n", head.uri.path(), body.len());
        stream.write_all(&[line.as_bytes(), &body].concat())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        let status = StatusCode::from_bytes(&answer[9..])?;
        Ok(Response::builder().status(status).body(Bytes::new())?)
    }
}

fn telemetry(address: SocketAddr, sampled: Ppm) -> Telemetry {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Plain(address))
        .with_endpoint(format!("http://{address}/v1/traces"))
        .build()
        .unwrap();
    Telemetry::builder("shop").version("1.2.3").exemplars(true).spans(exporter, sampled).build()
}

/// Sends requests whose path says what the service does with them.
fn send(telemetry: &Telemetry, requests: Vec<Request<()>>) {
    let layer = telemetry.layer(RouteTemplate::Fixed("/users/{id}".into()));
    let service = service_fn(async |request: Request<()>| {
        let mut headers = HeaderMap::new();
        inject_trace(&mut headers);
        let sampled = current_trace().unwrap().sampled;
        let passed_on = headers[&TRACEPARENT].to_str().unwrap().to_owned();
        assert!(passed_on.ends_with(if sampled { "-01" } else { "-00" }), "{passed_on}");
        let mut response = Response::new(Full::new(Bytes::from("hello")));
        if request.uri().path() == "/fails" {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        Ok::<_, Infallible>(response)
    });
    let service = layer.layer(service);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for request in requests {
        let is_read = request.uri().path() != "/aborted";
        let response = runtime.block_on(service.clone().oneshot(request)).unwrap();
        if is_read {
            runtime.block_on(response.into_body().collect()).unwrap();
        }
    }
}

fn request(path: &'static str) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = http::Uri::from_static(path);
    request
}

fn traced(flag: &str) -> Request<()> {
    let mut request = request("/users/secret");
    let value = format!("00-{TRACE}-{PARENT}-{flag}");
    request.headers_mut().insert(&TRACEPARENT, value.parse().unwrap());
    request
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|it| it.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    perf_passport_meter::text::hex(bytes)
}

#[test]
fn a_collector_gets_what_happened_and_no_path() {
    let (address, received) = collector(200);
    let telemetry = telemetry(address, Ppm::new(1_000_000));
    send(&telemetry, vec![traced("00"), request("/fails"), request("/aborted")]);
    telemetry.flush_spans().unwrap();
    let message = received.recv_timeout(LIMIT).unwrap();
    let of_resource = &message.resource_spans[0];
    let resource = of_resource.resource.as_ref().unwrap();
    let of_service: Vec<&str> = resource.attributes.iter().map(|it| &*it.key).collect();
    assert!(of_service.contains(&"service.name") && of_service.contains(&"service.version"));
    let mut spans: VecDeque<&Span> = of_resource.scope_spans[0].spans.iter().collect();
    assert_eq!(spans.len(), 3);

    let first = spans.pop_front().unwrap();
    assert_eq!((hex(&first.trace_id), hex(&first.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(first.name, "GET /users/{id}");
    assert_eq!(first.kind, SpanKind::Server as i32);
    assert!(first.end_time_unix_nano >= first.start_time_unix_nano);
    assert_eq!(attribute(first, "http.route").unwrap(), "/users/{id}");
    assert_eq!(attribute(first, "http.request.method").unwrap(), "GET");
    assert_eq!(attribute(first, "http.response.status_code").unwrap(), "200");
    let fails = spans.pop_front().unwrap();
    assert!(fails.parent_span_id.is_empty());
    assert_eq!(fails.status.as_ref().unwrap().code, SpanStatus::Error as i32);
    let aborted = spans.pop_front().unwrap();
    assert_eq!(attribute(aborted, "error.type").unwrap(), "aborted");
    assert!(!format!("{message:?}").contains("secret"));
    let text = telemetry.registry().text(ExpositionFormat::OpenMetrics);
    assert!(text.contains(&format!("trace_id=\"{}\"", hex(&aborted.trace_id))), "{text}");
}

#[test]
fn a_stranger_does_not_decide_what_is_recorded() {
    let (address, received) = collector(200);
    let telemetry = telemetry(address, Ppm::ZERO);
    send(&telemetry, vec![traced("01")]);
    telemetry.flush_spans().unwrap();
    let text = telemetry.registry().text(ExpositionFormat::OpenMetrics);
    assert!(!text.contains("trace_id"), "no exemplar leads to a trace that is not kept");
    drop(telemetry);
    assert!(received.try_recv().is_err());
}

#[test]
fn about_the_share_that_was_asked_for_is_recorded() {
    let (address, received) = collector(200);
    let telemetry = telemetry(address, Ppm::new(250_000));
    send(&telemetry, (0..1_000).map(|_| traced("01")).collect());
    // Dropping the last of it sends the rest.
    drop(telemetry);
    let mut count = 0;
    while let Ok(message) = received.recv_timeout(Duration::from_secs(1)) {
        let scopes = message.resource_spans.iter().flat_map(|it| &it.scope_spans);
        count += scopes.map(|it| it.spans.len()).sum::<usize>();
    }
    // Ten standard deviations of a binomial are 137.
    assert!((113..=387).contains(&count), "{count} of 1,000");
}

#[test]
fn a_collector_that_is_not_there_stops_no_request() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let telemetry = telemetry(address, Ppm::new(1_000_000));
    send(&telemetry, vec![request("/users/1")]);
    let said = telemetry.flush_spans().unwrap_err().to_string();
    assert!(said.starts_with("cannot send the spans: ") && said.is_ascii(), "{said}");
    let text = telemetry.registry().text(ExpositionFormat::Text);
    assert!(text.contains("status=\"2xx\"} 1\n"), "{text}");
}
