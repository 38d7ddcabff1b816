//! `passport comment` against a server that answers as GitHub does: what is posted, and what never is.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::server::head;
use perf_passport_test_support::program::{Finished, Workspace, assert_says, finish};

pub(crate) const TOKEN: &str = "ghs_notarealtoken";

const CONTRACT: &str = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"join\"\n\
                        benchmark = \"BenchmarkJoin\"\nbudgets.allocations_max = 2\n";

fn bench(allocations: u32) -> String {
    let line =
        |ns: u32| format!("BenchmarkJoin-8 1000 {ns} ns/op 16 B/op {allocations} allocs/op\n");
    [100, 101, 102].map(line).concat()
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Asked {
    line: String,
    head: String,
    body: Value,
}

/// GitHub, with one pull request.
pub(crate) struct GitHub {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl GitHub {
    fn start(pull_request: Value, comments: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (noted, pull_request) = (Arc::clone(&noted), pull_request.clone());
                let comments = comments.clone();
                thread::spawn(move || serve(stream, &noted, &pull_request, &comments));
            }
        });
        Self { url, asked }
    }

    /// An open pull request 7 at this commit.
    pub(crate) fn open(head: &str, comments: Value) -> Self {
        Self::start(json!({"number": 7, "state": "open", "head": {"sha": head}}), comments)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was written, and how.
    pub(crate) fn written(&self) -> Vec<(String, String)> {
        let written = self.asked().into_iter().filter(|it| !it.line.starts_with("GET "));
        let written = written.map(|it| {
            assert!(it.head.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{}", it.head);
            (it.line, it.body["body"].as_str().unwrap().to_owned())
        });
        written.collect()
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<Vec<Asked>>, pull_request: &Value, comments: &Value) {
    while let Some(head) = head(&mut stream) {
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |it| it.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let (path, query) = line.split_once('?').unwrap_or((&line, ""));
        let (status, answer) = match path {
            "GET /repos/o/n/pulls/7" => ("200 OK", pull_request.clone()),
            "GET /repos/o/n/pulls" => {
                assert!(
                    query.contains("state=open") && query.contains("head=fork%3Aa%20b"),
                    "{query}"
                );
                (
                    "200 OK",
                    json!([{"number": 6, "state": "open", "head": {"sha": "x"}}, pull_request]),
                )
            }
            "GET /repos/o/n/issues/7/comments" => ("200 OK", comments.clone()),
            "POST /repos/o/n/issues/7/comments" => ("201 Created", json!({"id": 1})),
            "PATCH /repos/o/n/issues/comments/5" => ("200 OK", json!({"id": 5})),
            _ => (
                "403 Forbidden",
                json!({"message": "Resource not accessible\u{1b} by integration"}),
            ),
        };
        let body = serde_json::from_slice(&body).unwrap_or_default();
        asked.lock().unwrap().push(Asked { line, head, body });
        let answer = answer.to_string();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// A repository with one commit, and the artifact of a run: a baseline of one allocation against `now`.
pub(crate) fn measured(now: u32) -> (Workspace, String) {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-C"]).arg(workspace.path("."));
        let output = git.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    let head = git(&["rev-parse", "HEAD"]);
    workspace.write("before.txt", bench(1));
    workspace.write("now.txt", bench(now));
    workspace.run(&["import", "go-bench", "before.txt", "-o", "before.json"]).exits(0);
    workspace.make("artifact");
    let import = ["import", "go-bench", "now.txt", "--baseline", "before.json"];
    let output = ["-o", "artifact/passport.json"];
    workspace.run(&[&import[..], &output[..]].concat()).exits(i32::from(now > 1));
    (workspace, head)
}

fn comment(workspace: &Workspace, url: &str, head: &str, more: &[&str]) -> Finished {
    let arguments = ["comment", "--artifact", "artifact", "--repo", "o/n", "--head", head];
    let mut command = workspace.command(&[&arguments[..], more].concat());
    let run = finish(command.env("GITHUB_API_URL", url).env("GITHUB_TOKEN", TOKEN));
    run.keeps_to_itself(TOKEN);
    run
}

const SEVEN: [&str; 2] = ["--pull-request", "7"];

#[test]
fn one_line_is_posted_where_nothing_changed() {
    let (workspace, head) = measured(1);
    let github = GitHub::open(&head, json!([]));
    let run = ["--run-url", "https://github.com/o/n/actions/runs/9"];
    let more = [&SEVEN[..], &run[..]].concat();
    let run = comment(&workspace, &github.url, &head, &more).exits(0);
    assert_eq!(run.stdout, "comment on pull request 7: posted\n");
    let written = github.written();
    assert_eq!(written[0].0, "POST /repos/o/n/issues/7/comments");
    let expected = format!(
        "<!-- perf-passport:default -->\n**PASS**: nothing changed in 1 operation, commit `{}`. \
         [run](https://github.com/o/n/actions/runs/9)\n",
        &head[..12]
    );
    assert_eq!(written[0].1, expected);
}

#[test]
fn what_changed_is_told_and_the_comment_of_before_is_renewed() {
    let (workspace, head) = measured(3);
    let comments = json!([
        {"id": 3, "body": "<!-- perf-passport:default -->\nmine", "user": {"type": "User"}},
        {"id": 4, "body": "other", "user": {"type": "Bot"}},
        {"id": 5, "body": "<!-- perf-passport:default -->\nold", "user": {"type": "Bot"}},
    ]);
    let github = GitHub::open(&head, comments);
    // Of a fork only its branch is known.
    let run = comment(&workspace, &github.url, &head, &["--branch", "fork:a b"]).exits(0);
    assert_eq!(run.stdout, "comment on pull request 7: renewed\n");
    let written = github.written();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].0, "PATCH /repos/o/n/issues/comments/5");
    assert_says(&written[0].1, "\n**FAIL**: 1 operation, commit `");
    assert_says(&written[0].1, "- **FAIL** `join` allocations 3 (budget 2): not below the budget");
    assert_says(&written[0].1, "- **FAIL** `join` allocations-change 1 -> 3 (+2): worse");
    // The same again is written by nobody.
    let same =
        json!([{"id": 5, "body": written[0].1.replace('\n', "\r\n"), "user": {"type": "Bot"}}]);
    let github = GitHub::open(&head, same);
    let run = comment(&workspace, &github.url, &head, &SEVEN).exits(0);
    assert_eq!(run.stdout, "comment on pull request 7: as it was\n");
    assert!(github.written().is_empty());
}

#[test]
fn a_pull_request_that_is_closed_or_has_moved_on_has_no_comment() {
    let (workspace, head) = measured(1);
    let other = "0".repeat(40);
    for (state, sha, why) in [
        ("closed", head.as_str(), "pull request 7 is not open"),
        ("open", &other, "pull request 7 has moved on, and its newest run will tell"),
    ] {
        let pull_request = json!({"number": 7, "state": state, "head": {"sha": sha}});
        let github = GitHub::start(pull_request, json!([]));
        let run = comment(&workspace, &github.url, &head, &SEVEN).exits(0);
        assert_eq!(run.stderr, format!("no comment is written: {why}\n"));
        assert!(github.written().is_empty());
    }
}

#[test]
fn a_hostile_artifact_is_refused_and_nothing_is_asked_or_posted() {
    let (workspace, head) = measured(3);
    let github = GitHub::open(&head, json!([]));
    let passport = workspace.read("artifact/passport.json");
    let other = "0".repeat(40);
    let refused = |code: i32, said: &str, head: &str| {
        let run = comment(&workspace, &github.url, head, &SEVEN);
        assert_says(&run.refused(code), said);
    };
    // Of another repository, or of another change.
    refused(2, "and the run was of `0000", &other);
    // Edited: markup and another name.
    for (from, to) in [("join", "<img src=x>"), ("\"allocations\": 3", "\"allocations\": 1")] {
        assert!(passport.contains(from), "{passport}");
        workspace.write("artifact/passport.json", passport.replace(from, to));
        let run = comment(&workspace, &github.url, &head, &SEVEN);
        assert!([Some(1), Some(2)].contains(&run.code), "{run:?}");
        assert_says(&run.stderr, "the artifact's passport is refused: ");
    }
    // Of a gigabyte, without as many blocks on the disk.
    let file = fs::File::create(workspace.path("artifact/passport.json")).unwrap();
    file.set_len(1 << 30).unwrap();
    refused(
        2,
        "`passport.json` is refused: it is larger than 16.0 MiB, and nothing of it is read",
        &head,
    );
    for text in ["", "<!doctype html><script>alert(1)</script>", "{}", "# A heading\n@everyone"] {
        workspace.write("artifact/passport.json", text);
        refused(2, "the artifact's passport is refused: ", &head);
    }
    workspace.write("artifact/passport.json", &passport);
    // Names.
    workspace.write("artifact/<b>.svg", "");
    refused(
        2,
        "the artifact holds `<b>.svg`: it may hold the files passport.json and causes.json",
        &head,
    );
    fs::remove_file(workspace.path("artifact/<b>.svg")).unwrap();
    // Causes of another run, or none at all.
    workspace.write("artifact/causes.json", "{\"run_id\":\"x\",\"checks\":[]}");
    refused(2, "`causes.json` is refused: it is of another run", &head);
    workspace.write("artifact/causes.json", "[");
    refused(2, "`causes.json` is refused: it is of another shape", &head);
    fs::remove_file(workspace.path("artifact/causes.json")).unwrap();
    fs::remove_file(workspace.path("artifact/passport.json")).unwrap();
    refused(2, "`passport.json` is refused: it is missing", &head);
    assert!(github.asked().is_empty(), "{:?}", github.asked());
}

#[test]
#[cfg(unix)]
fn a_link_in_an_artifact_is_not_followed() {
    let (workspace, head) = measured(1);
    let github = GitHub::open(&head, json!([]));
    let (file, elsewhere) = (workspace.path("artifact/passport.json"), workspace.path("elsewhere"));
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    let run = comment(&workspace, &github.url, &head, &SEVEN);
    assert_says(&run.refused(2), "the artifact holds `passport.json`: it may hold the files");
    assert!(github.asked().is_empty());
}

#[test]
fn what_github_refuses_is_said_without_the_token() {
    let (workspace, head) = measured(1);
    let github = GitHub::open(&head, json!([]));
    let wrong = ["--pull-request", "8"];
    let run = comment(&workspace, &github.url, &head, &wrong).exits(3);
    let expected = "passport: GitHub's answer to GET /repos/o/n/pulls/8 has status 403 (Resource not \
                    accessible\\x1b by integration): does the token have `pull-requests: write`?\n";
    assert_eq!(run.stderr, expected);
    let arguments = ["comment", "--artifact", "artifact", "--repo", "o/n", "--head", &head];
    let mut command = workspace.command(&[&arguments[..], &SEVEN[..]].concat());
    let run = finish(command.env("GITHUB_API_URL", &github.url).env_remove("GITHUB_TOKEN"));
    assert_eq!(run.refused(2), "the environment has no GITHUB_TOKEN to post with");
    let mut command = workspace.command(&[&arguments[..], &SEVEN[..]].concat());
    command.env("GITHUB_API_URL", &github.url).env("GITHUB_TOKEN", "a\nb-secret");
    let run = finish(&mut command);
    run.keeps_to_itself("b-secret");
    assert_ne!(run.code, Some(0));
    for (option, value) in [
        ("--repo", "o/n/../x"),
        ("--repo", "o n/x"),
        ("--head", "HEAD"),
        ("--id", "--><b>"),
        ("--run-url", "javascript:alert(1)"),
        ("--run-url", "https://x/)[a](b"),
    ] {
        let print = ["comment", "--artifact", "artifact", "--head", &head, "--pull-request", "7"];
        let repo = if option == "--repo" { vec![] } else { vec!["--repo", "o/n"] };
        workspace.run(&[&print[..], &repo, &[option, value]].concat()).exits(2);
    }
}

#[test]
fn the_comment_is_printed_where_nobody_is_to_be_asked() {
    let (workspace, head) = measured(3);
    let print = ["comment", "--artifact", "artifact/passport.json", "--head", &head, "--print"];
    let run = workspace.run(&print).exits(0);
    assert_says(&run.stdout, "<!-- perf-passport:default -->\n**FAIL**: 1 operation");
}
