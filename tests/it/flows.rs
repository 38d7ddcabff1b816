//! Flows and rows against a service whose answers a test decides.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
};

use perf_passport::{
    claim::{Reason, Verdict},
    contract::{ClaimKind, Contract},
    evidence::Evidence,
    passport::{Gate, Passport, verify},
    probe::{Exchange, PreparedRequest, ProbeError},
    report::{Report, Scope},
    units::{Count, Nanos},
};

use crate::fake::{Fake, good, measure_with, run};

/// Login, and then the life of an order; beside it a check that has nothing to do with it.
const FLOW: &str = r#"
schema_version = 1
name = "orders"
[sampling]
samples = 500
[target]
url = "http://127.0.0.1:1"
[[endpoint]]
name = "health"
path = "/health"
[[flow]]
name = "orders"
setup = [{ path = "/setup" }]
teardown = [{ path = "/teardown", status = 204 }]
[[flow.step]]
name = "create"
method = "POST"
path = "/orders"
body = '{"name":"tea"}'
status = 201
capture = { id = { json = "/id" }, token = { header = "x-token" }, sid = { cookie = "sid" } }
[[flow.step]]
name = "read"
path = "/orders/{id}"
headers = { authorization = "Bearer {token}", cookie = "sid={sid}" }
[[flow.step]]
name = "delete"
method = "DELETE"
path = "/orders/{id}"
status = 204
"#;

/// What a service answers: its status, its body, and headers.
type Reply = (u16, String, Vec<(&'static str, String)>);

fn exchange((status, body, headers): Reply, number: u64) -> Exchange {
    let headers = headers.into_iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes()));
    Exchange { status, body: body.into_bytes(), headers: headers.collect(), ..good(number) }
}

/// Orders with ids that go up, and tokens that are never twice the same.
fn service(request: &PreparedRequest, number: u64) -> Reply {
    let token = format!("secret-token-{number:08}");
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/orders") => {
            let headers = vec![
                ("x-token", token.clone()),
                ("location", format!("/orders/{number}")),
                ("set-cookie", format!("sid=s{number}; Path=/")),
            ];
            let body = format!(r#"{{"id":{number},"name":"tea","amount":3,"by":"{token}"}}"#);
            (201, body, headers)
        }
        ("GET", "/setup" | "/health") => (200, "{}".to_owned(), Vec::new()),
        ("GET", "/teardown") | ("DELETE", _) => (204, String::new(), Vec::new()),
        ("GET", path) => {
            let id = path.rsplit('/').next().unwrap_or_default();
            (200, format!(r#"{{"id":{id},"name":"tea","amount":3,"at":"{path}"}}"#), Vec::new())
        }
        _ => (404, String::new(), Vec::new()),
    }
}

fn measured(contract: &str, reply: impl Fn(&PreparedRequest, u64) -> Reply) -> Passport {
    let answer = |request: &PreparedRequest, number| Ok(exchange(reply(request, number), number));
    measure_with(contract, answer, None, &|| false)
}

fn evidence<'p>(passport: &'p Passport, check: &str) -> &'p Evidence {
    &passport.result(check).unwrap_or_else(|| panic!("no {check}")).evidence
}

/// What is said of a check that could not be measured.
fn failure<'p>(passport: &'p Passport, check: &str) -> &'p str {
    evidence(passport, check).first_failure.as_deref().unwrap_or_default()
}

#[test]
fn each_step_and_all_of_them_are_measured_and_no_token_is_told() {
    let sent = RefCell::new(Vec::new());
    let passport = measured(FLOW, |request, number| {
        let sent = &mut *sent.borrow_mut();
        if sent.len() < 2_000 {
            sent.push(format!("{} {}", request.method, request.path));
        }
        if request.path.starts_with("/orders/") && request.method == "GET" {
            let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
            assert!(headers["authorization"].expose().starts_with("Bearer secret-token-"));
            assert!(headers["cookie"].expose().starts_with("sid=s"));
        }
        service(request, number)
    });
    assert_eq!(passport.gate(), Gate::Pass, "{passport:#?}");
    let names: Vec<&str> = passport.test_results.iter().map(|it| it.test_name.as_str()).collect();
    let expected =
        ["health/default", "orders/create", "orders/read", "orders/delete", "orders/all"];
    assert_eq!(names, expected);
    let allocations = |check| passport.result(check).unwrap().evidence.counts.clone().unwrap();
    assert_eq!(allocations("orders/read").allocations.exact(), Some(42));
    assert_eq!(allocations("orders/all").allocations.exact(), Some(3 * 42));
    assert!(passport.test_results.iter().all(|it| it.deterministic));

    // Setup and teardown once around a check; in between whole runs.
    let sent = sent.into_inner();
    let begins = sent.iter().position(|it| it == "GET /setup").unwrap();
    assert_eq!(sent.iter().filter(|it| *it == "GET /setup").count(), 1);
    let methods: Vec<&str> =
        sent[begins + 1..begins + 7].iter().map(|it| &it[..it.find(' ').unwrap()]).collect();
    assert_eq!(methods, ["POST", "GET", "DELETE", "POST", "GET", "DELETE"]);

    let bytes = passport.to_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.contains("secret-token"), "a token is in the passport");
    verify(&bytes).unwrap();
}

#[test]
fn state_says_how_often_setup_and_teardown_are_sent() {
    for (state, around_each) in [("sample", true), ("check", false), ("shared", false)] {
        let contract = FLOW.replace(
            "name = \"orders\"\nsetup",
            &format!("name = \"orders\"\nstate = \"{state}\"\nsetup"),
        );
        let count = RefCell::new((0_u64, 0_u64, 0_u64));
        let passport = measured(&contract, |request, number| {
            let count = &mut *count.borrow_mut();
            count.0 += u64::from(request.path == "/setup");
            count.1 += u64::from(request.path == "/teardown");
            count.2 += u64::from(request.method == "POST");
            service(request, number)
        });
        assert_eq!(passport.gate(), Gate::Pass, "{state}");
        let (setups, teardowns, runs) = count.into_inner();
        let expected = if around_each { runs } else { 4 };
        assert_eq!((setups, teardowns), (expected, expected), "{state}");
    }
}

#[test]
fn a_changed_field_is_found_in_its_step_whatever_the_ids_are() {
    let baseline = measured(FLOW, service);
    // Other ids and tokens than before, and an amount that is like an id now and then.
    let shifted =
        |request: &PreparedRequest, number| Ok(exchange(service(request, number + 5_000), number));
    let same = measure_with(FLOW, shifted, Some(&baseline), &|| false);
    let behaviour = |passport: &Passport, check: &str| {
        let result = passport.result(check).unwrap();
        result.claims.iter().find(|it| it.kind == ClaimKind::Behaviour).unwrap().verdict
    };
    for check in ["orders/create", "orders/read", "orders/delete", "orders/all"] {
        assert_eq!(behaviour(&same, check), Verdict::Pass, "{check}");
    }
    let changed = |request: &PreparedRequest, number| {
        let (status, mut body, headers) = service(request, number + 7_000);
        if request.method == "GET" && request.path.starts_with("/orders/") {
            body = body.replace("\"amount\":3", "\"amount\":4");
        }
        Ok(exchange((status, body, headers), number))
    };
    let changed = measure_with(FLOW, changed, Some(&baseline), &|| false);
    assert_eq!(behaviour(&changed, "orders/create"), Verdict::Pass);
    assert_eq!(behaviour(&changed, "orders/read"), Verdict::Fail);
    assert_eq!(behaviour(&changed, "orders/delete"), Verdict::Pass);
    assert_eq!(behaviour(&changed, "orders/all"), Verdict::Fail);
    assert_eq!(behaviour(&changed, "health/default"), Verdict::Pass);
}

/// What goes wrong with a capture, the sentence of it, and the checks that are measured all the same.
#[test]
fn no_token_is_told_of_a_response_that_is_not_as_expected() {
    // Another status than the contract says, and a capture beside it that finds nothing.
    for (status, cookie) in [(202, true), (201, false)] {
        let passport = measured(FLOW, |request, number| {
            let (answered, body, mut headers) = service(request, number);
            headers.retain(|it| cookie || it.0 != "set-cookie");
            (if answered == 201 { status } else { answered }, body, headers)
        });
        assert_ne!(passport.gate(), Gate::Pass);
        let text = format!("{passport:?}");
        assert!(text.contains("orders/create"));
        assert!(!text.contains("secret-token"), "{status}: a token is told");
    }
}

#[test]
fn what_cannot_be_captured_has_a_sentence_and_other_checks_go_on() {
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(9_000));
    let cases: [(&str, &str); 7] = [
        (r#"{"name":"tea"}"#, "`id` is not there: nothing at `/id` of the body"),
        (r#"{"id":1,"id":2}"#, "`id` is there 2 times at `/id` of the body, not once"),
        (r#"{"id":[1]}"#, "is neither text nor number, `true` or `false`"),
        (r#"{"id":null}"#, "is neither text nor number, `true` or `false`"),
        (r#"{"id":""}"#, "is empty, or longer than the 8192 bytes of a path"),
        (&long, "is empty, or longer than the 8192 bytes of a path"),
        ("<html>", "`id` is captured of a body that is no JSON"),
    ];
    for (body, said) in cases {
        let passport = measured(FLOW, |request, number| {
            let (status, own, mut headers) = service(request, number);
            // It is no id that anybody captures now.
            headers.retain(|it| it.0 != "location");
            (status, if status == 201 { body.to_owned() } else { own }, headers)
        });
        for check in ["orders/create", "orders/read", "orders/all"] {
            let message = failure(&passport, check);
            assert!(message.starts_with("`POST /orders`: ") && message.contains(said), "{message}");
        }
        assert_eq!(passport.gate(), Gate::NotMeasured);
        assert_eq!(passport.result("health/default").unwrap().status, Verdict::Pass);
        verify(&passport.to_bytes().unwrap()).unwrap();
    }
    let without = |name: &'static str, twice: bool| {
        measured(FLOW, move |request, number| {
            let (status, body, mut headers) = service(request, number);
            headers.retain(|it| it.0 != name);
            if twice && status == 201 {
                headers.extend([(name, "sid=a".to_owned()), (name, "sid=b".to_owned())]);
            }
            (status, body, headers)
        })
    };
    for (name, twice, said) in [
        ("x-token", false, "`token` is not there: nothing in header `x-token`"),
        ("x-token", true, "`token` is there 2 times in header `x-token`, not once"),
        ("set-cookie", false, "`sid` is not there: nothing in cookie `sid`"),
        ("set-cookie", true, "`sid` is there 2 times in cookie `sid`, not once"),
    ] {
        let passport = without(name, twice);
        assert!(failure(&passport, "orders/read").contains(said), "{said}");
    }
}

#[test]
fn hostile_values_are_encoded_or_refused() {
    // What the service gives as the id, and what is then sent, or said.
    for (value, sent, said) in [
        ("a/b?c#d", "/orders/a%2Fb%3Fc%23d", ""),
        ("a\\r\\nb\\u0000", "/orders/a%0D%0Ab%00", ""),
        ("<b>\\\"x\\\"", "/orders/%3Cb%3E%22x%22", ""),
        ("..", "", "has a segment `.` or `..`"),
    ] {
        let paths = RefCell::new(Vec::new());
        let passport = measured(FLOW, |request, number| {
            if request.method == "DELETE" {
                paths.borrow_mut().push(request.path.clone());
            }
            let (status, body, headers) = service(request, number);
            let id = format!("\"id\":{number},");
            let own = body.replace(&id, &format!("\"id\":\"{value}\","));
            let body = if request.method == "GET" { "{}".to_owned() } else { own };
            (status, body, headers)
        });
        let message = failure(&passport, "orders/delete");
        assert!(said.is_empty() == message.is_empty() && message.contains(said), "{message}");
        let paths = paths.into_inner();
        assert!(paths.iter().all(|path| path == sent) && paths.is_empty() == sent.is_empty());
    }
    for hostile in ["a\r\nx: y", "a\0b"] {
        let passport = measured(FLOW, |request, number| {
            let (status, body, mut headers) = service(request, number);
            headers.iter_mut().filter(|it| it.0 == "x-token").for_each(|it| it.1 = hostile.into());
            (status, body, headers)
        });
        let message = failure(&passport, "orders/read");
        assert!(message.contains("`{token}` has characters that no header can carry"), "{message}");
        assert_eq!(passport.result("health/default").unwrap().status, Verdict::Pass);
    }
}

#[test]
fn a_wrong_status_is_told_of_its_step_and_a_token_that_expires_too() {
    let passport = measured(FLOW, |request, number| match request.method.as_str() {
        "GET" if request.path.starts_with("/orders") => (500, "broken".into(), Vec::new()),
        _ => service(request, number),
    });
    let status = |check: &str| {
        let claims = &passport.result(check).unwrap().claims;
        claims.iter().find(|it| it.kind == ClaimKind::Status).unwrap().reason
    };
    assert_eq!(status("orders/create"), Reason::AsExpected);
    assert_eq!(status("orders/read"), Reason::UnexpectedStatus);
    assert_eq!(status("orders/all"), Reason::UnexpectedStatus);
    let said = "the setup request `GET /orders/{id}` failed: status 500 and not 200";
    assert_eq!(failure(&passport, "orders/delete"), said);
    assert_eq!(passport.result("orders/create").unwrap().status, Verdict::Pass);
    assert_eq!(passport.gate(), Gate::Fail);

    // The token of a setup that is sent once is good for a hundred requests.
    let expiring = FLOW
        .replace(
            "setup = [{ path = \"/setup\" }]",
            "setup = [{ path = \"/setup\", capture = { t = { json = \"/t\" } } }]",
        )
        .replace("cookie = \"sid={sid}\"", "x-key = \"{t}\"");
    let issued = RefCell::new(0);
    let passport = measured(&expiring, |request, number| {
        if request.path == "/setup" {
            *issued.borrow_mut() = number;
            return (200, format!("{{\"t\":\"{number}\"}}"), Vec::new());
        }
        let is_old = number > *issued.borrow() + 100;
        match request.method.as_str() {
            "GET" if is_old && request.path.starts_with("/orders") => {
                (401, String::new(), Vec::new())
            }
            _ => service(request, number),
        }
    });
    let result = passport.result("orders/read").unwrap();
    let claim = result.claims.iter().find(|it| it.kind == ClaimKind::Status).unwrap();
    assert_eq!((claim.reason, claim.observed), (Reason::UnexpectedStatus, Some(401)));
    assert_eq!(passport.result("health/default").unwrap().status, Verdict::Pass);
}

#[test]
fn a_setup_or_a_teardown_that_fails_is_told() {
    let failing = |path: &'static str| {
        measured(FLOW, move |request, number| {
            if request.path == path {
                (503, String::new(), Vec::new())
            } else {
                service(request, number)
            }
        })
    };
    let passport = failing("/setup");
    let said = "the setup request `GET /setup` failed: status 503 and not 200";
    assert_eq!(failure(&passport, "orders/create"), said);
    assert!(evidence(&passport, "orders/create").behaviour.is_none());
    assert_eq!(passport.gate(), Gate::NotMeasured);

    // The samples before it count.
    let passport = failing("/teardown");
    let said = "the teardown request `GET /teardown` failed: status 503 and not 204";
    assert_eq!(failure(&passport, "orders/create"), said);
    assert_eq!(evidence(&passport, "orders/create").latency.samples().get(), 500);
    assert_eq!(passport.gate(), Gate::NotMeasured);
    let each = FLOW.replace("setup = [", "state = \"sample\"\nsetup = [");
    let passport = measured(&each, |request, number| {
        if request.path == "/teardown" {
            (503, String::new(), Vec::new())
        } else {
            service(request, number)
        }
    });
    assert_eq!(failure(&passport, "orders/read"), said);
    assert_eq!(evidence(&passport, "orders/read").behaviour.as_ref().unwrap().responses.get(), 3);
    assert_eq!(passport.result("health/default").unwrap().status, Verdict::Pass);
}

#[test]
fn a_body_has_its_values_encoded_for_what_it_is() {
    let contract = r#"
        schema_version = 1
        name = "a"
        [target]
        url = "http://127.0.0.1:1"
        [[flow]]
        name = "f"
        setup = [{ path = "/v", capture = { text = { json = "/text" }, number = { json = "/number" } } }]
        [[flow.step]]
        name = "json"
        method = "POST"
        path = "/json"
        body = '{"t":"{text}","n":{number},"l":"{{text}}"}'
        [[flow.step]]
        name = "form"
        method = "POST"
        path = "/form?q={text}"
        form = { a = "x {text}", "b c" = "{number}" }
        [[flow.step]]
        name = "parts"
        method = "POST"
        path = "/parts"
        multipart = [{ name = "t", value = "{text}" }, { name = "f", value = "v", filename = "a.txt", content_type = "text/plain" }]
        [[flow.step]]
        name = "xml"
        method = "POST"
        path = "/xml"
        headers = { content-type = "text/xml" }
        body = "<a>{text}</a>"
    "#;
    let bodies = RefCell::new(BTreeMap::new());
    let passport = measured(contract, |request, _| {
        if request.path == "/v" {
            return (200, r#"{"text":"a \"b\"&<c>\n","number":1.50}"#.into(), Vec::new());
        }
        let media_type = request.headers.iter().find(|it| it.0 == "content-type");
        let media_type = media_type.map(|it| it.1.expose().to_owned()).unwrap_or_default();
        let body = String::from_utf8(request.body.clone()).unwrap();
        bodies.borrow_mut().insert(request.path.clone(), (media_type, body));
        (200, "{}".into(), Vec::new())
    });
    assert_eq!(passport.gate(), Gate::Pass);
    let bodies = bodies.into_inner();
    assert_eq!(bodies["/json"].1, r#"{"t":"a \"b\"&<c>\n","n":1.50,"l":"{text}"}"#);
    let encoded = "a%20%22b%22%26%3Cc%3E%0A";
    let (media_type, form) = &bodies[&format!("/form?q={encoded}")];
    assert_eq!(media_type, "application/x-www-form-urlencoded");
    assert_eq!(*form, format!("a=x%20{encoded}&b%20c=1.50"));
    assert_eq!(bodies["/xml"].1, "<a>a &quot;b&quot;&amp;&lt;c&gt;\n</a>");
    let (media_type, parts) = &bodies["/parts"];
    let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"t\"\r\n\r\na \"b\"&<c>\n\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
         content-type: text/plain\r\n\r\nv\r\n--{boundary}--\r\n"
    );
    assert_eq!(*parts, expected);
}

const ROWS: &str = r#"
schema_version = 1
name = "items"
[sampling]
samples = 100
[target]
url = "http://127.0.0.1:1"
seed = 3
[[endpoint]]
name = "item"
path = "/items/{id}"
rows = "items.csv"
[[endpoint]]
name = "upload"
method = "PUT"
path = "/upload"
body_file = "picture.bin"
"#;

/// Measures a contract whose files are these; the passport, and the paths that were asked for.
fn with_files(contract: &str, files: &[(&str, &[u8])]) -> (Passport, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    let contract = Contract::parse(contract).unwrap().in_directory(directory.path());
    let mut paths = Vec::new();
    let answer = |request: &PreparedRequest, number| {
        paths.push(request.path.clone());
        let body = format!("{{\"path\":\"{}\",\"sent\":{}}}", request.path, request.body.len());
        Ok::<_, ProbeError>(exchange((200, body, Vec::new()), number))
    };
    let mut target = Fake { answer, pressed: Some(false), memory: |_| None };
    let run = run(&mut target, &contract, &|| false, &|_| true);
    let around = crate::fake::circumstances();
    let passport = perf_passport::pipeline::passport(&contract, run, around, None).unwrap();
    verify(&passport.to_bytes().unwrap()).unwrap();
    (passport, paths)
}

#[test]
fn samples_go_through_the_rows_in_the_order_of_the_seed() {
    let rows: Vec<String> = (1..=50).map(|id| id.to_string()).collect();
    let rows = rows.join("\n");
    let csv = format!("id\n{rows}");
    let files: [(&str, &[u8]); 2] =
        [("items.csv", csv.as_bytes()), ("picture.bin", b"\x89PNG\0\r\n")];
    let (passport, paths) = with_files(ROWS, &files);
    assert_eq!(passport.gate(), Gate::Pass, "{:?}", passport.test_results[0].claims);
    let inputs = &evidence(&passport, "item/default").inputs;
    // `printf 'id\n' | cat - <(seq 50) | sha256sum`
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs["items.csv"].len(), 64);
    assert_eq!(evidence(&passport, "upload/default").inputs.len(), 1);
    assert!(paths.iter().any(|it| it == "/upload"));
    // Warm-up asks for the first twenty rows, and timing begins with the first one again.
    let items: Vec<&String> = paths.iter().filter(|it| it.starts_with("/items")).collect();
    assert_eq!(items[..20], items[20..40]);
    let mut round: Vec<&String> = items[20..70].to_vec();
    assert_eq!(items[20..70], items[70..120]);
    round.sort();
    round.dedup();
    assert_eq!(round.len(), 50);
    assert_eq!(paths, with_files(ROWS, &files).1);
    let (other, others) = with_files(&ROWS.replace("seed = 3", "seed = 4"), &files);
    assert_ne!(others, paths);
    assert_eq!(other.gate(), Gate::Pass);
    assert_eq!(with_files(ROWS, &files).0.passport_hash, passport.passport_hash);
}

/// As where a busy machine leaves latencies undecided for longer than somebody waits.
#[test]
fn a_run_that_somebody_ends_early_names_the_steps_that_it_left_out() {
    let run = |requests_max: u64| {
        let sent = Cell::new(0_u64);
        let answer = |request: &PreparedRequest, number| {
            sent.set(sent.get() + 1);
            Ok::<_, ProbeError>(exchange(service(request, number), number))
        };
        let passport = measure_with(FLOW, answer, None, &|| sent.get() >= requests_max);
        verify(&passport.to_bytes().unwrap()).unwrap();
        (passport, sent.get())
    };
    let (whole, requests) = run(u64::MAX);
    assert!(whole.complete && whole.checks_left_out.is_empty());
    let (cut, _) = run(requests / 2);
    assert!(!cut.complete && !matches!(cut.gate(), Gate::Pass | Gate::Abstain));
    let names = |it: &Passport| -> Vec<String> {
        it.test_results.iter().map(|it| it.test_name.clone()).collect()
    };
    let measured = names(&cut);
    assert!((2..names(&whole).len()).contains(&measured.len()), "{measured:?}");
    let all = [measured.clone(), cut.checks_left_out.clone()].concat();
    assert_eq!(all, names(&whole));
    // What was measured to its end was counted as in a whole run.
    let (_, to_its_end) = measured.split_last().unwrap();
    for check in to_its_end {
        let counted = |it| evidence(it, check).counts.as_ref().map(|it| it.allocations);
        assert_eq!(counted(&cut), counted(&whole), "{check}");
    }
}

#[test]
fn what_is_known_of_a_part_of_the_rows_that_were_to_be_timed_is_no_pass() {
    let measured = |rows: u64, samples: u32, seconds: f64, latency: Nanos| {
        let contract = format!(
            "schema_version = 1\nname = \"a\"\n[target]\nurl = \"http://127.0.0.1:1\"\n\
             [sampling]\nsamples = {samples}\nseconds_max = {seconds}\n\
             [budgets]\nlatency_quantile = \"p50\"\n[[endpoint]]\nname = \"item\"\n\
             path = \"/items/{{id}}\"\nrows = {{ id = \"1..{rows}\" }}\n"
        );
        let answer = |_: &PreparedRequest, _| {
            let body = b"{}".to_vec();
            Ok::<_, ProbeError>(Exchange { body, latency, ..good(1) })
        };
        let passport = measure_with(&contract, answer, None, &|| false);
        verify(&passport.to_bytes().unwrap()).unwrap();
        let claims = &passport.test_results[0].claims;
        let claim = claims.iter().find(|it| it.kind == ClaimKind::Latency).unwrap();
        let rows = evidence(&passport, "item/default").rows.unwrap();
        let rows = [rows.rows, rows.wanted, rows.timed].map(Count::get);
        let report = Report::of_passport(&passport, Scope::Whole);
        let notes = report.notes.iter().filter(|it| it.contains("a part of the rows")).count();
        (claim.verdict, claim.reason, rows, notes)
    };
    let (fast, slow) = (Nanos::new(50_000), Nanos::new(20_000_000));
    // The clock of these tests goes on by a microsecond each time it is read.
    let (verdict, reason, [rows, wanted, timed], notes) = measured(500, 1000, 0.0001, fast);
    assert_eq!((verdict, reason), (Verdict::Abstain, Reason::RowsNotCovered));
    assert_eq!((rows, wanted, notes), (500, 500, 1));
    assert!((20..500).contains(&timed), "{timed}");
    // What is too slow on these is too slow.
    let cut = measured(500, 1000, 0.0001, slow);
    assert_eq!((cut.0, cut.1), (Verdict::Fail, Reason::OverBudget));
    let whole = measured(500, 1000, 60.0, fast);
    assert_eq!(whole, (Verdict::Pass, Reason::WithinBudget, [500, 500, 500], 0));
    // Of more rows than samples a part is timed, and it is said which.
    let part = measured(5_000, 100, 60.0, fast);
    assert_eq!(part, (Verdict::Pass, Reason::WithinBudget, [5_000, 100, 100], 1));
}

#[test]
fn a_file_that_cannot_be_used_is_told_and_other_checks_go_on() {
    let picture: (&str, &[u8]) = ("picture.bin", b"x");
    for (content, said) in [
        (&b""[..], "cannot use the rows of `items.csv`: it has no row"),
        (b"id,more\n1\n", "row 1 has 1 columns and not 2"),
        (b"other\n1\n", "`items.csv` has no column `id`, which a request uses"),
        (b"id\n\xff\xfe\n", "row 1 is not UTF-8"),
    ] {
        let (passport, _) = with_files(ROWS, &[("items.csv", content), picture]);
        assert!(
            failure(&passport, "item/default").contains(said),
            "{said}: {}",
            failure(&passport, "item/default")
        );
        assert_eq!(passport.gate(), Gate::NotMeasured);
        assert_eq!(passport.result("upload/default").unwrap().status, Verdict::Pass);
    }
    let (passport, _) = with_files(ROWS, &[("items.csv", b"id\n1\n")]);
    let said = failure(&passport, "upload/default");
    assert!(said.starts_with("cannot send `picture.bin`: No such file"), "{said}");
    assert_eq!(passport.result("item/default").unwrap().status, Verdict::Pass);
}

#[test]
fn a_row_and_a_response_do_not_give_one_name_a_value() {
    let flow = |rows: &str| {
        format!(
            "schema_version = 1\nname = \"a\"\n[target]\nurl = \"http://127.0.0.1:1\"\n[[flow]]\nname = \
             \"f\"\nrows = \"{rows}\"\n[[flow.step]]\nname = \"a\"\npath = \"/a?n={{n}}\"\ncapture = {{ id = {{ \
             json = \"/sent\" }} }}\n[[flow.step]]\nname = \"b\"\npath = \"/b/{{id}}\"\n"
        )
    };
    for (file, content, said) in [
        ("a.csv", "id,n\n1,2\n", "`a.csv` has a column `id`, which a request captures as well"),
        (
            "a.jsonl",
            "{\"id\":1,\"n\":2}\n",
            "row 1 of `a.jsonl` has a value `id`, which a request captures as well",
        ),
    ] {
        let (passport, paths) = with_files(&flow(file), &[(file, content.as_bytes())]);
        assert!(failure(&passport, "f/b").contains(said), "{}", failure(&passport, "f/b"));
        assert!(paths.is_empty());
        let renamed = content.replace("id", "other");
        let (passport, _) = with_files(&flow(file), &[(file, renamed.as_bytes())]);
        assert_eq!(failure(&passport, "f/b"), "");
    }
}

#[test]
#[cfg(unix)]
fn a_fifo_in_the_place_of_rows_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["items.csv", "picture.bin"] {
        let made = std::process::Command::new("mkfifo").arg(directory.path().join(name)).status();
        assert!(made.unwrap().success());
    }
    let contract = Contract::parse(ROWS).unwrap().in_directory(directory.path());
    let answer = |_: &PreparedRequest, number| Ok::<_, ProbeError>(good(number));
    let mut target = Fake { answer, pressed: Some(false), memory: |_| None };
    let run = run(&mut target, &contract, &|| false, &|_| true);
    for measured in run.measured {
        let said = measured.evidence.first_failure.unwrap();
        assert!(said.ends_with("it is a directory, a FIFO or a device, and no file"), "{said}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_with_a_flow_is_found_before_anything_is_sent() {
    let parsed = |from: &str, to: &str| {
        assert!(FLOW.contains(from), "{from}");
        Contract::parse(&FLOW.replace(from, to)).map(drop).map_err(|it| it.to_string())
    };
    let refused = |from: &str, to: &str| parsed(from, to).unwrap_err();
    let read = "path = \"/orders/{id}\"\nheaders";
    for (from, to, said) in [
        (
            read,
            "path = \"/orders/{number}\"\nheaders",
            "step `read` uses `{number}`, which nothing before it captures",
        ),
        (
            "path = \"/orders\"\nbody",
            "path = \"/orders?a={later}\"\nbody",
            "which nothing before it captures",
        ),
        ("capture = { id", "capture = { \"i d\"", "is not the name of a value"),
        ("{ json = \"/id\" }", "{ json = \"id\" }", "is not a JSON pointer"),
        ("{ json = \"/id\" }", "{ json = \"/id\", header = \"a\" }", "is captured from one place"),
        ("{ json = \"/id\" }", "{}", "is captured from one place"),
        ("{ json = \"/id\" }", "{ jsn = \"/id\" }", "did you mean `json`?"),
        ("name = \"read\"", "name = \"all\"", "a step cannot be named `all`"),
        ("name = \"read\"", "name = \"create\"", "step `create` is defined twice"),
        ("[[flow]]\nname = \"orders\"", "[[flow]]\nname = \"health\"", "`health` is defined twice"),
        (
            "body = '",
            "form = { a = \"b\" }\nbody = '",
            "has `body` and `form`: a request has one body",
        ),
        (
            "body = '{\"name\":\"tea\"}'",
            "body_file = \"../a\"",
            "is not a file below the directory",
        ),
        ("body = '{\"name\":\"tea\"}'", "multipart = []", "a `multipart` without parts"),
        ("\"Bearer {token}\"", "\"Bearer abc{token}\"", "holds a secret"),
        ("\"sid={sid}\"", "\"sid=literal\"", "holds a secret"),
        (read, "path = \"/${HOME}\"\nheaders", "has a variable"),
        ("setup = [", "weight = 0\nsetup = [", "weight 0 is not 1 to 1000000"),
        ("setup = [", "wait_seconds = [3, 1]\nsetup = [", "wait_seconds = [3, 1] are not"),
        ("setup = [", "wait_seconds = [-1, 1]\nsetup = [", "line "),
        ("setup = [", "rows = \"a.txt\"\nsetup = [", "end neither in `.csv` nor in `.jsonl`"),
        (
            "setup = [",
            "rows = { id = \"1..2\" }\nsetup = [",
            "is captured twice, or is the name of a row",
        ),
        ("setup = [", "rows = { n = \"9..2\" }\nsetup = [", "is no range such as"),
        ("setup = [", "rows = { a = \"1..2\", b = \"1..2\" }\nsetup = [", "a range has one name"),
        ("setup = [", "state = \"fresh\"\nsetup = [", "unknown variant `fresh`"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(said) && error.starts_with("line "), "{to}: {error}");
    }
    // What a step captures is gone where a teardown is sent once.
    let teardown = ("teardown = [{ path = \"/teardown\"", "teardown = [{ path = \"/orders/{id}\"");
    let error = refused(teardown.0, teardown.1);
    let said = "teardown request 1 `GET /orders/{id}` uses `{id}`, which a step captures";
    assert!(error.contains(said) && error.contains("state = \"sample\""), "{error}");
    let each = FLOW.replace(teardown.0, &format!("state = \"sample\"\n{}", teardown.1));
    Contract::parse(&each).unwrap();
    // A service that is made anew for each sample cannot grow.
    for place in ["setup = [", "path = \"/orders\"\nbody"] {
        let grows = format!("budgets = {{ heap_growth_bytes_max = 8 }}\n{place}");
        let growing = FLOW.replace(place, &grows);
        Contract::parse(&growing).unwrap();
        let each =
            growing.replace("name = \"orders\"\n", "name = \"orders\"\nstate = \"sample\"\n");
        let each = each.replacen("state = \"sample\"\n", "", 1);
        let error = Contract::parse(&each).unwrap_err().to_string();
        assert!(error.contains("which cannot grow") && error.starts_with("line "), "{error}");
    }
    // Values that are captured later, in a circle or not.
    let later = FLOW.replace("path = \"/orders\"\nbody", "path = \"/orders?a={later}\"\nbody");
    let circle = later.replace(
        "[[flow.step]]\nname = \"delete\"",
        "capture = { later = { json = \"/a\" } }\n[[flow.step]]\nname = \"delete\"",
    );
    let error = Contract::parse(&circle).unwrap_err().to_string();
    assert!(error.contains("step `create` uses `{later}`, which only step `read` captures, after it: the two go in a circle"), "{error}");
    let first = circle.replace(
        "/orders/{id}\"\nheaders = { authorization = \"Bearer {token}\", cookie = \"sid={sid}\" }",
        "/orders/1\"",
    );
    let error = Contract::parse(&first).unwrap_err().to_string();
    assert!(error.contains("after it: put that one first"), "{error}");
    let own = FLOW.replace("path = \"/orders\"\nbody", "path = \"/orders?a={id}\"\nbody");
    let error = Contract::parse(&own).unwrap_err().to_string();
    assert!(error.contains("which is of its own response"), "{error}");

    // Users of a load take flows by weight, and wait.
    let users = FLOW.replace("setup = [", "weight = 10\nwait_seconds = [1, 3.5]\nsetup = [");
    let flow = &Contract::parse(&users).unwrap().flows[0];
    assert_eq!((flow.name.as_str(), flow.weight), ("orders", 10));
    assert_eq!((flow.wait_min.get(), flow.wait_max.get()), (1_000_000_000, 3_500_000_000));
}

#[test]
fn budgets_are_of_a_step_and_of_the_whole_run() {
    let contract = FLOW
        .replace("setup = [", "budgets = { allocations_max = 100 }\nsetup = [")
        .replace("name = \"read\"", "name = \"read\"\nbudgets = { allocations_max = 42 }");
    let parsed = Contract::parse(&contract).unwrap();
    let most = |id: &str| parsed.check(id).unwrap().budgets.allocations_max.get();
    assert_eq!((most("orders/create"), most("orders/read"), most("orders/all")), (1000, 42, 100));
    let latency = parsed.check("orders/all").unwrap().budgets.latency_ns_max.get();
    assert_eq!(latency, 30_000_000);
    // Each value of the flow's own is of a run, and each other one of its requests.
    let mixed = FLOW
        .replace("[target]", "[budgets]\nlatency_ms_max = 100\n[target]")
        .replace("setup = [", "budgets = { latency_p50_ms_max = 900 }\nsetup = [");
    let all = Contract::parse(&mixed).unwrap().check("orders/all").unwrap().budgets.clone();
    assert_eq!(all.latency_ns_max.get(), 300_000_000);
    assert_eq!(all.further_latency[0].latency_ns_max.get(), 900_000_000);
    assert_eq!(all.allocations_max.get(), 3_000);
    let tolerances = FLOW
        .replace("setup = [", "tolerance = { regression_percent = 7 }\nsetup = [")
        .replace("name = \"read\"", "name = \"read\"\ntolerance = { allocations_percent = 9 }");
    let read = Contract::parse(&tolerances).unwrap().check("orders/read").unwrap().tolerance;
    assert_eq!((read.regression_ppm.get(), read.allocations_ppm.get()), (70_000, 90_000));
    let passport = measured(&contract, service);
    let failed: Vec<&str> = passport
        .test_results
        .iter()
        .filter(|it| it.status == Verdict::Fail)
        .map(|it| it.test_name.as_str())
        .collect();
    assert_eq!(failed, ["orders/read", "orders/all"]);
}

#[test]
fn the_token_of_a_setup_that_a_step_echoes_is_no_change() {
    let contract = FLOW
        .replace(
            "setup = [{ path = \"/setup\" }]",
            "setup = [{ path = \"/setup\", capture = { session = { json = \"/t\" } } }]",
        )
        .replace("cookie = \"sid={sid}\"", "x-session = \"{session}\"");
    let run = |shift: u64, amount: u64, baseline: Option<&Passport>| {
        let issued = RefCell::new(String::new());
        let answer = |request: &PreparedRequest, number| {
            if request.path == "/setup" {
                *issued.borrow_mut() = format!("session-{}", number + shift);
                let body = format!("{{\"t\":\"{}\"}}", issued.borrow());
                return Ok(exchange((200, body, Vec::new()), number));
            }
            let (status, mut body, headers) = service(request, number + shift);
            if request.method == "GET" && request.path.starts_with("/orders/") {
                body = format!("{{\"as\":\"{}\",\"amount\":{amount}}}", issued.borrow());
            }
            Ok(exchange((status, body, headers), number))
        };
        measure_with(&contract, answer, baseline, &|| false)
    };
    let verdict = |passport: &Passport| {
        let claims = &passport.result("orders/read").unwrap().claims;
        claims.iter().find(|it| it.kind == ClaimKind::Behaviour).unwrap().verdict
    };
    let baseline = run(0, 3, None);
    assert!(!String::from_utf8(baseline.to_bytes().unwrap()).unwrap().contains("session-"));
    assert_eq!(verdict(&run(123_456, 3, Some(&baseline))), Verdict::Pass);
    assert_eq!(verdict(&run(123_456, 4, Some(&baseline))), Verdict::Fail);
}

#[test]
fn rows_that_nobody_compares_count_as_neither_equal_nor_unequal_and_show_no_token() {
    let contract = FLOW
        .replace("setup = [", "rows = { n = \"1..30\" }\nsetup = [")
        .replace("path = \"/orders/{id}\"\nheaders", "path = \"/orders/{id}?n={n}\"\nheaders");
    let seen = RefCell::new(Vec::new());
    let row = |request: &PreparedRequest| {
        let mut seen = seen.borrow_mut();
        let (_, row) = request.path.split_once("?n=")?;
        if !seen.contains(&row.to_owned()) {
            seen.push(row.to_owned());
        }
        seen.iter().position(|it| it == row)
    };
    // The last rows of the order are never answered twice alike.
    let random = |compared: usize| {
        seen.borrow_mut().clear();
        measured(&contract, |request, number| match row(request) {
            Some(place) if place >= compared => {
                (200, format!("{{\"random\":{}}}", number * 7_919), Vec::new())
            }
            Some(_) => (200, "{}".to_owned(), Vec::new()),
            None => service(request, number),
        })
    };
    let behaviour = |passport: &Passport| {
        let seen = evidence(passport, "orders/read").behaviour.clone().unwrap();
        (seen.responses.get(), seen.responses_equal.get())
    };
    let passport = random(20);
    let (responses, equal) = behaviour(&passport);
    let samples = evidence(&passport, "orders/read").latency.samples().get();
    assert!(equal == responses && responses < samples, "{responses} of {samples}");
    let (responses, equal) = behaviour(&random(19));
    assert!(equal < responses, "{equal} of {responses}");

    // A body of such a row that is not expected, and that is no text.
    for body in [&b"bad token Bearer "[..], b"\xffbad token Bearer "] {
        seen.borrow_mut().clear();
        let answer = |request: &PreparedRequest, number| {
            if row(request).is_none_or(|place| place < 20) {
                return Ok(exchange(service(request, number), number));
            }
            let token = request.headers.iter().find(|it| it.0 == "authorization").unwrap();
            let token = token.1.expose().trim_start_matches("Bearer ");
            let body = [body, token.as_bytes()].concat();
            Ok::<_, ProbeError>(Exchange { status: 403, body, ..good(number) })
        };
        let passport = measure_with(&contract, answer, None, &|| false);
        let shown = evidence(&passport, "orders/read").bodies.unexpected.clone().unwrap();
        assert!(shown.ends_with("bad token Bearer {token}"), "{shown}");
    }
}
