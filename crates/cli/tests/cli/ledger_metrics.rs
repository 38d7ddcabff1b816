//! The metrics of `passport serve`, read by promtool and by a real Prometheus.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    ledger_work::{post, runs, waiting},
    service::{SERVE, Service},
    watched::Enough,
};
use perf_passport_test_support::{
    postgres::Cluster,
    processes::eventually,
    program::{Workspace, assert_says},
    prometheus::{Prometheus, check_metrics},
};
use serde_json::Value;

/// The families that rules and dashboards rely on, with their types.
const FAMILIES: [(&str, &str); 41] = [
    ("http_requests_total", "counter"),
    ("http_request_duration_seconds", "histogram"),
    ("http_active_requests", "gauge"),
    ("passport_build_info", "gauge"),
    ("process_cpu_seconds_total", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
    ("process_io_read_bytes_total", "counter"),
    ("process_io_written_bytes_total", "counter"),
    ("process_network_receive_bytes_total", "counter"),
    ("process_network_transmit_bytes_total", "counter"),
    ("process_heap_live_bytes", "gauge"),
    ("process_heap_allocated_bytes_total", "counter"),
    ("process_heap_allocations_total", "counter"),
    ("tokio_workers", "gauge"),
    ("tokio_alive_tasks", "gauge"),
    ("tokio_global_queue_depth", "gauge"),
    ("tokio_worker_busy_seconds_total", "counter"),
    ("tokio_worker_parks_total", "counter"),
    ("pool_connections", "gauge"),
    ("pool_wait_seconds", "histogram"),
    ("pool_waiting", "gauge"),
    ("db_operations_total", "counter"),
    ("db_operation_duration_seconds", "histogram"),
    ("db_size_bytes", "gauge"),
    ("db_connections", "gauge"),
    ("db_connection_wait_seconds", "histogram"),
    ("operation_duration_seconds", "histogram"),
    ("queue_length", "gauge"),
    ("queue_capacity", "gauge"),
    ("queue_jobs_total", "counter"),
    ("queue_wait_seconds", "histogram"),
    ("workers", "gauge"),
    ("workers_active", "gauge"),
    ("first_organism_runs_total", "counter"),
    ("first_organism_info", "gauge"),
    ("first_organism_latency_seconds", "histogram"),
];

const TEXT: &str = "Accept: text/plain;version=0.0.4\r\n";
const KEY: &str = "X-API-Key: hunter2-key\r\n";

/// The body of an answer with 200 and this type.
fn body<'a>(answer: &'a str, kind: &str) -> &'a str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_says(head, &format!("\r\ncontent-type: {kind}"));
    assert_says(&head.to_ascii_lowercase(), "\r\nvary: accept");
    body
}

#[test]
fn all_metrics_of_a_ledger_at_work_are_there_for_prometheus() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("key", "hunter2-key\n");
    let database = ["--database", "ledger.db", "--fixture", "normal"];
    let work = ["--workers", "2", "--queue-max", "500", "--api-key-file", "key"];
    let serve = [&SERVE[..], &database, &work].concat();
    let service = Service::start(&mut workspace.command(&serve)).with_headers(KEY);
    let page = service.get("/statements?limit=1", "");
    let (_, hash) = page.split_once("\"hash\":\"").unwrap();
    let hash = &hash[..64];
    for _ in 0..30 {
        assert!(post(&service, hash).unwrap());
    }
    eventually("the queue is not emptied", || waiting(&service) == 0);
    assert_eq!(runs(&service), 25 + 17 + 30);

    // Who asks for nothing gets the JSON of before.
    for accept in ["", "Accept: */*\r\n", "Accept: application/json\r\n"] {
        let answer = service.get("/metrics", accept);
        let json: serde_json::Value =
            serde_json::from_str(body(&answer, "application/json")).unwrap();
        assert_eq!(json["first_organism"]["runs_total"], 72);
    }
    let answer = service.get("/metrics", TEXT);
    let text = body(&answer, "text/plain; version=0.0.4");
    for (name, kind) in FAMILIES {
        assert_says(text, &format!("# TYPE {name} {kind}\n"));
    }
    let json = service.get("/metrics", "");
    let (_, last) = json.split_once("\"last_ht_hash\":\"").unwrap();
    let info = format!("first_organism_info{{last_ht_hash=\"{}\"}} 1\n", &last[..64]);
    assert_says(text, &info);
    assert_eq!(text.matches("\nfirst_organism_info{").count(), 1);
    for sample in [
        "first_organism_runs_total 72",
        "first_organism_latency_seconds_count 47",
        "queue_length{queue=\"events\"} 0",
        "queue_capacity{queue=\"events\"} 500",
        "queue_jobs_total{queue=\"events\",outcome=\"done\"} 47",
        "queue_wait_seconds_count{queue=\"events\"} 30",
        "workers{queue=\"events\"} 2",
        "workers_active{queue=\"events\"} 0",
        "pool_connections{pool=\"ledger\",state=\"max\"} 8",
        "http_requests_total{route=\"/events\",method=\"POST\",status=\"2xx\"} 30",
        "db_operations_total{operation=\"insert\",table=\"organism_runs\",outcome=\"ok\"} 47",
    ] {
        assert_says(text, &format!("\n{sample}\n"));
    }
    assert!(!answer.contains("hunter2"));
    if let Some(said) = check_metrics(text) {
        assert_eq!(said, "");
    }

    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n\
         - job_name: ledger\n  \
           authorization: {{credentials: hunter2-key}}\n  \
           static_configs: [{{targets: ['{}']}}]\n",
        service.address
    );
    let Some(prometheus) = Prometheus::start(&configuration) else { return };
    prometheus.comes_to("up{job=\"ledger\"}", 1.0);
    prometheus.comes_to("first_organism_runs_total", 72.0);
    assert!(post(&service, hash).unwrap());
    prometheus.comes_to("first_organism_runs_total", 73.0);
    prometheus.comes_to("sum(queue_jobs_total{outcome=\"done\"})", 48.0);
    prometheus.comes_to("first_organism_latency_seconds_count", 48.0);
    prometheus.comes_to("http_requests_total{route=\"/events\",status=\"2xx\"}", 31.0);
    prometheus.comes_to("count(first_organism_info)", 1.0);
    let info = prometheus.query("first_organism_info");
    let json = service.get("/metrics", "");
    let (_, last) = json.split_once("\"last_ht_hash\":\"").unwrap();
    assert_eq!(info[0]["metric"]["last_ht_hash"], last[..64]);
}

#[test]
fn budgets_that_are_none_are_refused_before_anybody_is_told_that_it_runs() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("budgets.json", "{}");
    for file in ["absent.json", "budgets.json"] {
        let serve = [&SERVE[..], &["--budgets", file]].concat();
        let sentence = workspace.run(&serve).refused(2);
        assert_says(&sentence, &format!("cannot use `{file}`: "));
        assert!(!sentence.contains("ledger on"), "{sentence}");
    }
    // An edge that was put in by hand: rules and `observe` would take it for the contract's.
    let text = fs::read_to_string(repository().join("monitoring/budgets.json")).unwrap();
    let changed = text.replace("\"0.01\"", "\"0.011\"");
    assert_ne!(text, changed);
    workspace.write("budgets.json", &changed);
    let sentence = workspace.run(&[&SERVE[..], &["--budgets", "budgets.json"]].concat()).refused(2);
    assert_says(&sentence, "cannot use `budgets.json`: it was changed after it was written");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each expression of the committed dashboards, with its dashboard and panel.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join("monitoring/grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{}: {}", dashboard["title"], panel["title"]);
                let expression = target["expr"].as_str().unwrap();
                found.push((place, expression.replace("$__rate_interval", "10s")));
            }
        }
    }
    found
}

/// Every route, one that is none, a request that is refused, and an event.
fn ask_for_everything(service: &Service, hash: &str) {
    for path in [
        "/metrics",
        "/health",
        "/blocks/latest",
        "/statements?limit=1",
        "/statements?limit=no",
        "/ui",
        "/heartbeat.json",
        "/nothing",
    ] {
        service.get(path, "");
    }
    assert!(post(service, hash).unwrap());
}

#[test]
fn every_panel_of_the_committed_dashboards_shows_something_of_a_ledger_at_work() {
    let Some(cluster) = Cluster::start() else { return };
    let monitoring = repository().join("monitoring");
    let budgets = monitoring.join("budgets.json");
    let workspace = Workspace::new(crate::PASSPORT);
    let work = ["--fixture", "normal", "--workers", "2", "--budgets", budgets.to_str().unwrap()];
    let serve = [&SERVE[..], &["--database", cluster.url()], &work].concat();
    let service = Service::start(&mut workspace.command(&serve));
    let configuration = format!(
        "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
         rule_files: ['{}/prometheus/rules/*.yml']\nscrape_configs:\n- job_name: ledger\n  \
         static_configs:\n  - targets: ['{}']\n",
        monitoring.display(),
        service.address
    );
    let Some(prometheus) = Prometheus::start(&configuration) else { return };
    let expressions = expressions();
    assert!(expressions.len() > 40, "{}", expressions.len());
    let page = service.get("/statements?limit=1", "");
    let hash = &page.split_once("\"hash\":\"").unwrap().1[..64];
    guide_names_what_is_there(&service);

    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                ask_for_everything(&service, hash);
            }
        });
        let _enough = Enough(&enough);
        let shows = |expression: &str| {
            let samples = prometheus.query(expression);
            let numbers = samples.as_array().unwrap().iter().map(|it| &it["value"][1]);
            numbers.filter_map(Value::as_str).any(|it| it.parse::<f64>().is_ok_and(f64::is_finite))
        };
        let mut empty = expressions;
        for _ in 0..60 {
            empty.retain(|(_, expression)| !shows(expression));
            if empty.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(500));
        }
        assert!(empty.is_empty(), "{empty:#?}");
    });
}

/// The guide to Grafana without Prometheus names fields of the JSON.
fn guide_names_what_is_there(service: &Service) {
    let guide = fs::read_to_string(repository().join("docs/how-to/grafana-json.md")).unwrap();
    let answer = service.get("/metrics", "");
    let json: Value = serde_json::from_str(body(&answer, "application/json")).unwrap();
    let fields = guide.split('`').filter(|it| it.starts_with("first_organism."));
    let fields: Vec<&str> = fields.collect();
    assert!(fields.len() >= 3, "{fields:?}");
    for field in fields {
        let found = json.pointer(&format!("/{}", field.replace('.', "/")));
        assert!(found.is_some_and(|it| !it.is_null()), "{field}: {json}");
    }
}
