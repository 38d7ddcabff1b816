//! Passports as schema version 1 and the first rules write them: they must verify for ever.
//!
//! Until the first release the format may change, and then `tests/fixtures/schema_v1/make` renews them;
//! it says how it is run. After it they are never touched again. Another format has another
//! `SCHEMA_VERSION`, and a directory of its own beside this one. A better rule has another number, and
//! files of its own in this directory.

use perf_passport::{
    claim::Verdict,
    passport::{Passport, ProbeKind, diff, verify},
    rules::{
        ComparisonRule, GrowthRule, InstructionsRule, LatencyRule, MeanRule, RequiredRule, Rules,
    },
};
use serde_json::Value;

/// The bytes of a golden passport.
macro_rules! golden {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../fixtures/schema_v1/", $name, ".json")).as_slice())
    };
}

const GOLDEN: [(&str, &[u8]); 13] = [
    golden!("baseline"),
    golden!("passport"),
    golden!("imported"),
    golden!("operations_baseline"),
    golden!("operations"),
    golden!("code"),
    golden!("http"),
    golden!("compared_abstain"),
    golden!("compared_pass"),
    golden!("compared_fail"),
    golden!("compared_anchor"),
    golden!("compared_code"),
    golden!("compared_servers"),
];

/// What a running service counted, by each rule of production.
const PRODUCTION: [(u32, (&str, &[u8])); 2] =
    [(1, golden!("production_1")), (2, golden!("production_2"))];

/// Servers that ran already.
const URLS: (&str, &[u8]) = golden!("compared_urls");

fn bytes(name: &str) -> &'static [u8] {
    GOLDEN.iter().find(|(it, _)| *it == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn golden(name: &str) -> Passport {
    verify(bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn passports_of_schema_version_1_verify_and_are_written_the_same_again() {
    let first = Rules {
        latency: LatencyRule::One,
        mean: MeanRule::One,
        growth: GrowthRule::One,
        required: RequiredRule::One,
    };
    for (name, bytes) in GOLDEN.into_iter().chain([URLS]) {
        let passport = verify(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(passport.to_bytes().unwrap(), bytes, "{name}");
        assert_eq!(passport.rules, first, "{name}");
        assert_eq!(passport.comparison.is_some(), name.starts_with("compared_"), "{name}");
        if let Some(comparison) = passport.comparison {
            assert_eq!(comparison.policy.rule, ComparisonRule::One, "{name}");
            assert_eq!(comparison.policy.instructions_rule, InstructionsRule::One, "{name}");
        }
    }
}

#[test]
fn golden_passports_say_what_they_are_for() {
    let (baseline, passport) = (golden("baseline"), golden("passport"));
    assert_eq!(passport.summary.overall_status, Verdict::Pass);
    assert_eq!(passport.passport_hash, baseline.passport_hash);
    assert_eq!(passport.baseline.as_ref().unwrap().evidence_hash, baseline.evidence_hash);
    assert_eq!(diff(&baseline, &passport), []);
    assert_eq!(golden("imported").provenance.probe, ProbeKind::Imported);
    assert_eq!(golden("http").provenance.probe, ProbeKind::Http);
    let operations = golden("operations");
    assert_eq!(operations.provenance.probe, ProbeKind::Samples);
    let statuses: Vec<Verdict> = operations.operations.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Verdict::Pass, Verdict::Pass, Verdict::Abstain]);
    for name in ["operations", "code"] {
        assert!(golden(name).operations.iter().any(|it| it.growth.is_some()), "{name}");
    }
    let source = golden("code").provenance.source;
    assert!(source.commit_tree.is_some() && source.root_commit.is_some());
}

/// Kind, verdict and reason of each claim of the only check or operation at a size.
fn claims(bytes: &[u8]) -> Vec<[String; 3]> {
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let of = ["/test_results/0/claims", "/operations/0/cases/0/claims"];
    let claims = of.iter().find_map(|pointer| document.pointer(pointer)).unwrap();
    let text = |claim: &Value, field: &str| claim[field].as_str().unwrap().to_owned();
    let parts = |claim: &Value| ["kind", "verdict", "reason"].map(|field| text(claim, field));
    claims.as_array().unwrap().iter().map(parts).collect()
}

#[track_caller]
fn assert_claims(bytes: &[u8], expected: &[(&str, &str, &str)]) {
    let claims = claims(bytes);
    for (kind, verdict, reason) in expected {
        let claim = claims.iter().find(|[it, ..]| it == kind).expect(kind);
        assert_eq!(claim, &[*kind, *verdict, *reason]);
    }
}

/// So each path of the rules is taken: too few sessions, PASS, FAIL, drift, the same processes.
#[test]
fn golden_comparisons_decide_each_way() {
    const CHANGE: &str = "latency-change";
    const INSTRUCTIONS: &str = "instructions-change";
    let within = "within-tolerance";
    let beyond = "beyond-tolerance";
    assert_claims(bytes("compared_abstain"), &[(CHANGE, "ABSTAIN", "too-few-sessions")]);
    assert_claims(
        bytes("compared_pass"),
        &[(CHANGE, "PASS", within), (INSTRUCTIONS, "PASS", within)],
    );
    assert_claims(bytes("compared_fail"), &[(CHANGE, "FAIL", beyond)]);
    assert_claims(
        bytes("compared_anchor"),
        &[(CHANGE, "PASS", within), ("latency-drift", "FAIL", beyond)],
    );
    assert_claims(bytes("compared_servers"), &[(CHANGE, "PASS", within)]);
    assert_claims(URLS.1, &[(CHANGE, "ABSTAIN", "same-processes")]);
    let failed =
        claims(bytes("compared_code")).into_iter().find(|[_, verdict, _]| verdict == "FAIL");
    assert_eq!(failed.unwrap()[2], beyond);
}

/// The service is that of `counters.py`: each objective is named for what is claimed of it. The first rule
/// believed that all requests are timed, and that no counts are from before.
#[test]
fn production_is_decided_by_the_rule_that_its_passport_names() {
    const PASS: [&str; 2] = ["PASS", "within-budget"];
    const FAIL: [&str; 2] = ["FAIL", "over-budget"];
    const TOO_LITTLE: [&str; 2] = ["ABSTAIN", "too-little-traffic"];
    const OPEN: [&str; 2] = ["ABSTAIN", "edge-missing"];
    for (rule, (name, bytes)) in PRODUCTION {
        let passport = verify(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(passport.to_bytes().unwrap(), bytes, "{name}");
        assert_eq!(passport.provenance.probe, ProbeKind::Production, "{name}");
        let production = passport.production.unwrap();
        assert_eq!(production.evidence.rule.number(), rule, "{name}");
        let (half, moved) = match rule {
            1 => (PASS, TOO_LITTLE),
            _ => (["ABSTAIN", "counts-disagree"], ["ABSTAIN", "unsure-counts"]),
        };
        for (objective, errors, latency) in [
            ("kept", PASS, PASS),
            ("broken", FAIL, FAIL),
            ("open", PASS, OPEN),
            ("rare", TOO_LITTLE, TOO_LITTLE),
            ("half", PASS, half),
            ("moved", moved, PASS),
        ] {
            let result = production.results.iter().find(|it| it.name == objective).unwrap();
            let claims =
                result.claims.iter().map(|it| [it.verdict.to_string(), it.reason.to_string()]);
            assert_eq!(claims.collect::<Vec<_>>(), [errors, latency], "{name}: {objective}");
        }
    }
}
