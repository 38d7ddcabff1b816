//! The command: which pull request, whether the artifact is of its commit, and what is posted.

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::Args;

use super::{
    super::{
        exit::{Code, Failure},
        terminal,
    },
    artifact,
    github::{Api, Posted, PullRequest, Repository},
};
use perf_passport::{
    passport::Passport,
    report::{CommentContext, pull_request_comment},
    text::printable,
};

/// Write what a run measured as one comment on its pull request, and renew it.
///
/// The artifact may be a stranger's: its size and names are bounded, the passport is verified and must be of
/// the commit that the run was of, and the comment is rendered again from its figures. The token is of the
/// variable `GITHUB_TOKEN` alone.
#[derive(Debug, Args)]
pub(crate) struct CommentArguments {
    /// The artifact: a directory with passport.json and perhaps causes.json, or a passport
    #[arg(long, value_name = "PATH")]
    artifact: PathBuf,
    /// The commit that the run was of, as GitHub says it
    #[arg(long, value_name = "SHA", value_parser = commit)]
    head: String,
    /// Print the comment and ask nobody
    #[arg(long, conflicts_with_all = ["repo", "pull_request", "branch"])]
    print: bool,
    /// The repository: OWNER/NAME
    #[arg(long, value_name = "OWNER/NAME", value_parser = Repository::parse, required_unless_present = "print")]
    repo: Option<Repository>,
    /// The pull request
    #[arg(long, value_name = "N", conflicts_with = "branch", required_unless_present_any = ["print", "branch"])]
    pull_request: Option<u64>,
    /// The branch whose open pull request it is, of a fork too: OWNER:BRANCH
    #[arg(long, value_name = "OWNER:BRANCH")]
    branch: Option<String>,
    /// Which comment is renewed, where a pull request has several
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = id)]
    id: String,
    /// Where the run is shown
    #[arg(long, value_name = "URL", value_parser = run_url)]
    run_url: Option<String>,
    /// GitHub's API
    #[arg(
        long,
        value_name = "URL",
        env = "GITHUB_API_URL",
        default_value = "https://api.github.com"
    )]
    api_url: String,
}

/// 40 hexadecimal digits.
fn commit(text: &str) -> Result<String, String> {
    let fits = text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit());
    if fits {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("it is no commit of 40 digits".to_owned())
    }
}

/// What cannot end the HTML comment that it is in.
fn id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let fits = !text.is_empty() && text.len() <= 64 && text.chars().all(plain);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("it has other characters than a-z 0-9 _ .".to_owned())
    }
}

/// A link that Markdown takes as one.
fn run_url(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~:/?=&%".contains(c);
    let is_link = ["https://", "http://"].iter().any(|it| text.starts_with(it));
    let fits = is_link && text.len() <= 500 && text.chars().all(plain);
    if fits { Ok(text.to_owned()) } else { Err("it is no plain http URL".to_owned()) }
}

pub(crate) fn run(arguments: &CommentArguments) -> Result<ExitCode, Failure> {
    // Nothing is asked and nothing posted of what is not sound.
    let artifact = artifact::read(&arguments.artifact)?;
    is_of_commit(&artifact.passport, &arguments.head)?;
    let marker = format!("<!-- perf-passport:{} -->", arguments.id);
    let context =
        CommentContext { places: &artifact.places, run_url: arguments.run_url.as_deref() };
    let body = format!("{marker}\n{}", pull_request_comment(&artifact.passport, context));
    let Some(repository) = arguments.repo.clone().filter(|_| !arguments.print) else {
        terminal::print(&body)?;
        return Ok(Code::Pass.into());
    };

    // Which pull request it is, GitHub says.
    let mut api = Api::new(&arguments.api_url, repository)?;
    let found = match (arguments.pull_request, &arguments.branch) {
        (Some(number), _) => Some(api.pull_request(number)?),
        (None, Some(branch)) => api.pull_request_of(branch, &arguments.head)?,
        (None, None) => None,
    };
    let number = match found.as_ref().map(|it| standing(it, &arguments.head)) {
        Some(Ok(number)) => number,
        Some(Err(why)) => return Ok(nothing(&why)),
        None => return Ok(nothing("no open pull request is at this commit")),
    };
    let said = match api.post(number, &marker, &body)? {
        Posted::New => "posted",
        Posted::Renewed => "renewed",
        Posted::AsItWas => "as it was",
    };
    terminal::print(&format!("comment on pull request {number}: {said}\n"))?;
    Ok(Code::Pass.into())
}

/// A passport of another repository, or of another change, has another commit.
fn is_of_commit(passport: &Passport, head: &str) -> Result<(), Failure> {
    let compared = passport.comparison.as_ref().map(|it| &it.current.commit);
    let commit = compared.unwrap_or(&passport.provenance.source.commit);
    match commit {
        Some(commit) if commit == head => Ok(()),
        Some(commit) => Err(Failure::usage(anyhow!(
            "the artifact's passport is of commit `{}`, and the run was of `{head}`: it is of another change, or \
             of another repository",
            printable(commit.as_bytes(), 40)
        ))),
        None => Err(Failure::usage(anyhow!(
            "the artifact's passport names no commit, so it may be of any change"
        ))),
    }
}

/// The number of a pull request that is to have a comment, or why none is written.
fn standing(pull_request: &PullRequest, head: &str) -> Result<u64, String> {
    let PullRequest { number, state, head: now } = pull_request;
    if state != "open" {
        return Err(format!("pull request {number} is not open"));
    }
    if now.sha != head {
        return Err(format!("pull request {number} has moved on, and its newest run will tell"));
    }
    Ok(*number)
}

/// That there is nothing to do is no fault of anybody.
fn nothing(why: &str) -> ExitCode {
    terminal::note(&format!("no comment is written: {why}"));
    Code::Pass.into()
}
