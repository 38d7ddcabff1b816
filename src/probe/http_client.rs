//! One HTTP client on a runtime of its own.
//!
//! [`HttpClient`] sends one request at a time over one kept connection, and knows whether it is
//! still connecting, so that a timeout can say what was waited for. It follows no redirect, sends
//! nothing twice, uses no proxy, and decompresses nothing. It decides nothing on a response.

use std::{
    error::Error,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use reqwest::{Request, Response, Url, redirect, retry};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::runtime::{Builder, Runtime};
use tower_layer::Layer;
use tower_service::Service;

use super::error::ProbeError;
use crate::{
    files,
    text::printable,
    units::{BYTES_PER_MB, Bytes, Count, Nanos},
};

/// Connecting takes no longer than this, whatever the whole exchange may take.
const CONNECT_TIMEOUT_MAX: Nanos = Nanos::new(10_000_000_000);
/// The largest file of certificates that is read.
const CA_FILE_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);
/// Characters of a message from below.
const MESSAGE_LENGTH_MAX: usize = 300;
/// Turns of the runtime before a request, in which a connection that was closed while idle is seen
/// to be, and one that was just used becomes free again. Each polls the sockets once.
const SETTLING_TURNS: usize = 4;

/// A client and the runtime that drives it.
#[derive(Debug)]
pub(super) struct HttpClient {
    // An option only because shutting down consumes it.
    runtime: Option<Runtime>,
    client: reqwest::Client,
    progress: Stage,
    /// The base URL, for messages.
    shown: String,
}

/// What the client's connector is doing.
#[derive(Debug, Clone, Default)]
struct Stage {
    connecting: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
}

impl HttpClient {
    /// A client for the origin of `base`, not yet connected.
    ///
    /// Only for `https` are the system's root certificates read, and needed.
    pub(super) fn new(
        base: &Url,
        timeout: Nanos,
        ca_file: Option<&Path>,
    ) -> Result<Self, ProbeError> {
        let trusted = ca_file.map(certificates).transpose().map_err(ProbeError::Setup)?;
        let setup = |error: &(dyn Error + 'static)| ProbeError::Setup(chain(error));
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| setup(&error))?;
        let progress = Stage::default();
        let tls = tls_config(base.scheme() == "https", trusted.unwrap_or_default()).map_err(|error| {
            let what = printable(error.to_string().as_bytes(), MESSAGE_LENGTH_MAX);
            ProbeError::Setup(format!(
                "{what}; https needs root certificates: install them, or name a file of them in \
                 SSL_CERT_FILE or with --ca-file"
            ))
        })?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            // Whatever features another crate switches on: bytes are told as they crossed the wire.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .referer(false)
            .user_agent(env!("CARGO_PKG_NAME"))
            .connect_timeout(timeout.min(CONNECT_TIMEOUT_MAX).to_duration())
            // The server decides when an idle connection ends, not the time since the last sample.
            .pool_idle_timeout(None)
            .pool_max_idle_per_host(1)
            .tcp_nodelay(true)
            .connector_layer(progress.clone())
            .build()
            .map_err(|error| setup(&error))?;
        Ok(Self { runtime: Some(runtime), client, progress, shown: base.as_str().to_owned() })
    }

    /// Runs a future to its end, on this thread.
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().expect("it is taken only on drop").block_on(future)
    }

    /// Lets the runtime see what happened to the connection since the last request.
    pub(super) async fn settle(&self) {
        for _ in 0..SETTLING_TURNS {
            tokio::task::yield_now().await;
        }
    }

    /// Sends a request; done when the headers of the response are there.
    pub(super) async fn headers(
        &self,
        request: Request,
        watch: &Stopwatch<'_>,
    ) -> Result<Response, ProbeError> {
        // An attempt that was dropped while connecting must not speak for this one.
        self.progress.connecting.store(false, Ordering::Relaxed);
        match tokio::time::timeout(watch.left(), self.client.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() && error.is_timeout() => {
                Err(watch.timeout("connect"))
            }
            Ok(Err(error)) if error.is_connect() => {
                Err(ProbeError::Unreachable { target: self.shown.clone(), message: chain(&error) })
            }
            Ok(Err(error)) => Err(ProbeError::Broken(chain(&error))),
            Err(_) if self.progress.connecting.load(Ordering::Relaxed) => {
                Err(watch.timeout("connect"))
            }
            Err(_) => Err(watch.timeout("headers")),
        }
    }

    /// Connections opened so far.
    pub(super) fn connections_opened(&self) -> Count {
        Count::new(self.progress.opened.load(Ordering::Relaxed))
    }
}

impl Drop for HttpClient {
    fn drop(&mut self) {
        // A name lookup cannot be cancelled, and waiting for it would break the deadline.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Reads a body of at most `limit`; what is beyond is neither kept nor read to its end.
pub(super) async fn body(
    response: &mut Response,
    limit: Bytes,
    watch: &Stopwatch<'_>,
) -> Result<Vec<u8>, ProbeError> {
    let too_large = || ProbeError::BodyTooLarge { limit };
    // Of the body that is to come: a response to HEAD has none, whatever its headers say.
    if response.content_length().is_some_and(|length| length > limit.get()) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        let left = watch.left();
        // A body that always has more at hand would never let the timer see that it is due.
        if left.is_zero() {
            return Err(watch.timeout("body"));
        }
        match tokio::time::timeout(left, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                if chunk.len() as u64 > limit.get() - body.len() as u64 {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => return Err(ProbeError::Broken(chain(&error))),
            Err(_) => return Err(watch.timeout("body")),
        }
    }
}

/// The time that one exchange takes and may take.
pub(super) struct Stopwatch<'a> {
    clock: &'a dyn crate::clock::Clock,
    start: Nanos,
    limit: Nanos,
}

impl<'a> Stopwatch<'a> {
    /// Starts now.
    pub(super) fn start(clock: &'a dyn crate::clock::Clock, limit: Nanos) -> Self {
        Self { clock, start: clock.elapsed(), limit }
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Nanos {
        self.clock.elapsed().saturating_sub(self.start)
    }

    /// What remains of the limit.
    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.elapsed()).to_duration()
    }

    fn timeout(&self, phase: &'static str) -> ProbeError {
        ProbeError::Timeout { after: self.elapsed(), phase }
    }
}

/// The TLS settings: ring, TLS 1.2 and 1.3, HTTP/2 or HTTP/1.1.
///
/// Without `verifying` nothing is trusted: the client of an `http` URL opens no TLS connection, as
/// it follows no redirect, and so must not need root certificates.
fn tls_config(
    verifying: bool,
    trusted: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    // Named here, so that no default of the process is relied on or set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if verifying {
        let verifier = Verifier::new_with_extra_roots(trusted, provider)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in a file, of which there is at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: &dyn std::fmt::Display| {
        format!("cannot read the certificates in `{}`: {why}", file.display())
    };
    let bytes = files::read(file, CA_FILE_MAX).map_err(|error| failed(&error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = read.map_err(|error| failed(&error))?;
    if certificates.is_empty() {
        return Err(failed(&"there is none in PEM form"));
    }
    Ok(certificates)
}

/// The causes of an error, outermost first, without the frames that only say where they passed.
///
/// No cause holds a header value: those of the connection know none, and the parser's name the
/// part that was wrong.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // The client's own frames hold the URL, or nothing but their kind.
        let frame = error.is::<reqwest::Error>() || text.starts_with("client error (");
        if !frame && !causes.iter().any(|cause| cause.contains(&text)) {
            causes.push(text);
        }
        next = error.source();
    }
    if causes.is_empty() {
        return "the client gave no cause".to_owned();
    }
    printable(causes.join(": ").as_bytes(), MESSAGE_LENGTH_MAX)
}

impl<S> Layer<S> for Stage {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { inner, progress: self.clone() }
    }
}

/// The client's connector (name lookup, TCP, TLS), observed.
#[derive(Clone)]
struct Connector<S> {
    inner: S,
    progress: Stage,
}

impl<S, R> Service<R> for Connector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let connecting = self.inner.call(to);
        let progress = self.progress.clone();
        Box::pin(async move {
            progress.connecting.store(true, Ordering::Relaxed);
            let connected = connecting.await;
            progress.connecting.store(false, Ordering::Relaxed);
            if connected.is_ok() {
                progress.opened.fetch_add(1, Ordering::Relaxed);
            }
            connected
        })
    }
}
