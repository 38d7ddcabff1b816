//! The published JSON Schemas: in step with the program, and true of what it reads and writes.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::contracts::{LEDGER, ledger};
use perf_passport_test_support::program::{LATEST, Workspace};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn published(document: &str) -> Value {
    serde_json::from_str(&file(&format!("schemas/{document}.schema.json"))).unwrap()
}

#[track_caller]
fn assert_valid(schema: &Value, instance: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(instance)
        .map(|it| format!("{} at {}", it, it.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[track_caller]
fn assert_invalid(schema: &Value, instance: &Value) {
    assert!(!jsonschema::is_valid(schema, instance), "{instance}");
}

fn contract(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

#[test]
fn the_program_prints_the_published_schemas() {
    for document in ["contract", "passport", "causes"] {
        let printed = Workspace::new(crate::PASSPORT).run(&["schema", document]).exits(0);
        assert_eq!(printed.stderr, "");
        let schema: Value = serde_json::from_str(&printed.stdout).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        assert_eq!(schema, published(document));
    }
}

#[test]
fn contracts_are_valid_and_bad_ones_are_not() {
    let schema = published("contract");
    for text in [file("passport.toml").as_str(), LEDGER, &crate::contracts::running("http://h")] {
        assert_valid(&schema, &contract(text));
    }
    let good = ledger();
    for (part, by) in [
        ("latency_ms_max", "latncy_ms_max"),
        ("latency_ms_max = 1000", "latency_ms_max = 0"),
        ("latency_ms_max = 1000", "latency_ms_max = -5"),
        ("latency_ms_max = 1000", "latency_ms_max = \"10\""),
        ("latency_ms_max = 1000", "allocations_max = -1"),
        ("\"p50\"", "\"p90\""),
        ("name = \"small\"", "required = [\"nothing\"]\nname = \"small\""),
        ("name = \"small\"", ""),
        ("name = \"health\"", ""),
    ] {
        assert!(good.contains(part), "{part}");
        assert_invalid(&schema, &contract(&good.replacen(part, by, 1)));
    }
}

#[test]
fn passports_are_valid_and_edited_ones_are_not() {
    let schema = published("passport");
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    workspace.run(&["baseline"]).exits(0);
    workspace.run(&["check"]).exits(0);
    workspace.write("original.json", "{\"test_results\":[{\"test_name\":\"m\",\"latency_ms\":1}]}");
    workspace.run(&["import", "original.json", "-o", "imported.json"]).exits(0);
    for name in ["baseline.json", LATEST, "imported.json"] {
        assert_valid(&schema, &workspace.json(name));
    }
    let good = workspace.json(LATEST);
    for (pointer, wrong) in [
        ("/test_results/0/status", json!("GREAT")),
        ("/test_results/0/objects", json!(-417)),
        ("/test_results/0/claims/0/kind", json!("charm")),
        ("/test_results/0/evidence/latency", json!([])),
        ("/complete", json!("yes")),
        ("/summary/total_tests", Value::Null),
        ("/contract/document/budgets/latency_ms_max", json!(0)),
        ("/passport_hash", json!(7)),
    ] {
        let mut edited = good.clone();
        *edited.pointer_mut(pointer).unwrap() = wrong;
        assert_invalid(&schema, &edited);
    }
    let mut extended = good.clone();
    extended["anime_energy"] = json!({});
    assert_invalid(&schema, &extended);
    let mut lacking = good;
    lacking.as_object_mut().unwrap().remove("evidence_hash");
    assert_invalid(&schema, &lacking);
}
