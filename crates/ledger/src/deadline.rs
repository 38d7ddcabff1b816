//! Connections that are closed when their request does not come.
//!
//! [`DeadlineListener`] accepts as a `TcpListener` does. A connection on which nothing has been written
//! for a while, and of which still more is to be read, is given up: who sends half a head and then
//! nothing keeps neither a connection nor its file. Nothing here knows what a request is.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep},
};

/// A listener whose connections have a deadline.
#[derive(Debug)]
pub(super) struct DeadlineListener {
    pub(super) listener: TcpListener,
    /// From accepting, or from what was written last, until all of the next request must be there.
    pub(super) limit: Duration,
}

impl Listener for DeadlineListener {
    type Io = DeadlineStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let timer = Box::pin(tokio::time::sleep(self.limit));
        (DeadlineStream { stream, timer, limit: self.limit, renewed: false }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection with a deadline.
#[derive(Debug)]
pub(super) struct DeadlineStream {
    stream: TcpStream,
    timer: Pin<Box<Sleep>>,
    limit: Duration,
    /// Whether something was written since the timer was set.
    renewed: bool,
}

impl AsyncRead for DeadlineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            return Poll::Ready(read);
        }
        if self.renewed {
            let deadline = Instant::now() + self.limit;
            self.timer.as_mut().reset(deadline);
            self.renewed = false;
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request came")))
    }
}

impl AsyncWrite for DeadlineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.renewed = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.renewed = true;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn half_a_head_is_given_up_and_a_whole_one_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = DeadlineListener { listener, limit: Duration::from_millis(300) };
        let app = Router::new().route("/", get(|| async { "hello" }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let answer_to = |head: &'static str| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            // Either end may be the first to be told; what counts is that this ends.
            let _ = stream.read_to_string(&mut answer).await;
            answer
        };
        let whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(answer_to(whole).await.ends_with("hello"));
        assert!(!answer_to("GET / HTTP/1.1\r\nHos").await.contains("200"));
        assert_eq!(answer_to("").await, "");
    }
}
