//! What a scrape shows is what Prometheus reads.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use perf_passport_meter::{
    telemetry::{
        DatabaseMetrics, ExpositionFormat, FunctionMetrics, PoolMetrics, QueueMetrics,
        RouteTemplate, Telemetry,
    },
    units::{Count, Nanos},
};
use tokio::runtime;
use tower::{Layer, ServiceExt, service_fn};

use super::{sample, samples};

const HOSTILE: &str = "/a\\b\"c\nd{x=\"1\"} 7\n# EOF\r\0\u{1b}[31m\u{e9}\u{1f600}";

fn full() -> Telemetry {
    let budgets = format!(
        r#"{{"schema_version":1,"service":"shop","budgets":"{}","edges_seconds":["0.003","0.006","0.012"]}}"#,
        "0f".repeat(32)
    );
    let telemetry =
        Telemetry::from_budgets(&budgets).unwrap().version("1\n2").exemplars(true).build();
    let registry = telemetry.registry();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    for route in ["/plain", HOSTILE] {
        let service = service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
        });
        let service = telemetry.layer(RouteTemplate::Fixed(route.into())).layer(service);
        runtime.block_on(service.oneshot(Request::new(()))).unwrap();
    }
    let database = DatabaseMetrics::new(registry, HOSTILE).unwrap();
    database.operation("select", "users").ok();
    database.waited(Nanos::new(5));
    let pool = PoolMetrics::new(registry, HOSTILE).unwrap();
    drop(pool.timer());
    QueueMetrics::new(registry, HOSTILE, Count::new(5)).unwrap().enqueued().started().done();
    let functions = FunctionMetrics::new(registry).unwrap();
    functions.timer("parse", HOSTILE).failed("odd");
    functions.set_accuracy(HOSTILE, f64::NAN);
    telemetry
}

#[test]
fn promtool_finds_nothing_to_say() {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("MISSING: promtool");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let text = full().registry().text(ExpositionFormat::Text);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{}\n{said}\n{text}", output.status);
}

#[test]
fn openmetrics_is_read_as_its_specification_has_it() {
    let text = full().registry().text(ExpositionFormat::OpenMetrics);
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    assert!(!body.contains("# EOF\n"), "{text}");
    let mut family = String::new();
    let mut seen = std::collections::BTreeSet::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(seen.insert(family.clone()), "`{family}` stands there twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = rest.strip_prefix(&format!("{family} ")).expect("HELP before TYPE");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kind != "counter" || !family.ends_with("_total"), "{line}");
        } else {
            assert!(line.starts_with(&family), "{line}");
            let labels = line.find('{').map_or("", |start| &line[start..]);
            let (_, figures) = line.rsplit_once("} ").or_else(|| line.split_once(' ')).unwrap();
            let figures: Vec<&str> = figures.split(' ').collect();
            let has_exemplar = line.contains(" # {trace_id=");
            assert_eq!(figures.len(), if has_exemplar { 2 } else { 1 }, "{line}");
            assert!(figures.iter().all(|it| it.parse::<f64>().is_ok()), "{line}");
            if let Some(le) = labels.split(",le=\"").nth(1).and_then(|it| it.split('"').next()) {
                assert!(le == "+Inf" || le.contains('.'), "{line}");
            }
        }
    }
    assert!(text.contains("# {trace_id="), "{text}");
}

#[test]
fn edges_stand_at_the_budgets_and_the_digest_is_named() {
    let telemetry = full();
    let registry = telemetry.registry();
    let buckets = samples(registry, "http_request_duration_seconds_bucket");
    let of_plain = buckets.iter().filter(|it| it.starts_with("{route=\"/plain\""));
    let edges: Vec<&str> =
        of_plain.map(|it| it.split("le=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!(edges.len(), 16 + 3 + 1);
    assert!(edges.windows(2).any(|it| it == ["0.0025", "0.003"]), "{edges:?}");
    assert!(edges.windows(2).any(|it| it == ["0.01", "0.012"]), "{edges:?}");
    let info = samples(registry, "passport_build_info");
    let digest = "0f".repeat(32);
    assert_eq!(info, [format!("{{version=\"1\\n2\",budgets=\"{digest}\",service=\"shop\"}} 1")]);
}

#[test]
fn equal_figures_are_equal_bytes() {
    let telemetry = full();
    let of_requests = || samples(telemetry.registry(), "http_request_duration_seconds_bucket");
    assert_eq!(of_requests(), of_requests());
    let text = telemetry.registry().text(ExpositionFormat::Text);
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_and_its_runtime_are_shown() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let telemetry = runtime.block_on(async { Telemetry::builder("test").build() });
    let registry = telemetry.registry();
    let figure = |name: &str| {
        let text = sample(registry, name, "").unwrap_or_else(|| panic!("{name} is absent"));
        text.parse::<f64>().unwrap()
    };
    for name in [
        "process_cpu_seconds_total",
        "process_network_receive_bytes_total",
        "process_network_transmit_bytes_total",
        "tokio_alive_tasks",
        "tokio_global_queue_depth",
    ] {
        assert!(figure(name) >= 0.0, "{name}");
    }
    assert!(figure("process_resident_memory_bytes") > 1e6);
    assert!(figure("process_virtual_memory_bytes") >= figure("process_resident_memory_bytes"));
    assert!(figure("process_threads") >= 3.0);
    assert!(figure("process_start_time_seconds") > 1_600_000_000.0);
    assert_eq!(samples(registry, "tokio_workers"), [" 2"]);
    assert_eq!(samples(registry, "tokio_worker_parks_total").len(), 2);
    assert_eq!(samples(registry, "tokio_worker_busy_seconds_total").len(), 2);

    let before = figure("process_open_fds");
    let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
    assert!(figure("process_open_fds") >= before + 30.0, "other tests open and close some too");
    drop(files);
}

#[test]
fn the_heap_is_shown_to_who_asks_for_it() {
    let telemetry = Telemetry::builder("test").build();
    assert!(samples(telemetry.registry(), "process_heap_live_bytes").is_empty());
    telemetry.watch_heap().unwrap();
    assert!(Telemetry::builder("other").build().watch_heap().is_err(), "one watch at a time");
    let held = vec![0_u8; 10_000_000];
    let allocated = sample(telemetry.registry(), "process_heap_allocated_bytes_total", "");
    assert!(allocated.unwrap().parse::<u64>().unwrap() >= 10_000_000);
    drop(held);
    assert!(sample(telemetry.registry(), "process_heap_allocations_total", "").is_some());
    drop(telemetry);
    Telemetry::builder("other").build().watch_heap().expect("the watch ended with its telemetry");
}

#[test]
fn nothing_asked_for_is_text_where_there_is_no_json() {
    let response = full().respond(&HeaderMap::new());
    assert!(response.body().contains("# TYPE http_requests_total counter\n"));
}
