//! A server that answers as a test decides.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// A server on a port of its own, for as long as the test process lives.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Answers the head of each request with what `answer` says, and closes where it says nothing.
    pub(crate) fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(stream, answer.as_ref()));
            }
        });
        Self { address }
    }

    /// Answers every request alike.
    pub(crate) fn answering(status: &str, content_type: &str, body: &str) -> Self {
        let answer = response(status, content_type, body);
        Self::start(move |_| Some(answer.clone()))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

pub(crate) fn response(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Option<String>) {
    stream.set_nodelay(true).unwrap();
    while let Some(head) = head(&mut stream) {
        let Some(text) = answer(&head) else { return };
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// The head of the next request; none where there is no other.
pub(crate) fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
