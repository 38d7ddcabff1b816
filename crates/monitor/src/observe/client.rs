//! Asking over HTTP: one request at a time, bounded, without following anybody.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use perf_passport::{
    contract::{HeaderTemplate, SecretValue},
    probe::{
        Exchange, HttpProbe, HttpSettings, HttpTarget, Pass, PreparedRequest, Probe, ProbeError,
    },
    units::{Bytes, Nanos},
};

use super::error::{ObserveError, said};

/// Who asks.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// Whoever has this token.
    Bearer(String),
    /// A user with a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// Whom is asked, and how that is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// What its answers are.
    pub(super) expects: &'static str,
    /// What to look for where it knows no such path.
    pub(super) path_hint: &'static str,
    /// Whether further paths are put after the address.
    pub(super) is_base: bool,
}

/// How a service is reached.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// `http://` or `https://`, a host, and perhaps a port and a path.
    pub url: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether credentials are sent without TLS, also to another machine.
    pub allow_plain_http: bool,
}

/// What is shorter is found everywhere, and is no secret.
pub(super) const SECRET_MIN: usize = 4;

/// A connection, with what is sent along.
#[derive(Debug)]
pub(super) struct Client {
    probe: HttpProbe,
    peer: Peer,
    /// The address, as it is told.
    shown: String,
    authorization: Option<SecretValue>,
    /// What no message may repeat of an answer that echoes it.
    secrets: Vec<String>,
    /// Likewise, of the address.
    secrets_of_url: Vec<String>,
}

impl Client {
    pub(super) fn new(
        access: &Access,
        peer: Peer,
        timeout: Nanos,
        body_max: Bytes,
    ) -> Result<Self, ObserveError> {
        let of = peer.name;
        if let Some(problem) = access.problem(peer.is_base) {
            return Err(ObserveError::Address { of, problem });
        }
        let failed = |source| ObserveError::Unanswered { of, source };
        let base_url = if peer.is_base { access.url.clone() } else { access.split().0 };
        let target = HttpTarget::new(HttpSettings {
            base_url,
            timeout,
            body_max,
            pid: None,
            ca_file: access.ca_file.clone(),
        })
        .map_err(failed)?;
        let secrets = match &access.credentials {
            Credentials::None => Vec::new(),
            Credentials::Bearer(token) => vec![token.clone()],
            Credentials::Basic { user, password } => {
                vec![STANDARD.encode(format!("{user}:{password}")), password.clone()]
            }
        };
        let value = match &access.credentials {
            Credentials::None => None,
            Credentials::Bearer(token) => Some(format!("Bearer {token}")),
            Credentials::Basic { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
        };
        let authorization = value.map(|value| secret(&value)).transpose().map_err(failed)?;
        Ok(Self {
            probe: target.http_probe().map_err(failed)?,
            peer,
            shown: access.shown(),
            authorization,
            secrets,
            secrets_of_url: access.secrets(),
        })
    }

    /// The answer to GET, whatever its status is.
    pub(super) fn get(&mut self, path: &str, accept: &str) -> Result<Exchange, ProbeError> {
        let mut headers = vec![("accept".to_owned(), secret(accept)?)];
        headers
            .extend(self.authorization.iter().map(|it| ("authorization".to_owned(), it.clone())));
        // Behind one address there may be several processes, and a connection stays with one of them.
        if !self.peer.is_base {
            headers.push(("connection".to_owned(), secret("close")?));
        }
        let request = PreparedRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers,
            body: Vec::new(),
            compare_headers: Vec::new(),
            setup: Vec::new(),
        };
        let mut exchange = self.probe.send(&request, Pass::Timed)?;
        for secret in self.secrets.iter().filter(|it| it.len() >= SECRET_MIN) {
            hide(&mut exchange.body, secret.as_bytes());
        }
        Ok(exchange)
    }

    /// The error of what could not be answered; without the path of the address.
    pub(super) fn failed(&self, source: ProbeError) -> ObserveError {
        let source = match source {
            ProbeError::Unreachable { message, .. } => {
                ProbeError::Unreachable { target: self.shown.clone(), message }
            }
            other => other,
        };
        ObserveError::Unanswered { of: self.peer.name, source }
    }

    /// Text of an answer, made printable and cut, without what the address may hold of secrets.
    pub(super) fn said(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for secret in &self.secrets_of_url {
            hide(&mut bytes, secret.as_bytes());
        }
        said(&String::from_utf8_lossy(&bytes))
    }

    /// Why an answer is none that can be used, whatever was asked; `None` where it may be one.
    pub(super) fn refusal(&self, answer: &Exchange) -> Option<String> {
        let Peer { expects, path_hint, .. } = self.peer;
        let media_type = answer.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is_page = media_type.starts_with(b"text/html");
        let speaks_tls = || {
            let text = String::from_utf8_lossy(&answer.body);
            ["HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port"]
                .iter()
                .any(|it| text.contains(it))
        };
        Some(match answer.status {
            200 if is_page => format!(
                "answers with an HTML page instead of {expects}: another program or a login is at that \
                 address"
            ),
            200 => return None,
            status @ 300..400 => {
                format!(
                    "redirects (status {status}), which is not followed: give the URL it leads to"
                )
            }
            400 if speaks_tls() => "speaks https: give the URL with https://".to_owned(),
            status @ (401 | 403) => format!("refuses who asks (status {status})"),
            404 => format!("answers with status 404 instead of {expects}: {path_hint}"),
            status => format!("answers with status {status} instead of {expects}"),
        })
    }
}

/// Puts stars in the place of a secret.
fn hide(body: &mut [u8], secret: &[u8]) {
    let mut at = 0;
    while let Some(found) = body[at..].windows(secret.len()).position(|it| it == secret) {
        body[at + found..at + found + secret.len()].fill(b'*');
        at += found + secret.len();
    }
}

#[cfg(test)]
#[test]
fn an_answer_that_echoes_a_secret_is_not_repeated() {
    let mut body = b"no: Bearer s3cret and s3crets3cret".to_vec();
    hide(&mut body, b"s3cret");
    assert_eq!(body, b"no: Bearer ****** and ************");
}

/// A value that no message repeats.
fn secret(value: &str) -> Result<SecretValue, ProbeError> {
    let refused = || ProbeError::Request("the credentials cannot be sent in a header".to_owned());
    let plain = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let filled = HeaderTemplate::new("${VALUE}").fill(|_| Some(value.to_owned()));
    filled.ok().filter(|_| plain).ok_or_else(refused)
}
