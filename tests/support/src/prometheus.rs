//! Prometheus and its tool, where this machine has them.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::processes::eventually;

/// A program of this name on the path; `None`, with a line that starts with `MISSING:`, without one.
#[expect(clippy::print_stdout, reason = "what is missing is part of the result of a test")]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file());
    if found.is_none() {
        println!("MISSING: {name} (not on the path)");
    }
    found
}

/// What `promtool check metrics` says of some text: nothing, where it finds nothing. `None` where it is
/// missing.
pub fn check_metrics(text: &str) -> Option<String> {
    let mut command = Command::new(program("promtool")?);
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    Some(said)
}

/// A Prometheus that runs, with its data in a directory of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl Prometheus {
    /// One with this configuration, ready to answer; `None` where it is missing.
    pub fn start(configuration: &str) -> Option<Self> {
        let program = program("prometheus")?;
        // Another process may take the free port first.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            if let Some(started) = Self::listening(&program, configuration, &port.to_string()) {
                return Some(started);
            }
        }
        panic!("Prometheus did not start");
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The one number that an expression gives, where it gives one.
    pub fn number(&self, expression: &str) -> Option<f64> {
        let samples = self.query(expression);
        let samples = samples.as_array().unwrap();
        assert!(samples.len() < 2, "{expression}: {samples:?}");
        samples.first()?["value"][1].as_str().unwrap().parse().ok()
    }

    /// The samples of an instant query.
    pub fn query(&self, expression: &str) -> Value {
        let mut encoded = String::new();
        for byte in expression.bytes() {
            encoded += &format!("%{byte:02X}");
        }
        let answer = self.get(&format!("/api/v1/query?query={encoded}")).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["status"], "success", "{expression}: {body}");
        body["data"]["result"].clone()
    }

    /// Waits until an expression gives this number.
    #[track_caller]
    pub fn comes_to(&self, expression: &str, number: f64) {
        let complaint =
            format!("{expression} does not become {number}: {}", self.query(expression));
        let holds = || self.number(expression) == Some(number);
        eventually(&complaint, holds);
    }

    fn listening(program: &Path, configuration: &str, address: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let mut started = Self { child, address: address.to_owned(), _directory: directory };
        for _ in 0..3_000 {
            if started.get("/-/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200 ")) {
                return Some(started);
            }
            if started.child.try_wait().unwrap().is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("Prometheus is not ready");
    }

    /// The whole answer. The older protocol has no pieces.
    fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
