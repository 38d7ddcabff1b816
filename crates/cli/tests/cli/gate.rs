//! The ways through the program when all is well, and when the gate must hold.

use std::fs;

use serde_json::Value;

use crate::contracts::{LEDGER, ledger};
use perf_passport_test_support::program::{LATEST, Workspace, assert_says};

fn hash(workspace: &Workspace, name: &str) -> String {
    workspace.json(name)["passport_hash"].as_str().unwrap().to_owned()
}

#[test]
fn check_passes_and_files_the_passport_under_its_time() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    for runs in 1..=2 {
        let run = workspace.run(&["check", "--ci"]).exits(0);
        assert_says(&run.stdout, "\nPASS\npassport artifacts/performance/performance_passport_");
        assert_says(&run.stderr, "no baseline: only budgets are held\n");
        let directory = workspace.path("artifacts/performance");
        let names = fs::read_dir(&directory).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<String> = names.map(|it| it.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), runs + 1, "{names:?}");
        assert_eq!(names[0], "latest_performance_passport.json");
        let newest = run.filed();
        assert_eq!(workspace.read(newest), workspace.read(LATEST));
        let name = newest.rsplit('/').next().unwrap();
        let time = workspace.json(newest)["timestamp"].as_str().unwrap().replace([':', '-'], "");
        let (day, clock) = time.split_once('T').unwrap();
        assert_says(name, &format!("performance_passport_{day}_{}_", &clock[..6]));
        #[cfg(unix)]
        assert_eq!(fs::read_link(workspace.path(LATEST)).unwrap().to_str(), Some(name));
    }
    let document = workspace.json(LATEST);
    assert_eq!(document["complete"], true);
    assert_eq!(document["summary"]["overall_status"], "PASS");
    workspace.run(&["verify", LATEST]).exits(0);
    workspace.run(&["show"]).exits(0);
}

#[test]
fn a_baseline_and_a_check_of_the_same_code_have_equal_hashes() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    let accepted = workspace.run(&["baseline"]).exits(0);
    assert_says(&accepted.stdout, "\nbaseline ./baseline.json\n");
    let run = workspace.run(&["check"]).exits(0);
    assert_says(&run.stdout, "\nbaseline hash equal\nPASS\n");
    assert_eq!(hash(&workspace, "baseline.json"), hash(&workspace, LATEST));
    let baseline = &workspace.json(LATEST)["baseline"];
    assert_eq!(baseline["evidence_hash"], workspace.json("baseline.json")["evidence_hash"]);
    // The one that was given is preferred to the contract's.
    fs::rename(workspace.path("baseline.json"), workspace.path("moved.json")).unwrap();
    workspace.run(&["check"]).refused(2);
    workspace.run(&["check", "--baseline", "moved.json"]).exits(0);
}

#[test]
fn generate_writes_where_it_is_told_and_compares_when_asked() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    let run = workspace.run(&["generate"]).exits(0);
    assert_says(&run.stdout, "\npassport performance_passport.json\n");
    let odd = "new/caf\u{e9}\n'it'.json";
    let run = workspace.run(&["generate", "-o", odd]).exits(0);
    assert_says(&run.stdout, "\npassport new/caf\\u{e9}\\n'it'.json\n");
    workspace.run(&["verify", odd]).exits(0);
    let compared =
        ["generate", "--output", "b.json", "--baseline", "performance_passport.json", "-v"];
    assert_says(&workspace.run(&compared).exits(0).stdout, "baseline hash equal");
    assert_eq!(workspace.json("performance_passport.json")["baseline"], Value::Null);
    assert_ne!(workspace.json("b.json")["baseline"], Value::Null);
    assert!(!workspace.path("artifacts").exists());
}

#[test]
fn a_failing_run_is_no_baseline_unless_it_is_accepted() {
    let contract = ledger().replace("[budgets]\n", "[budgets]\nallocations_max = 1\n");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let output = ["baseline", "-o", "accepted.json"];
    workspace.write("accepted.json", "what was there");
    let refused = workspace.run(&output).exits(1);
    let expected = "this run is not accepted and `accepted.json` is not written: mend what failed, or give \
                    --accept-failing";
    assert_eq!(refused.sentence(), expected);
    assert_eq!(workspace.read("accepted.json"), "what was there");
    workspace.run(&["check"]).exits(1);
    workspace.run(&[&output[..], &["--accept-failing"]].concat()).exits(0);
    assert_eq!(workspace.json("accepted.json")["summary"]["overall_status"], "FAIL");
    // An accepted failure is still one, and who compares with it is told.
    let run = workspace.run(&["check", "--baseline", "accepted.json"]).exits(1);
    assert_says(&run.stdout, "\nthe baseline is itself FAIL\n");
    assert_eq!(workspace.json(LATEST)["baseline"]["overall_status"], "FAIL");
}

/// The contract with a page of statements in the place of the metrics, whose clocks it does not have.
fn of_statements(limit: u32) -> String {
    let page = LEDGER.replace("\"/metrics\"\n", &format!("\"/statements?limit={limit}\"\n"));
    let clocks = page.lines().find(|line| line.contains("/generated_at")).unwrap().to_owned();
    page.replace(&clocks, "")
}

#[test]
fn a_baseline_says_what_accepting_it_changes() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    let first = workspace.run(&["baseline"]).exits(0);
    assert!(!first.stdout.contains("the baseline before"), "{first:#?}");
    let same = workspace.run(&["baseline"]).exits(0);
    assert_says(&same.stdout, "\nno change of the baseline before, of 2");
    workspace.write("passport.toml", of_statements(1));
    let changed = workspace.run(&["baseline"]).exits(0);
    assert_says(&changed.stdout, "\nchanges to the baseline before, of 2");
    assert_says(&changed.stdout, "\ncontract: digest: ");
    assert_says(&changed.stdout, "\nmetrics/default: body: ");
    // What is no passport is replaced only where the user names it.
    workspace.write("baseline.json", "{}");
    workspace.run(&["baseline"]).refused(2);
    assert_eq!(workspace.read("baseline.json"), "{}");
    let foreign = workspace.run(&["baseline", "--output", "./baseline.json"]).exits(0);
    assert_says(&foreign.stderr, "nothing to compare with: passport `./baseline.json`: not a");
}

#[test]
fn what_shows_no_evidence_is_no_baseline() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.write("original.json", "{\"test_results\":[{\"test_name\":\"m\"}]}");
    workspace.run(&["import", "original.json", "-o", "imported.json"]).exits(0);
    for command in ["check", "generate"] {
        let said = workspace.run(&[command, "--baseline", "imported.json"]).refused(2);
        let expected = "cannot compare with `imported.json`: it was imported, so it shows no evidence \
                        to compare with; make one with `passport baseline`";
        assert_eq!(said, expected);
    }
}

#[test]
fn one_allocation_more_than_the_baseline_fails_and_is_shown() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    workspace.run(&["baseline"]).exits(0);
    // Another body and so other work: a page of two instead of one.
    workspace.write("passport.toml", of_statements(1));
    let changed = workspace.run(&["check"]).exits(1);
    assert_says(&changed.stdout, "metrics/default: behaviour: changed work");
    workspace.run(&["baseline", "-o", "one.json"]).exits(0);
    workspace.write("passport.toml", of_statements(2));
    workspace.run(&["generate", "-o", "two.json"]).exits(0);
    let found = workspace.run(&["diff", "one.json", "two.json"]).exits(0);
    assert_says(&found.stdout, "metrics/default: body: ");
    assert_says(&found.stdout, "passport hash ");
    workspace.run(&["diff", "--exit-code", "one.json", "two.json"]).exits(1);
}

#[test]
fn equal_passports_do_not_differ() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.run(&["generate", "-o", "a.json"]).exits(0);
    workspace.run(&["generate", "-o", "b.json"]).exits(0);
    assert_ne!(workspace.read("a.json"), workspace.read("b.json"));
    let found = workspace.run(&["diff", "--exit-code", "a.json", "b.json"]).exits(0);
    let expected = format!(
        "no difference in behaviour, exact counts or verdicts\npassport hash {} on both sides\n",
        hash(&workspace, "a.json")
    );
    assert_eq!(found.stdout, expected);
}

#[test]
fn show_prints_what_was_measured_and_where() {
    let command = "\"::error file=a::boo\" = \"::error::boo\"";
    let contract = format!("{}[annotations]\nticket = \"T-1\"\n{command}\n", ledger());
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    workspace.run(&["generate", "-o", "a.json"]).exits(0);
    let short = workspace.run(&["show", "a.json"]).exits(0).stdout;
    assert_says(&short, "PASS     metrics/default");
    assert!(!short.contains("T-1"));
    let long = workspace.run(&["show", "-v", "--ci", "a.json"]).exits(0).stdout;
    // A log of continuous integration takes such a line for a command.
    assert!(!long.lines().any(|line| line.trim_start().starts_with("::")), "{long}");
    for line in ["target ledger (sqlite), rustc 1.", "\ncommit ", "\nannotation ticket: T-1\n"] {
        assert_says(&long, line);
    }
    let document = workspace.json("a.json");
    assert_says(&long, document["run_id"].as_str().unwrap());
}

#[test]
fn validate_holds_one_endpoint_and_abstains_on_too_few_samples() {
    let contract = ledger().replace("latency_quantile = \"p50\"\n", "");
    let contract = contract.replace("samples = 40", "samples = 2000");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let run = workspace.run(&["validate", "-v"]).exits(0);
    assert_says(&run.stdout, "1 check: 1 passed");
    for kind in ["status", "content-type", "deterministic", "allocations", "heap", "latency"] {
        assert_says(&run.stdout, &format!("PASS     metrics/default: {kind}: "));
    }
    assert!(!run.stdout.contains("health"), "{}", run.stdout);
    let few = workspace.run(&["validate", "--iterations", "10", "-o", "few.json"]).exits(4);
    assert_says(&few.stdout, ": p99 needs at least 477 samples, and there are ");
    assert_eq!(workspace.json("few.json")["summary"]["overall_status"], "ABSTAIN");
    workspace.run(&["verify", "few.json"]).exits(0);
    let health = workspace.run(&["validate", "--endpoint", "/health"]).exits(0);
    assert_says(&health.stdout, "PASS     health/default");
    let contract = contract.replace("path = \"/metrics\"", "path = \"/ui\"");
    workspace.write("passport.toml", contract);
    assert_says(&workspace.run(&["validate"]).refused(2), "no check asks for /metrics");
}

#[test]
fn the_only_endpoint_is_the_one_that_is_validated() {
    let contract = ledger();
    let (one, _) = contract.rsplit_once("[[endpoint]]").unwrap();
    let workspace = Workspace::with_contract(crate::PASSPORT, one);
    let run = workspace.run(&["validate"]).exits(0);
    assert_says(&run.stdout, "PASS     health/default");
}

/// Whoever runs a stranger's contract loses no file of his own by it.
#[test]
fn a_contract_names_no_baseline_outside_of_its_directory() {
    let workspace = Workspace::new(crate::PASSPORT);
    let contract = |baseline: &str| LEDGER.replace("baseline.json", baseline);
    let victim = workspace.path("victim");
    workspace.write("victim", "mine");
    fs::create_dir(workspace.path("project")).unwrap();
    let mut outside = vec!["../victim".to_owned(), "new/../../victim".to_owned()];
    outside.push(victim.to_str().unwrap().to_owned());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../victim", workspace.path("project/link")).unwrap();
        outside.push("link".to_owned());
    }
    let command = ["baseline", "--contract", "project/passport.toml"];
    for baseline in &outside {
        workspace.write("project/passport.toml", contract(baseline));
        let said = workspace.run(&command).refused(2);
        assert_says(&said, "is not a file below the contract's directory: give --output FILE");
        assert_eq!(workspace.read("victim"), "mine");
    }
    for baseline in ["a.json", "new/below/a.json", "./b.json"] {
        workspace.write("project/passport.toml", contract(baseline));
        workspace.run(&command).exits(0);
        assert!(workspace.path("project").join(baseline).exists());
    }
    workspace.write("project/passport.toml", contract("../victim"));
    workspace.run(&[&command[..], &["-o", "victim"]].concat()).exits(0);
    workspace.run(&["verify", "victim"]).exits(0);
}

#[test]
fn endpoints_and_fixtures_select_checks_and_the_others_are_left_out() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    for (arguments, left_out) in [
        (&["--fixture", "empty"][..], &["metrics/default"][..]),
        (&["--endpoint", "metrics"], &["health/default"]),
        (&["--endpoint", "metrics/default", "--endpoint", "/health"], &[]),
    ] {
        let run = workspace.run(&[&["check"], arguments].concat()).exits(0);
        let newest = run.filed();
        let document = workspace.json(newest);
        assert_eq!(document["checks_left_out"], serde_json::json!(left_out));
        assert_eq!(document["summary"]["total_tests"], 2 - left_out.len());
        let whole = left_out.is_empty();
        let status = if whole { "PASS" } else { "ABSTAIN" };
        assert_eq!(document["summary"]["overall_status"], status);
        let said = "\nPASS (1 check left out, of which nothing is said)\n";
        assert_eq!(run.stdout.contains(said), !whole, "{run:#?}");
        // Who asks for the latest asks for the whole contract.
        assert_eq!(workspace.path(LATEST).exists(), whole);
        workspace.run(&["verify", newest]).exits(0);
    }
}

#[test]
fn a_part_of_the_contract_is_no_baseline() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    for filter in [["--fixture", "empty"], ["--endpoint", "metrics"]] {
        let said = workspace.run(&[&["baseline"], &filter[..]].concat()).refused(2);
        let expected = "a baseline holds every check, and 1 of 2 would be left out: give neither \
                        --endpoint nor --fixture";
        assert_eq!(said, expected);
    }
    assert!(!workspace.path("baseline.json").exists());
    let every = ["baseline", "--endpoint", "metrics", "--endpoint", "health"];
    workspace.run(&every).exits(0);
}

#[test]
fn a_broken_database_is_a_503_that_a_contract_can_expect() {
    let contract = ledger().replace("fixture = \"empty\"", "fixture = \"broken\"\nstatus = 503");
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    workspace.run(&["check"]).exits(0);
    let expecting_200 = contract.replace("status = 503\n", "");
    workspace.write("passport.toml", expecting_200);
    let run = workspace.run(&["check"]).exits(1);
    assert_says(&run.stdout, "health/default: status 503 (expected 200)");
}

#[test]
fn row_counts_line_gate_and_exit_code_agree_on_a_response_that_differs() {
    let differing = ledger().replace("\"/generated_at\", ", "");
    for (least, code, status, mark) in [(95, 1, "FAIL", "FAIL   "), (50, 0, "PASS", "(FAIL) ")] {
        let contract = format!("{differing}[tolerance]\ndeterministic_percent_min = {least}\n");
        let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
        let run = workspace.run(&["check"]).exits(code);
        let failed = usize::try_from(code).unwrap();
        for said in [
            format!("\n{status:<7}  metrics/default "),
            format!("\n{mark}  metrics/default: deterministic in "),
            format!("\n2 checks: {} passed, {failed} failed, 0 abstained", 2 - failed),
            format!("\n{status}"),
        ] {
            assert_says(&run.stdout, &said);
        }
        let document = workspace.json(LATEST);
        assert_eq!(document["summary"]["failed_tests"], failed);
        assert_eq!(document["summary"]["overall_status"], status);
        assert_eq!(document["test_results"][1]["status"], status);
        workspace.run(&["verify", LATEST]).exits(0);
    }
}

/// `script` gives the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_knows_no_colours_gets_none() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.run(&["generate", "-o", "a.json"]).exits(0);
    let shown = |term: &str| {
        let asked = format!("'{}' show a.json", crate::PASSPORT);
        let mut command = std::process::Command::new("script");
        command.args(["-q", "-e", "-c", &asked, "/dev/null"]).current_dir(workspace.path(""));
        command.env("TERM", term).env_remove("NO_COLOR").stdin(std::process::Stdio::null());
        command.output().ok().map(|it| String::from_utf8(it.stdout).unwrap())
    };
    let (Some(colours), Some(none)) = (shown("xterm"), shown("dumb")) else {
        println!("MISSING: script");
        return;
    };
    assert_says(&colours, "\u{1b}[");
    assert_says(&none, "PASS");
    assert!(!none.contains('\u{1b}'), "{none:?}");
}
