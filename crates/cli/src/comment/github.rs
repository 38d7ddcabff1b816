//! GitHub's API, as far as a comment needs it: one pull request, its comments, and one that is written.
//!
//! No redirect is followed and no request is sent again. The token is of the environment alone, and in no
//! message.

use anyhow::anyhow;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::exit::{Code, Failure};
use perf_passport::{
    contract::HeaderTemplate,
    probe::{Exchange, HttpProbe, HttpSettings, HttpTarget, Pass, PreparedRequest, Probe},
    text::{percent_encoded, printable},
    units::{BYTES_PER_MB, Bytes, Nanos},
};

/// The variable that holds the token.
pub(super) const TOKEN: &str = "GITHUB_TOKEN";
/// The largest answer that is read.
const ANSWER_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);
const TIMEOUT: Nanos = Nanos::new(60_000_000_000);
/// Comments of a page, and pages that are read: a pull request with more has its comment again.
const PAGE: usize = 100;
const PAGES_MAX: usize = 50;

/// A repository on GitHub, `owner/name`.
#[derive(Debug, Clone)]
pub(super) struct Repository(String);

impl Repository {
    /// Takes `owner/name`, of the characters that GitHub allows.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let plain = |it: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !it.is_empty() && it.len() <= 100 && it.chars().all(fits) && !it.starts_with('.')
        };
        match text.split_once('/') {
            Some((owner, name)) if plain(owner) && plain(name) => Ok(Self(text.to_owned())),
            _ => Err("it is no OWNER/NAME".to_owned()),
        }
    }
}

/// A pull request, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) head: Head,
}

#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    user: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize)]
struct NewComment<'a> {
    body: &'a str,
}

/// What became of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    New,
    Renewed,
    AsItWas,
}

/// The API, with the token of the environment.
pub(super) struct Api {
    probe: HttpProbe,
    repository: Repository,
}

impl Api {
    pub(super) fn new(url: &str, repository: Repository) -> Result<Self, Failure> {
        if variable(TOKEN).is_none_or(|it| it.trim().is_empty()) {
            return Err(Failure::usage(anyhow!("the environment has no {TOKEN} to post with")));
        }
        let settings = HttpSettings {
            base_url: url.to_owned(),
            timeout: TIMEOUT,
            body_max: ANSWER_MAX,
            pid: None,
            ca_file: None,
        };
        let target = HttpTarget::new(settings).map_err(Failure::usage)?;
        Ok(Self { probe: target.http_probe()?, repository })
    }

    /// The pull request of this number.
    pub(super) fn pull_request(&mut self, number: u64) -> Result<PullRequest, Failure> {
        let path = format!("/repos/{}/pulls/{number}", self.repository.0);
        self.ask("GET", &path, &[], 200)
    }

    /// The open pull request of a branch, `owner:branch`, that is at this commit.
    pub(super) fn pull_request_of(
        &mut self,
        branch: &str,
        commit: &str,
    ) -> Result<Option<PullRequest>, Failure> {
        let repository = &self.repository.0;
        let branch = percent_encoded(branch);
        let path = format!("/repos/{repository}/pulls?state=open&per_page={PAGE}&head={branch}");
        let found: Vec<PullRequest> = self.ask("GET", &path, &[], 200)?;
        Ok(found.into_iter().find(|it| it.head.sha == commit))
    }

    /// Writes the comment that begins with a marker, or writes it again where a program wrote it before.
    pub(super) fn post(
        &mut self,
        number: u64,
        marker: &str,
        body: &str,
    ) -> Result<Posted, Failure> {
        let comment = NewComment { body };
        let text = serde_json::to_vec(&comment).map_err(Failure::usage)?;
        match self.comment(number, marker)? {
            Some(found) if found.body.as_deref().is_some_and(|it| is_equal(it, body)) => {
                Ok(Posted::AsItWas)
            }
            Some(found) => {
                let path = format!("/repos/{}/issues/comments/{}", self.repository.0, found.id);
                self.ask::<Comment>("PATCH", &path, &text, 200)?;
                Ok(Posted::Renewed)
            }
            None => {
                let path = format!("/repos/{}/issues/{number}/comments", self.repository.0);
                self.ask::<Comment>("POST", &path, &text, 201)?;
                Ok(Posted::New)
            }
        }
    }

    /// A comment of a program that begins with the marker. What a person writes is never replaced.
    fn comment(&mut self, number: u64, marker: &str) -> Result<Option<Comment>, Failure> {
        for page in 1..=PAGES_MAX {
            let repository = &self.repository.0;
            let path =
                format!("/repos/{repository}/issues/{number}/comments?per_page={PAGE}&page={page}");
            let comments: Vec<Comment> = self.ask("GET", &path, &[], 200)?;
            let is_last = comments.len() < PAGE;
            let is_ours = |it: &Comment| {
                it.user.as_ref().is_some_and(|it| it.kind == "Bot")
                    && it.body.as_ref().is_some_and(|it| it.starts_with(marker))
            };
            let found = comments.into_iter().find(is_ours);
            if found.is_some() || is_last {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        expected: u16,
    ) -> Result<T, Failure> {
        let header = |name: &str, value: &str| {
            let filled = HeaderTemplate::new(value).fill(variable);
            let refused = |_| Failure::usage(anyhow!("{TOKEN} cannot be sent in a header"));
            Ok::<_, Failure>((name.to_owned(), filled.map_err(refused)?))
        };
        let mut headers = vec![
            header("accept", "application/vnd.github+json")?,
            header("x-github-api-version", "2022-11-28")?,
            header("authorization", "Bearer ${GITHUB_TOKEN}")?,
        ];
        if !body.is_empty() {
            headers.push(header("content-type", "application/json")?);
        }
        let request = PreparedRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            headers,
            body: body.to_vec(),
            compare_headers: Vec::new(),
            setup: Vec::new(),
        };
        let Exchange { status, body, .. } = self.probe.send(&request, Pass::Timed)?;
        let told = |what: &str| {
            let path = path.split('?').next().unwrap_or_default();
            Failure::new(Code::NotMeasured, anyhow!("GitHub's answer to {method} {path} {what}"))
        };
        if status != expected {
            let said = serde_json::from_slice::<ApiMessage>(&body).map(|it| it.message);
            let token = variable(TOKEN).filter(|it| !it.is_empty());
            let without = |it: String| token.iter().fold(it, |it, token| it.replace(token, "..."));
            let said = said.map(|it| format!(" ({})", printable(without(it).as_bytes(), 120)));
            let hint = if matches!(status, 401 | 403) {
                ": does the token have `pull-requests: write`?"
            } else {
                ""
            };
            return Err(told(&format!("has status {status}{}{hint}", said.unwrap_or_default())));
        }
        serde_json::from_slice(&body).map_err(|_| told("is of another shape"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the token is of the environment alone")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What GitHub says of a request that it refuses.
#[derive(Deserialize)]
struct ApiMessage {
    message: String,
}

/// GitHub may have taken other ends of lines.
fn is_equal(one: &str, other: &str) -> bool {
    one.lines().map(str::trim_end).eq(other.lines().map(str::trim_end))
}
