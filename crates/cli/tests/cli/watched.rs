//! A delay in the running ledger, and who sees it: `observe`, the alert and the panel, from one contract.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use perf_passport_test_support::{
    processes::eventually,
    program::{Workspace, assert_says},
    prometheus::Prometheus,
};
use serde_json::Value;

use crate::service::{SERVE, Service};

const CONTRACT: &str = "schema_version = 1\nname = \"ledger\"\n[service]\n\
    [budgets]\nlatency_ms_max = 20\n\
    [[endpoint]]\nname = \"blocks\"\npath = \"/blocks/latest\"\ncontent_type = \"application/json\"\n\
    [slo.api]\nendpoints = [\"blocks\"]\nobjective = 99.9\n";

const SECONDS: u64 = 16;

/// Makes each question for blocks count to 200,000 first: far beyond the budget, and far below what the ledger
/// waits for a statement, also where the machine is busy. Nobody may ask while there are no blocks.
const SLOW: &str = "BEGIN IMMEDIATE; ALTER TABLE blocks RENAME TO kept; CREATE VIEW blocks AS SELECT * FROM kept WHERE \
    (WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200000) SELECT MAX(n) FROM n) > 0; COMMIT;";

/// Ends those who ask, also where the test fails.
pub(crate) struct Enough<'a>(pub(crate) &'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks for a page on connections of their own, until it is enough or nobody answers.
fn ask(address: &str, enough: &AtomicBool) {
    let request =
        format!("GET /blocks/latest HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    while !enough.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        if stream.read_to_end(&mut answer).is_err() {
            return;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        thread::sleep(Duration::from_millis(5));
    }
}

/// The expression of the panel that draws the share of slow requests, over this time.
fn panel(dashboard: &Value, over: &str) -> String {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|it| it["targets"].as_array()).flatten();
    let mut expressions = targets.filter_map(|it| it["expr"].as_str());
    let slow =
        |it: &&str| it.starts_with("1 - sum by (job) ((rate(http_request_duration_seconds_bucket");
    expressions.find(slow).unwrap().replace("$__rate_interval", over)
}

/// Slow requests, and all that were timed, as the passport has them.
fn observed(passport: &Value) -> (f64, f64) {
    let routes = passport["production"]["evidence"]["routes"].as_array().unwrap();
    let sum =
        |list: &Value| list.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).sum::<f64>();
    let route = routes.iter().find(|it| it["route"] == "/blocks/latest").unwrap();
    (sum(&route["slow"][0]["at_most"]), sum(&route["timed"]))
}

#[test]
fn a_delay_is_seen_by_observe_the_alert_and_the_panel_alike() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.run(&["monitor", "all", "--output", "monitoring"]).exits(0);
    let work =
        ["--database", "ledger.db", "--fixture", "normal", "--budgets", "monitoring/budgets.json"];
    let service = Service::start(&mut workspace.command(&[&SERVE[..], &work].concat()));
    let rules = workspace.path("monitoring/prometheus/rules");
    let configuration = format!(
        "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
         rule_files: ['{}/*.yml']\nscrape_configs:\n- job_name: ledger\n  static_configs:\n\
         \x20 - targets: ['{}']\n",
        rules.display(),
        service.address
    );
    let Some(prometheus) = Prometheus::start(&configuration) else { return };
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| ask(&service.address, &enough));
        }
        let _enough = Enough(&enough);
        let firing = "ALERTS{alertname=\"LatencyBudgetBurnFast\",alertstate=\"firing\"}";
        eventually("nothing is counted", || {
            prometheus.number("slo:requests:increase60m").is_some_and(|it| it > 200.0)
        });
        assert_eq!(prometheus.number(firing), None, "nothing is slow so far");

        // As when an index is lost: the query takes more than the budget from now on.
        let database = rusqlite::Connection::open(workspace.path("ledger.db")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database.execute_batch(SLOW).unwrap();
        thread::sleep(Duration::from_secs(SECONDS + 1));
        let now = prometheus.number("timestamp(vector(1))").unwrap();
        let over = format!("{SECONDS}s");
        let address = format!("http://{}", prometheus.address());
        let observe =
            ["observe", "--prometheus", &address, "--for", &over, "--at", &format!("{now:.0}")];
        let said = workspace.run(&observe).exits(1);
        assert_says(&said.stdout, "production-latency");
        let dashboard = workspace.json("monitoring/grafana/dashboards/production.json");
        let panel = panel(&dashboard, &over);
        let drawn = prometheus.number(&panel).unwrap();
        let (slow, all) = observed(&workspace.json("production_passport.json"));
        let observed = slow / all;
        assert!(all > 30.0 && observed > 0.0144, "{slow} of {all}");
        // Between two scrapes Prometheus extrapolates, and `observe` does not.
        let ratio = drawn / observed;
        assert!(
            (0.8..1.25).contains(&ratio),
            "the panel draws {drawn}, observe counted {observed}"
        );
        prometheus.comes_to(firing, 1.0);
        let recorded = prometheus.number("slo:slow:ratio_rate5m").unwrap();
        assert!(
            recorded > 0.0144 && recorded <= drawn * 1.25,
            "{recorded} in five minutes, {drawn} in {over}"
        );
    });
}
