//! The least that an exchange can take: a server that only answers what another one was heard to
//! answer.
//!
//! What is left of another server's round trip beyond the round trip to this one is that server's
//! own. The floor is a low one: this server looks up nothing, and does not even parse a request
//! beyond its end.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::thread::{CpuSet, sched_setaffinity};

use perf_passport::probe::{Exchange, PreparedRequest};

/// The largest head of a request that is read; those of a contract are smaller.
const HEAD_MAX: usize = 1 << 20;

/// What an answer says that is the last of its connection.
const CLOSE: &[u8] = b"connection: close\r\n";

/// Who connects to be answered once asks at once.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// The server, on a thread of its own; gone when it is dropped.
pub(super) struct Floor {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    over: AtomicBool,
}

/// What is answered, in turns.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// What is answered once, before the turns begin.
    opening: Vec<Arc<[u8]>>,
    answers: Vec<Arc<[u8]>>,
    /// Whether each answer is the last of its connection.
    closes: bool,
    /// Counts the opening as well.
    next: usize,
}

/// Headers that follow from how an answer is written.
const FRAMING_HEADERS: [&str; 4] =
    ["content-type", "content-length", "transfer-encoding", "connection"];

impl Script {
    /// Adds the answers to a request, and to those that are sent before it.
    pub(super) fn add(&mut self, request: &PreparedRequest, heard: &Exchange) {
        for step in &request.setup {
            let bodiless = is_bodiless(&step.request.method, step.status);
            let end = if bodiless { "" } else { "content-length: 0\r\n" };
            let answer = format!("HTTP/1.1 {} -\r\n{end}\r\n", step.status);
            self.answers.push(answer.into_bytes().into());
        }
        let bodiless = is_bodiless(&request.method, heard.status);
        let mut answer = format!("HTTP/1.1 {} -\r\n", heard.status).into_bytes();
        if let Some(media_type) = &heard.content_type {
            answer.extend_from_slice(b"content-type: ");
            answer.extend_from_slice(media_type);
            answer.extend_from_slice(b"\r\n");
        }
        if !bodiless {
            answer
                .extend_from_slice(format!("content-length: {}\r\n", heard.body.len()).as_bytes());
        }
        answer.extend_from_slice(b"\r\n");
        if !bodiless {
            answer.extend_from_slice(&heard.body);
        }
        self.answers.push(answer.into());
    }

    /// Adds the answer to a request with the headers that it was asked for: requests after it may need
    /// what is in them.
    pub(super) fn add_with_headers(&mut self, request: &PreparedRequest, heard: &Exchange) {
        self.add(request, heard);
        let Some(answer) = self.answers.last_mut() else { return };
        let mut lines = Vec::new();
        for (name, value) in &heard.headers {
            if !FRAMING_HEADERS.contains(&name.as_str()) {
                lines.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
        }
        *answer = with_lines(answer, &lines);
    }

    /// Makes what was heard so far the opening.
    pub(super) fn begin_turns(&mut self) {
        self.opening = std::mem::take(&mut self.answers);
    }

    /// How many answers there are.
    pub(super) fn len(&self) -> u64 {
        (self.opening.len() + self.answers.len()) as u64
    }

    /// Closes the connection after each answer, as the other server does, and says so: the client would
    /// else ask once more over a connection that is about to be closed.
    pub(super) fn close_after_each(&mut self) {
        self.closes = true;
        for answer in self.opening.iter_mut().chain(&mut self.answers) {
            *answer = with_lines(answer, CLOSE);
        }
    }

    fn next(&mut self) -> Option<(Arc<[u8]>, bool)> {
        let first = self.opening.len();
        let answer = match self.next.checked_sub(first) {
            None => &self.opening[self.next],
            Some(turn) => self.answers.get(turn)?,
        };
        let answer = Arc::clone(answer);
        self.next += 1;
        if self.next == first + self.answers.len() {
            self.next = first;
        }
        Some((answer, self.closes))
    }
}

/// The answer with these lines behind its first one.
fn with_lines(answer: &[u8], lines: &[u8]) -> Arc<[u8]> {
    let mut bytes = answer.to_vec();
    let status_line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |it| it + 1);
    bytes.splice(status_line..status_line, lines.iter().copied());
    bytes.into()
}

impl Floor {
    /// Starts the server on a processor, any when `None`.
    pub(super) fn start(cpu: Option<usize>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("floor".to_owned()).spawn(move || {
            if let Some(cpu) = cpu {
                let mut set = CpuSet::new();
                set.set(cpu);
                // Of this thread and those that it starts.
                let _ = sched_setaffinity(None, &set);
            }
            for stream in listener.incoming() {
                if theirs.over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                // A thread for one answer would take longer than the answer.
                if lock(&theirs.script).closes {
                    let _ = stream.set_read_timeout(Some(REQUEST_TIME));
                    serve(stream, &theirs);
                    continue;
                }
                let shared = Arc::clone(&theirs);
                thread::spawn(move || serve(stream, &shared));
            }
        })?;
        Ok(Self { address, shared })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers by this script from now on, from its beginning.
    pub(super) fn play(&self, script: Script) {
        *lock(&self.shared.script) = script;
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// Whether the answer has no body, and says nothing of its length.
fn is_bodiless(method: &str, status: u16) -> bool {
    method == "HEAD" || matches!(status, 100..=199 | 204 | 304)
}

fn lock(script: &Mutex<Script>) -> std::sync::MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of a connection until it is closed, or there is no answer.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Ok(true) = read_request(&mut stream, &mut buffer) {
        // Its lock is not held while it is written.
        let next = lock(&shared.script).next();
        let Some((answer, closes)) = next else { return };
        if stream.write_all(&answer).is_err() || closes {
            return;
        }
    }
}

/// Reads one request to its end; whether there was one. There is one in flight at a time, so
/// nothing is left over.
fn read_request(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.clear();
    let mut chunk = [0; 16 << 10];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(false);
        }
        buffer.extend_from_slice(&chunk[..read]);
        let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") else {
            if buffer.len() > HEAD_MAX {
                return Ok(false);
            }
            continue;
        };
        let mut due = (end + 4 + body_length(&buffer[..end])).saturating_sub(buffer.len());
        while due > 0 {
            let read = stream.read(&mut chunk)?;
            if read == 0 {
                return Ok(false);
            }
            due = due.saturating_sub(read);
        }
        return Ok(true);
    }
}

/// What the head of a request says of its body, which our client always does.
fn body_length(head: &[u8]) -> usize {
    let mut lines = head.split(|byte| *byte == b'\n');
    let length = lines.find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let named = line[..colon].eq_ignore_ascii_case(b"content-length");
        let value = std::str::from_utf8(&line[colon + 1..]).ok()?;
        named.then(|| value.trim().parse().ok())?
    });
    length.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::{probe::SetupRequest, units::Nanos};

    fn request(method: &str) -> PreparedRequest {
        PreparedRequest {
            method: method.to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            compare_headers: Vec::new(),
            setup: Vec::new(),
        }
    }

    fn heard(status: u16, body: &str) -> Exchange {
        Exchange {
            status,
            content_type: Some(b"text/plain".to_vec()),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            latency: Nanos::ZERO,
            cpu_wait: None,
            server_latency: None,
            cost: None,
            oracle: None,
        }
    }

    /// Sends a text on a connection of its own; what comes back until it is closed.
    fn ask(floor: &Floor, text: &str) -> String {
        let mut stream = TcpStream::connect(floor.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_are_those_that_were_heard_in_turns() {
        let floor = Floor::start(None).unwrap();
        let mut script = Script::default();
        script.add(&request("GET"), &heard(200, "first"));
        script.add(&request("GET"), &heard(404, ""));
        script.add(&request("HEAD"), &heard(200, ""));
        script.add(&request("DELETE"), &heard(204, ""));
        script.close_after_each();
        floor.play(script);
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let answers: Vec<String> = (0..5).map(|_| ask(&floor, get)).collect();
        let with_type = |status: u16, rest: &str| {
            let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n");
            format!("{head}content-type: text/plain\r\n{rest}")
        };
        assert_eq!(answers[0], with_type(200, "content-length: 5\r\n\r\nfirst"));
        assert_eq!(answers[1], with_type(404, "content-length: 0\r\n\r\n"));
        assert_eq!(answers[2], with_type(200, "\r\n"));
        assert_eq!(answers[3], with_type(204, "\r\n"));
        assert_eq!(answers[4], answers[0]);
    }

    #[test]
    fn what_is_sent_before_a_request_is_answered_too() {
        let floor = Floor::start(None).unwrap();
        let mut script = Script::default();
        let step = |method, status| SetupRequest { request: request(method), status };
        let setup = vec![step("PUT", 201), step("DELETE", 204)];
        script.add(&PreparedRequest { setup, ..request("GET") }, &heard(200, "ok"));
        script.close_after_each();
        floor.play(script);
        let answers: Vec<String> =
            (0..3).map(|_| ask(&floor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        let close = "connection: close\r\n";
        assert_eq!(answers[0], format!("HTTP/1.1 201 -\r\n{close}content-length: 0\r\n\r\n"));
        assert_eq!(answers[1], format!("HTTP/1.1 204 -\r\n{close}\r\n"));
        assert!(answers[2].ends_with("\r\n\r\nok"), "{answers:?}");
    }

    #[test]
    fn what_is_sent_once_is_answered_once_and_with_its_headers() {
        let floor = Floor::start(None).unwrap();
        let mut script = Script::default();
        let token = Exchange {
            headers: vec![
                ("x-token".to_owned(), b"abc".to_vec()),
                ("content-length".to_owned(), b"9".to_vec()),
            ],
            ..heard(201, "login")
        };
        script.add_with_headers(&request("POST"), &token);
        script.begin_turns();
        script.add(&request("GET"), &heard(200, "one"));
        script.add(&request("GET"), &heard(200, "two"));
        assert_eq!(script.len(), 3);
        script.close_after_each();
        floor.play(script);
        let answers: Vec<String> =
            (0..5).map(|_| ask(&floor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        let ends: Vec<&str> =
            answers.iter().map(|it| it.rsplit("\r\n\r\n").next().unwrap()).collect();
        assert_eq!(ends, ["login", "one", "two", "one", "two"]);
        assert!(answers[0].contains("\r\nx-token: abc\r\n"), "{}", answers[0]);
        assert_eq!(answers[0].matches("content-length").count(), 1);
    }

    #[test]
    fn a_body_is_read_to_its_end_before_it_is_answered() {
        let floor = Floor::start(None).unwrap();
        let mut script = Script::default();
        script.add(&request("POST"), &heard(200, "ok"));
        floor.play(script);
        let mut stream = TcpStream::connect(floor.address).unwrap();
        let body = "x".repeat(100_000);
        let text = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        for _ in 0..2 {
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = vec![
                0;
                "HTTP/1.1 200 -\r\ncontent-type: text/plain\r\n\
                                      content-length: 2\r\n\r\nok"
                    .len()
            ];
            stream.read_exact(&mut answer).unwrap();
            assert!(answer.ends_with(b"ok"));
        }
    }

    #[test]
    fn what_is_no_request_is_not_answered() {
        let mut buffer = Vec::new();
        let mut read = |text: &[u8]| read_request(&mut &text[..], &mut buffer).unwrap();
        assert!(read(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!read(b""));
        assert!(!read(b"GET / HTTP/1.1\r\n"));
        assert!(!read(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc"));
        assert!(!read(&vec![b'a'; HEAD_MAX + 1]));
        assert_eq!(body_length(b"POST / HTTP/1.1\r\nCONTENT-LENGTH:  7 \r\na: b"), 7);
        assert_eq!(body_length(b"POST / HTTP/1.1\r\ncontent-length: -7"), 0);
    }
}
