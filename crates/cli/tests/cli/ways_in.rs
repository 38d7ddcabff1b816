//! The first steps: no contract, what cannot be seen, and a baseline of a running service.

use std::process::Command;

use crate::{
    contracts::{LEDGER, ledger, running},
    server::{Server, response},
};
use perf_passport_test_support::program::{LATEST, Workspace, assert_says};

const JSON: &str = "application/json";

/// A server that answers the same to each path.
fn server() -> Server {
    Server::answering("200 OK", JSON, "{\"orders\":[1,2,3]}")
}

#[test]
fn a_url_and_paths_are_checked_without_a_contract() {
    let (server, workspace) = (server(), Workspace::new(crate::PASSPORT));
    let url = server.url();
    let check = ["check", "--api-url", &url, "--endpoint", "/", "--endpoint", "/orders?page=2"];
    let run = workspace.run(&check).exits(0);
    assert_says(&run.stdout, "PASS     root/default");
    assert!(!run.stderr.contains("loading"), "nothing is loaded into it: {}", run.stderr);
    assert_says(&run.stdout, "PASS     orders-page-2/default");
    assert_says(&run.stderr, "no contract: the default budgets hold; `passport init` writes one\n");
    let unseen =
        "\nnot seen over HTTP, so not required: allocations of 2 checks, peak heap of 2 checks";
    assert_says(&run.stdout, unseen);
    let passport = workspace.json(LATEST);
    assert_eq!(passport["summary"]["overall_status"], "PASS");
    workspace.run(&["verify", LATEST]).exits(0);
    // The same paths have a baseline, and are compared with it.
    let baseline =
        ["baseline", "--api-url", &url, "--endpoint", "/", "--endpoint", "/orders?page=2"];
    let accepted = workspace.run(&baseline).exits(0);
    let file = "baseline_performance_passport.json";
    assert_says(
        &accepted.stdout,
        &format!("no contract names it: give `check` --baseline {file}\n"),
    );
    let compared = workspace.run(&[&check[..], &["--baseline", file]].concat()).exits(0);
    assert_says(&compared.stdout, "\nbaseline hash equal\nPASS\n");
}

#[test]
fn a_server_that_answers_otherwise_than_by_default_fails_without_a_contract() {
    let server = Server::answering("404 Not Found", JSON, "{}");
    let workspace = Workspace::new(crate::PASSPORT);
    let run = workspace.run(&["check", "--api-url", &server.url(), "--endpoint", "/a"]).exits(1);
    assert_says(&run.stdout, "FAIL     a/default: status 404 (expected 200)");
}

#[test]
fn without_a_contract_an_endpoint_is_a_path() {
    let workspace = Workspace::new(crate::PASSPORT);
    let url = ["check", "--api-url", "http://127.0.0.1:1"];
    let with = |endpoint| workspace.run(&[&url[..], &["--endpoint", endpoint]].concat());
    let said = with("health").refused(2);
    assert_says(
        &said,
        "there is no contract here, so --endpoint `health` is no name: write a path",
    );
    assert_says(&with("/a b").refused(2), "path `/a b` must be printable ASCII");
    let none =
        "cannot read contract `passport.toml`: there is none; write one with `passport init`";
    assert_says(&workspace.run(&url).refused(2), none);
    assert_says(&workspace.run(&["check", "--endpoint", "/a"]).refused(2), none);
    // A contract that is named is the one that is meant, and one that is here has its names.
    let named = [&url[..], &["--endpoint", "/a", "--contract", "no.toml"]].concat();
    assert_says(&workspace.run(&named).refused(2), "cannot read contract `no.toml`: there is none");
    workspace.write("passport.toml", running("http://127.0.0.1:1"));
    assert_says(&with("/a").refused(2), "no endpoint, check or path is named `/a`");
}

#[cfg(target_os = "linux")]
#[test]
fn servers_are_compared_without_a_contract() {
    let workspace = Workspace::new(crate::PASSPORT);
    let program =
        format!("'{}' serve --listen 127.0.0.1:{{port}} --fixture normal", crate::PASSPORT);
    let compare = ["compare", "--baseline-cmd", &program, "--current-cmd", &program];
    let rest = ["--endpoint", "/blocks/latest", "--time-budget", "1", "--no-instructions"];
    let compare = [&compare[..], &rest].concat();
    let run = workspace.run(&compare).exits(4);
    assert_says(&run.stdout, "blocks-latest/default: latency-change");
    // Nobody chose a budget of time, so that none is missed.
    assert_says(
        &run.stderr,
        "no contract: responses and the change of latency decide; `passport init` writes one\n",
    );
    let passport = workspace.json(LATEST);
    assert_eq!(passport["test_results"][0]["budgets"]["latency_ns_max"], 10_000_000_000_u64);
    let allowed = workspace.run(&[&compare[..], &["--allow-abstain"]].concat()).exits(0);
    assert_says(&allowed.stderr, "a required claim abstained, which --allow-abstain allows\n");
    let without_path = [&compare[..5], &rest[2..]].concat();
    assert_says(&workspace.run(&without_path).refused(2), "cannot read contract `passport.toml`");
}

#[test]
fn what_is_not_proved_is_allowed_where_nothing_failed() {
    let server = server();
    let contract = running(&server.url());
    let asking = contract.replace("\"status\",", "\"status\", \"allocations\",");
    let workspace = Workspace::with_contract(crate::PASSPORT, &asking);
    for command in ["check", "generate", "validate"] {
        workspace.run(&[command]).exits(4);
        let run = workspace.run(&[command, "--allow-abstain"]).exits(0);
        assert_says(&run.stdout, "\nABSTAIN: a required claim is not proved\n");
    }
    let list = r#"["status", "content-type", "deterministic", "latency"]"#;
    workspace.write("passport.toml", contract.replace(list, "[]"));
    let run = workspace.run(&["check"]).exits(4);
    assert_says(&run.stdout, "\nABSTAIN: the contract requires no claim, so nothing is proved\n");
    // Nothing else is allowed.
    workspace
        .write("passport.toml", asking.replace("latency_ms_max = 1000", "latency_ms_max = 1e-6"));
    workspace.run(&["check", "--allow-abstain"]).exits(1);
    let silent = Server::start(|_| None);
    workspace.write("passport.toml", running(&silent.url()));
    let waiting = ["check", "--allow-abstain", "--wait-timeout", "1"];
    workspace.run(&waiting).exits(3);
}

/// Case 6.17: the first contract for a server that tells nothing.
#[test]
fn a_budget_that_is_written_must_be_seen() {
    let server = server();
    let contract = running(&server.url());
    let (head, rest) = contract.split_once("required = ").unwrap();
    let first = format!("{head}{}", rest.split_once('\n').unwrap().1);
    let workspace = Workspace::with_contract(crate::PASSPORT, &first);
    let run = workspace.run(&["check"]).exits(0);
    assert_says(
        &run.stdout,
        "not seen over HTTP, so not required: allocations of 1 check, peak heap of 1 check",
    );
    workspace.write("passport.toml", first.replace("[budgets]\n", "[budgets]\nheap_mb_max = 10\n"));
    let asked = workspace.run(&["check"]).exits(4);
    assert_says(&asked.stdout, "ABSTAIN  orders/default: heap (limit 10.0 MiB): nobody tells");
    assert_says(&asked.stdout, "not seen over HTTP, so not required: allocations of 1 check; ");
}

/// A contract of two states, for a service at this URL.
fn in_two_states(url: &str) -> String {
    let contract = running(url);
    let other = "[[endpoint]]\nname = \"none\"\npath = \"/none\"\nfixture = \"empty\"\n";
    format!("{contract}fixture = \"normal\"\n{other}")
}

/// Case 6.13.
#[test]
fn a_running_service_in_one_of_several_states_has_a_baseline() {
    let (server, workspace) = (server(), Workspace::new(crate::PASSPORT));
    workspace.write("passport.toml", in_two_states(&server.url()));
    let baseline =
        |fixture, file| workspace.run(&["baseline", "--fixture", fixture, "--output", file]);
    let run = baseline("normal", "normal.json").exits(0);
    assert_says(&run.stdout, "it holds 1 of 2 checks: those on the state that the service is in\n");
    let check = ["check", "--fixture", "normal", "--baseline", "normal.json"];
    let run = workspace.run(&check).exits(0);
    assert_says(&run.stdout, "baseline hash equal\n");
    assert_says(&run.stdout, "PASS (1 check left out");
    // It is renewed, and what is in it is not lost by accident.
    assert_says(
        &baseline("normal", "normal.json").exits(0).stdout,
        "no change of the baseline before",
    );
    let said = baseline("empty", "normal.json").refused(2);
    let expected =
        "`normal.json` holds 1 check on other fixtures, which would be lost: give --output FILE";
    assert_says(&said, expected);
    let reset = ["baseline", "--fixture", "empty", "--output", "normal.json", "--reset"];
    let run = workspace.run(&reset).exits(0);
    assert_says(&run.stdout, "\nreset: the baseline of 2");
    assert_says(&run.stdout, " is replaced, and compared with nothing\n");
    // The state may be told by the contract; of it every check is asked for.
    let told =
        in_two_states(&server.url()).replace("[target]\n", "[target]\nfixture = \"empty\"\n");
    workspace.write("passport.toml", told);
    workspace.run(&["baseline", "--output", "empty.json"]).exits(0);
    let said = workspace.run(&["baseline", "--endpoint", "orders"]).refused(2);
    assert_says(&said, "no check is left to measure");
}

#[test]
fn a_baseline_is_made_where_it_is_missing_and_left_where_it_is_not() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    let if_missing = ["baseline", "--if-missing"];
    workspace.run(&if_missing).exits(0);
    let made = workspace.read("baseline.json");
    let left = workspace.run(&if_missing).exits(0);
    assert_says(&left.stdout, "baseline ./baseline.json is there, of 2");
    assert_says(&left.stdout, ": it is left as it is\n");
    assert_eq!(left.stdout.lines().count(), 1, "{left:#?}");
    assert_eq!(workspace.read("baseline.json"), made);
    // What is no baseline is not left as one.
    workspace.write("baseline.json", made.replace("\"PASS\"", "\"FAIL\""));
    workspace.run(&if_missing).refused(1);
    workspace.write("baseline.json", "{}");
    workspace.run(&if_missing).refused(2);
    workspace.run(&["baseline", "--if-missing", "--reset"]).exits(2);
    let reset = workspace.run(&["baseline", "--reset"]).exits(0);
    assert_says(&reset.stdout, "\nreset: what was there and is no sound passport is replaced");
    workspace.run(&["check"]).exits(0);
}

/// Case 6.14.
#[test]
fn a_baseline_that_the_contract_does_not_name_is_told_with_the_line_that_would() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    let run = workspace.run(&["baseline"]).exits(0);
    let line = "add the line `baseline = \"baseline_performance_passport.json\"` to passport.toml, above its \
                first table";
    assert_says(&run.stdout, &format!("the contract names no baseline: {line}"));
    let check = workspace.run(&["check"]).exits(0);
    assert_says(&check.stderr, line);
    // Done as it is told, it is found.
    let named = format!("baseline = \"baseline_performance_passport.json\"\n{}", ledger());
    workspace.write("passport.toml", named);
    assert_says(&workspace.run(&["baseline", "--reset"]).exits(0).stdout, "reset: ");
    let check = workspace.run(&["check"]).exits(0);
    assert_says(&check.stdout, "baseline hash equal\n");
    let other = workspace.run(&["baseline", "-o", "other.json"]).exits(0);
    assert_says(
        &other.stdout,
        "the contract names `baseline_performance_passport.json` and not this",
    );
    let piped = workspace.run(&["baseline", "-o", "-"]).exits(0);
    assert!(piped.stdout.starts_with('{') && piped.stdout.ends_with("}\n"));
}

#[test]
fn a_running_service_is_asked_before_its_contract_is_written() {
    let server = Server::start({
        let number = std::sync::atomic::AtomicU64::new(0);
        move |head| {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(if head.starts_with("GET /gone ") {
                response("404 Not Found", JSON, "{}")
            } else {
                response("200 OK", JSON, &format!("{{\"items\":[{{\"id\":{number}}}],\"n\":1}}"))
            })
        }
    });
    let workspace = Workspace::new(crate::PASSPORT);
    let url = server.url();
    let init = ["init", "--api-url", &url, "--endpoint", "/items", "--endpoint", "/gone"];
    let run = workspace.run(&init).exits(0);
    assert_says(&run.stdout, "wrote passport.toml: 2 endpoints\n");
    assert_says(&run.stdout, "note: /gone is answered with status 404, which is expected now\n");
    assert_says(&run.stdout, "next: passport check\n");
    assert_says(&workspace.read("passport.toml"), "ignore = [\"/items/*/id\"]\n");
    let workflow = workspace.read(".github/workflows/passport.yml");
    assert_says(&workflow, "- uses: OWNER/perf-passport@SHA\n");
    assert_says(&run.stdout, "note: the workflow uses the action `OWNER/perf-passport@SHA`: put");
    workspace.run(&["check"]).exits(0);
    assert_says(
        &workspace.run(&init).refused(2),
        "`passport.toml` is there already, and nothing is replaced",
    );
}

#[test]
fn a_service_that_is_down_has_a_contract_all_the_same() {
    let workspace = Workspace::new(crate::PASSPORT);
    let run = workspace.run(&["init", "--api-url", "http://127.0.0.1:1"]).exits(0);
    assert_says(
        &run.stdout,
        "note: it could not be asked, so status 200 is expected: cannot reach",
    );
    assert_says(&run.stdout, "note: only `/` is asked for: add the other paths to passport.toml\n");
    let refused = Workspace::new(crate::PASSPORT).run(&["init", "--api-url", "ftp://x"]);
    assert_says(&refused.refused(2), "http://");
}

const DOCUMENT: &str = r#"{"openapi":"3.0.0","paths":{"/orders":{"get":{"responses":{"200":{}}}},
    "/orders/{id}":{"get":{}},"/empty":{"get":{"responses":{"204":{}}}}}}"#;

#[test]
fn an_openapi_document_is_a_contract_of_what_needs_nothing() {
    let (server, workspace) = (server(), Workspace::new(crate::PASSPORT));
    workspace.write("api.json", DOCUMENT);
    let run = workspace.run(&["init", "--openapi", "api.json"]).exits(0);
    assert_says(&run.stdout, "wrote passport.toml: the GETs of api.json that need nothing\n");
    assert_says(&run.stdout, "note: left out: 1 GET with parameters\n");
    assert_says(&workspace.read("passport.toml"), "path = \"/empty\"\nstatus = 204\n");
    let check = ["check", "--api-url", &server.url(), "--endpoint", "/orders"];
    workspace.run(&check).exits(0);
}

#[test]
fn a_path_that_cannot_be_asked_keeps_no_other_from_being_asked() {
    let server = Server::start(|head| {
        let paths = ["/v1/one", "/v1/other"].map(|it| format!("GET {it} "));
        let empty = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
        paths.iter().any(|it| head.starts_with(it)).then_some(empty)
    });
    // The document names the path that the URL ends with, too.
    let workspace = Workspace::new(crate::PASSPORT);
    let paths = r#""/one":{"get":{}},"/closes":{"get":{}},"/other":{"get":{}}"#;
    let document = format!(r#"{{"servers":[{{"url":"/v1"}}],"paths":{{{paths}}}}}"#);
    workspace.write("api.json", document);
    let url = format!("{}/v1", server.url());
    let run = workspace.run(&["init", "--api-url", &url, "--openapi", "api.json"]).exits(0);
    assert_says(&run.stdout, "note: /closes could not be asked, so status 200 is expected: ");
    let contract = workspace.read("passport.toml");
    for (path, status) in [("/one", true), ("/closes", false), ("/other", true)] {
        let line = format!("path = \"{path}\"\nstatus = 204\n");
        assert_eq!(contract.contains(&line), status, "{contract}");
        assert!(contract.contains(&format!("path = \"{path}\"\n")), "{contract}");
    }
}

#[test]
fn what_init_cannot_use_is_one_sentence_and_nothing_is_written() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("broken.json", "{\"paths\":");
    workspace.write("api.yaml", "openapi: 3.0.0\npaths: {}\n");
    workspace.write("none.json", "{\"paths\":{\"/a\":{\"post\":{}}}}");
    for (document, said) in [
        ("broken.json", "cannot read OpenAPI document `broken.json`: EOF while parsing"),
        ("api.yaml", "it is not JSON, and YAML is not read: write it as JSON"),
        ("none.json", "it has no GET"),
        ("missing.json", "No such file"),
    ] {
        let arguments = ["init", "--openapi", document];
        assert_says(&workspace.run(&arguments).refused(2), said);
    }
    let none = "there is no Cargo.toml here: run this in a Cargo project, or give --api-url URL, --cmd CMD or \
                --openapi FILE";
    assert_eq!(workspace.run(&["init"]).refused(2), none);
    assert_says(&workspace.run(&["init", "--criterion"]).refused(2), "run `cargo bench` first");
    workspace.write("Cargo.toml", "[package\n");
    assert_says(&workspace.run(&["init"]).refused(2), "cannot read `Cargo.toml`: ");
    workspace.write("Cargo.toml", "[workspace]\n");
    assert_says(&workspace.run(&["init"]).refused(2), "`Cargo.toml` has no package");
    workspace.write("Cargo.toml", "[package]\nname = \"a\"\n");
    assert_says(&workspace.run(&["init"]).refused(2), "depends on neither axum nor criterion");
    let manifest = |axum: &str| format!("[package]\nname = \"a\"\n[dependencies]\naxum = {axum}\n");
    workspace.write("Cargo.toml", manifest("{ version = \"0.6.20\" }"));
    assert_says(&workspace.run(&["init"]).refused(2), "axum 0.6.20 is built on http 0.2");
    workspace.write("Cargo.toml", manifest("\"0.8\""));
    assert_says(&workspace.run(&["init"]).refused(2), "there is no `src/lib.rs`");
    workspace.make("src");
    workspace.write("src/lib.rs", "fn router() -> axum::Router { todo!() }");
    assert_says(
        &workspace.run(&["init"]).refused(2),
        "no public function in `src/lib.rs` makes a router",
    );
    workspace.write("src/lib.rs", "pub fn router() -> axum::Router { todo!() }");
    workspace.make("tests");
    workspace.write("tests/passport.rs", "mine");
    assert_says(&workspace.run(&["init"]).refused(2), "`tests/passport.rs` is there already");
    for name in ["passport.toml", ".github"] {
        assert!(!workspace.path(name).exists(), "{name}");
    }
    assert_eq!(workspace.read("Cargo.toml"), manifest("\"0.8\""));
}

#[cfg(unix)]
#[test]
fn what_cannot_be_written_whole_is_taken_back() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("api.json", DOCUMENT);
    workspace.write("Cargo.toml", "[package]\nname = \"a\"\n[dependencies]\naxum = \"0.8\"\n");
    workspace.make("src");
    workspace.write("src/lib.rs", "pub fn router() -> axum::Router { axum::Router::new() }");
    // A file is where the directory of the workflow would be.
    workspace.write(".github", "mine");
    let before = workspace.read("Cargo.toml");
    let said = workspace.run(&["init"]).refused(2);
    assert_says(&said, "cannot write `.github/workflows/passport.yml`: ");
    assert_eq!(workspace.read("Cargo.toml"), before);
    assert!(
        !workspace.path("passport.toml").exists() && !workspace.path("tests/passport.rs").exists()
    );
}

#[test]
fn a_command_that_starts_a_server_has_a_workflow_that_compares() {
    let workspace = Workspace::new(crate::PASSPORT);
    let program =
        format!("'{}' serve --listen 127.0.0.1:{{port}} --fixture normal", crate::PASSPORT);
    let init = ["init", "--cmd", &program, "--endpoint", "/blocks/latest"];
    let run = workspace.run(&init).exits(0);
    let next = run.stdout.lines().last().unwrap().strip_prefix("next: passport ").unwrap();
    assert_says(
        &workspace.read(".github/workflows/passport.yml"),
        "          baseline-cmd: \"sh -c ",
    );
    // What is told to do next can be done.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec '{}' {next} --time-budget 1", crate::PASSPORT)]);
    shell.current_dir(workspace.path("."));
    let compared = perf_passport_test_support::program::finish(&mut shell);
    assert_eq!(compared.code, Some(4), "{compared:#?}");
}

/// What criterion writes of one benchmark.
fn benchmark(workspace: &Workspace, name: &str, nanos: f64) {
    let directory = workspace.path(format!("target/criterion/{name}/new"));
    std::fs::create_dir_all(&directory).unwrap();
    let names = format!("{{\"full_id\":\"{name}\"}}");
    std::fs::write(directory.join("benchmark.json"), names).unwrap();
    let iters: Vec<f64> = (1..=10).map(f64::from).collect();
    let times: Vec<f64> = iters.iter().map(|it| it * nanos).collect();
    let samples = format!("{{\"iters\":{iters:?},\"times\":{times:?}}}");
    std::fs::write(directory.join("sample.json"), samples).unwrap();
}

#[test]
fn a_suite_of_criterion_is_a_contract_of_its_operations() {
    let workspace = Workspace::new(crate::PASSPORT);
    benchmark(&workspace, "sum", 1_500.0);
    benchmark(&workspace, "Sort fast", 20_000_000.0);
    workspace
        .write("Cargo.toml", "[package]\nname = \"a\"\n[dev-dependencies]\ncriterion = \"0.8\"\n");
    let run = workspace.run(&["init"]).exits(0);
    assert_says(&run.stdout, "2 benchmarks of criterion, each below ten times its mean\n");
    let contract = workspace.read("passport.toml");
    for line in ["benchmark = \"Sort fast\"\n", "mean_ms_max = 200 ", "mean_ms_max = 0.015 "] {
        assert_says(&contract, line);
    }
    assert_says(&run.stdout, "next: passport import criterion\n");
    workspace.run(&["import", "criterion"]).exits(0);
    assert_says(&workspace.read(".github/workflows/passport.yml"), "- run: cargo bench\n");
}

#[test]
fn what_a_service_sends_back_of_a_secret_is_shown_and_filed_nowhere() {
    let echo = |head: &str| {
        let value = head.lines().find_map(|it| it.strip_prefix("authorization: ")).unwrap_or("-");
        Some(response("401 Unauthorized", value, &format!("{{\"bad token\": \"{value}\"}}")))
    };
    let server = Server::start(echo);
    let contract = running(&server.url());
    let header =
        "path = \"/orders\"\nheaders = { Authorization = \"Bearer ${PASSPORT_TEST_TOKEN}\" }";
    let contract = contract.replacen("path = \"/orders\"", header, 1);
    assert!(contract.contains("PASSPORT_TEST_TOKEN"), "{contract}");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    for format in ["text", "markdown", "json"] {
        let mut command = workspace.command(&["check", "--output-format", format]);
        command.env("PASSPORT_TEST_TOKEN", "hunter2secret");
        let run = perf_passport_test_support::program::finish(&mut command).exits(1);
        run.keeps_to_itself("hunter2secret");
        assert_says(&run.stdout, "${PASSPORT_TEST_TOKEN}");
    }
    for (path, text) in workspace.files() {
        assert!(!text.contains("hunter2secret"), "{}", path.display());
    }
}

#[test]
fn what_is_no_baseline_is_not_replaced_by_one() {
    let (server, workspace) = (server(), Workspace::new(crate::PASSPORT));
    for (named, why) in [
        (
            "notes.txt",
            "`./notes.txt` is no passport, and is not replaced: give --output FILE, or --reset",
        ),
        ("passport.toml", "`./passport.toml` is the contract: give --output FILE"),
    ] {
        let contract = format!("baseline = \"{named}\"\n{}", running(&server.url()));
        workspace.write("passport.toml", &contract);
        workspace.write("notes.txt", "mine");
        assert_eq!(workspace.run(&["baseline"]).refused(2), why);
        assert_eq!(workspace.read("notes.txt"), "mine");
        assert_eq!(workspace.read("passport.toml"), contract);
    }
    let contract = format!("baseline = \"notes.txt\"\n{}", running(&server.url()));
    workspace.write("passport.toml", contract);
    workspace.run(&["baseline", "--reset"]).exits(0);
    assert!(workspace.json("notes.txt")["test_results"].is_array());
}

#[test]
fn a_target_that_would_run_no_check_is_no_target() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.make("src");
    workspace.write("src/lib.rs", "pub fn app() -> axum::Router { axum::Router::new() }\n");
    let manifest = |more: &str| {
        let text = format!(
            "[package]\nname = \"a\"\nversion = \"0.1.0\"\n[dependencies]\naxum = \"0.8\"\n{more}"
        );
        workspace.write("Cargo.toml", text);
        workspace.run(&["init"])
    };
    let said = manifest("[[test]]\nname = \"passport\"\n").refused(2);
    assert_says(&said, "would run no check: add `harness = false` to it");
    let said = manifest("[lib]\nname = \"x);evil(\"\n").refused(2);
    assert_eq!(said, "the library's name `x);evil(` is no Rust name");
}
