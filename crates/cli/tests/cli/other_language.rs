//! A service in another language, which tells nothing of its own cost.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::contracts::running;
use perf_passport_test_support::program::{LATEST, Workspace, assert_says};

const SERVICE: &str = r#"
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"orders": [1, 2, 3]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn a_service_in_python_is_held_to_what_can_be_seen_of_it() {
    let mut command = Command::new("python3");
    command.args(["-c", SERVICE]).stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(mut service) = command.spawn() else {
        println!("MISSING: python3");
        return;
    };
    let mut port = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let contract = running(&format!("http://127.0.0.1:{}", port.trim()));
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let good = workspace.run(&["check"]);
    let passport = workspace.json(LATEST);
    workspace
        .write("passport.toml", contract.replace("\"status\",", "\"status\", \"allocations\","));
    let counted = workspace.run(&["check"]);
    service.kill().unwrap();
    service.wait().unwrap();

    good.exits(0);
    assert_eq!(passport["summary"]["overall_status"], "PASS");
    assert_eq!(passport["test_results"][0]["objects"], serde_json::Value::Null);
    let counted = counted.exits(4);
    assert_says(&counted.stdout, "ABSTAIN  orders/default: allocations (limit 1000): nobody tells");
}
