//! The probe of any base URL: [`HttpTarget`] makes an [`HttpProbe`] of a service that runs already.
//!
//! What it perturbs: each latency holds the client's own work and that of the loopback or network,
//! and of connecting whenever the service closed the connection before; warm up first. What it
//! cannot see: the service's heap (only what the service says of it), trailers, and how long a
//! request waited before it was sent, as there is only one at a time.
//!
//! Nothing is retried. A connection that the service closed while it was idle is noticed before
//! the clock starts, and replaced. If the service closes it just as a request is written, the
//! sample is [`ProbeError::Broken`]; only a request of which no byte was written moves on to a new
//! connection, within the same latency. Redirects are answers and are not followed.
//!
//! A service on a loopback address is asked with `Host: localhost`, whatever its port is, unless the
//! request has a `Host` of its own.

use std::{net::IpAddr, path::PathBuf};

use reqwest::{
    Method, Request, Url,
    header::{
        CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    },
};

use super::{
    error::ProbeError,
    exchange::{Cost, Exchange},
    http_client::{HttpClient, Stopwatch, body},
    request::PreparedRequest,
    response_headers::named_headers,
    server_timing::{ServerTiming, performance_block, process_time},
    target::{Pass, Probe, Target, set_up},
};
use crate::{
    clock::SystemClock,
    contract::{Check, path_problem},
    process_memory::{ProcessMemory, read_tree},
    units::{Bytes, Count, Nanos},
};

/// The `Host` of a service on this machine. A service that answers with its own address has it from
/// there, and would else answer otherwise on each port.
const LOOPBACK_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// What is measured, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// `http://` or `https://`, a host, and perhaps a port and a path that goes before each
    /// request's; no credentials, query or fragment.
    pub base_url: String,
    /// The longest that one exchange may take, from connecting to the last byte of the body.
    /// Connecting may take 10 s of it.
    pub timeout: Nanos,
    /// The largest body that is accepted.
    pub body_max: Bytes,
    /// The process whose memory is read, with that of what it started; none is when this is not given.
    pub pid: Option<u32>,
    /// A file of certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// A running service.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    settings: HttpSettings,
    base: Url,
    /// The `Host` of each request that gives none, where it is not the base URL's.
    host: Option<HeaderValue>,
}

impl HttpTarget {
    /// A target with these settings; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Request`] when the base URL is not one. The message does not repeat the URL,
    /// which may hold a password.
    pub fn new(settings: HttpSettings) -> Result<Self, ProbeError> {
        let base = base_url(&settings.base_url)
            .map_err(|why| ProbeError::Request(format!("the base URL {why}")))?;
        let host = is_loopback(&base).then_some(LOOPBACK_HOST);
        Ok(Self { settings, base, host })
    }

    /// A probe with a connection of its own, opened by its first request.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Setup`] when there is no runtime, or no root certificates for `https`, or
    /// those of the file cannot be read.
    pub fn http_probe(&self) -> Result<HttpProbe, ProbeError> {
        Ok(HttpProbe { client: self.client()?, target: self.clone(), clock: SystemClock::start() })
    }

    pub(super) fn client(&self) -> Result<HttpClient, ProbeError> {
        HttpClient::new(&self.base, self.settings.timeout, self.settings.ca_file.as_deref())
    }

    fn url(&self, path: &str) -> Result<Url, ProbeError> {
        join(&self.base, path).map_err(|why| ProbeError::Request(format!("the path {why}")))
    }

    /// The base URL, for messages.
    pub(super) fn shown(&self) -> String {
        self.base.to_string()
    }

    /// The longest that one exchange may take.
    pub(super) fn timeout(&self) -> Nanos {
        self.settings.timeout
    }

    pub(super) fn request(&self, request: &PreparedRequest) -> Result<Request, ProbeError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .ok()
            .filter(|method| method != Method::CONNECT)
            .ok_or_else(|| ProbeError::Request("the method is not one to measure".to_owned()))?;
        let mut built = Request::new(method, self.url(&request.path)?);
        for (name, value) in &request.headers {
            let (name, value) = header(name, value.expose()).map_err(ProbeError::Request)?;
            built.headers_mut().append(name, value);
        }
        if let Some(host) = &self.host {
            built.headers_mut().entry(HOST).or_insert_with(|| host.clone());
        }
        if !request.body.is_empty() {
            *built.body_mut() = Some(request.body.clone().into());
        }
        Ok(built)
    }
}

impl Target for HttpTarget {
    /// The check is ignored: a running service is in the one state that it is in.
    fn probe(&mut self, _: &Check) -> Result<Box<dyn Probe + '_>, ProbeError> {
        Ok(Box::new(self.http_probe()?))
    }
}

/// Measures a running service over one connection.
///
/// It blocks the thread on a runtime of its own, and so cannot be used within an asynchronous task.
#[derive(Debug)]
pub struct HttpProbe {
    client: HttpClient,
    target: HttpTarget,
    clock: SystemClock,
}

impl HttpProbe {
    /// Connections opened so far: 1 while the service keeps the connection alive.
    pub fn connections_opened(&self) -> Count {
        self.client.connections_opened()
    }
}

impl Probe for HttpProbe {
    fn send(&mut self, request: &PreparedRequest, pass: Pass) -> Result<Exchange, ProbeError> {
        set_up(self, request, pass)?;
        let names = &request.compare_headers;
        let request = self.target.request(request)?;
        let settings = &self.target.settings;
        let (status, headers, body, latency) = self.client.run(async {
            self.client.settle().await;
            let watch = Stopwatch::start(&self.clock, settings.timeout);
            let mut response = self.client.headers(request, &watch).await?;
            let body = body(&mut response, settings.body_max, &watch).await?;
            let latency = watch.elapsed();
            Ok((response.status(), std::mem::take(response.headers_mut()), body, latency))
        })?;
        let timing = server_timing(&headers);
        let said = || process_time(headers.get("x-process-time")?.as_bytes());
        Ok(Exchange {
            status: status.as_u16(),
            content_type: headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_vec()),
            headers: named_headers(&headers, names),
            // The client's own waiting says nothing of the service's.
            cpu_wait: None,
            server_latency: timing.total.or_else(said),
            cost: timing.cost().or_else(|| cost_in_body(&headers, &body)),
            body,
            latency,
            oracle: None,
        })
    }

    fn process_memory(&mut self) -> Option<ProcessMemory> {
        read_tree(self.target.settings.pid?).ok()
    }

    fn cpu_pressure(&mut self) -> Option<Nanos> {
        super::cpu_pressure::total()
    }

    fn counts_apart(&self) -> bool {
        false
    }
}

/// The base URL, or what is wrong with it.
fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must start with http:// or https:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "has credentials; leave them out, and put them in a header with ${NAME}".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or fragment; write the query in the path of a check".to_owned());
    }
    Ok(url)
}

/// Whether it is a service of this machine, asked without TLS: with it, `Host` and the name of the
/// certificate would not be the same.
fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|it| it.is_loopback());
    base.scheme() == "http" && is_loopback
}

/// The URL of a request, or what is wrong with its path.
fn join(base: &Url, path: &str) -> Result<Url, String> {
    if let Some(problem) = path_problem(path) {
        return Err(problem.to_owned());
    }
    let prefix = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{prefix}{path}")).map_err(|error| format!("makes no URL: {error}"))
}

/// A header as the client takes it, or what is wrong with it; the value is never repeated.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let shown = crate::text::printable(name.as_bytes(), 80);
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("`{shown}` is not a header name"))?;
    if known == CONTENT_LENGTH || known == TRANSFER_ENCODING {
        return Err(format!("the header `{shown}` follows from the body; leave it out"));
    }
    let mut value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the value of the header `{shown}` has a control character"))?;
    value.set_sensitive(true);
    Ok((known, value))
}

fn server_timing(headers: &HeaderMap) -> ServerTiming {
    let lines: Vec<&[u8]> =
        headers.get_all("server-timing").iter().map(HeaderValue::as_bytes).collect();
    ServerTiming::parse(&lines)
}

/// The cost in a body, where its media type is JSON.
fn cost_in_body(headers: &HeaderMap, body: &[u8]) -> Option<Cost> {
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    let media_type = media_type.to_ascii_lowercase();
    let json = media_type == "application/json" || media_type.ends_with("+json");
    json.then(|| performance_block(body)).flatten()
}
