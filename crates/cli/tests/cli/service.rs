//! `passport serve`, and measuring it over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use crate::contracts::ledger;
use perf_passport_test_support::program::{Workspace, assert_says, finish};

/// The reference service as a process of its own, ended with the test.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
    /// What each request sends beside its own.
    headers: &'static str,
    log: Option<JoinHandle<String>>,
}

impl Service {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let said = line.strip_prefix("ledger on http://");
        let address = said.unwrap_or_else(|| panic!("{line}")).split(',').next().unwrap();
        let address = address.to_owned();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, address, headers: "", log: Some(log) }
    }

    /// Sends these headers with each request, each with its end.
    #[cfg(unix)]
    pub(crate) fn with_headers(mut self, headers: &'static str) -> Self {
        self.headers = headers;
        self
    }

    #[cfg(unix)]
    pub(crate) fn headers(&self) -> &'static str {
        self.headers
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}{}\r\n",
            self.address, self.headers
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it without a chance to do anything about it.
    #[cfg(unix)]
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Sends a signal and returns the exit code and what was logged since the address.
    #[cfg(unix)]
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        crate::interruption::send(signal, self.child.id());
        let code = self.child.wait().unwrap().code();
        (code, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

#[test]
fn the_service_is_measured_over_http_by_its_own_counts() {
    let contract = ledger().replace("[budgets]\n", "[budgets]\nprocess_memory_mb_max = 4096\n");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let serve = [&SERVE[..], &["--fixture", "normal", "--seed", "7"]].concat();
    let service = Service::start(&mut workspace.command(&serve));

    let health = service.get("/health", "");
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert_says(&health, "\r\nx-process-time: ");
    assert_says(&health, "\r\nserver-timing: ");
    assert_says(&health, "\r\ncontent-type: application/json\r\n");

    let pid = service.child.id().to_string();
    let url = service.url();
    let asked = ["check", "--api-url", &url, "--fixture", "normal"];
    let run = if cfg!(target_os = "linux") {
        workspace.run(&[&asked[..], &["--pid", &pid]].concat()).exits(0)
    } else {
        println!("MISSING: process memory is read on Linux only");
        workspace.run(&asked).exits(0)
    };
    let passport = workspace.json(run.filed());
    assert_eq!(passport["provenance"]["probe"], "http");
    let result = &passport["test_results"][0];
    assert_eq!(result["evidence"]["counts"]["source"], "server-timing");
    assert!(result["objects"].as_u64().unwrap() > 0);
    assert_eq!(result["evidence"]["process"].is_object(), cfg!(target_os = "linux"));
    let by_itself = workspace.run(&["generate", "--fixture", "normal", "-o", "in.json"]).exits(0);
    drop(by_itself);
    let bodies = |document: &serde_json::Value| {
        document["test_results"][0]["evidence"]["behaviour"]["response"].clone()
    };
    assert_eq!(bodies(&passport), bodies(&workspace.json("in.json")), "one service, two probes");

    let formatted = workspace.run(&["format", "--api-url", &url]).exits(0);
    assert_says(&formatted.stdout, "proofs.total");
    #[cfg(unix)]
    assert_eq!(service.stop("TERM"), (Some(0), String::new()));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_service_as_well() {
    let workspace = Workspace::new(crate::PASSPORT);
    let service = Service::start(&mut workspace.command(&SERVE));
    assert_eq!(service.stop("INT"), (Some(0), String::new()));
}

#[test]
fn a_key_is_asked_for_and_told_nobody() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("key", "hunter2-key\n");
    let by_file = [&SERVE[..], &["--fixture", "normal", "--api-key-file", "key"]].concat();
    let by_variable = [&SERVE[..], &["--fixture", "normal"]].concat();
    let fixture = "fixture = \"normal\"";
    let keyed = ledger().replace(
        fixture,
        &format!("{fixture}\nheaders = {{ \"X-API-Key\" = \"${{LEDGER_API_KEY}}\" }}"),
    );
    for serve in [by_file, by_variable] {
        let mut command = workspace.command(&serve);
        if !serve.contains(&"key") {
            command.env("LEDGER_API_KEY", "hunter2-key");
        }
        let service = Service::start(&mut command);
        assert!(service.get("/metrics", "").starts_with("HTTP/1.1 401 "));
        assert!(service.get("/metrics", "X-API-Key: hunter2\r\n").starts_with("HTTP/1.1 401 "));
        let with_key = service.get("/metrics", "X-API-Key: hunter2-key\r\n");
        assert!(with_key.starts_with("HTTP/1.1 200 "));
        assert!(service.get("/health", "").starts_with("HTTP/1.1 200 "));

        let url = service.url();
        let check = ["check", "--api-url", &url, "--fixture", "normal"];
        workspace.write("passport.toml", ledger());
        workspace.run(&check).exits(1);
        workspace.write("passport.toml", &keyed);
        assert_says(&workspace.run(&check).refused(2), "variable LEDGER_API_KEY");
        let run = finish(workspace.command(&check).env("LEDGER_API_KEY", "hunter2-key")).exits(0);
        run.keeps_to_itself("hunter2");
        let wrong = finish(workspace.command(&check).env("LEDGER_API_KEY", "hunter3")).exits(1);
        wrong.keeps_to_itself("hunter3");
        #[cfg(unix)]
        assert_eq!(service.stop("TERM"), (Some(0), String::new()));
    }
    for (path, text) in workspace.files() {
        assert!(path.ends_with("key") || !text.contains("hunter"), "{}", path.display());
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    let workspace = Workspace::new(crate::PASSPORT);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = workspace.run(&["serve", "--listen", &address]).refused(2);
    assert_says(&said, &format!("cannot listen on {address}: "));
    workspace.write("empty", " \n");
    workspace.write("rubbish.db", "this is no database, and long enough to be looked at closely");
    for (arguments, said) in [
        (["--fixture", "nothing"], "unknown fixture `nothing`: use empty, zeros, normal or huge"),
        (["--api-key-file", "none"], "cannot read the API key from `none`: No such file"),
        (["--api-key-file", "empty"], "the API key in `empty` is empty"),
        (["--database", ""], "no database is named"),
        (["--database", "rubbish.db"], "database"),
        (["--database", "postgres://u:hunter2@127.0.0.1:1/x"], "database"),
    ] {
        let run = workspace.run(&[&SERVE[..], &arguments[..]].concat());
        run.keeps_to_itself("hunter2");
        assert_says(&run.refused(2), said);
    }
}

#[test]
fn a_file_keeps_its_rows_and_another_fixture_is_refused() {
    let workspace = Workspace::new(crate::PASSPORT);
    let serve = [&SERVE[..], &["--database", "ledger.db", "--fixture"]].concat();
    let normal = [&serve[..], &["normal"]].concat();
    drop(Service::start(&mut workspace.command(&normal)));
    let again = Service::start(&mut workspace.command(&normal));
    assert_says(&again.get("/metrics", ""), "\"total\":1500");
    let said = workspace.run(&[&serve[..], &["zeros"]].concat()).refused(2);
    assert_says(&said, "already holds fixture normal");
}
