//! The HTTP probe against real servers, most of them bad ones.
//!
//! Timeouts are asserted by their phase and by how long was at least waited, never by an upper
//! limit on elapsed time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod server;
mod tls;
mod waiting;

use std::{
    fs,
    io::Write,
    sync::{Mutex, mpsc},
    thread,
};

use perf_passport::{
    contract::HeaderTemplate,
    evidence::CountSource,
    probe::{
        Exchange, HttpProbe, HttpSettings, HttpTarget, Pass, PreparedRequest, Probe, ProbeError,
        SetupRequest,
    },
    units::{Bytes, Count, Nanos},
};
use server::{Server, hang, request, response};

/// What no test is meant to wait for.
const LONG: Nanos = Nanos::new(60_000_000_000);
const SHORT: Nanos = Nanos::new(300_000_000);
const BODY_MAX: Bytes = Bytes::new(100_000);
/// A port that a test server is never given.
const NOBODY: &str = "http://127.0.0.1:1";
const SECRET: &str = "hunter2";

fn settings(base_url: &str) -> HttpSettings {
    HttpSettings {
        base_url: base_url.to_owned(),
        timeout: LONG,
        body_max: BODY_MAX,
        pid: None,
        ca_file: None,
    }
}

fn target(settings: HttpSettings) -> HttpTarget {
    HttpTarget::new(settings).unwrap()
}

fn probe_of(server: &Server) -> HttpProbe {
    target(settings(&server.url())).http_probe().unwrap()
}

fn probe_within(settings: HttpSettings, timeout: Nanos) -> HttpProbe {
    target(HttpSettings { timeout, ..settings }).http_probe().unwrap()
}

fn get(path: &str) -> PreparedRequest {
    let secret = HeaderTemplate::new("${TOKEN}").fill(|_| Some(SECRET.to_owned())).unwrap();
    PreparedRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: vec![("authorization".to_owned(), secret)],
        body: Vec::new(),
        compare_headers: ["location", "set-cookie"].map(str::to_owned).to_vec(),
        setup: Vec::new(),
    }
}

/// One `GET /`; whatever goes wrong, the secret it carries is in no message.
fn send(server: &Server) -> Result<Exchange, ProbeError> {
    checked(probe_of(server).send(&get("/"), Pass::Timed))
}

fn checked(result: Result<Exchange, ProbeError>) -> Result<Exchange, ProbeError> {
    if let Err(error) = &result {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(SECRET), "{text}");
        assert!(error.to_string().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    }
    result
}

#[track_caller]
fn assert_broken(server: &Server) {
    match send(server) {
        Err(ProbeError::Broken(message)) => assert!(!message.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.connections(), 1, "nothing is retried");
}

#[track_caller]
fn assert_timeout(server: &Server, expected: &str) {
    let mut probe = probe_within(settings(&server.url()), SHORT);
    match checked(probe.send(&get("/"), Pass::Timed)) {
        Err(ProbeError::Timeout { after, phase }) => {
            assert_eq!(phase, expected);
            assert!(after >= SHORT, "{after}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn services_on_any_port_of_this_machine_are_asked_with_the_same_host() {
    let (sender, requests) = mpsc::channel();
    let server = Server::start(move |mut stream| {
        while let Some(request) = request(&mut stream) {
            sender.send(request).unwrap();
            stream.write_all(response("200 OK", "", "").as_bytes()).unwrap();
        }
    });
    let hosts = || -> Vec<String> {
        let request = requests.recv().unwrap().to_lowercase();
        let lines = request.lines().filter_map(|line| line.strip_prefix("host: "));
        lines.map(str::to_owned).collect()
    };
    let mut probe = probe_of(&server);
    probe.send(&get("/"), Pass::Timed).unwrap();
    assert_eq!(hosts(), ["localhost"]);
    // The contract's own is sent as it is.
    let own = HeaderTemplate::new("shop.example").fill(|_| None).unwrap();
    let named = PreparedRequest { headers: vec![("host".to_owned(), own)], ..get("/") };
    probe.send(&named, Pass::Timed).unwrap();
    assert_eq!(hosts(), ["shop.example"]);
}

#[test]
fn a_response_arrives_whole_with_a_latency() {
    let (sender, requests) = mpsc::channel();
    let server = Server::start(move |mut stream| {
        while let Some(request) = request(&mut stream) {
            sender.send(request).unwrap();
            let answer = response("201 Created", "Content-Type: text/x\u{ff}\r\n", "made");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut probe = target(settings(&format!("{}/prefix/", server.url()))).http_probe().unwrap();
    let post =
        PreparedRequest { method: "POST".to_owned(), body: b"{}".into(), ..get("/a?b=c%20d") };
    let exchange = probe.send(&post, Pass::Timed).unwrap();
    assert_eq!((exchange.status, exchange.body.as_slice()), (201, &b"made"[..]));
    assert_eq!(exchange.content_type.as_deref(), Some("text/x\u{ff}".as_bytes()));
    assert!(exchange.latency > Nanos::ZERO);
    assert_eq!((exchange.cost, exchange.server_latency), (None, None));

    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /prefix/a?b=c%20d HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: hunter2\r\n") && request.ends_with("{}"), "{request}");
    assert!(!request.to_lowercase().contains("accept-encoding"), "{request}");
}

#[test]
fn what_brings_the_state_about_is_sent_first_and_is_not_the_answer() {
    let server = Server::start(move |mut stream| {
        let mut items = 0;
        while let Some(request) = request(&mut stream) {
            let (status, body) = if request.starts_with("PUT") {
                items += 1;
                ("201 Created", String::new())
            } else {
                ("200 OK", items.to_string())
            };
            stream.write_all(response(status, "", &body).as_bytes()).unwrap();
        }
    });
    let mut probe = probe_of(&server);
    let after = |status| {
        let request = PreparedRequest { method: "PUT".to_owned(), ..get("/item") };
        PreparedRequest { setup: vec![SetupRequest { request, status }; 2], ..get("/") }
    };
    for expected in [&b"2"[..], b"4"] {
        assert_eq!(probe.send(&after(201), Pass::Timed).unwrap().body, expected);
    }
    let error = checked(probe.send(&after(200), Pass::Timed)).unwrap_err();
    assert_eq!(error.to_string(), "the setup request `PUT /item` failed: status 201 and not 200");
    assert_eq!(probe.connections_opened(), Count::new(1));
}

#[test]
fn a_body_stays_as_it_crossed_the_wire_and_chosen_headers_come_with_it() {
    let headers = "Content-Encoding: gzip\r\nSet-Cookie: a=1\r\nLocation: /there\r\n\
                   X-Other: no\r\nset-cookie: b=2\r\n";
    // No gzip at all: whoever decoded it would fail.
    let server = Server::answering(response("200 OK", headers, "\u{1f}\u{7f} raw"));
    let exchange = send(&server).unwrap();
    assert_eq!(exchange.body, "\u{1f}\u{7f} raw".as_bytes());
    let expected = [("location", "/there"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(exchange.headers, expected);
}

#[test]
fn fifty_requests_share_one_connection() {
    let server = Server::answering(response("200 OK", "", "again"));
    let mut probe = probe_of(&server);
    for _ in 0..50 {
        assert_eq!(probe.send(&get("/"), Pass::Timed).unwrap().body, b"again");
    }
    assert_eq!((server.connections(), probe.connections_opened()), (1, Count::new(1)));
}

#[test]
fn fifty_requests_share_one_connection_whatever_the_framing() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for answer in [chunked, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"]
    {
        let server = Server::answering(answer);
        let mut probe = probe_of(&server);
        for _ in 0..50 {
            probe.send(&get("/"), Pass::Timed).unwrap();
        }
        assert_eq!(server.connections(), 1, "{answer}");
    }
}

#[test]
fn a_failing_status_and_a_redirect_are_responses() {
    let server = Server::answering(response("500 Oops", "", "no"));
    assert_eq!(send(&server).unwrap().status, 500);

    let elsewhere = Server::answering(response("200 OK", "", "followed"));
    let location = format!("Location: {}\r\n", elsewhere.url());
    let server = Server::answering(response("302 Found", &location, "moved"));
    let exchange = send(&server).unwrap();
    assert_eq!((exchange.status, exchange.body.as_slice()), (302, &b"moved"[..]));
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_body_until_the_end_of_the_connection_is_whole_and_costs_a_connection() {
    let server = Server::closing("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    let mut probe = probe_of(&server);
    for _ in 0..3 {
        assert_eq!(probe.send(&get("/"), Pass::Timed).unwrap().body, b"until the end");
    }
    assert_eq!(probe.connections_opened(), Count::new(3));
}

#[test]
fn a_head_request_has_no_body_however_long_it_would_be() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n");
    let mut probe = probe_of(&server);
    let head = PreparedRequest { method: "HEAD".to_owned(), ..get("/") };
    assert_eq!(probe.send(&head, Pass::Timed).unwrap().body, b"");
}

#[test]
fn slow_headers_and_slow_bodies_end_at_the_deadline() {
    let silent = Server::start(hang);
    assert_timeout(&silent, "headers");

    let half = Server::start(|mut stream| {
        let _ = request(&mut stream).map(|_| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-"));
        hang(stream);
    });
    assert_timeout(&half, "headers");

    let informing = Server::start(|mut stream| {
        request(&mut stream);
        while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {
            thread::yield_now();
        }
    });
    assert_timeout(&informing, "headers");

    let stuck = Server::start(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123").unwrap();
        hang(stream);
    });
    assert_timeout(&stuck, "body");

    let dripping = Server::start(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        while stream.write_all(b"1\r\nx\r\n").is_ok() {
            thread::sleep(Nanos::new(10_000_000).to_duration());
        }
    });
    assert_timeout(&dripping, "body");
}

#[test]
fn an_endless_body_ends_at_the_deadline_when_the_limit_is_far() {
    let server = Server::start(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        // Half a gigabyte a second at most, so that the test stays small.
        while stream.write_all(&[b'x'; 4096]).is_ok() {
            thread::sleep(Nanos::new(8_000).to_duration());
        }
    });
    let far = HttpSettings { body_max: Bytes::new(u64::MAX), ..settings(&server.url()) };
    let error = probe_within(far, SHORT).send(&get("/"), Pass::Timed).unwrap_err();
    assert!(matches!(error, ProbeError::Timeout { phase: "body", .. }), "{error}");
}

#[test]
fn a_body_beyond_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let limit = usize::try_from(BODY_MAX.get()).unwrap();
    let server = Server::answering(response("200 OK", "", &"x".repeat(limit)));
    assert_eq!(send(&server).unwrap().body.len(), limit);

    let announced = Server::answering(response("200 OK", "", &"x".repeat(limit + 1)));
    let endless = Server::start(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    for server in [announced, endless] {
        let mut probe = probe_of(&server);
        for opened in 1..=2 {
            let error = probe.send(&get("/"), Pass::Timed).unwrap_err();
            assert!(matches!(error, ProbeError::BodyTooLarge { limit } if limit == BODY_MAX));
            // A connection with the rest of a body in it is not used again.
            assert_eq!(probe.connections_opened(), Count::new(opened));
        }
    }
}

#[test]
fn a_response_that_breaks_off_is_broken_and_never_retried() {
    assert_broken(&Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123"));
    assert_broken(&Server::closing("HTTP/1.1 200 OK\r\nContent-Le"));
    assert_broken(&Server::closing(""));
    // Closing with the request unread resets the connection.
    assert_broken(&Server::start(|mut stream| {
        stream.peek(&mut [0]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123").unwrap();
    }));
}

#[test]
fn what_is_not_http_is_broken() {
    let chunked = |rest| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    assert_broken(&Server::answering(chunked("zz\r\nhunter2")));
    assert_broken(&Server::answering(chunked("3\r\nabcdef\r\n")));
    assert_broken(&Server::answering(chunked("fffffffffffffffff\r\n")));
    assert_broken(&Server::closing(chunked("5\r\nab")));
    assert_broken(&Server::answering("SSH-2.0-hunter2\r\n\r\n"));
    assert_broken(&Server::answering(b"\0\xff\x1b[31m\r\n\r\n".as_slice()));
    assert_broken(&Server::answering("HTTP/1.1 200 OK\r\nContent-Length: hunter2\r\n\r\n"));
    assert_broken(&Server::answering("HTTP/1.1 200 OK\r\nbad header: hunter2\r\n\r\n"));
}

#[test]
fn huge_headers_are_bounded() {
    let line = format!("x-filler: {}\r\n", "x".repeat(1000));
    assert_broken(&Server::closing(response("200 OK", &line.repeat(1000), "")));
    assert_broken(&Server::closing(response("200 OK", &"a: b\r\n".repeat(1000), "")));
    assert_broken(&Server::start(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx-endless: ");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    }));
}

#[test]
fn a_connection_closed_while_idle_is_replaced_before_the_clock_starts() {
    // The server closes a connection only when told to, which is after its response was measured,
    // so that nothing but a look at the socket can tell the probe.
    let (close, closing) = mpsc::channel::<()>();
    let (sender, closed) = mpsc::channel();
    let closing = Mutex::new(closing);
    let server = Server::start(move |mut stream| {
        if request(&mut stream).is_some() {
            stream.write_all(response("200 OK", "", "once").as_bytes()).unwrap();
            let _ = closing.lock().unwrap().recv();
            drop(stream);
            let _ = sender.send(());
        }
    });
    let mut probe = probe_of(&server);
    for opened in 1..=10 {
        assert_eq!(probe.send(&get("/"), Pass::Timed).unwrap().body, b"once");
        assert_eq!(probe.connections_opened(), Count::new(opened));
        close.send(()).unwrap();
        closed.recv().unwrap();
        until_both_ends_know(server.address.port());
    }
}

/// Waits until the kernel has told the client's end of a connection that the server closed its own: on
/// a busy machine that comes after the server was told that it is done.
fn until_both_ends_know(port: u16) {
    // The state of what the other side has closed, from include/net/tcp_states.h.
    const CLOSE_WAIT: &str = "08";
    let peer = format!(":{port:04X}");
    let knows = |line: &str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|it| it.ends_with(&peer)) && fields.next() == Some(CLOSE_WAIT)
    };
    while cfg!(target_os = "linux")
        && !fs::read_to_string("/proc/self/net/tcp").unwrap().lines().any(knows)
    {
        thread::yield_now();
    }
}

#[test]
fn a_connection_closed_on_a_request_is_broken_and_the_request_not_sent_again() {
    let server = Server::start(|mut stream| {
        request(&mut stream);
        stream.write_all(response("200 OK", "", "once").as_bytes()).unwrap();
        request(&mut stream);
    });
    let mut probe = probe_of(&server);
    probe.send(&get("/"), Pass::Timed).unwrap();
    let error = checked(probe.send(&get("/"), Pass::Timed)).unwrap_err();
    assert!(matches!(error, ProbeError::Broken(_)), "{error}");
    assert_eq!(server.connections(), 1);
    // The next sample is a new one.
    assert!(probe.send(&get("/"), Pass::Timed).is_ok());
}

#[test]
fn a_port_without_a_service_and_a_name_without_an_address_are_unreachable() {
    for base in [NOBODY, "http://no-such-host.invalid"] {
        let mut probe = target(settings(base)).http_probe().unwrap();
        match checked(probe.send(&get("/"), Pass::Timed)) {
            Err(ProbeError::Unreachable { target, message }) => {
                assert!(target.starts_with(base) && !message.is_empty(), "{target}: {message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_cost_is_what_the_service_says_in_headers_or_else_in_the_body() {
    let cost = |headers: &str, body: &str| {
        let json = format!("Content-Type: application/problem+JSON; charset=x\r\n{headers}");
        send(&Server::answering(response("200 OK", &json, body))).unwrap()
    };
    let block = r#"{"performance":{"allocations":7,"heap_peak_bytes":70}}"#;

    let both = cost(
        "Server-Timing: alloc;desc=\"45\"\r\nserver-timing: total;dur=1.5\r\nX-Process-Time: 9\r\n",
        block,
    );
    let said = both.cost.unwrap();
    assert_eq!((said.source, said.allocations), (CountSource::ServerTiming, Count::new(45)));
    assert_eq!(both.server_latency, Some(Nanos::new(1_500_000)));

    let body = cost("Server-Timing: alloc;desc=\"-45\"\r\nX-Process-Time: 0.002\r\n", block);
    let said = body.cost.unwrap();
    assert_eq!((said.source, said.allocations), (CountSource::PerformanceBlock, Count::new(7)));
    assert_eq!((said.heap_peak, said.allocated_bytes), (Some(Bytes::new(70)), None));
    assert_eq!(body.server_latency, Some(Nanos::new(2_000_000)));

    let neither = cost("Server-Timing: \"\\;alloc;desc=1\r\nX-Process-Time: soon\r\n", "{}");
    assert_eq!((neither.cost, neither.server_latency), (None, None));

    let text = Server::answering(response("200 OK", "Content-Type: text/plain\r\n", block));
    assert_eq!(send(&text).unwrap().cost, None);
}

#[test]
fn memory_is_that_of_the_named_process_or_not_known() {
    let memory = |pid| {
        let named = HttpSettings { pid, ..settings("http://localhost") };
        target(named).http_probe().unwrap().process_memory()
    };
    assert_eq!(memory(None), None);
    assert_eq!(memory(Some(u32::MAX)), None);
    #[cfg(target_os = "linux")]
    assert!(memory(Some(std::process::id())).unwrap().rss > Bytes::ZERO);
}

#[test]
fn a_base_url_is_refused_without_being_repeated() {
    for (base, said) in [
        ("http://user:hunter2@host", "${NAME}"),
        ("http://hunter2@host", "${NAME}"),
        ("user:hunter2@host", "http://"),
        ("ftp://host/hunter2", "http://"),
        ("localhost:8080", "http://"),
        ("host", "not a URL"),
        ("http://", "not a URL"),
        ("http://ho st/hunter2", "not a URL"),
        ("http://host:99999", "not a URL"),
        ("http://host/?key=hunter2", "query"),
        ("http://host/#hunter2", "query"),
    ] {
        let error = HttpTarget::new(settings(base)).unwrap_err();
        assert!(matches!(error, ProbeError::Request(_)));
        let message = error.to_string();
        assert!(message.contains(said) && !message.contains(SECRET), "{base}: {message}");
    }
    assert!(HttpTarget::new(settings("https://[::1]:8080/a/b/")).is_ok());
}

#[test]
fn a_request_that_cannot_be_made_says_so_and_sends_nothing() {
    let server = Server::answering(response("200 OK", "", ""));
    let mut probe = probe_of(&server);
    let with = |name: &str, value: &str| {
        let value = HeaderTemplate::new(value).fill(|_| None).unwrap();
        PreparedRequest { headers: vec![(name.to_owned(), value)], ..get("/") }
    };
    let mut requests = vec![
        with("content-length", SECRET),
        with("transfer-encoding", SECRET),
        with("bad name", SECRET),
        with("x-key", "hunter2\r\nx: y"),
        PreparedRequest { method: "G T".to_owned(), ..get("/") },
        PreparedRequest { method: "CONNECT".to_owned(), ..get("/") },
    ];
    let paths =
        ["", "x", "@elsewhere/", "/a#b", "/a\\b", "/a b", "/\u{e9}", "/a/../b", "/%2E%2e/b"];
    requests.extend(paths.map(get));
    for request in requests {
        let result = checked(probe.send(&request, Pass::Timed));
        assert!(matches!(result, Err(ProbeError::Request(_))), "{request:?}: {result:?}");
    }
    assert_eq!(server.connections(), 0);
}
