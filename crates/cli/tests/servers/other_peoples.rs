//! Servers as others write them: they close, fork, start slowly, name their own address, or are in Python.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
};

use super::{
    CONTRACT, Running, claim, compare, compare_urls, helper, is_missing, passport, sessions,
};
use perf_passport_test_support::program::{Workspace, assert_says};
use serde_json::Value;

pub(crate) fn closing() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let closing = helper("closes rounds=100000");
    compare(&workspace, &closing, &closing, &["--time-budget", "1"]);
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], true);
    assert!(!sessions(&passport).is_empty());
}

/// Servers that begin a process for each connection, and answer by HTTP/1.0, which ends there.
const FORKING: &str = r#"
import http.server, os, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *arguments):
        pass

class Server(socketserver.ForkingMixIn, http.server.HTTPServer):
    request_queue_size = 64

Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Processes that were started before, and wait for the same connections; each of them closes what it
/// has answered, and says so.
const PREFORKED: &str = r#"
import os, signal, socket

listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
children = []
for _ in range(3):
    child = os.fork()
    if child:
        children.append(child)
        continue
    while True:
        stream, _ = listener.accept()
        while b"\r\n\r\n" not in stream.recv(4096):
            pass
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
        stream.close()
signal.pause()
"#;

pub(crate) fn forking() {
    let old = helper("old");
    let mut commands = vec![old.as_str()];
    if !is_missing("python3") {
        commands.extend(["python3 forking.py", "python3 preforked.py"]);
        commands.push("python3 -m http.server --bind 127.0.0.1 -d www {port}");
    }
    for command in commands {
        let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
        workspace.write("forking.py", FORKING);
        workspace.write("preforked.py", PREFORKED);
        fs::create_dir(workspace.path("www")).unwrap();
        workspace.write("www/work", "done");
        compare(&workspace, command, command, &["--time-budget", "3"]);
        let passport = passport(&workspace);
        assert_eq!(passport["complete"], true, "{command}");
        assert_eq!(claim(&passport, "behaviour").0, "PASS", "{command}");
        assert_ne!(claim(&passport, "latency-change").0, "FAIL", "{command}");
        assert!(!sessions(&passport).is_empty(), "{command}");
        assert_eq!(passport["test_results"][0]["paired"]["failed_sessions"], 0, "{command}");
    }
}

pub(crate) fn own_address() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let command = helper("own");
    compare(&workspace, &command, &command, &["--time-budget", "1"]);
    assert_eq!(claim(&passport(&workspace), "behaviour").0, "PASS");
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let (before, after) = (Running::start("own"), Running::start("own"));
    compare_urls(&workspace, &before.url, &after.url, &["--time-budget", "0"]);
    assert_eq!(claim(&passport(&workspace), "behaviour").0, "PASS");
}

pub(crate) fn unready() {
    let unready = helper("unready=3");
    let ready = "\n[target]\nready = { path = \"/health\", status = 200 }\n";
    for contract in [CONTRACT.to_owned(), format!("{CONTRACT}{ready}")] {
        let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
        compare(&workspace, &unready, &unready, &["--time-budget", "3"]);
        let passport = passport(&workspace);
        assert_eq!(claim(&passport, "status").0, "PASS");
        assert!(!sessions(&passport).is_empty());
        assert_eq!(passport["test_results"][0]["paired"]["failed_sessions"], 0);
    }
    // One that is never as the contract calls ready is not measured.
    let never = ready.replace("200", "204");
    let workspace = Workspace::with_contract(crate::PASSPORT, &format!("{CONTRACT}{never}"));
    let good = helper("");
    let run = compare(&workspace, &good, &good, &["--wait-timeout", "2"]).exits(3);
    let said = "the server of baseline does not answer within 2.00 s: it is not ready: GET /health \
                answers 200 instead of 204";
    assert_eq!(run.sentence(), said);
}

pub(crate) fn other_unit() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let command = helper("rounds=20000 in-milliseconds");
    let run = compare(&workspace, &command, &command, &["--time-budget", "1"]);
    let passport = passport(&workspace);
    assert_eq!(sessions(&passport)[0]["http"]["time"], "above-floor");
    let evidence = &passport["test_results"][0]["evidence"];
    assert_eq!(evidence["server_latency"], Value::Null);
    assert!(evidence["told_above_round_trip_samples"].as_u64().unwrap() > 0, "{evidence}");
    assert_says(&run.stdout, "the service tells more time than the round trip took");
}

/// A server that serves a connection to its end before it accepts the next one.
const PYTHON: &str = r#"
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = b'{"orders": %d}' % sum(range(int(sys.argv[1])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

pub(crate) fn python() {
    if is_missing("python3") {
        return;
    }
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.write("server.py", PYTHON);
    let command = "python3 server.py 1000";
    compare(&workspace, command, command, &["--time-budget", "2"]);
    let started = passport(&workspace);
    assert_eq!(started["complete"], true);
    assert_eq!(claim(&started, "behaviour").0, "PASS");
    assert_eq!(sessions(&started)[0]["http"]["time"], "above-floor");

    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.write("server.py", PYTHON);
    let start = |rounds: &str| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("python3");
        command.args([workspace.path("server.py").to_str().unwrap(), rounds]);
        let child = command.env("PORT", port.to_string()).stdin(Stdio::null()).spawn().unwrap();
        Running { child, url: format!("http://127.0.0.1:{port}") }
    };
    let (before, after) = (start("1000"), start("1000"));
    compare_urls(&workspace, &before.url, &after.url, &["--time-budget", "2"]).exits(4);
    assert_eq!(passport(&workspace)["complete"], true);
}
