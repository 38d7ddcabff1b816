//! Requests that belong together, to servers in Python that keep state.

use super::{compare, is_missing, passport};
use perf_passport_test_support::program::{Finished, Workspace};
use serde_json::Value;

/// A service with tokens and things. Its argument says what is different: nothing, a field of a thing that
/// is read, or the work to read it.
const SERVICE: &str = r#"
import http.server, itertools, json, os, secrets, sys

numbers, tokens, things = itertools.count(1), set(), {}
changed = sys.argv[1]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/login":
            token = secrets.token_hex(16)
            tokens.add(token)
            return self.say(200, {"token": token})
        if self.headers.get("authorization", "")[7:] not in tokens:
            return self.say(401, {})
        if self.command == "POST":
            number = next(numbers)
            things[str(number)] = json.loads(body)["name"]
            return self.say(201, {"id": number})
        number = self.path.rsplit("/", 1)[1]
        if number not in things:
            return self.say(404, {})
        if self.command == "DELETE":
            del things[number]
            return self.say(204, None)
        sum(range(60000 if changed == "slow" else 20000))
        more = {"size": 1} if changed == "field" else {}
        return self.say(200, {"id": int(number), "name": things[number], **more})

    do_GET = do_POST = do_DELETE = do

    def say(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response_only(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const CONTRACT: &str = r#"
schema_version = 1
name = "things"
[sampling]
samples = 20
[budgets]
latency_ms_max = 1000
latency_quantile = "p50"
[[flow]]
name = "thing"
[[flow.step]]
name = "login"
method = "POST"
path = "/login"
capture = { token = { json = "/token" } }
[[flow.step]]
name = "create"
method = "POST"
path = "/things"
headers = { authorization = "Bearer {token}" }
body = '{"name":"tea"}'
status = 201
capture = { id = { json = "/id" } }
[[flow.step]]
name = "read"
path = "/things/{id}"
headers = { authorization = "Bearer {token}" }
[[flow.step]]
name = "delete"
method = "DELETE"
path = "/things/{id}"
headers = { authorization = "Bearer {token}" }
status = 204
"#;

/// Compares the service as it is with one that differs in this.
fn compared(current: &str, more: &[&str]) -> Option<(Finished, Value)> {
    if is_missing("python3") {
        return None;
    }
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.write("service.py", SERVICE);
    let current = format!("python3 service.py {current}");
    let run = compare(&workspace, "python3 service.py as-it-is", &current, more);
    assert!(!run.stderr.contains("session failed"), "{}", run.stderr);
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], true, "{}", run.stderr);
    Some((run, passport))
}

/// The verdicts on a claim of each check, by its name.
fn verdicts(passport: &Value, kind: &str) -> Vec<(String, String)> {
    let results = passport["test_results"].as_array().unwrap();
    let verdict = |result: &Value| {
        let claims = result["claims"].as_array().unwrap();
        let claim = claims.iter().find(|it| it["kind"] == kind).unwrap();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        (text(&result["test_name"]), text(&claim["verdict"]))
    };
    results.iter().map(verdict).collect()
}

fn named(verdicts: &[(String, String)], verdict: &str) -> Vec<String> {
    verdicts.iter().filter(|it| it.1 == verdict).map(|it| it.0.clone()).collect()
}

pub(crate) fn same() {
    let Some((run, passport)) = compared("as-it-is", &["--time-budget", "12"]) else { return };
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    let behaviour = verdicts(&passport, "behaviour");
    let names = ["thing/login", "thing/create", "thing/read", "thing/delete", "thing/all"];
    assert_eq!(named(&behaviour, "PASS"), names);
    for result in passport["test_results"].as_array().unwrap() {
        let sessions = result["paired"]["sessions"].as_array().unwrap();
        assert!(!sessions.is_empty(), "{result}");
    }
}

pub(crate) fn changed_field() {
    let Some((run, passport)) = compared("field", &["--time-budget", "1"]) else { return };
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert_eq!(named(&verdicts(&passport, "behaviour"), "FAIL"), ["thing/read", "thing/all"]);
    assert!(run.stdout.contains("/size"), "{}", run.stdout);
}

/// However many sessions this machine has time for.
pub(crate) fn slower_step() {
    let more = ["--endpoint", "thing/read", "--endpoint", "thing/delete", "--time-budget", "12"];
    let Some((run, passport)) = compared("slow", &more) else { return };
    let change = |name: &str| {
        let results = passport["test_results"].as_array().unwrap();
        let result = results.iter().find(|it| it["test_name"] == name).unwrap();
        let claims = result["claims"].as_array().unwrap();
        let claim = claims.iter().find(|it| it["kind"] == "latency-change").unwrap();
        (claim["verdict"].clone(), claim["observed"].as_u64().unwrap())
    };
    let (read, delete) = (change("thing/read"), change("thing/delete"));
    assert!(read.0 != "PASS" && read.1 > 1_500_000, "{run:#?}");
    assert!(delete.0 != "FAIL" && delete.1 < read.1, "{run:#?}");
}
