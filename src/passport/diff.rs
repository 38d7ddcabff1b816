//! What changed between two passports, claim by claim.

use serde_json::Value;

use super::{Passport, TestResult};
use crate::claim::{Claim, Unit};

/// One thing that differs between two passports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The check, as `endpoint/variant`.
    pub test_name: String,
    /// What of it: a claim, `body`, or `check` when only one side has it.
    pub subject: String,
    /// The first passport's view, printable ASCII; `-` when it has none.
    pub before: String,
    /// The second passport's view.
    pub after: String,
}

/// Lists what differs, in the order of the second passport, checks that are gone last.
///
/// Latency figures differ on every run and prove nothing across sessions: only their verdicts
/// count here.
pub fn diff(before: &Passport, after: &Passport) -> Vec<Difference> {
    let mut found = Vec::new();
    let (old_results, new_results) = (before.results(), after.results());
    for result in &after.test_results {
        match old_results.get(result.test_name.as_str()) {
            None => found.push(difference(result, "check", "-", "new")),
            Some(old) => compare(old, result, &mut found),
        }
    }
    for old in &before.test_results {
        if !new_results.contains_key(old.test_name.as_str()) {
            found.push(difference(old, "check", "present", "gone"));
        }
    }
    found
}

fn compare(before: &TestResult, after: &TestResult, found: &mut Vec<Difference>) {
    let body = |result: &TestResult| {
        let behaviour = result.evidence.behaviour.as_ref()?;
        let response = &behaviour.response;
        Some(format!("{} {} B", &response.body_sha256.get(..12)?, response.body_bytes.get()))
    };
    if after.deterministic || before.deterministic {
        let (old, new) = (body(before), body(after));
        if old != new {
            let text = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
            found.push(difference(after, "body", &text(old), &text(new)));
        }
    }
    let kinds = before.claims.iter().chain(&after.claims).map(|claim| claim.kind);
    let mut kinds: Vec<_> = kinds.filter(|kind| !kind.is_change()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let of =
            |result: &TestResult| result.claims.iter().find(|claim| claim.kind == kind).map(shown);
        let (old, new) = (of(before), of(after));
        if old != new {
            let text = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
            found.push(difference(after, &kind.to_string(), &text(old), &text(new)));
        }
    }
}

/// A claim without what may differ between two runs of the same code.
fn shown(claim: &Claim) -> String {
    let exact = claim.unit != Unit::Ns && claim.kind.is_exact();
    let figure = match claim.kind {
        crate::contract::ClaimKind::Deterministic => None,
        _ if exact => claim.observed,
        _ => None,
    };
    match figure {
        Some(value) => format!("{value} {} ({})", claim.verdict, claim.reason),
        None => format!("{} ({})", claim.verdict, claim.reason),
    }
}

fn difference(result: &TestResult, subject: &str, before: &str, after: &str) -> Difference {
    Difference {
        test_name: result.test_name.clone(),
        subject: subject.to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

/// The path of the first value that differs, top-level names in `skip` left out.
pub(super) fn first_path(a: &Value, b: &Value, skip: &[&str]) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            keys.filter(|key| !skip.contains(&key.as_str())).find_map(|key| {
                let (a, b) =
                    (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                first_path(a, b, &[]).map(|rest| join(key, &rest))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| {
                first_path(a, b, &[]).map(|rest| join(&index.to_string(), &rest))
            })
        }
        _ => (a != b).then(String::new),
    }
}

fn join(key: &str, rest: &str) -> String {
    if rest.is_empty() { key.to_owned() } else { format!("{key}.{rest}") }
}
