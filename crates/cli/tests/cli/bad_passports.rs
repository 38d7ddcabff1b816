//! Files that are no passports, or no longer the ones that were written.

use serde_json::Value;

use crate::contracts::ledger;
use perf_passport_test_support::program::{Finished, Workspace, assert_says};

/// A directory with a contract and a passport of it, `sound.json`.
fn measured() -> Workspace {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.run(&["generate", "-o", "sound.json"]).exits(0);
    workspace
}

/// Every command that reads a passport refuses this file alike; returns what they say.
#[track_caller]
fn every_reader_refuses(workspace: &Workspace, file: &str, code: i32) -> String {
    let readers: [&[&str]; 6] = [
        &["verify", file],
        &["show", file],
        &["diff", file, "sound.json"],
        &["diff", "sound.json", file],
        &["check", "--baseline", file],
        &["generate", "--baseline", file, "-o", "new.json"],
    ];
    let said: Vec<String> =
        readers.iter().map(|arguments| workspace.run(arguments).refused(code)).collect();
    assert!(said.iter().all(|sentence| *sentence == said[0]), "{said:#?}");
    assert_says(&said[0], &format!("`{file}`"));
    assert!(!workspace.path("new.json").exists() && !workspace.path("artifacts").exists());
    said[0].clone()
}

#[test]
fn a_truncated_passport_is_not_one() {
    let workspace = measured();
    let sound = workspace.read("sound.json");
    for length in [0, 1, sound.len() / 2, sound.len() - 3] {
        workspace.write("cut.json", &sound[..length]);
        let sentence = every_reader_refuses(&workspace, "cut.json", 2);
        assert_says(&sentence, "it ends early, at line");
    }
    // Without the last newline it is whole, and not as it was written.
    workspace.write("cut.json", sound.trim_end());
    every_reader_refuses(&workspace, "cut.json", 1);
}

#[test]
fn other_line_endings_are_named_and_are_no_edit() {
    let workspace = measured();
    let windows = workspace.read("sound.json").replace('\n', "\r\n");
    workspace.write("windows.json", &windows);
    let sentence = every_reader_refuses(&workspace, "windows.json", 2);
    assert_says(&sentence, "its lines end in CRLF");
    assert_says(&sentence, ".gitattributes");
    // Who changes a figure as well has edited it.
    let edited = windows.replacen("\"schema_version\": 1", "\"schema_version\":  1", 1);
    assert_ne!(edited, windows);
    workspace.write("windows.json", edited);
    assert_says(&every_reader_refuses(&workspace, "windows.json", 1), "edited");
}

#[test]
fn a_passport_with_old_names_is_refused_by_name() {
    let workspace = measured();
    let old = include_str!("../../../../tests/fixtures/before_0_1_0/operations.json");
    workspace.write("old.json", old);
    let sentence = every_reader_refuses(&workspace, "old.json", 2);
    assert_says(&sentence, "not a passport: its contract: `regression` is `tolerance`, in percent");
    assert_says(&sentence, "since 0.1.0");
    assert_says(&sentence, "measure again");
}

#[test]
fn an_edited_passport_is_a_claim_that_failed() {
    let workspace = measured();
    let sound = workspace.read("sound.json");
    let hash = workspace.json("sound.json")["passport_hash"].as_str().unwrap().to_owned();
    for (part, by, field) in [
        ("\"status\": \"PASS\"", "\"status\": \"FAIL\"", "test_results.0.status"),
        ("\"complete\": true", "\"complete\": false", "`summary."),
        ("\"failed_tests\": 0", "\"failed_tests\": 1", "summary.failed_tests"),
        ("\"latency_ms_max\": 1000.0", "\"latency_ms_max\": 2000.0", "contract.digest"),
        (&hash, &"0".repeat(64), "passport_hash"),
        ("\"run_id\": \"0", "\"run_id\": \"1", "evidence_hash"),
        ("{\n", "{ \n", "line 1 is not as a passport is written"),
    ] {
        assert!(sound.contains(part), "{part}");
        workspace.write("edited.json", sound.replacen(part, by, 1));
        let sentence = every_reader_refuses(&workspace, "edited.json", 1);
        assert_says(&sentence, "edited: ");
        assert_says(&sentence, field);
    }
}

#[test]
fn json_of_another_kind_is_foreign() {
    let workspace = measured();
    for (text, said) in [
        ("{}", "not a passport: missing field"),
        ("[1, 2]", "not a passport: "),
        ("null", "not a passport: "),
        ("<html>\n", "it is not JSON, at line 1"),
        (
            "{\"schema_version\": 7}",
            "made by a newer version: schema 7, this one reads up to 1: update it",
        ),
        ("{\"test_results\": []}", "read it with `passport import`"),
        ("{\"\\u001b[31m\\u00e9\": 1}", "unknown field `\\x1b[31m\\xc3\\xa9`"),
    ] {
        workspace.write("foreign.json", text);
        assert_says(&every_reader_refuses(&workspace, "foreign.json", 2), said);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    workspace.write("foreign.json", deep);
    every_reader_refuses(&workspace, "foreign.json", 2);
}

/// Who has an old program and a new passport, or the other way round, edited nothing.
#[test]
fn a_passport_of_another_version_is_refused_by_name() {
    let workspace = measured();
    let sound = workspace.read("sound.json");
    let rules = sound.find("  \"rules\": {").unwrap();
    let rules = &sound[rules..rules + sound[rules..].find("},\n").unwrap() + 3];
    let newer = |what: &str, latest: u32| {
        format!("made by a newer version: {what}, this one reads up to {latest}: update it")
    };
    let before = "made before 0.1.0, which did not number its rules: measure or import again";
    for (part, by, said) in [
        ("\"schema_version\": 1", "\"schema_version\": 2", newer("schema 2", 1).as_str()),
        ("\"growth\": 1", "\"growth\": 2", &newer("growth rule 2", 1)),
        ("\"latency\": 2,", "\"latency\": 7,", &newer("latency rule 7", 2)),
        ("\"mean\": 1", "\"mean\": 0", before),
        (rules, "", before),
    ] {
        assert!(sound.contains(part), "{part}");
        workspace.write("other.json", sound.replacen(part, by, 1));
        assert_says(&every_reader_refuses(&workspace, "other.json", 2), said);
    }
}

#[test]
fn a_baseline_that_is_not_there_says_how_to_make_one() {
    let workspace = measured();
    for command in ["check", "generate"] {
        let said = workspace.run(&[command, "--baseline", "none.json"]).refused(2);
        let expected =
            "cannot read baseline `none.json`: there is none; make it with `passport baseline`";
        assert_eq!(said, expected);
    }
    let named = Workspace::with_contract(crate::PASSPORT, crate::contracts::LEDGER);
    assert_says(&named.run(&["check"]).refused(2), "make it with `passport baseline`");
    for reader in [&["verify", "none.json"][..], &["show"], &["diff", "none.json", "sound.json"]] {
        assert_says(&workspace.run(reader).refused(2), "cannot read `");
    }
    assert_says(&workspace.run(&["verify", "."]).refused(2), "cannot read `.`");
}

#[test]
fn of_several_passports_each_is_told_and_an_edit_outweighs_what_is_foreign() {
    let workspace = measured();
    let sound = workspace.read("sound.json");
    workspace.write("edited.json", sound.replacen("\"PASS\"", "\"FAIL\"", 1));
    workspace.write("foreign.json", "{}");
    for files in [
        ["sound.json", "edited.json", "foreign.json"],
        ["foreign.json", "edited.json", "sound.json"],
    ] {
        let all: Finished = workspace.run(&[&["verify"][..], &files].concat()).exits(1);
        assert_eq!(all.stdout.lines().count(), 1, "{all:#?}");
        assert!(all.stdout.starts_with("sound  sound.json  PASS  passport "), "{all:#?}");
        assert_eq!(all.stderr.matches("passport: passport `").count(), 2, "{all:#?}");
    }
    workspace.run(&["verify", "sound.json", "foreign.json"]).exits(2);
}

/// A passport that is consistent, and whose free texts were chosen by somebody else.
#[test]
fn what_a_strangers_passport_says_is_escaped() {
    let workspace = measured();
    let contract =
        format!("{}\n[annotations]\n\"k\\u001b[2J\" = \"caf\\u00e9 \\u0007\\nPASS\"\n", ledger());
    workspace.write("passport.toml", contract);
    workspace.run(&["generate", "-o", "annotated.json"]).exits(0);
    let shown = workspace.run(&["show", "-v", "annotated.json"]).exits(0);
    assert_says(&shown.stdout, "k\\u{1b}[2J: caf\\u{e9} \\u{7}\\nPASS\n");

    let original = serde_json::json!({
        "cartographer": "a\u{1b}[31m", "run_id": "r\n", "session_id": "s", "timestamp": "t\u{7}",
        "anime_energy": { "key\u{1b}": "\u{e9}" },
        "test_results": [{ "endpoint": "e\u{1b}", "test_name": "t\u{1b}[2J\u{e9}", "latency_ms": 0.5,
                           "status": "PA\u{1b}SS" }],
    });
    workspace.write("original.json", original.to_string());
    workspace.run(&["import", "original.json", "-o", "imported.json"]).exits(0);
    workspace.run(&["show", "-v", "imported.json"]).exits(0);
    workspace.run(&["diff", "sound.json", "imported.json"]).exits(0);
}

#[test]
fn an_original_passport_is_imported_and_proves_nothing() {
    let workspace = measured();
    let original = r#"{
        "cartographer": "Original", "run_id": "perf-1", "session_id": "s",
        "timestamp": "2025-10-02T03:52:19.880524", "endpoints_profiled": ["metrics"],
        "test_results": [{"endpoint": "metrics", "test_name": "metrics_variant_0",
            "latency_ms": 0.05, "memory_mb": -0.12, "objects": -417, "status": "PASS",
            "regression": false, "deterministic": true}],
        "summary": {"total_tests": 1, "overall_status": "PASS"},
        "thresholds": {"max_latency_threshold_ms": 10.0}
    }"#;
    workspace.write("original.json", original);
    let imported = workspace.run(&["import", "original.json"]).exits(0);
    assert_says(&imported.stdout, "import.unknown.1: each latency is one sample");
    assert_says(&imported.stdout, "passport imported_performance_passport.json\n");
    let document = workspace.json("imported_performance_passport.json");
    assert_eq!(document["summary"]["overall_status"], "ABSTAIN");
    assert_eq!(document["test_results"][0]["objects"], Value::Null);
    assert_eq!(document["test_results"][0]["latency_ms"], 0.05);
    workspace.run(&["verify", "imported_performance_passport.json"]).exits(0);
    workspace.run(&["show", "imported_performance_passport.json"]).exits(0);

    let own = workspace.run(&["import", "sound.json"]).refused(2);
    assert_says(&own, "already a passport of this format");
    let edited = original.replacen('{', "{\"passport_hash\": \"0\",", 1);
    workspace.write("edited.json", edited);
    assert_says(&workspace.run(&["import", "edited.json"]).refused(1), "it was edited, or cut");
    workspace.write("cut.json", &original[..100]);
    assert_says(&workspace.run(&["import", "cut.json"]).refused(2), "not JSON, at line");
    assert_says(&workspace.run(&["import", "none.json"]).refused(2), "cannot read `none.json`");
}
