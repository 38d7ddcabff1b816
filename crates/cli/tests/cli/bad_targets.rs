//! Services that are not there, not right, or not fast enough.

use std::{net::TcpListener, thread, time::Duration};

use serde_json::Value;

use crate::{
    contracts::{ledger, running},
    server::{Server, response},
};
use perf_passport_test_support::program::{LATEST, Workspace, assert_says};

const JSON: &str = "application/json";

/// A port of the loopback interface where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The reason of the claim on the only check of the newest passport.
fn reason(workspace: &Workspace, kind: &str) -> Value {
    let passport = workspace.json(LATEST);
    let claims = passport["test_results"][0]["claims"].as_array().unwrap();
    claims.iter().find(|claim| claim["kind"] == kind).unwrap()["reason"].clone()
}

#[test]
fn a_good_service_passes() {
    let server = Server::answering("200 OK", JSON, "{\"orders\":[]}");
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    workspace.run(&["check"]).exits(0);
    workspace.run(&["verify", LATEST]).exits(0);
    assert_eq!(workspace.json(LATEST)["provenance"]["target"], server.url());
}

#[test]
fn a_port_where_nobody_listens_is_not_measured() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&nobody()));
    for command in ["check", "generate", "baseline"] {
        let said = workspace.run(&[command, "--wait-timeout", "1"]).refused(3);
        assert_says(&said, "cannot reach http://127.0.0.1:");
        assert_says(&said, "refused");
    }
    assert_eq!(workspace.files().len(), 1, "only the contract");
    let said = workspace.run(&["check", "--wait-timeout", "0"]).refused(3);
    assert_says(&said, "cannot reach http://127.0.0.1:");
    let other = workspace.run(&["format", "--api-url", &nobody()]).refused(3);
    assert_says(&other, "cannot reach");
}

#[test]
fn a_service_that_accepts_and_says_nothing_is_not_measured() {
    let server = Server::start(|_| None);
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    let said = workspace.run(&["check", "--wait-timeout", "1"]).refused(3);
    assert_says(&said, "cannot reach http://127.0.0.1:");
}

#[test]
fn a_service_that_dies_while_it_is_measured_is_broken_and_neither_slow_nor_fast() {
    let asked = std::sync::atomic::AtomicU64::new(0);
    let server = Server::start(move |_| {
        let before = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        (before < 15).then(|| response("200 OK", JSON, "{}"))
    });
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    let run = workspace.run(&["check"]).exits(3);
    assert_says(&run.stdout, "BROKEN   orders/default: ");
    assert_says(&run.stdout, "NOT MEASURED: see the lines marked BROKEN\n");
    workspace.run(&["verify", LATEST]).exits(0);
}

#[test]
fn a_figure_that_no_measurement_gives_counts_as_not_told_and_all_else_stands() {
    let body = "{\"performance\":{\"allocations\":9007199254740993}}";
    let server = Server::answering("200 OK", JSON, body);
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    workspace.run(&["check"]).exits(0);
    assert_eq!(reason(&workspace, "status"), "as-expected");
    assert_eq!(reason(&workspace, "allocations"), "not-observed");
    workspace.run(&["verify", LATEST]).exits(0);
}

#[test]
fn a_failing_status_fails() {
    let server = Server::answering("500 Internal Server Error", JSON, "{}");
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    let run = workspace.run(&["check"]).exits(1);
    assert_says(&run.stdout, "orders/default: status 500 (expected 200)");
    assert_says(&run.stdout, "FAIL: a required claim failed\n");
    assert_eq!(reason(&workspace, "status"), "unexpected-status");
    assert_eq!(reason(&workspace, "latency"), "no-sample");
    let format = workspace.run(&["format", "--api-url", &server.url()]).refused(1);
    assert_says(&format, "answered with status 500, not 200");
}

#[test]
fn html_where_json_is_due_fails() {
    let server = Server::answering("200 OK", "text/html", "<html>\u{1b}[31m</html>");
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    workspace.run(&["check"]).exits(1);
    assert_eq!(reason(&workspace, "content-type"), "unexpected-content-type");
    let format = workspace.run(&["format", "--api-url", &server.url()]).refused(1);
    assert_says(&format, "is not JSON, at line 1");
    for body in ["[1]", "\"text\"", "7"] {
        let server = Server::answering("200 OK", JSON, body);
        let format = workspace.run(&["format", "--api-url", &server.url()]).refused(1);
        assert_says(&format, "is no metrics document");
    }
}

#[test]
fn fifty_milliseconds_where_ten_are_allowed_fail() {
    let server = Server::start(|_| {
        thread::sleep(Duration::from_millis(50));
        Some(response("200 OK", JSON, "{}"))
    });
    let contract = running(&server.url()).replace("latency_ms_max = 1000", "latency_ms_max = 10");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let run = workspace.run(&["check"]).exits(1);
    assert_eq!(reason(&workspace, "latency"), "over-budget");
    assert_says(&run.stdout, "(budget 10.0 ms): not below the budget");
    assert_eq!(workspace.json(LATEST)["summary"]["performance_regressions"], 1);
}

#[test]
fn responses_that_differ_fail() {
    let asked = std::sync::atomic::AtomicU64::new(0);
    let server = Server::start(move |_| {
        let before = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Some(response("200 OK", JSON, &format!("{{\"now\":{before}}}")))
    });
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    workspace.run(&["check"]).exits(1);
    assert_eq!(reason(&workspace, "deterministic"), "responses-differ");
    let ignoring = format!("{}ignore = [\"/now\"]\n", running(&server.url()));
    Workspace::with_contract(crate::PASSPORT, &ignoring).run(&["check"]).exits(0);
}

#[test]
fn allocations_that_nobody_tells_abstain() {
    let server = Server::answering("200 OK", JSON, "{}");
    let contract = running(&server.url()).replace("\"latency\"]", "\"latency\", \"allocations\"]");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let run = workspace.run(&["check"]).exits(4);
    assert_says(&run.stdout, "nobody tells");
    assert_eq!(reason(&workspace, "allocations"), "not-observed");
}

#[test]
fn a_service_in_one_state_is_not_asked_for_several() {
    let server = Server::answering("200 OK", JSON, "{}");
    let url = server.url();
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    let said = workspace.run(&["check", "--api-url", &url]).refused(2);
    assert_says(&said, "has checks on empty, normal: say which with --fixture");
    let said = workspace.run(&["check", "--api-url", &url, "--fixture", "huge"]).refused(2);
    assert_says(&said, "no check is on fixture `huge`; the contract has empty, normal");
    let said = workspace.run(&["check", "--fixture", "h\u{e9}"]).refused(2);
    assert_says(&said, "no check is on fixture `h\\u{e9}`");
    let said = workspace.run(&["check", "--endpoint", "nothing"]).refused(2);
    assert_says(&said, "no endpoint, check or path is named `nothing`");
    let said = workspace.run(&["check", "--endpoint", "metrics", "--fixture", "empty"]).refused(2);
    assert_says(&said, "no check is left to measure");
    let contract = ledger().replace("[target]\nservice = \"ledger\"\nseed = 7\n", "");
    let nowhere = Workspace::with_contract(crate::PASSPORT, &contract);
    assert_says(&nowhere.run(&["check"]).refused(2), "names no [target]: give --api-url URL");
}

#[test]
fn a_base_url_that_is_none_is_wrong_usage_and_a_password_is_not_repeated() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &running("http://127.0.0.1:1"));
    for url in [
        "http://user:hunter2@127.0.0.1:1",
        "http://hunter2@127.0.0.1:1",
        "ftp://hunter2",
        "hunter2",
        "http://",
        "http://127.0.0.1:1/?key=hunter2",
        "http://127.0.0.1:99999/hunter2",
    ] {
        for command in [&["check", "--wait-timeout", "0"][..], &["format"]] {
            let run = workspace.run(&[command, &["--api-url", url]].concat());
            run.keeps_to_itself("hunter2");
            assert_says(&run.refused(2), "the base URL ");
        }
    }
    let run = workspace.run(&["format", "--api-url", "http://127.0.0.1:1", "--endpoint", "x"]);
    assert_says(&run.refused(2), "the path must start with `/`");
    assert_eq!(workspace.files().len(), 1, "only the contract");
}

#[test]
fn a_process_that_is_not_there_is_wrong_usage() {
    let server = Server::answering("200 OK", JSON, "{}");
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    let absent = ["check", "--api-url", &server.url(), "--pid", "4294967295"];
    assert_says(&workspace.run(&absent).refused(2), "cannot read the memory of process 4294967295");
}

#[test]
fn a_database_that_is_no_postgresql_is_wrong_usage() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    let said = workspace.run(&["check", "--database", "ledger.db"]).refused(2);
    assert_says(&said, "--database is not the URL of a PostgreSQL server");
    let run = workspace.run(&["check", "--database", "postgres://u:hunter2@127.0.0.1:1/x"]);
    run.keeps_to_itself("hunter2");
    assert_says(&run.exits(3).stdout, "BROKEN");
    for (_, text) in workspace.files() {
        assert!(!text.contains("hunter2"));
    }
}

/// A running service is in one state, which the contract may tell.
#[test]
fn the_contract_says_which_state_a_running_service_is_in() {
    let server = Server::answering("200 OK", JSON, "{}");
    let other = "[[endpoint]]\nname = \"others\"\npath = \"/others\"\nfixture = \"huge\"\n";
    let several = running(&server.url()) + other;
    let workspace = Workspace::with_contract(crate::PASSPORT, &several);
    for command in ["check", "validate"] {
        let run = workspace.run(&[command, "--endpoint", "/orders"]).refused(2);
        assert_says(&run, "a running service is in one state");
    }
    let told = several.replace("[target]\n", "[target]\nfixture = \"default\"\n");
    workspace.write("passport.toml", &told);
    for arguments in [&["validate", "--endpoint", "/orders"][..], &["check"]] {
        let run = workspace.run(arguments).exits(0);
        assert_says(&run.stdout, "PASS     orders/default");
        assert!(!run.stdout.contains("others/default: "), "{run:#?}");
    }
    let replaced = workspace.run(&["check", "--fixture", "huge"]);
    assert_says(&replaced.stdout, "others/default");
    let unknown = told.replace("fixture = \"default\"", "fixture = \"none\"");
    workspace.write("passport.toml", unknown);
    assert_says(&workspace.run(&["check"]).refused(2), "no check is on fixture `none`");
}
