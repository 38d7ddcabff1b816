//! Every output format of every sort of passport, read by other readers than ours.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use perf_passport_test_support::program::{Workspace, assert_says};

const PASSPORTS: [&str; 8] = [
    "baseline.json",
    "code.json",
    "compared_abstain.json",
    "compared_fail.json",
    "compared_servers.json",
    "http.json",
    "imported.json",
    "operations.json",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

/// What the program prints of a passport.
fn shown(name: &str, format: &str) -> String {
    let path = fixture(&format!("schema_v1/{name}")).to_string_lossy().into_owned();
    let run = Workspace::new(crate::PASSPORT).run(&["show", &path, "--output-format", format]);
    let run = run.exits(0);
    assert_eq!(run.stderr, "");
    assert!(run.stdout.is_ascii(), "{format} of {name}");
    run.stdout
}

/// Standard readers of Python: of XML, of comma-separated values, of HTML, and of the hash of a policy.
const READERS: &str = r#"
import base64, csv, hashlib, html.parser, io, sys, xml.etree.ElementTree as tree

kind, text = sys.argv[1], sys.stdin.read()
if kind == "junit":
    root = tree.fromstring(text)
    assert root.tag == "testsuites", root.tag
    suite, = root
    cases = suite.findall("testcase")
    for name, tag in ("failures", "failure"), ("errors", "error"), ("skipped", "skipped"):
        found = [case for case in cases if case.find(tag) is not None]
        assert int(suite.get(name)) == len(found), (name, len(found))
    assert int(suite.get("tests")) == len(cases) == int(root.get("tests")) > 0
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names), names
    assert all(len(case) <= 1 for case in cases)
elif kind == "csv":
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    assert rows and all(None not in row and None not in row.values() for row in rows)
    for row in rows:
        for cell in ("value", "lower", "upper", "limit"):
            row[cell] == "" or float(row[cell])
elif kind == "html":
    class Page(html.parser.HTMLParser):
        void = {"meta"}
        def __init__(self):
            super().__init__()
            self.open, self.style, self.policy, self.tags = [], "", "", set()
        def handle_starttag(self, tag, attributes):
            self.tags.add(tag)
            attributes = dict(attributes)
            assert not any(it.startswith("on") or it in ("style", "src", "href") for it in attributes), attributes
            if attributes.get("http-equiv") == "Content-Security-Policy":
                self.policy = attributes["content"]
            if tag not in self.void:
                self.open.append(tag)
        def handle_endtag(self, tag):
            assert self.open.pop() == tag, tag
        def handle_data(self, data):
            if self.open and self.open[-1] == "style":
                self.style += data
    page = Page()
    page.feed(text)
    assert not page.open, page.open
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy.startswith("default-src 'none'; style-src 'sha256-%s';" % digest), page.policy
    assert not page.tags & {"script", "img", "link", "iframe", "object", "a", "form"}, page.tags
    assert "url(" not in page.style and "@import" not in page.style
"#;

/// Lets Python read a text; what it says is empty where it finds nothing wrong.
#[expect(clippy::print_stdout, reason = "a test whose component is missing says so")]
fn read_by_python(kind: &str, text: &str) {
    let mut command = Command::new("python3");
    command.args(["-c", READERS, kind]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut python) = command.spawn() else {
        println!("MISSING: python3");
        return;
    };
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{kind}: {said}\n{text}");
}

#[test]
fn other_readers_read_every_format_of_every_passport() {
    for name in PASSPORTS {
        for kind in ["junit", "csv", "html"] {
            read_by_python(kind, &shown(name, kind));
        }
    }
}

/// The schema that bencher.dev publishes as bmf.json.
fn bencher_schema() -> Value {
    let metric = json!({
        "type": "object",
        "properties": {
            "value": {"type": "number"},
            "lower_value": {"type": "number"},
            "upper_value": {"type": "number"},
        },
        "required": ["value"],
    });
    let measures = json!({"type": "object", "patternProperties": {".+": metric}});
    json!({"type": "object", "patternProperties": {".+": measures}})
}

#[test]
fn figures_are_what_bencher_and_github_action_benchmark_take() {
    let text = json!({"type": "string"});
    let list = json!({"type": "array", "items": {
        "type": "object",
        "properties": {"name": text, "unit": text, "value": {"type": "number"}, "range": text},
        "required": ["name", "unit", "value"],
        "additionalProperties": false,
    }});
    for name in PASSPORTS {
        let bencher: Value = serde_json::from_str(&shown(name, "bencher")).unwrap();
        assert!(jsonschema::is_valid(&bencher_schema(), &bencher), "{bencher}");
        let entries: Value = serde_json::from_str(&shown(name, "github-action-benchmark")).unwrap();
        assert!(jsonschema::is_valid(&list, &entries), "{entries}");
        let measures = bencher.as_object().unwrap().values();
        let count: usize = measures.map(|it| it.as_object().unwrap().len()).sum();
        assert_eq!(entries.as_array().unwrap().len(), count);
        // Of an imported passport nothing was measured.
        assert_eq!(count == 0, name == "imported.json", "{name}");
        for metric in bencher.as_object().unwrap().values().flat_map(|it| it.as_object().unwrap()) {
            let number = |key: &str| metric.1[key].as_f64();
            let value = number("value").unwrap();
            assert!(number("lower_value").is_none_or(|it| it <= value), "{metric:?}");
            assert!(number("upper_value").is_none_or(|it| it >= value), "{metric:?}");
        }
    }
}

#[test]
fn what_is_written_as_bencher_metric_format_is_read_again() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("metrics.json", shown("operations.json", "bencher"));
    let run =
        workspace.run(&["import", "bencher", "metrics.json", "--list", "--output-format", "json"]);
    let listed: Value = serde_json::from_str(&run.exits(0).stdout).unwrap();
    let before: Value = serde_json::from_str(&shown("operations.json", "bencher")).unwrap();
    for it in listed.as_array().unwrap() {
        let told = before[it["name"].as_str().unwrap()]["latency"]["value"].as_f64();
        let picos = it["mean_ps"].as_f64();
        assert!(picos.is_none() == told.is_none(), "{it}");
        assert!((picos.unwrap_or(0.0) - told.unwrap_or(0.0) * 1e3).abs() <= 1.0, "{it}");
    }
    assert_eq!(listed.as_array().unwrap().len(), before.as_object().unwrap().len());
}

#[test]
fn annotations_name_what_failed() {
    let text = shown("compared_fail.json", "github");
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("::error title="), "{text}");
    assert_says(&text, "::latency-change +");
    assert!(text.ends_with("FAIL: a required claim failed\n"), "{text}");
    // Nothing is at fault, so nothing is annotated.
    assert!(!shown("baseline.json", "github").contains("::error"));
}

#[test]
fn a_format_of_passports_is_refused_before_anything_else_is_done() {
    let workspace = Workspace::new(crate::PASSPORT);
    for format in ["junit", "bencher", "github-action-benchmark"] {
        for (arguments, what) in [
            (&["diff", "absent", "absent"][..], "a difference"),
            (&["import", "k6", "absent", "--list"], "a list"),
        ] {
            let run = workspace.run(&[arguments, &["--output-format", format]].concat());
            let said = format!("--output-format {format} is of passports, and {what} is none");
            assert_eq!(run.refused(2), said);
        }
    }
    let path = |name: &str| fixture(&format!("schema_v1/{name}")).to_string_lossy().into_owned();
    for format in ["html", "csv", "github", "markdown"] {
        let (one, other) = (path("passport.json"), path("baseline.json"));
        workspace.run(&["diff", &one, &other, "--output-format", format]).exits(0);
    }
}

/// Names as a stranger's passport has them: they end nothing, and are markup nowhere.
#[test]
fn hostile_names_are_text_in_every_format() {
    let hostile = "<img src=x onerror=alert(1)>\"'&]]>--></title>\u{202e}\n::error::x,=1+1";
    let workspace = Workspace::new(crate::PASSPORT);
    let metrics = json!({hostile: {"latency": {"value": 5}}, "fine": {"latency": {"value": 5}}});
    workspace.write("metrics.json", metrics.to_string());
    workspace.write(
        "passport.toml",
        format!(
            "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"hostile\"\nbenchmark = {}\n\
             budgets.mean_ms_max = 1\n",
            serde_json::to_string(hostile).unwrap()
        ),
    );
    for format in ["html", "csv", "github", "junit", "markdown", "text", "bencher"] {
        let run = workspace.run(&["import", "bencher", "metrics.json", "--output-format", format]);
        // The mean is told, and proves nothing.
        let run = run.exits(4);
        assert!(run.stdout.is_ascii() && run.stderr.is_ascii(), "{run:?}");
        if ["html", "csv", "junit"].contains(&format) {
            read_by_python(format, &run.stdout);
        }
        let list = ["import", "bencher", "metrics.json", "--list", "--output-format", format];
        if ["html", "csv", "markdown", "text"].contains(&format) {
            let list = workspace.run(&list).exits(0).stdout;
            assert!(list.is_ascii() && !list.contains("\n::error"), "{list}");
            let markup = format == "html"
                && (list.contains("<img") || list.matches("</title>").count() != 1);
            assert!(!markup, "{list}");
        }
    }
}
