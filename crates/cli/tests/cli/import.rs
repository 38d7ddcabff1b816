//! Taking over what other tools measured, and thresholds of other systems.

use std::fs;

use serde_json::json;

use perf_passport_test_support::program::{Workspace, assert_says};

const CONTRACT: &str = r#"
schema_version = 1
name = "suite"
[[operation]]
name = "sum"
benchmark = "math/sum"
sizes = [10, 100, 1000, 10000]
budgets = { mean_ms_max = 1, complexity_max = "n" }
[[operation]]
name = "sort"
budgets = { throughput_min = 1000 }
"#;

/// Writes a benchmark as criterion does, with fields that nobody knows yet.
fn benchmark(workspace: &Workspace, id: &str, ns: f64) {
    let directory = workspace.path(format!("criterion/{id}/new"));
    fs::create_dir_all(&directory).unwrap();
    let iters: Vec<f64> = (1..=100).map(f64::from).collect();
    let times: Vec<f64> = iters.iter().map(|it| (it * ns * (1.0 + it / 1e4)).round()).collect();
    let sample = json!({"sampling_mode": "Linear", "iters": iters, "times": times, "new": [1]});
    fs::write(directory.join("sample.json"), sample.to_string()).unwrap();
    let names = json!({"group_id": id, "full_id": id, "directory_name": id, "future": {}});
    fs::write(directory.join("benchmark.json"), names.to_string()).unwrap();
}

fn suite() -> Workspace {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    for size in [10, 100, 1000, 10_000] {
        benchmark(&workspace, &format!("math/sum/{size}"), f64::from(size) * 2.0);
    }
    benchmark(&workspace, "sort", 5_000.0);
    benchmark(&workspace, "other", 1.0);
    workspace
}

const IMPORT: [&str; 3] = ["import", "criterion", "criterion"];

/// Criterion calls the directory of its newest run `new`, and may anybody a group or a benchmark.
#[test]
fn groups_and_benchmarks_may_be_called_as_criterion_calls_its_newest_run() {
    let contract = CONTRACT.replace("\"sort\"", "\"new\"").replace("math/sum", "new/new");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    for size in [10, 100, 1000, 10_000] {
        benchmark(&workspace, &format!("new/new/{size}"), f64::from(size) * 2.0);
    }
    benchmark(&workspace, "new", 5_000.0);
    let run = workspace.run(&IMPORT).exits(0);
    assert_says(&run.stdout, "2 operations: 2 passed, 0 failed, 0 abstained");
}

/// A benchmark cannot be dated by a file that no passport can date.
#[cfg(unix)]
#[test]
fn a_benchmark_of_an_impossible_day_is_told_and_nothing_panics() {
    let workspace = suite();
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_secs(86_400 * 3_650);
    let sample = workspace.path("criterion/sort/new/sample.json");
    fs::File::options().write(true).open(sample).unwrap().set_modified(before).unwrap();
    let run = workspace.run(&IMPORT);
    assert_says(&format!("{}{}", run.stdout, run.stderr), "sample.json: it is dated before 1970");
    assert_ne!(run.code, Some(0));
}

#[test]
fn a_suite_is_held_against_its_contract_as_it_stands() {
    let workspace = suite();
    let run = workspace.run(&IMPORT).exits(0);
    assert_says(&run.stdout, "2 operations: 2 passed, 0 failed, 0 abstained");
    assert_says(&run.stdout, "growth of sum: n, n^1.00");
    assert_says(
        &run.stderr,
        "nothing is claimed of 1 benchmark that the contract does not name: `other`",
    );
    assert_says(&run.stderr, "`other`");
    let passport = workspace.json(run.filed());
    let record = &passport["operations"][0]["cases"][3];
    assert_eq!(record["name"], "sum/10000");
    assert_eq!(record["latency"]["iterations"], 5050);
    assert_eq!(passport["provenance"]["probe"], "samples");
    workspace.run(&["verify", "performance_passport.json"]).exits(0);
    let shown = workspace.run(&["show", "performance_passport.json"]).exits(0);
    assert_says(&shown.stdout, "of budget");
    let schema: serde_json::Value =
        serde_json::from_str(&workspace.run(&["schema", "passport"]).exits(0).stdout).unwrap();
    assert!(jsonschema::is_valid(&schema, &passport));
}

#[test]
fn a_budget_that_is_exceeded_exits_1_and_a_baseline_abstains_on_times() {
    let workspace = suite();
    workspace.run(&["import", "criterion", "criterion", "-o", "before.json"]).exits(0);
    let with = ["import", "criterion", "criterion", "--baseline", "before.json"];
    let same = workspace.run(&with).exits(0);
    assert_says(&same.stdout, "\nstored -> now: the time in the baseline and now: stored times of");
    assert_says(&same.stdout, "  5.03 us -> 5.03 us\n");
    benchmark(&workspace, "sort", 5e6);
    let run = workspace.run(&with).exits(1);
    assert_says(&run.stdout, "FAIL     sort: throughput");
    benchmark(&workspace, "sort", 5_000.0);
    for size in [10_u32, 100, 1000, 10_000] {
        benchmark(&workspace, &format!("math/sum/{size}"), f64::from(size).powi(2) / 1e3 + 20.0);
    }
    let run = workspace.run(&with).exits(1);
    assert_says(&run.stdout, "the time grows faster");
}

#[test]
fn counts_are_held_and_what_is_missing_abstains() {
    let workspace = suite();
    let counts = |most: u32| {
        let claims = format!("allocations_max = {most}");
        CONTRACT.replace("mean_ms_max = 1, complexity_max = \"n\"", &claims)
    };
    let import = ["import", "criterion", "criterion", "--measured", "allocations"];
    workspace.write("passport.toml", counts(30_000));
    let run = workspace.run(&import).exits(4);
    assert_says(&run.stdout, "ABSTAIN  sort: throughput (limit 1.00k/s): no sample");
    assert_says(&run.stdout, "1 passed, 0 failed, 1 abstained");
    workspace.write("passport.toml", counts(20_000));
    let run = workspace.run(&import).exits(1);
    assert_says(&run.stdout, "FAIL     sum/10000: allocations 20");
}

#[test]
fn what_is_wrong_with_one_benchmark_takes_nothing_from_the_others() {
    for (file, text, told) in [
        ("sort/new/benchmark.json", None, "benchmark.json: it is missing: was the run cut short?"),
        ("sort/new/sample.json", None, "sample.json: it is missing"),
        ("sort/new/sample.json", Some(""), "it ends early, at line 1: was it cut short?"),
        ("sort/new/sample.json", Some("{\"iters\":[1.0],\"ti"), "it ends early"),
        ("sort/new/sample.json", Some("\u{1b}[31m"), "it is not JSON, at line 1"),
        ("sort/new/sample.json", Some("{\"iters\":1,\"times\":2}"), "it is of another shape"),
        ("sort/new/sample.json", Some("{\"iters\":[1],\"times\":[null]}"), "sample 1 is not"),
        (
            "sort/new/sample.json",
            Some("{\"iters\":[1,2],\"times\":[0,0]}"),
            "no sample took any time",
        ),
        ("sort/new/sample.json", Some("{\"iters\":[],\"times\":[]}"), "it has no sample"),
    ] {
        let workspace = suite();
        let path = workspace.path(format!("criterion/{file}"));
        match text {
            None => fs::remove_file(path).unwrap(),
            Some(text) => fs::write(path, text).unwrap(),
        }
        let run = workspace.run(&IMPORT).exits(3);
        assert_says(&run.stdout, told);
        assert_says(&run.stdout, "1 passed, 0 failed, 1 abstained");
        workspace.run(&["verify", "performance_passport.json"]).exits(0);
    }
}

#[test]
fn a_benchmark_that_does_not_exist_exits_2_and_keeps_the_others() {
    let workspace = suite();
    let contract = CONTRACT.replace("name = \"sort\"", "name = \"sorted\"");
    workspace.write("passport.toml", contract);
    let run = workspace.run(&IMPORT).exits(2);
    assert_says(&run.stderr, "operation `sorted`: there is no benchmark `sorted`; did you mean");
    assert_says(&run.stderr, "`benchmark = \"sort\"`");
    assert_says(&run.stdout, "1 passed, 0 failed, 0 abstained");
    // What exits with 2 is not called a pass.
    assert_says(&run.stdout, "\nNOT WHOLE: the suite lacks 1 benchmark of the contract\n");
    assert!(!run.stdout.contains("\nPASS\n"), "{run:#?}");
    let passport = workspace.json("performance_passport.json");
    assert_eq!(passport["operations_left_out"], json!(["sorted"]));
    assert_eq!(passport["summary"]["overall_status"], "ABSTAIN");
}

#[test]
fn what_is_no_suite_of_this_contract_is_refused() {
    let workspace = suite();
    fs::create_dir_all(workspace.path("empty/a/b")).unwrap();
    fs::create_dir_all(workspace.path("newer/data/main")).unwrap();
    workspace.write("text", "nonsense");
    workspace.write(
        "none.toml",
        "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"b\"\npath = \"/\"\n",
    );
    let strange = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"b\"\nbudgets.allocations_max = 1\n";
    workspace.write("strange.toml", strange);
    for (arguments, told) in [
        (&["import", "criterion", "empty"][..], "has no benchmark of criterion: run `cargo bench`"),
        (&["import", "criterion", "newer"], "it is cargo-criterion's"),
        (&["import", "criterion", "absent"], "cannot read `absent`"),
        (&["import", "criterion", "criterion", "--contract", "none.toml"], "no [[operation]]"),
        (
            &["import", "criterion", "criterion", "--contract", "strange.toml"],
            "names no benchmark of `criterion`: operation `b`: there is no benchmark `b`",
        ),
        (&["import", "hyperfine", "text"], "no export of hyperfine: it is not JSON"),
        (&["import", "cargo-criterion", "text"], "there is no message `benchmark-complete`"),
    ] {
        assert_says(&workspace.run(arguments).refused(2), told);
    }
    workspace.run(&["import"]).exits(2);
}

#[test]
fn messages_of_cargo_criterion_are_taken_over() {
    let workspace = Workspace::with_contract(
        crate::PASSPORT,
        "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"sort\"\nbudgets.mean_ms_max = 1\n\
         [[operation]]\nname = \"join\"\nbudgets.allocations_max = 3\n",
    );
    let message = |id, unit, value: f64| {
        let counts: Vec<u32> = (1..=10).collect();
        let values: Vec<f64> = counts.iter().map(|it| f64::from(*it) * value).collect();
        json!({
            "reason": "benchmark-complete", "id": id, "report_directory": "r", "unit": unit,
            "iteration_count": counts, "measured_values": values, "throughput": [], "typical": {},
        })
    };
    let (sort, join) = (message("sort", "ns", 500.0), message("join", "allocs", 2.0));
    let text =
        format!("   Compiling a v0.1.0\n{{\"reason\":\"group-complete\"}}\n{sort}\n\n{join}\n");
    workspace.write("messages.json", &text);
    let import = ["import", "cargo-criterion", "messages.json"];
    let run = workspace.run(&import).exits(0);
    assert_says(&run.stdout, "2 operations: 2 passed");
    workspace.write("messages.json", text.replace("allocs", "cycles"));
    assert_says(&workspace.run(&import).exits(3).stdout, "its unit is `cycles`, not `ns`");
    let cut = format!(
        "{}\n",
        &sort.to_string().replace("{\"id", "{\"reason\":\"benchmark-complete\",\"id")[..60]
    );
    workspace.write("messages.json", cut);
    assert_says(&workspace.run(&import).refused(2), "line 1 is cut short");
}

#[test]
fn exports_of_hyperfine_are_taken_over() {
    let workspace = Workspace::with_contract(
        crate::PASSPORT,
        "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"sleep\"\nbenchmark = \"sleep 0.1\"\n\
         budgets.mean_ms_max = 150\n",
    );
    let first = json!({"results": [{
        "command": "sleep 0.1", "mean": 0.1, "stddev": 0.001, "times": [0.101, 0.102, 0.103, 0.1],
        "exit_codes": [0, 0, 0, 0], "parameters": {"n": "1"},
    }]});
    let second = |code: i32, unit: &str| {
        let one = |value: f64| {
            json!({
                "time_wall_clock": {"value": value, "unit": unit}, "exit_code": code,
                "memory_peak_resident": {"value": 1.0, "unit": "byte"},
            })
        };
        json!({"schema_version": 2, "results": [{
            "command": "sleep", "name": "sleep 0.1",
            "measurements": [one(0.101), one(0.102), one(0.103), one(0.1)],
        }]})
    };
    for (export, code, told) in [
        (first, 0, "1 operation: 1 passed"),
        (second(0, "second"), 0, "1 operation: 1 passed"),
        (second(3, "second"), 3, "a run of it ended with exit code 3"),
        (second(0, "hour"), 3, "its unit is `hour`, not `second`"),
        (json!({"results": [{"command": "sleep 0.1", "mean": 0.1}]}), 3, "it has no `times`"),
        (json!({"results": [{"command": "sleep 0.1", "times": [-1.0]}]}), 3, "time 1 is not"),
    ] {
        workspace.write("export.json", export.to_string());
        let run = workspace.run(&["import", "hyperfine", "export.json"]).exits(code);
        assert_says(&run.stdout, told);
    }
    workspace.write("export.json", "{\"results\":[]}");
    assert_says(
        &workspace.run(&["import", "hyperfine", "export.json"]).refused(2),
        "the export of hyperfine has no command",
    );
}

#[test]
fn thresholds_become_a_contract_and_what_does_not_is_told() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write(
        "sla.json",
        "{\n \"maxAvgTimeMs\": 1.0, // mean\n \"minThroughput\": 1000,\n \"mode\": 1\n}",
    );
    let import = ["contract", "import", "sla.json", "--operation", "get", "--operation", "set"];
    let run = workspace.run(&import).exits(0);
    assert_says(
        &run.stdout,
        "[[operation]]\nname = \"get\"\n[operation.budgets]\nmean_ms_max = 1\n",
    );
    assert_eq!(run.stderr, "not mapped: mode: not a threshold that is known\n");
    let run = workspace.run(&["contract", "import", "sla.json", "-o", "made.toml"]).exits(0);
    assert_eq!(run.stdout, "contract made.toml\n");
    let again = workspace.run(&["contract", "import", "sla.json", "-o", "made.toml"]);
    assert_says(&again.refused(2), "`made.toml` is there already");
    // Operations alone are nothing that `check` can measure.
    let refused = workspace.run(&["check", "--contract", "made.toml"]).refused(2);
    assert_says(&refused, "operations alone");
    workspace.write("bad.json", "{\"maxAvgTimeMs\": \"\u{e9}\\u001b\"}");
    let refused = workspace.run(&["contract", "import", "bad.json"]).refused(2);
    assert_says(&refused, "cannot import `bad.json`: maxAvgTimeMs: ");
    assert_says(
        &workspace.run(&["contract", "import", "absent"]).refused(2),
        "cannot read `absent`",
    );
}

fn foreign(name: &str) -> String {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fixtures.join("foreign").join(name).to_string_lossy().into_owned()
}

/// Each tool's own file becomes a contract, which the same file then keeps.
#[test]
fn a_contract_is_made_of_what_any_tool_measured() {
    for (tool, file, code) in [
        ("pytest-benchmark", "pytest_benchmark.json", 0),
        ("pytest-benchmark", "pytest_benchmark_saved.json", 4),
        ("go-bench", "go_bench.txt", 0),
        ("google-benchmark", "google_benchmark.json", 0),
        ("google-benchmark", "google_benchmark_aggregates.json", 4),
        ("jmh", "jmh.json", 0),
        ("gungraun", "gungraun.ndjson", 0),
        ("k6", "k6_handle_summary.json", 4),
        ("bencher", "bencher.json", 4),
    ] {
        let workspace = Workspace::new(crate::PASSPORT);
        let file = foreign(file);
        let list = workspace.run(&["import", tool, &file, "--list"]).exits(0);
        assert_says(&list.stdout, &format!(" of {tool}\n"));
        assert_eq!(workspace.files(), []);
        let made = workspace.run(&["contract", "import", tool, &file, "-o", "passport.toml"]);
        let says = "abstain, as the tool keeps no samples of it";
        assert_eq!(made.exits(0).stderr.contains(says), code == 4, "{tool}");
        let run = workspace.run(&["import", tool, &file]).exits(code);
        workspace.run(&["verify", run.filed()]).exits(0);
        if code == 4 {
            assert_says(
                &run.stdout,
                "the tool keeps no samples, and a figure alone proves nothing",
            );
        }
        let schema = workspace.run(&["schema", "passport"]).exits(0).stdout;
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        assert!(jsonschema::is_valid(&schema, &workspace.json(run.filed())), "{tool}");
    }
}

#[test]
fn one_instruction_more_than_the_contract_allows_fails() {
    let workspace = Workspace::new(crate::PASSPORT);
    let file = foreign("gungraun.ndjson");
    let contract = workspace.run(&["contract", "import", "gungraun", &file]).exits(0).stdout;
    assert_says(
        &contract,
        "benchmark = \"sums::group::sum/ten\"\nbudgets = { instructions_max = 158 }",
    );
    workspace.write("passport.toml", contract.replace("158", "157"));
    let run = workspace.run(&["import", "gungraun", &file]).exits(1);
    assert_says(&run.stdout, "FAIL     sums-group-sum-ten: instructions 157 (budget 157)");
}

#[test]
fn a_baseline_of_criterion_is_read_by_its_name() {
    let workspace = suite();
    for it in ["math/sum/10", "math/sum/100", "math/sum/1000", "math/sum/10000", "sort"] {
        let (new, main) = (format!("criterion/{it}/new"), format!("criterion/{it}/main"));
        fs::rename(workspace.path(new), workspace.path(main)).unwrap();
    }
    workspace.run(&["import", "criterion", "criterion", "--saved", "main"]).exits(0);
    let refused =
        workspace.run(&["import", "criterion", "criterion", "--saved", "../x"]).refused(2);
    assert_says(&refused, "no benchmark in `criterion` has a saved baseline `../x`");
}

#[test]
fn a_file_of_another_tool_or_none_is_refused_and_nothing_is_written() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.write("nan.json", "{\"sort\":{\"latency\":{\"value\":NaN}}}");
    workspace.write("empty.json", "");
    let bencher = foreign("bencher.json");
    for (tool, file, told) in [
        (
            "pytest-benchmark",
            bencher.as_str(),
            "no file of pytest-benchmark: it is of another shape",
        ),
        ("go-bench", &bencher, "there is no line of a benchmark"),
        ("jmh", &bencher, "no results of JMH (`-rf json`): it is of another shape"),
        ("google-benchmark", "empty.json", "no file of Google Benchmark: it ends early"),
        ("gungraun", &bencher, "line 1: no summary of gungraun"),
        ("k6", &bencher, "no summary of k6: it is of another shape"),
        ("bencher", "nan.json", "no Bencher Metric Format"),
        ("bencher", "/dev/zero", "it is larger than 64.0 MiB"),
        ("k6", "absent.json", "cannot read `absent.json`"),
    ] {
        let before = workspace.files();
        for command in [&["import"][..], &["contract", "import"]] {
            let run = workspace.run(&[command, &[tool, file, "-o", "made"]].concat());
            assert_says(&run.refused(2), told);
        }
        assert_eq!(workspace.files(), before);
    }
}
