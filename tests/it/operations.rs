//! Operations in passports: gated, compared, verified, told apart and shown.

use std::{collections::BTreeMap, path::Path};

use perf_passport::{
    claim::{Reason, Verdict},
    contract::Contract,
    evidence::Range,
    operation::{CaseEvidence, FailureKind, Sample, Samples},
    passport::{Gate, MeasuredCase, Passport, ProbeKind, diff, verify},
    pipeline::{self, Circumstances, Run},
    report::{self, Format, Report, Scope, Style},
    units::Count,
};
use serde_json::{Value, json};

const CONTRACT: &str = r#"
schema_version = 1
name = "code"
[[operation]]
name = "sort"
sizes = [10, 100, 1000, 10000]
budgets = { mean_ms_max = 10, complexity_max = "n log n" }
[[operation]]
name = "parse"
iterations = 1000
budgets = { total_ms_max = 5, allocations_max = 4, heap_bytes_max = 65 }
quality = { accuracy_min = 0.95 }
"#;

fn contract() -> Contract {
    Contract::parse(CONTRACT).unwrap()
}

fn samples(ns: u64) -> Samples {
    let sample = |more| Sample { iterations: 10, ns: ns * 10 + more };
    Samples::new((0..20).map(sample).collect()).unwrap()
}

fn sort(size: u64, ns: u64) -> MeasuredCase {
    measured("sort", Some(size), CaseEvidence { samples: samples(ns), ..CaseEvidence::default() })
}

fn parse() -> CaseEvidence {
    CaseEvidence {
        samples: samples(1_000),
        counted: Count::new(2),
        allocations: Some(Range::of(3)),
        allocated_bytes: Some(Range::of(64)),
        heap_peak_bytes: Some(Range::of(48)),
        quality: [("accuracy".to_owned(), Some(990_000))].into(),
        ..CaseEvidence::default()
    }
}

fn measured(operation: &str, size: Option<u64>, evidence: CaseEvidence) -> MeasuredCase {
    MeasuredCase {
        operation: operation.to_owned(),
        size,
        timestamp: "2026-01-01T00:00:00.000Z".to_owned(),
        evidence,
        baseline: None,
        paired: None,
        paired_parts: BTreeMap::new(),
        instructions: None,
    }
}

fn good() -> Vec<MeasuredCase> {
    let mut cases: Vec<MeasuredCase> =
        [10, 100, 1000, 10_000].map(|size| sort(size, size * 12)).into();
    cases.push(measured("parse", None, parse()));
    cases
}

/// The passport of these cases, sound as it is stored.
fn passport_of(
    contract: &Contract,
    operations: Vec<MeasuredCase>,
    baseline: Option<&Passport>,
) -> Passport {
    let timestamp = "2026-01-01T00:00:00.000Z".to_owned();
    let run = Run { timestamp, measured: Vec::new(), operations, complete: true };
    let around = Circumstances::current(ProbeKind::InProcess, "code", Path::new("/"));
    let passport = pipeline::passport(contract, run, around, baseline).unwrap();
    assert_eq!(verify(&passport.to_bytes().unwrap()).unwrap(), passport);
    passport
}

fn passport(operations: Vec<MeasuredCase>, baseline: Option<&Passport>) -> Passport {
    passport_of(&contract(), operations, baseline)
}

fn with_parse(change: impl FnOnce(&mut CaseEvidence)) -> Vec<MeasuredCase> {
    let mut cases = good();
    change(&mut cases[4].evidence);
    cases
}

fn faults(passport: &Passport) -> String {
    report::claims_at_fault(passport, Style::Plain)
}

#[test]
fn operations_alone_gate_and_verify() {
    let passport = passport(good(), None);
    assert_eq!(faults(&passport), "");
    assert_eq!((passport.gate(), passport.summary.overall_status), (Gate::Pass, Verdict::Pass));
    let record = passport.operation_case("sort/100").unwrap();
    assert_eq!(record.parameters.size, Some(100));
    assert!(record.toolchain.as_deref().unwrap().starts_with("rustc"));
    assert_eq!(record.latency.unwrap().iterations, Count::new(200));
}

#[test]
fn each_way_to_be_wrong_has_its_gate_and_sentence() {
    for (cases, gate, told) in [
        (
            with_parse(|it| it.allocations = Some(Range::of(4))),
            Gate::Fail,
            "allocations 4 (budget 4)",
        ),
        (
            with_parse(|it| it.samples = samples(6_000)),
            Gate::Fail,
            "total 6.00 ms (budget 5.00 ms)",
        ),
        (
            with_parse(|it| it.quality = [("accuracy".to_owned(), Some(900_000))].into()),
            Gate::Fail,
            "quality accuracy 0.9000 (at least 0.9500): below its floor",
        ),
        (
            with_parse(|it| it.quality = [("accuracy".to_owned(), None)].into()),
            Gate::Fail,
            "no finite number",
        ),
        (
            with_parse(|it| {
                *it = CaseEvidence::failed(FailureKind::Panicked, "index out of bounds");
            }),
            Gate::Fail,
            "parse: completed: it panicked: index out of bounds",
        ),
        (
            with_parse(|it| *it = CaseEvidence::failed(FailureKind::Deadline, "after 1 s")),
            Gate::Fail,
            "it was not done by its deadline: after 1 s",
        ),
        (
            with_parse(|it| *it = CaseEvidence::failed(FailureKind::Unusable, "no time")),
            Gate::NotMeasured,
            "what was written of it cannot be used: no time",
        ),
        (with_parse(|it| it.heap_peak_bytes = None), Gate::Abstain, "heap (limit 65 B)"),
        (good()[..4].to_vec(), Gate::Abstain, ""),
    ] {
        let passport = passport(cases, None);
        assert_eq!(passport.gate(), gate, "{told}");
        assert!(faults(&passport).contains(told), "{told}: {}", faults(&passport));
        // What is wrong with one takes nothing from the other.
        assert_eq!(passport.operations[0].status, Verdict::Pass);
    }
}

#[test]
fn a_change_from_linear_to_quadratic_fails_within_every_budget() {
    let mut cases = good();
    for case in &mut cases[..4] {
        let size = case.size.unwrap();
        case.evidence.samples = samples(size * size / 50 + 1);
    }
    let passport = passport(cases, None);
    assert_eq!(passport.gate(), Gate::Fail);
    let sort = &passport.operations[0];
    assert!(sort.cases.iter().all(|case| case.status == Verdict::Pass));
    assert_eq!(sort.claims[0].reason, Reason::GrowsFaster);
    assert!(faults(&passport).contains("(allowed n log n)"), "{}", faults(&passport));
}

#[test]
fn a_baseline_finds_one_allocation_more_and_abstains_on_times() {
    let before = passport(good(), None);
    let mut roomy = good();
    roomy[4].evidence.samples = samples(1_100);
    let same = passport(roomy, Some(&before));
    assert_eq!((same.gate(), &same.passport_hash), (Gate::Pass, &before.passport_hash));
    assert_eq!(diff(&before, &same), []);
    let more = with_parse(|it| it.heap_peak_bytes = Some(Range::of(60)));
    let more = passport(more, Some(&before));
    assert_eq!(more.gate(), Gate::Fail);
    assert!(faults(&more).contains("heap-change 48 B -> 60 B (+12)"), "{}", faults(&more));
    let told: Vec<String> = diff(&before, &more).into_iter().map(|it| it.subject).collect();
    assert_eq!(told, ["heap"]);
}

#[test]
fn an_operation_that_is_gone_abstains_and_a_new_one_too() {
    let before = passport(good(), None);
    let text = CONTRACT.split("[[operation]]\nname = \"parse\"").next().unwrap();
    let less = Contract::parse(text).unwrap();
    let gone = passport_of(&less, good(), Some(&before));
    assert_eq!(gone.gate(), Gate::Abstain);
    assert!(faults(&gone).contains("parse: in the baseline, but no longer"), "{}", faults(&gone));
    let back = passport(good(), Some(&passport_of(&less, good(), None)));
    assert_eq!(back.gate(), Gate::Abstain);
    assert!(faults(&back).contains("not in the baseline"), "{}", faults(&back));
    let subjects: Vec<String> = diff(&before, &gone).into_iter().map(|it| it.after).collect();
    assert!(subjects.contains(&"gone".to_owned()), "{subjects:?}");
}

/// Any edit of a record or of evidence that leaves the rest as it was is found.
#[test]
fn an_edited_record_is_found() {
    let passport = passport(good(), None);
    let document: Value = serde_json::from_slice(&passport.to_bytes().unwrap()).unwrap();
    for (pointer, value) in [
        ("/operations/0/status", json!("FAIL")),
        ("/operations/0/growth/exponent_ppm", json!(1)),
        ("/operations/0/growth/class", json!("1")),
        ("/operations/0/name", json!("other")),
        ("/operations/0/cases/1/parameters/size", json!(10)),
        ("/operations/0/cases/1/latency/mean_ps", json!(1)),
        ("/operations/0/cases/1/git_commit", json!("abc")),
        ("/operations/0/cases/1/evidence/samples", json!("10:120")),
        ("/operations/1/cases/0/evidence/allocations/max", json!(2)),
        ("/operations/1/cases/0/evidence/quality/accuracy", json!(999_999)),
        ("/operations/1/cases/0/evidence/counted", json!(0)),
        ("/operations/1/cases/0/claims/0/verdict", json!("ABSTAIN")),
        ("/operations/1/cases", json!([])),
        ("/summary/operations/passed", json!(1)),
        ("/operations_left_out", json!(["parse"])),
    ] {
        let mut edited = document.clone();
        match edited.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => edited["operations_left_out"] = value,
        }
        let bytes = serde_json::to_vec_pretty(&edited).unwrap();
        let error = verify(&bytes).expect_err(pointer);
        assert!(error.is_edited(), "{pointer}: {error}");
    }
}

fn text_of(passport: &Passport) -> String {
    let report = Report::of_passport(passport, Scope::Measured);
    report::render(&report, Format::Text, Style::Plain).unwrap()
}

#[test]
fn a_report_shows_first_what_is_closest_to_its_budget() {
    let table = text_of(&passport(good(), None));
    let names: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("PASS     ")?.split(' ').next())
        .collect();
    assert_eq!(names, ["parse", "sort/10000", "sort/1000", "sort/100", "sort/10"], "{table}");
    assert!(table.contains("\nPASS growth of sort: n, n^1.00"), "{table}");
    let failing = passport(with_parse(|it| it.allocations = Some(Range::of(9))), None);
    let table = text_of(&failing);
    assert!(table.lines().nth(1).unwrap().starts_with("FAIL     parse"), "{table}");
    assert!(table.contains("225 %"), "{table}");
    let summary = "\n\n2 operations: 1 passed, 1 failed, 0 abstained\npassport hash";
    assert!(table.contains(summary), "{table}");
}

#[test]
fn a_passport_without_operations_does_not_mention_them() {
    let golden = include_str!("../fixtures/schema_v1/passport.json");
    assert!(!golden.contains("operations"));
    assert_eq!(verify(golden.as_bytes()).unwrap().to_bytes().unwrap(), golden.as_bytes());
}

#[test]
fn growth_is_not_asked_of_a_size_that_was_selected_alone() {
    let one = passport(vec![sort(100, 1_200)], None);
    assert_eq!((faults(&one).as_str(), one.gate_of_measured()), ("", Gate::Pass));
    assert!(one.operations[0].claims.is_empty());
    assert_eq!(one.summary.overall_status, Verdict::Abstain);
    // Three sizes show how the time grows.
    let three = [10, 100, 1000].map(|size| sort(size, size * size)).into();
    assert!(faults(&passport(three, None)).contains("the time grows faster"));
}
