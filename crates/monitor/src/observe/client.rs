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

use super::error::ObserveError;

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

/// How a service is reached.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// `http://` or `https://`, a host, and perhaps a port and a path.
    pub url: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// What is shorter is found everywhere, and is no secret.
const SECRET_MIN: usize = 4;

/// A connection, with what is sent along.
#[derive(Debug)]
pub(super) struct Client {
    probe: HttpProbe,
    of: &'static str,
    authorization: Option<SecretValue>,
    /// What no message may repeat of an answer that echoes it.
    secrets: Vec<String>,
}

impl Client {
    pub(super) fn new(
        access: &Access,
        of: &'static str,
        timeout: Nanos,
        body_max: Bytes,
    ) -> Result<Self, ObserveError> {
        let failed = |source| ObserveError::Unanswered { of, source };
        let target = HttpTarget::new(HttpSettings {
            base_url: access.url.clone(),
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
        Ok(Self { probe: target.http_probe().map_err(failed)?, of, authorization, secrets })
    }

    /// The answer to GET, whatever its status is.
    pub(super) fn get(&mut self, path: &str, accept: &str) -> Result<Exchange, ProbeError> {
        let mut headers = vec![("accept".to_owned(), secret(accept)?)];
        headers
            .extend(self.authorization.iter().map(|it| ("authorization".to_owned(), it.clone())));
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

    /// The error of what could not be answered.
    pub(super) fn failed(&self, source: ProbeError) -> ObserveError {
        ObserveError::Unanswered { of: self.of, source }
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
