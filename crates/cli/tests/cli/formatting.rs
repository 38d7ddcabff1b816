//! `passport format`.

use crate::server::Server;
use perf_passport_test_support::program::{Workspace, assert_says};

#[test]
fn metrics_become_lines_and_hostile_text_stays_text() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write(
        "metrics.json",
        r#"{"a\u001b[31m\n": "\u001b]0;owned\u0007caf\u00e9\r\n", "proofs": {"total": 3, "rate": 0.5},
            "list": [true, null, "x"], "empty": {}, "text": ""}"#,
    );
    let run = workspace.run(&["format", "--test-data", "metrics.json"]).exits(0);
    assert_says(&run.stdout, "a\\x1b[31m\\n   \\x1b]0;owned\\x07caf\\xc3\\xa9\\r\\n\n");
    for line in ["proofs.total  3\n", "list.0", "list.2", "\nempty         {}\n"] {
        assert_says(&run.stdout, line);
    }
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (8, ""));

    let timed = workspace.run(&["format", "--test-data", "metrics.json", "--benchmark", "50"]);
    let timed = timed.exits(0);
    assert!(timed.stdout.starts_with(&run.stdout));
    assert_says(&timed.stdout, "\nrendered 50 times: mean ");
    assert_says(&timed.stdout, " allocations, peak ");
}

#[test]
fn one_long_name_does_not_pad_every_line() {
    let workspace = Workspace::new(crate::PASSPORT);
    let mut deep = "1".to_owned();
    for _ in 0..100 {
        deep = format!("{{\"{}\":{deep}}}", "n".repeat(80));
    }
    let short: Vec<String> = (0..1000).map(|index| format!("\"k{index}\":0")).collect();
    workspace.write("wide.json", format!("{{\"deep\":{deep},{}}}", short.join(",")));
    let run = workspace.run(&["format", "--test-data", "wide.json"]).exits(0);
    assert!(run.stdout.len() < 200_000, "{}", run.stdout.len());
}

#[test]
fn what_is_no_metrics_document_is_refused() {
    let workspace = Workspace::new(crate::PASSPORT);
    for (text, said) in [
        ("", "is not JSON, at line 1"),
        ("{\n\"a\": 1,\n", "is not JSON, at line 3"),
        ("[]", "is no metrics document: not a JSON object"),
        ("\u{1b}", "is not JSON, at line 1"),
    ] {
        workspace.write("bad.json", text);
        assert_says(&workspace.run(&["format", "--test-data", "bad.json"]).refused(2), said);
    }
    let absent = workspace.run(&["format", "--test-data", "none.json"]).refused(2);
    assert_says(&absent, "cannot read `none.json`");
    #[cfg(target_os = "linux")]
    {
        let endless = workspace.run(&["format", "--test-data", "/dev/zero"]).refused(2);
        assert_says(&endless, "it is larger than 16.0 MiB");
    }
}

#[test]
fn metrics_are_asked_of_a_service() {
    let server = Server::start(|head| {
        let found = head.starts_with("GET /stats?full=1 ");
        let status = if found { "200 OK" } else { "404 Not Found" };
        Some(crate::server::response(status, "application/json", "{\"up\":true}"))
    });
    let workspace = Workspace::new(crate::PASSPORT);
    let asked = ["format", "--api-url", &server.url(), "--endpoint", "/stats?full=1"];
    assert_eq!(workspace.run(&asked).exits(0).stdout, "up  true\n");
    let missing = workspace.run(&["format", "--api-url", &server.url()]).refused(1);
    assert_says(&missing, "/metrics answered with status 404, not 200");
}
