//! Passports that somebody edited and made consistent again, as far as the library lets them.

use perf_passport::{
    contract::Contract,
    passport::{MeasuredCheck, Parts, Passport, VerifyError, import, verify},
};
use serde_json::{Value, json};

use crate::passport::{ORIGINAL, SOUND};

/// Edits the JSON and hashes it again, as somebody would who wants to be believed.
fn forge(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(&SOUND).unwrap();
    edit(&mut document);
    hashed(document)
}

fn hashed(document: Value) -> Vec<u8> {
    let mut forged: Passport = serde_json::from_value(document).unwrap();
    forged.evidence_hash = String::new();
    let canonical = serde_json_canonicalizer::to_vec(&forged).unwrap();
    forged.evidence_hash =
        perf_passport::text::hex(&<sha2::Sha256 as sha2::Digest>::digest(canonical));
    forged.to_bytes().unwrap()
}

fn edited_field(bytes: &[u8]) -> String {
    match verify(bytes) {
        Err(VerifyError::Edited { field }) => field,
        other => panic!("expected an edit to be found, got {other:?}"),
    }
}

/// Edits the JSON and derives everything that follows from it anew: what is left to find is that the
/// facts themselves cannot be.
fn derive(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(&SOUND).unwrap();
    edit(&mut document);
    let forged: Passport = serde_json::from_value(document).unwrap();
    let contract = Contract::from_document(forged.contract.unwrap().document).unwrap();
    let measured = forged.test_results.into_iter().map(|result| MeasuredCheck {
        check: result.test_name,
        timestamp: result.timestamp,
        evidence: result.evidence,
        baseline: result.baseline,
        paired: result.paired,
        instructions: result.instructions,
    });
    let parts = Parts {
        cartographer: forged.cartographer,
        run_id: forged.run_id,
        session_id: forged.session_id,
        timestamp: forged.timestamp,
        complete: forged.complete,
        rules: forged.rules,
        provenance: forged.provenance,
        system_info: forged.system_info,
        baseline: forged.baseline,
        comparison: forged.comparison,
        annotations: forged.annotations,
        measured: measured.collect(),
        operations: Vec::new(),
        production: None,
    };
    Passport::assemble(&contract, parts).unwrap().to_bytes().unwrap()
}

/// Puts a value where the pointer says, below a part of the first result.
fn put(document: &mut Value, pointer: &str, value: Value) {
    *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
}

#[test]
fn a_forged_verdict_summary_or_budget_is_named() {
    let field = edited_field(&forge(|it| it["test_results"][0]["status"] = "FAIL".into()));
    assert_eq!(field, "test_results.0.status");
    let field = edited_field(&forge(|it| it["summary"]["passed_tests"] = 7.into()));
    assert_eq!(field, "summary.passed_tests");
    let field = edited_field(&forge(|it| {
        it["test_results"][0]["budgets"]["allocations_max"] = 100_000.into();
    }));
    assert_eq!(field, "test_results.0.budgets.allocations_max");
    let field = edited_field(&forge(|it| it["contract"]["digest"] = "0".repeat(64).into()));
    assert_eq!(field, "contract.digest");
}

#[test]
fn forged_evidence_changes_the_passport_hash() {
    let field = edited_field(&forge(|it| {
        for end in ["min", "max"] {
            it["test_results"][0]["evidence"]["counts"]["allocated_bytes"][end] = 1.into();
        }
    }));
    assert_eq!(field, "passport_hash");
}

#[test]
fn deriving_anew_changes_nothing() {
    assert_eq!(derive(|_| {}), *SOUND);
}

/// Each edits the evidence of the first check; with the field that the refusal names.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn evidence_that_cannot_have_been_observed_is_refused_with_check_and_field() {
    let range = |min: u64, max: u64| json!({ "min": min, "max": max });
    let upper = "A".repeat(64);
    let histogram = |samples: u64, buckets: &str| {
        let least = samples.min(1);
        json!({ "samples": samples, "min_ns": least, "max_ns": least, "sum_ns": samples, "buckets": buckets })
    };
    let cases: Vec<(Vec<(&str, Value)>, &str)> = vec![
        (vec![("behaviour/responses_equal", json!(1_000_000))], "behaviour.responses_equal"),
        (vec![("behaviour/responses_equal", json!(0))], "behaviour.responses_equal"),
        (vec![("behaviour/status_mismatches", json!(1))], "behaviour.status_unexpected"),
        (vec![("behaviour/status_unexpected", json!(500))], "behaviour.status_unexpected"),
        (
            vec![
                ("behaviour/responses_equal", json!(1)),
                ("behaviour/status_mismatches", json!(1)),
                ("behaviour/status_unexpected", json!(200)),
            ],
            "behaviour.status_unexpected",
        ),
        (
            vec![
                ("behaviour/status_mismatches", json!(1)),
                ("behaviour/status_unexpected", json!(500)),
            ],
            "behaviour.status_mismatches",
        ),
        (vec![("behaviour/response/status", json!(500))], "behaviour.status_mismatches"),
        (
            vec![
                ("behaviour/responses", json!(3)),
                ("behaviour/responses_equal", json!(3)),
                ("behaviour/response/status", json!(500)),
                ("behaviour/status_mismatches", json!(3)),
                ("behaviour/status_unexpected", json!(503)),
            ],
            "behaviour.status_mismatches",
        ),
        (
            vec![("behaviour/content_type_mismatches", json!(1))],
            "behaviour.content_type_mismatches",
        ),
        (vec![("behaviour/response/content_type", json!(null))], "content_type_mismatches"),
        (vec![("behaviour/response/body_sha256", json!(upper))], "behaviour.response.body_sha256"),
        (vec![("behaviour/response/body_sha256", json!("ab"))], "behaviour.response.body_sha256"),
        (vec![("behaviour/response/json_sha256", json!("ab"))], "behaviour.response.json_sha256"),
        (
            vec![("behaviour/response/headers", json!({ "etag": "0".repeat(64) }))],
            "behaviour.response.headers",
        ),
        (
            vec![("behaviour/response/headers", json!({ "location": "/secret" }))],
            "behaviour.response.headers",
        ),
        (
            vec![("behaviour/response/body_sha256", json!("0".repeat(64)))],
            "behaviour.response.body_sha256",
        ),
        (vec![("behaviour/wire/sha256", json!("ab"))], "behaviour.wire.sha256"),
        (vec![("behaviour/wire/responses_equal", json!(0))], "behaviour.wire.responses_equal"),
        (
            vec![("behaviour/wire/responses_equal", json!(1_000_000))],
            "behaviour.wire.responses_equal",
        ),
        (vec![("behaviour/unequal_in_bytes_alone", json!(1))], "behaviour.unequal_in_bytes_alone"),
        (
            vec![("behaviour/unequal_in_headers_alone", json!(1))],
            "behaviour.unequal_in_bytes_alone",
        ),
        (vec![("behaviour/headers_unequal", json!(["location"]))], "behaviour.headers_unequal"),
        (vec![("behaviour/ignored_nothing", json!(["/other"]))], "behaviour.ignored_nothing"),
        (vec![("counts/samples", json!(0))], "counts.samples"),
        (vec![("counts/allocations", range(9, 8))], "counts.allocations"),
        (vec![("counts/allocated_bytes", range(9, 8))], "counts.allocated_bytes"),
        (vec![("counts/heap_peak_bytes", range(9, 8))], "counts.heap_peak_bytes"),
        (vec![("counts/unattributed_allocations", range(9, 8))], "counts.unattributed_allocations"),
        (
            vec![("counts/samples", json!(1)), ("counts/allocations", range(8, 9))],
            "counts.allocations",
        ),
        (vec![("behaviour/not_json", json!(1_000_000))], "behaviour.not_json"),
        (vec![("cpu_wait_kept_samples", json!(1))], "cpu_wait_kept_samples"),
        (
            vec![("cpu_wait_ns", json!(1)), ("cpu_wait_kept_samples", json!(1_000_000))],
            "cpu_wait_kept_samples",
        ),
        (
            vec![(
                "oracle",
                json!({
                    "allocations": 5, "allocated_bytes": 5, "heap_peak_bytes": 5,
                    "counted_allocations": 5, "counted_bytes": 5, "request_allocations": 6,
                }),
            )],
            "oracle.request_allocations",
        ),
        (vec![("behaviour", json!(null))], "counts"),
        (vec![("failed_samples", json!(1))], "first_failure"),
        (vec![("first_failure", json!("refused"))], "first_failure"),
        (vec![("latency/samples", json!(7))], "latency"),
        // Which would be verified for ever, were it more.
        (vec![("latency", histogram(16_777_217, "1:16777217"))], "latency"),
        (vec![("server_latency", histogram(0, ""))], "server_latency"),
        (vec![("server_latency", histogram(2, "1:1"))], "server_latency"),
        (vec![("server_latency", histogram(1_000_000, "1:1000000"))], "server_latency"),
    ];
    for (edits, field) in cases {
        let forged = derive(|document| {
            for (pointer, value) in &edits {
                put(document, &format!("/test_results/0/evidence/{pointer}"), value.clone());
            }
        });
        let error = verify(&forged).expect_err(field);
        assert!(error.is_edited() && matches!(error, VerifyError::Evidence { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with("edited: check `orders/all`: `evidence."), "{said}");
        assert!(said.contains(&format!("{field}`")), "{field}: {said}");
    }
}

/// Each edits what is said of the baseline, or of where it was measured; with the field that the
/// refusal names.
#[test]
fn a_baseline_or_a_build_that_contradicts_the_rest_is_refused() {
    let build = json!({ "rustc": "r", "target": "t", "opt_level": "0", "debug_assertions": true });
    let cases: Vec<(Vec<(&str, Value)>, &str)> = vec![
        (vec![("/baseline/same_build", json!(false))], "orders/all: baseline.same_build"),
        (
            vec![("/test_results/1/baseline/same_build", json!(false))],
            "orders/one: baseline.same_build",
        ),
        (vec![("/baseline", json!(null))], "orders/all: baseline"),
        (vec![("/baseline/checks_gone", json!(["a/b", "orders/one"]))], "baseline.checks_gone.1"),
        (vec![("/baseline/passport_hash", json!("equal"))], "baseline.passport_hash"),
        (vec![("/baseline/evidence_hash", json!(""))], "baseline.evidence_hash"),
        (
            vec![("/test_results/0/baseline/response/body_sha256", json!("x"))],
            "orders/all: baseline.response.body_sha256",
        ),
        (
            vec![("/test_results/0/baseline/response/json_sha256", json!("x"))],
            "orders/all: baseline.response.json_sha256",
        ),
        (
            vec![("/test_results/0/baseline/response/headers", json!({ "location": "x" }))],
            "orders/all: baseline.response.headers",
        ),
        (
            vec![("/test_results/0/baseline/source", json!(null))],
            "orders/all: baseline.allocations",
        ),
        (
            vec![
                ("/test_results/0/baseline/source", json!(null)),
                ("/test_results/0/baseline/allocations", json!(null)),
            ],
            "orders/all: baseline.heap_peak_bytes",
        ),
        (vec![("/provenance/build", build)], "provenance.build"),
        (vec![("/provenance/probe", json!("in-process"))], "provenance.build"),
        (vec![("/provenance/probe", json!("imported"))], "provenance.probe"),
    ];
    for (edits, field) in cases {
        let forged = derive(|document| {
            for (pointer, value) in &edits {
                put(document, pointer, value.clone());
            }
        });
        assert_eq!(edited_field(&forged), field);
    }
}

#[test]
fn results_that_are_not_those_of_the_contract_are_refused() {
    let twice = forge(|it| {
        let again = it["test_results"][0].clone();
        it["test_results"].as_array_mut().unwrap().push(again);
    });
    assert_eq!(edited_field(&twice), "test_results.2.test_name");
    let swapped = forge(|it| it["test_results"].as_array_mut().unwrap().swap(0, 1));
    assert_eq!(edited_field(&swapped), "test_results.1.test_name");
    let renamed = forge(|it| it["test_results"][1]["test_name"] = "orders/two".into());
    assert_eq!(edited_field(&renamed), "test_results.1.test_name");
    let fewer = forge(|it| drop(it["test_results"].as_array_mut().unwrap().pop()));
    assert_eq!(edited_field(&fewer), "checks_left_out");
    // Whoever takes a result away is left with a part, which is never a pass of the whole.
    let part = derive(|it| drop(it["test_results"].as_array_mut().unwrap().pop()));
    let mut part: Value = serde_json::from_slice(&part).unwrap();
    assert_eq!(part["summary"]["overall_status"], "ABSTAIN");
    put(&mut part, "/summary/overall_status", json!("PASS"));
    assert_eq!(edited_field(&hashed(part)), "summary.overall_status");
}

/// An import proves nothing, so nothing in it may say that it does.
#[test]
fn an_imported_passport_that_claims_something_is_an_edit() {
    let imported = import(ORIGINAL.as_bytes()).unwrap();
    let imported: Value = serde_json::to_value(imported).unwrap();
    let measured: Value = serde_json::from_slice(&SOUND).unwrap();
    let evidence = measured["test_results"][0]["evidence"].clone();
    for (pointer, value, field) in [
        ("/test_results/0/status", json!("PASS"), "test_results.0.status"),
        ("/test_results/0/claims/0/verdict", json!("PASS"), "test_results.0.claims.0.verdict"),
        ("/test_results/0/claims/0/reason", json!("as-expected"), "test_results.0.claims.0.reason"),
        ("/test_results/0/claims", json!([]), "test_results.0.claims"),
        ("/test_results/0/regression", json!(true), "test_results.0.regression"),
        ("/test_results/0/deterministic", json!(true), "test_results.0.deterministic"),
        ("/test_results/0/memory_mb", json!(0.5), "test_results.0.memory_mb"),
        ("/test_results/0/objects", json!(5), "test_results.0.objects"),
        ("/test_results/0/evidence", evidence, "test_results.0.evidence"),
        ("/summary/total_tests", json!(7), "summary.total_tests"),
        ("/summary/passed_tests", json!(1), "summary.passed_tests"),
        ("/summary/max_latency_ms", json!(0.01), "summary.max_latency_ms"),
        ("/summary/deterministic_score", json!(100.0), "summary.deterministic_score"),
        ("/summary/deterministic_status", json!("PASS"), "summary.deterministic_status"),
        ("/summary/overall_status", json!("PASS"), "summary.overall_status"),
        ("/complete", json!(true), "complete"),
        ("/endpoints_profiled", json!([]), "endpoints_profiled"),
        ("/annotations/import.unknown.1", json!("all is known"), "annotations.import.unknown.1"),
        ("/baseline", measured["baseline"].clone(), "baseline"),
        ("/provenance/probe", json!("http"), "contract"),
    ] {
        let mut document = imported.clone();
        put(&mut document, pointer, value);
        let found = edited_field(&hashed(document));
        assert!(found.starts_with(field), "{found} instead of {field}");
    }
}

/// A rule that this program has would decide otherwise, which shows; one that it has not is refused.
#[test]
fn a_forged_rule_is_refused_by_name() {
    const COMPARED: &[u8] = include_bytes!("../fixtures/schema_v1/compared_pass.json");
    let refused = |document: &[u8], pointer: &str, number: Option<Value>| {
        let mut document: Value = serde_json::from_slice(document).unwrap();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        assert!(parent.remove(name).is_some(), "{pointer}");
        if let Some(number) = number {
            parent.insert(name.to_owned(), number);
        }
        let error = verify(document.to_string().as_bytes()).unwrap_err();
        assert!(!error.is_edited(), "{pointer}: {error}");
        error.to_string()
    };
    for (pointer, rule, latest) in [
        ("/rules/latency", "latency", 2),
        ("/rules/mean", "mean", 1),
        ("/rules/growth", "growth", 1),
        ("/comparison/policy/rule", "comparison", 2),
        ("/comparison/policy/instructions_rule", "instructions", 1),
    ] {
        let next = latest + 1;
        let newer = format!(
            "made by a newer version: {rule} rule {next}, this one reads up to {latest}: update it"
        );
        assert_eq!(refused(COMPARED, pointer, Some(json!(next))), newer);
        let before = "made before 0.1.0, which did not number its rules: measure or import again";
        assert_eq!(refused(COMPARED, pointer, Some(json!(0))), before);
        assert_eq!(refused(COMPARED, pointer, None), before);
        assert!(refused(COMPARED, pointer, Some(json!("1"))).starts_with("not a passport"));
    }
    // Whatever else a newer document says that nobody here knows.
    let mut newer: Value = serde_json::from_slice(&SOUND).unwrap();
    put(&mut newer, "/schema_version", json!(2));
    newer["test_results"] = json!("elsewhere");
    let error = verify(newer.to_string().as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "made by a newer version: schema 2, this one reads up to 1: update it");
    assert!(refused(&SOUND, "/rules", None).starts_with("made before 0.1.0"));
}

/// Weaker thresholds than those of the rule prove nothing.
#[test]
fn a_forged_policy_is_an_edit() {
    const COMPARED: &[u8] = include_bytes!("../fixtures/schema_v1/compared_pass.json");
    for threshold in ["suite_error_ppm", "rebuild_floor_ppm", "layout_margin_ppm", "injected_ppm"] {
        let mut document: Value = serde_json::from_slice(COMPARED).unwrap();
        let value = &mut document["comparison"]["policy"][threshold];
        *value = json!(value.as_u64().unwrap() + 1);
        assert_eq!(edited_field(&hashed(document)), "comparison.policy");
    }
}
