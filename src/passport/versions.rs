//! Which version a document is of, where it cannot be read as a passport of this one.
//!
//! Only the numbers are looked at, whatever else there is: a newer document has fields that nobody here
//! knows, and an older one lacks some.

use std::cmp::Ordering;

use serde::{Deserialize, de::IgnoredAny};

use super::{SCHEMA_VERSION, VerifyError};
use crate::rules::{
    ComparisonRule, GrowthRule, InstructionsRule, LatencyRule, MeanRule, ProductionRule,
    RequiredRule,
};

/// The numbers of a document.
#[derive(Deserialize)]
pub(super) struct Versions {
    schema_version: Option<u64>,
    test_results: Option<IgnoredAny>,
    rules: Option<RuleNumbers>,
    comparison: Option<ComparisonNumbers>,
    production: Option<ProductionNumbers>,
}

#[derive(Default, Deserialize)]
struct RuleNumbers {
    latency: Option<u64>,
    mean: Option<u64>,
    growth: Option<u64>,
    /// Not said where it is the first.
    required: Option<u64>,
}

#[derive(Deserialize)]
struct ProductionNumbers {
    evidence: Option<EvidenceNumbers>,
}

#[derive(Deserialize)]
struct EvidenceNumbers {
    rule: Option<u64>,
}

#[derive(Deserialize)]
struct ComparisonNumbers {
    policy: Option<PolicyNumbers>,
}

#[derive(Default, Deserialize)]
struct PolicyNumbers {
    rule: Option<u64>,
    instructions_rule: Option<u64>,
}

impl Versions {
    /// Why this program cannot read the document, as far as its numbers tell.
    pub(super) fn problem(self) -> Option<VerifyError> {
        let is_passport = self.test_results.is_some();
        let Some(schema) = self.schema_version else {
            let text = "it comes from another system: read it with `passport import`";
            return is_passport.then(|| VerifyError::Foreign(text.to_owned()));
        };
        schema_problem(schema).or_else(|| is_passport.then(|| self.rule_problem())?)
    }

    fn rule_problem(self) -> Option<VerifyError> {
        let rules = self.rules.unwrap_or_default();
        let mut numbers = vec![
            (LatencyRule::NAME, rules.latency, LatencyRule::LATEST.number()),
            (MeanRule::NAME, rules.mean, MeanRule::LATEST.number()),
            (GrowthRule::NAME, rules.growth, GrowthRule::LATEST.number()),
            (RequiredRule::NAME, rules.required.or(Some(1)), RequiredRule::LATEST.number()),
        ];
        if let Some(comparison) = self.comparison {
            let policy = comparison.policy.unwrap_or_default();
            let instructions = InstructionsRule::LATEST.number();
            numbers.extend([
                (ComparisonRule::NAME, policy.rule, ComparisonRule::LATEST.number()),
                (InstructionsRule::NAME, policy.instructions_rule, instructions),
            ]);
        }
        if let Some(production) = self.production {
            let rule = production.evidence.and_then(|it| it.rule);
            numbers.push((ProductionRule::NAME, rule, ProductionRule::LATEST.number()));
        }
        // That some are missing says more than that another is newer.
        if numbers.iter().any(|(_, number, _)| number.unwrap_or(0) == 0) {
            return Some(VerifyError::Unnumbered);
        }
        numbers.into_iter().find_map(|(name, number, latest)| {
            let number = number.filter(|it| *it > u64::from(latest))?;
            Some(VerifyError::Newer { what: format!("{name} rule"), number, latest })
        })
    }
}

/// Why a document of this schema version cannot be read; `None` when it can.
pub(super) fn schema_problem(number: u64) -> Option<VerifyError> {
    let latest = SCHEMA_VERSION;
    match number.cmp(&u64::from(latest)) {
        Ordering::Greater => Some(VerifyError::Newer { what: "schema".to_owned(), number, latest }),
        Ordering::Equal => None,
        Ordering::Less => {
            Some(VerifyError::Foreign(format!("its schema_version is {number}, the first is 1")))
        }
    }
}

/// The rules of unit tests stand for the next version of each rule.
#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{
        claim::Verdict,
        paired::Policy,
        passport::{Passport, VerifyError, verify, verify::derive_again},
        rules::{
            ComparisonRule, GrowthRule, InstructionsRule, LatencyRule, MeanRule, RequiredRule,
            Rules,
        },
        units::Ppm,
    };

    const COMPARED: &[u8] = include_bytes!("../../tests/fixtures/schema_v1/compared_pass.json");
    const FEW_SESSIONS: &[u8] =
        include_bytes!("../../tests/fixtures/schema_v1/compared_abstain.json");
    const CODE: &[u8] = include_bytes!("../../tests/fixtures/schema_v1/code.json");

    const TRIAL: Rules = Rules {
        latency: LatencyRule::Trial,
        mean: MeanRule::Trial,
        growth: GrowthRule::Trial,
        required: RequiredRule::Trial,
    };

    /// The passport that this program would have made of the same evidence by other rules.
    fn by_other_rules(golden: &[u8], change: fn(&mut Passport)) -> Passport {
        let mut passport = verify(golden).unwrap();
        change(&mut passport);
        derive_again(passport).unwrap()
    }

    /// That of the next rule of comparisons, with its thresholds.
    fn next_policy(passport: &mut Passport) {
        let policy = &mut passport.comparison.as_mut().unwrap().policy;
        *policy = Policy {
            rule: ComparisonRule::Trial,
            layout_margin_ppm: Ppm::new(1_000_000),
            ..*policy
        };
    }

    /// The verdicts of claims of this kind.
    fn verdicts(passport: &Passport, kind: &str) -> Vec<String> {
        fn collect(value: &Value, kind: &str, found: &mut Vec<String>) {
            match value {
                Value::Array(items) => items.iter().for_each(|it| collect(it, kind, found)),
                Value::Object(fields) => {
                    if fields.get("kind").is_some_and(|it| it == kind) {
                        found.extend(fields["verdict"].as_str().map(str::to_owned));
                    }
                    fields.values().for_each(|it| collect(it, kind, found));
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&serde_json::to_value(passport).unwrap(), kind, &mut found);
        assert!(!found.is_empty(), "no claim `{kind}`");
        found
    }

    /// Whether more than a hash was found to be otherwise.
    fn is_verdict(error: &VerifyError) -> bool {
        matches!(error, VerifyError::Edited { field } if !field.ends_with("_hash"))
    }

    #[track_caller]
    fn decides_otherwise(golden: &[u8], change: fn(&mut Passport), kind: &str) {
        let first = verify(golden).unwrap();
        let next = by_other_rules(golden, change);
        assert_ne!(verdicts(&next, kind), verdicts(&first, kind), "{kind}");
        // Each is sound by its own rules, whichever is the latest.
        assert_eq!(verify(&next.to_bytes().unwrap()).unwrap(), next);
        // With the number of the other, neither is what follows from its evidence.
        let mut forged = first;
        change(&mut forged);
        let error = verify(&forged.to_bytes().unwrap()).unwrap_err();
        assert!(is_verdict(&error), "{kind}: {error}");
        let mut forged = next;
        forged.rules = Rules::LATEST;
        if let Some(comparison) = &mut forged.comparison {
            comparison.policy = verify(golden).unwrap().comparison.unwrap().policy;
        }
        let error = verify(&forged.to_bytes().unwrap()).unwrap_err();
        assert!(is_verdict(&error), "{kind}: {error}");
    }

    #[test]
    fn a_passport_is_decided_on_by_the_rule_that_it_names() {
        decides_otherwise(COMPARED, next_policy, "latency-change");
        decides_otherwise(COMPARED, |it| it.rules = TRIAL, "latency");
        decides_otherwise(CODE, |it| it.rules.mean = MeanRule::Trial, "mean");
        decides_otherwise(CODE, |it| it.rules.growth = GrowthRule::Trial, "growth");
        let instructions: fn(&mut Passport) = |it| {
            let policy = &mut it.comparison.as_mut().unwrap().policy;
            policy.instructions_rule = InstructionsRule::Trial;
        };
        decides_otherwise(COMPARED, instructions, "instructions-change");
    }

    #[test]
    fn the_looks_are_those_of_the_rule() {
        let first = verify(COMPARED).unwrap();
        let next = by_other_rules(COMPARED, next_policy);
        let looks = |it: &Passport| it.comparison.as_ref().unwrap().policy.looks();
        assert_eq!(looks(&next), looks(&first)[1..]);
        // Sessions that no rule looks at are none that one decides on.
        assert_eq!(
            by_other_rules(FEW_SESSIONS, next_policy).summary.overall_status,
            Verdict::Abstain
        );
    }

    #[test]
    fn the_number_of_the_rule_is_what_is_written() {
        let next = by_other_rules(CODE, |it| it.rules = TRIAL);
        let written = String::from_utf8(next.to_bytes().unwrap()).unwrap();
        assert!(written.contains("\"growth\": 1000"), "{written}");
        assert_eq!(verify(written.as_bytes()).unwrap().rules, TRIAL);
    }
}
