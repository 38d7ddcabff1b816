//! `passport observe`, against a Prometheus of the tests' own and services that expose what a test says.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use perf_passport_test_support::program::{Finished, Workspace, assert_says};
use serde_json::{Value, json};

use crate::server::{Server, response};

/// The moment that the fake Prometheus says it is.
pub(crate) const NOW: i64 = 1_700_003_600;
const STEP: i64 = 15;

pub(crate) const CONTRACT: &str = "schema_version = 1\nname = \"shop\"\n[service]\n\
    [[endpoint]]\nname = \"orders\"\npath = \"/orders\"\n\
    [slo.api]\nendpoints = [\"orders\"]\nobjective = 99\nlatency_ms = 10\n";

/// A series: its labels, and its value at each scrape, where it has one.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: Arc<dyn Fn(i64) -> Option<String> + Send + Sync>,
}

pub(crate) fn series(
    name: &'static str,
    labels: &[(&'static str, &str)],
    value: impl Fn(i64) -> Option<String> + Send + Sync + 'static,
) -> Series {
    let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Series { name, labels, value: Arc::new(value) }
}

/// Requests of an instance: so many a scrape, of which some fail, and some are within each edge.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) instance: &'static str,
    pub(crate) route: &'static str,
    pub(crate) a_scrape: u64,
    /// Of a hundred scrapes, so many have one request that fails, and so many one that takes 40 ms.
    pub(crate) failing: u64,
    pub(crate) slow: u64,
    pub(crate) edges: &'static [&'static str],
}

pub(crate) const TRAFFIC: Traffic = Traffic {
    instance: "a:1",
    route: "/orders",
    a_scrape: 20,
    failing: 0,
    slow: 0,
    edges: &["0.005", "0.01", "0.02", "0.05"],
};

/// So many of a hundred scrapes, spread over them.
const fn of_hundred(scrape: i64, number: u64) -> u64 {
    (scrape.unsigned_abs() * number) / 100
}

impl Traffic {
    pub(crate) fn series(self) -> Vec<Series> {
        let Self { instance, route, a_scrape, failing, slow, edges } = self;
        let own = [("job", "shop"), ("instance", instance), ("route", route), ("method", "GET")];
        let labels = |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
            own.into_iter().chain(more.iter().copied()).collect()
        };
        let all = move |scrape: i64| scrape.unsigned_abs() * a_scrape;
        let (ok, bad) = (labels(&[("status", "2xx")]), labels(&[("status", "5xx")]));
        let mut found = vec![
            series("http_requests_total", &ok, move |it| {
                Some((all(it) - of_hundred(it, failing)).to_string())
            }),
            series("http_requests_total", &bad, move |it| {
                Some(of_hundred(it, failing).to_string())
            }),
        ];
        for edge in edges.iter().copied().chain(["+Inf"]) {
            let is_slow_within = edge.parse::<f64>().is_ok_and(|it| it < 0.04);
            let with_edge = labels(&[("status", "2xx"), ("le", edge)]);
            found.push(series("http_request_duration_seconds_bucket", &with_edge, move |it| {
                let slow = if is_slow_within { of_hundred(it, slow) } else { 0 };
                Some((all(it) - slow).to_string())
            }));
        }
        found
    }
}

fn build_info(digest: &'static str) -> Series {
    let labels = [("job", "shop"), ("instance", "a:1"), ("budgets", digest)];
    series("passport_build_info", &labels, |_| Some("1".to_owned()))
}

/// A Prometheus that has these series.
pub(crate) fn prometheus(series: Vec<Series>) -> Server {
    Server::start(move |head| Some(response("200 OK", "application/json", &answer(head, &series))))
}

fn answer(head: &str, all: &[Series]) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let query = path.split_once("query=").unwrap().1;
    let (query, time) = query.split_once("&time=").unwrap_or((query, ""));
    let (query, time) = (decoded(query), time.split('.').next().unwrap().parse().unwrap_or(0_i64));
    let metric = |it: &Series, drop: &[&str]| {
        let labels = it.labels.iter().filter(|(name, _)| !drop.contains(name));
        let mut labels: serde_json::Map<String, Value> =
            labels.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        if !drop.contains(&"__name__") {
            labels.insert("__name__".to_owned(), json!(it.name));
        }
        Value::Object(labels)
    };
    if query == "vector(time())" {
        return vector(&[json!({"metric": {}, "value": [NOW, NOW.to_string()]})]);
    }
    if query == "count(up)" {
        // It scrapes nothing else.
        let any = all.iter().any(|it| !values(it, time * 1000 - 300_000, time * 1000).is_empty());
        let one = json!({"metric": {}, "value": [time, "1"]});
        return vector(if any { std::slice::from_ref(&one) } else { &[] });
    }
    let name = query.trim_start_matches(|c| c != '(').split("last_over_time(").nth(1);
    if let Some(name) = name {
        let name = name.split('{').next().unwrap();
        let found = all.iter().filter(|it| it.name == name);
        let found: Vec<Value> = found
            .map(|it| json!({"metric": metric(it, &["__name__"]), "value": [time, "1"]}))
            .collect();
        return vector(&found);
    }
    if let Some(gauge) = query.strip_prefix("sum by (instance) (") {
        let name = gauge.split('{').next().unwrap();
        let last =
            |it: &Series| Some(values(it, time * 1000 - 300_000, time * 1000).pop()?[1].clone());
        let found: Vec<Value> = all
            .iter()
            .filter(|it| it.name == name)
            .filter_map(|it| {
                Some(json!({"metric": {"instance": "a:1"}, "value": [time, last(it)?]}))
            })
            .collect();
        return vector(&found);
    }
    let (name, rest) = query.split_once('{').unwrap();
    let length = rest.rsplit_once('[').unwrap().1.trim_end_matches("ms]").parse::<i64>().unwrap();
    let edges = rest.split_once("le=~\"").or_else(|| rest.split_once("le=\""));
    let edges = edges.map(|it| it.1.split('"').next().unwrap().replace('\\', ""));
    let is_asked = |it: &&Series| {
        let le = it.labels.iter().find(|label| label.0 == "le").map(|it| it.1.clone());
        let of = |le: &String| edges.as_ref().unwrap().split('|').any(|edge| edge == le);
        it.name == name && le.as_ref().is_none_or(of)
    };
    let result: Vec<Value> = all
        .iter()
        .filter(is_asked)
        .map(|it| json!({"metric": metric(it, &[]), "values": values(it, time * 1000 - length, time * 1000)}))
        .filter(|it| !it["values"].as_array().unwrap().is_empty())
        .collect();
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}}).to_string()
}

fn vector(result: &[Value]) -> String {
    json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
}

/// The samples of a time in milliseconds, both ends included.
fn values(series: &Series, from_ms: i64, to_ms: i64) -> Vec<Value> {
    let scrapes = (0..=240).map(|it: i64| (NOW - 3600 + it * STEP, it));
    let scrapes = scrapes.filter(|(at, _)| (from_ms..=to_ms).contains(&(at * 1000)));
    scrapes.filter_map(|(at, it)| Some(json!([at, (series.value)(it)?]))).collect()
}

fn decoded(text: &str) -> String {
    let (first, rest) = text.split_once('%').unwrap_or((text, ""));
    let mut decoded = first.to_owned();
    for part in rest.split('%').filter(|it| !it.is_empty()) {
        let (code, plain) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        decoded.push_str(plain);
    }
    decoded
}

pub(crate) fn observe(contract: &str, server: &Server, more: &[&str]) -> (Workspace, Finished) {
    let workspace = Workspace::with_contract(crate::PASSPORT, contract);
    let url = server.url();
    let arguments =
        ["observe", "--prometheus", url.as_str()].into_iter().chain(more.iter().copied());
    let finished = workspace.run(&arguments.collect::<Vec<_>>());
    (workspace, finished)
}

/// What the passport says of a claim of the objective.
pub(crate) fn claim(workspace: &Workspace, kind: &str) -> (String, String) {
    let passport = workspace.json("production_passport.json");
    let claims = passport["production"]["results"][0]["claims"].as_array().unwrap().clone();
    let claim = claims.iter().find(|it| it["kind"] == kind).unwrap();
    let text = |name: &str| claim[name].as_str().unwrap().to_owned();
    (text("verdict"), text("reason"))
}

#[test]
fn a_service_that_keeps_its_objective_passes_and_verifies_offline() {
    let (workspace, finished) = observe(CONTRACT, &prometheus(TRAFFIC.series()), &[]);
    let finished = finished.exits(0);
    assert_says(&finished.stdout, "PASS");
    assert_says(&finished.stdout, "GET /orders");
    let pass =
        |it: (String, String)| assert_eq!(it, ("PASS".to_owned(), "within-budget".to_owned()));
    pass(claim(&workspace, "production-latency"));
    pass(claim(&workspace, "production-errors"));
    let passport = workspace.json("production_passport.json");
    let production = &passport["production"];
    assert_eq!(production["results"][0]["shares"][0]["requests"], 4_800);
    assert_eq!(production["mix"][0]["share_ppm"], 1_000_000);
    workspace.run(&["verify", "production_passport.json"]).exits(0);
    // A count that is edited is found.
    let text = workspace.read("production_passport.json");
    let edited = text.replacen("\"requests\": 4800", "\"requests\": 4801", 1);
    assert_ne!(edited, text);
    workspace.write("edited.json", edited);
    workspace.run(&["verify", "edited.json"]).exits(1);
    let schema = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/passport.schema.json"),
    );
    let schema: Value = serde_json::from_str(&schema.unwrap()).unwrap();
    assert!(jsonschema::is_valid(&schema, &passport));
    // It is no baseline of a check.
    let refused = workspace.run(&[
        "check",
        "--baseline",
        "production_passport.json",
        "--api-url",
        "http://127.0.0.1:9",
    ]);
    assert_says(&refused.refused(2), "what a running service counted");
}

#[test]
fn a_service_that_breaks_its_objective_fails_with_the_figure() {
    // One of 20 requests at 60 of 100 scrapes: 3 %.
    let slow = Traffic { slow: 60, ..TRAFFIC };
    let (workspace, finished) = observe(CONTRACT, &prometheus(slow.series()), &[]);
    let finished = finished.exits(1);
    assert_says(&finished.stdout, "3.0000 %");
    assert_eq!(claim(&workspace, "production-latency").0, "FAIL");
    assert_eq!(claim(&workspace, "production-errors").0, "PASS");
    let failing = Traffic { failing: 60, ..TRAFFIC };
    let (workspace, finished) = observe(CONTRACT, &prometheus(failing.series()), &[]);
    finished.exits(1);
    assert_eq!(claim(&workspace, "production-errors").0, "FAIL");
}

#[test]
fn too_little_traffic_abstains_and_says_how_much_it_takes() {
    let few = Traffic { a_scrape: 1, ..TRAFFIC };
    let (workspace, finished) = observe(CONTRACT, &prometheus(few.series()), &[]);
    let finished = finished.exits(4);
    assert_says(&finished.stdout, "it takes about 299 requests, and there were 240");
    let abstains = ("ABSTAIN".to_owned(), "too-little-traffic".to_owned());
    assert_eq!(claim(&workspace, "production-latency"), abstains);
    let (_, finished) = observe(CONTRACT, &prometheus(few.series()), &["--allow-abstain"]);
    finished.exits(0);
    let (workspace, finished) = observe(CONTRACT, &prometheus(TRAFFIC.series()), &["--for", "4m"]);
    finished.exits(4);
    assert_eq!(claim(&workspace, "production-latency").1, "too-few-windows");
}

#[test]
fn an_edge_that_is_missing_is_named_unless_others_tell_enough() {
    let apart = Traffic { edges: &["0.005", "0.05"], slow: 60, ..TRAFFIC };
    let (workspace, finished) = observe(CONTRACT, &prometheus(apart.series()), &[]);
    let finished = finished.exits(4);
    assert_says(&finished.stdout, "add an edge at 0.01 to `http_request_duration_seconds`");
    assert_eq!(claim(&workspace, "production-latency").1, "edge-missing");
    // No request took longer than the edge below.
    let fast = Traffic { slow: 0, ..apart };
    observe(CONTRACT, &prometheus(fast.series()), &[]).1.exits(0);
    // Prometheus 3 writes edges in another way, here from the middle of the time on.
    let one = CONTRACT.replace("latency_ms = 10", "latency_ms = 1000");
    let mut upgraded = Traffic { edges: &["1"], slow: 0, ..TRAFFIC }.series();
    let (mut before, mut after) = (upgraded.pop().unwrap(), upgraded.pop().unwrap());
    std::mem::swap(&mut before, &mut after);
    let second = {
        let value = Arc::clone(&before.value);
        let labels: Vec<_> = before
            .labels
            .iter()
            .map(|(name, it)| (*name, if it == "1" { "1.0" } else { it.as_str() }))
            .collect();
        series(before.name, &labels, move |it| (it > 120).then(|| value(it)).flatten())
    };
    let value = Arc::clone(&before.value);
    before.value = Arc::new(move |it| (it <= 120).then(|| value(it)).flatten());
    upgraded.extend([before, after, second]);
    observe(&one, &prometheus(upgraded), &[]).1.exits(0);
}

#[test]
fn budgets_that_are_live_are_the_contracts_or_nothing_is_said() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let contract = perf_passport::contract::Contract::parse(CONTRACT).unwrap();
    let digest = perf_passport_monitor::budgets::Budgets::of(&contract).unwrap().unwrap().digest();
    let digest: &'static str = Box::leak(digest.into_boxed_str());
    let with = |digests: &[&'static str]| {
        let infos = digests.iter().map(|it| build_info(it));
        prometheus(TRAFFIC.series().into_iter().chain(infos).collect())
    };
    let run = |server: &Server| workspace.run(&["observe", "--prometheus", &server.url()]);
    run(&with(&[digest])).exits(0);
    let several = run(&with(&[digest, "0000"])).exits(4);
    assert_says(&several.stdout, "instances with different budgets were live");
    workspace.run(&["verify", "production_passport.json"]).exits(0);
    std::fs::remove_file(workspace.path("production_passport.json")).unwrap();
    assert_says(&run(&with(&["0000"])).refused(2), "the running service has budgets 0000");
    assert!(!workspace.path("production_passport.json").exists());
}

#[test]
fn restarts_gaps_and_other_routes_are_told() {
    let restarted = |it: i64| if it < 100 { it * 20 } else { (it - 100) * 20 };
    let other = Traffic { instance: "b:2", route: "/not/under\u{1b}contract", ..TRAFFIC };
    let mut all = other.series();
    all.extend(Traffic { instance: "b:2", ..TRAFFIC }.series());
    for mut it in TRAFFIC.series() {
        let is_bad = it.labels.iter().any(|label| label.1 == "5xx");
        it.value = Arc::new(move |scrape| {
            // Not scraped for a while.
            let known = !(30..=40).contains(&scrape);
            known.then(|| if is_bad { 0 } else { restarted(scrape) }.to_string())
        });
        all.push(it);
    }
    let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
    let finished = finished.exits(0);
    assert_says(&finished.stdout, "counters began anew once");
    assert_says(&finished.stdout, "the counters have 1 gap");
    assert_says(&finished.stdout, "the contract lacks 1 route");
    assert_says(&finished.stdout, "2 instances");
    let passport = workspace.json("production_passport.json");
    // 4,800 of one instance; the other one lost what it counted last before it began anew.
    assert_eq!(
        passport["production"]["results"][0]["shares"][0]["requests"],
        4_800 + 99 * 20 + 140 * 20
    );
    assert_eq!(passport["production"]["evidence"]["resets"], 1);
    workspace.run(&["verify", "production_passport.json"]).exits(0);
}

#[test]
fn counters_that_are_seldom_read_abstain() {
    let mut all = TRAFFIC.series();
    for it in &mut all {
        let value = Arc::clone(&it.value);
        it.value = Arc::new(move |scrape| (scrape % 80 < 60).then(|| value(scrape)).flatten());
    }
    let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
    finished.exits(4);
    assert_eq!(claim(&workspace, "production-latency").1, "counters-missing");
}

#[test]
fn time_without_a_read_is_a_gap_also_at_the_ends() {
    // Dead for the last 40 minutes, and there for the last 40 alone.
    for known in [0..=80_i64, 160..=240] {
        let mut all = TRAFFIC.series();
        for it in &mut all {
            let (value, known) = (Arc::clone(&it.value), known.clone());
            it.value =
                Arc::new(move |scrape| known.contains(&scrape).then(|| value(scrape)).flatten());
        }
        let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
        finished.exits(4);
        assert_eq!(claim(&workspace, "production-latency").1, "counters-missing");
    }
}

#[test]
fn what_nobody_counted_is_no_evidence() {
    // A route of the objective that the service knows by another name.
    let two = CONTRACT.replace(
        "[slo.api]\nendpoints = [\"orders\"]",
        "[[endpoint]]\nname = \"cart\"\npath = \"/cart\"\n[slo.api]\nendpoints = [\"orders\", \"cart\"]",
    );
    let (_, finished) = observe(&two, &prometheus(TRAFFIC.series()), &[]);
    assert_says(&finished.refused(3), "`http_requests_total of GET /cart`");
    // A status that is none, or that stands in another label.
    for (label, status) in [("code", "5xx"), ("status", "server_error"), ("status", "600")] {
        let mut all = TRAFFIC.series();
        for it in &mut all {
            for (name, value) in &mut it.labels {
                if *name == "status" {
                    (*name, *value) = (label, status.to_owned());
                }
            }
        }
        let (_, finished) = observe(CONTRACT, &prometheus(all), &[]);
        assert_says(&finished.refused(3), "see `status_label` of [service]");
    }
}

#[test]
fn what_is_no_prometheus_is_refused_in_one_sentence() {
    let refused = |server: &Server, said: &str| {
        let (workspace, finished) = observe(CONTRACT, server, &[]);
        let sentence = finished.refused(3);
        assert!(sentence.contains(said), "{sentence}");
        assert!(!workspace.path("production_passport.json").exists());
    };
    let answering = |status: &str, body: &str| Server::answering(status, "application/json", body);
    refused(&answering("200 OK", "<html>"), "no list of series");
    refused(&answering("404 Not Found", "nothing"), "status 404");
    refused(&answering("302 Found", ""), "status 302");
    refused(&answering("401 Unauthorized", ""), "refuses who asks");
    let error = r#"{"status":"error","errorType":"bad_data","error":"unknown\u001b function"}"#;
    refused(&answering("400 Bad Request", error), "refuses the query (status 400)");
    let scalar = r#"{"status":"success","data":{"resultType":"streams","result":[]}}"#;
    refused(&answering("200 OK", scalar), "no list of series");
    refused(&Server::start(|_| None), "Prometheus: broken response");
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n".to_owned();
    refused(&Server::start(move |_| Some(huge.clone())), "larger than");
    refused(&prometheus(Vec::new()), "no series `http_requests_total`");
    let without_histogram = TRAFFIC.series().into_iter().take(2).collect();
    refused(&prometheus(without_histogram), "no series `http_request_duration_seconds_bucket`");
    let mut fraction = TRAFFIC.series();
    fraction[0].value = Arc::new(|it| Some(format!("{it}.5")));
    refused(&prometheus(fraction), "whole number");
    let closed = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let sentence = closed.run(&["observe", "--prometheus", "http://127.0.0.1:9"]).refused(3);
    assert_says(&sentence, "cannot reach");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let refused = |arguments: &[&str], said: &str| {
        let all: Vec<&str> = ["observe"].into_iter().chain(arguments.iter().copied()).collect();
        assert_says(&workspace.run(&all).exits(2).stderr, said);
    };
    let url = "http://127.0.0.1:9";
    refused(&[], "--prometheus <URL>");
    refused(&["--prometheus", url, "--scrape", url], "cannot be used with");
    refused(&["--prometheus", "http://u:s3cret@h"], "credentials");
    refused(&["--prometheus", url, "--for", "0"], "a second at least");
    refused(&["--prometheus", url, "--for", "1000d"], "90 days at most");
    refused(&["--prometheus", url, "--at", "yesterday"], "neither such as");
    refused(&["--prometheus", url, "--token-file", "none"], "cannot read --token-file");
    refused(&["--prometheus", url, "--user", "me"], "--password-file");
    let ca = workspace.run(&["observe", "--prometheus", url, "--ca-file", "none"]);
    assert_says(&ca.refused(3), "cannot read the certificates");
    workspace.write("empty", "\n");
    refused(&["--prometheus", url, "--token-file", "empty"], "it is empty");
    let without = CONTRACT.replace("[service]\n", "").split("[slo").next().unwrap().to_owned();
    workspace.write("without.toml", &without);
    refused(&["--prometheus", url, "--contract", "without.toml"], "no [service]");
    let nothing = "schema_version = 1\nname = \"a\"\n[service]\n[[operation]]\nname = \"o\"\n\
                   [operation.budgets]\nallocations_max = 1\n";
    workspace.write("nothing.toml", nothing);
    refused(&["--prometheus", url, "--contract", "nothing.toml"], "nothing that a running service");
}

#[test]
fn a_secret_is_sent_and_never_told() {
    let heads = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&heads);
    let all = TRAFFIC.series();
    let server = Server::start(move |head| {
        *kept.lock().unwrap() += head;
        Some(response("200 OK", "application/json", &answer(head, &all)))
    });
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let url = server.url();
    workspace.write("token", "s3cret-token\n");
    let run = |more: &[&str]| {
        let all: Vec<&str> = ["observe", "--prometheus", url.as_str()]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let finished = workspace.run(&all).exits(0);
        finished.keeps_to_itself("s3cret");
        assert!(!workspace.read("production_passport.json").contains("s3cret"));
        std::mem::take(&mut *heads.lock().unwrap()).to_ascii_lowercase()
    };
    assert!(run(&["--token-file", "token"]).contains("authorization: bearer s3cret-token"));
    workspace.write("password", "s3cret");
    // printf %s me:s3cret | base64
    let basic = run(&["--user", "me", "--password-file", "password"]);
    assert!(basic.contains("authorization: basic bwu6cznjcmv0"), "{basic}");
}

/// The text that a service exposes after so many requests.
pub(crate) fn exposed(requests: u64, slow: u64) -> String {
    let mut text = String::from("# TYPE http_requests_total counter\n");
    let labels = "route=\"/orders\",method=\"GET\",status=\"2xx\"";
    let _ = writeln!(text, "http_requests_total{{{labels}}} {requests}");
    for (edge, count) in [("0.01", requests - slow), ("+Inf", requests)] {
        let bucket = "http_request_duration_seconds_bucket";
        let _ = writeln!(text, "{bucket}{{{labels},le=\"{edge}\"}} {count}");
    }
    text
}

fn scrape(server: &Server, more: &[&str]) -> (Workspace, Finished) {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let url = format!("{}/metrics", server.url());
    let arguments = ["observe", "--scrape", url.as_str()].into_iter().chain(more.iter().copied());
    let finished = workspace.run(&arguments.collect::<Vec<_>>());
    (workspace, finished)
}

#[test]
fn a_service_is_scraped_without_a_prometheus() {
    let scrapes = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&scrapes);
    let server = Server::start(move |head| {
        assert!(head.starts_with("GET /metrics ") && head.contains("text/plain"), "{head}");
        // A connection that is kept would stay with one of several processes.
        assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
        let scrape = asked.fetch_add(1, Ordering::Relaxed);
        Some(response("200 OK", "text/plain; version=0.0.4", &exposed(scrape * 100, 0)))
    });
    let (workspace, finished) = scrape(&server, &["--for", "3s"]);
    // Three windows are too few to say anything.
    finished.exits(4);
    assert_eq!(claim(&workspace, "production-latency").1, "too-few-windows");
    let passport = workspace.json("production_passport.json");
    let requests = &passport["production"]["results"][0]["shares"][0]["requests"];
    // A machine that is busy misses a scrape, which takes no request away.
    let scrapes = scrapes.load(Ordering::Relaxed);
    assert!((2..=4).contains(&scrapes), "{scrapes}");
    assert_eq!(*requests, (scrapes - 1) * 100);
    assert_eq!(passport["production"]["evidence"]["source"], "scrapes");
    workspace.run(&["verify", "production_passport.json"]).exits(0);
}

#[test]
fn a_scrape_that_is_cut_or_no_text_is_refused() {
    let refused = |server: &Server, said: &str| {
        let (workspace, finished) = scrape(server, &["--for", "2s"]);
        assert_says(&finished.refused(3), said);
        assert!(!workspace.path("production_passport.json").exists());
    };
    let text = |body: &str| Server::answering("200 OK", "text/plain", body);
    refused(&text("http_requests_total{route=\"/ord"), "is cut");
    refused(&text("hello, world\n"), "is no sample");
    refused(&text("http_requests_total{route=\"/orders\",status=\"200\"} 1.5\n"), "whole number");
    let twice =
        "http_requests_total{route=\"/orders\",method=\"GET\",status=\"500\"} 1\n".repeat(2);
    refused(&text(&twice), "has a series of `http_requests_total` twice");
    refused(&text("http_requests_total{status=\"200\",status=\"500\"} 1\n"), "has a label twice");
    refused(&text(""), "no series `http_requests_total`");
    refused(&Server::answering("200 OK", "application/json", "{}"), "instead of text");
    refused(&Server::answering("200 OK", "text/html", "<html>"), "instead of text");
    refused(&Server::answering("503 Service Unavailable", "text/plain", ""), "status 503");
    let open = Server::answering("200 OK", "application/openmetrics-text", "a 1\n");
    refused(&open, "`# EOF` is missing");
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned();
    refused(&Server::start(move |_| Some(huge.clone())), "larger than");
    refused(&Server::start(|_| None), "the service: broken response");
}

/// A process that ends with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_tells_what_it_scraped() {
    let is_there = std::process::Command::new("prometheus")
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    if !is_there.is_ok_and(|it| it.success()) {
        println!("MISSING: prometheus");
        return;
    }
    let scrapes = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&scrapes);
    let server = Server::start(move |_| {
        let scrape = asked.fetch_add(1, Ordering::Relaxed);
        Some(response("200 OK", "text/plain; version=0.0.4", &exposed(scrape * 100, 0)))
    });
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.write(
        "prometheus.yml",
        format!(
            "scrape_configs:\n- job_name: shop\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n  \
             static_configs:\n  - targets: ['{}']\n",
            server.address
        ),
    );
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _prometheus = Running(
        std::process::Command::new("prometheus")
            .arg(format!("--config.file={}", workspace.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", workspace.path("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    for _ in 0..600 {
        if scrapes.load(Ordering::Relaxed) >= 60 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let url = format!("http://127.0.0.1:{port}");
    workspace.run(&["observe", "--prometheus", &url, "--for", "6s"]).exits(0);
    workspace.run(&["verify", "production_passport.json"]).exits(0);
    let passport = workspace.json("production_passport.json");
    let requests = passport["production"]["results"][0]["shares"][0]["requests"].as_u64().unwrap();
    // Each scrape has 100 more than that before, and a scrape that is missed takes none away.
    assert!(requests.is_multiple_of(100) && requests >= 2_000, "{requests}");
    let asked = workspace.run(&["observe", "--prometheus", &url, "--for", "6s", "--at", "0"]);
    assert_says(&asked.refused(3), "no series `http_requests_total`");
}
