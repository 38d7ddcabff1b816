//! What changed between two passports, claim by claim.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{
    Passport, SubjectResult,
    hash::{ClaimIdentity, Identity, SubjectIdentity},
};
use crate::{contract::SubjectId, evidence::Response, text::escaped};

/// Stands for what one side does not have.
const NONE: &str = "-";

/// One thing that differs between two passports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The subject, by [`SubjectId::name`]; `contract` for what is not about one.
    pub test_name: String,
    /// What of it: a claim, a figure, `response`, `body`, or its sort, such as `check`, when only one side has it.
    pub subject: String,
    /// The first passport's view; `-` when it has none.
    pub before: String,
    /// The second passport's view.
    pub after: String,
}

/// Lists what differs: contract, then subjects in the order of the second passport, those that are
/// gone last. Whatever makes the passport hashes differ is among it.
///
/// Latency figures differ on every run and prove nothing across sessions: only their verdicts
/// count here.
pub fn diff(before: &Passport, after: &Passport) -> Vec<Difference> {
    // Without `..`, here and below: what the hash covers one day must be compared from that day on.
    // What it covers of subjects is compared subject by subject.
    let Identity { schema_version: _, contract_digest: old_contract, checks: _, operations: _ } =
        Identity::of(before);
    let Identity { schema_version: _, contract_digest: new_contract, checks: _, operations: _ } =
        Identity::of(after);
    let mut found = Vec::new();
    if old_contract != new_contract {
        let (old, new) = (old_contract.unwrap_or(NONE), new_contract.unwrap_or(NONE));
        found.push(difference("contract", "digest", old, new));
    }
    let (old, new) = (facts_by_subject(before), facts_by_subject(after));
    let known: BTreeMap<SubjectId<'_>, &Facts> =
        old.iter().map(|(id, facts)| (*id, facts)).collect();
    for (id, facts) in &new {
        match known.get(id) {
            None => found.push(difference(id.name(), id.sort(), NONE, "new")),
            Some(old) => compare(id.name(), old, facts, &mut found),
        }
    }
    let gone = old.iter().filter(|(id, _)| !new.iter().any(|(other, _)| other == id));
    found.extend(gone.map(|(id, _)| difference(id.name(), id.sort(), "present", "gone")));
    found
}

/// Texts by subject, in a fixed order.
type Facts = Vec<(String, String)>;

/// The facts of each subject. An operation without sizes is one with its only case.
fn facts_by_subject(passport: &Passport) -> Vec<(SubjectId<'_>, Facts)> {
    let mut all: Vec<(SubjectId<'_>, Facts)> = Vec::new();
    for subject in passport.subjects() {
        let facts = facts(subject);
        let is_whole = matches!(subject, SubjectResult::Operation(_));
        match all.last_mut().filter(|(id, _)| *id == subject.id()) {
            Some((_, known)) => known.extend(facts),
            None if is_whole && facts.is_empty() => {}
            None => all.push((subject.id(), facts)),
        }
    }
    all
}

/// All that the hash covers of a subject, and the other verdicts on it.
fn facts(subject: SubjectResult<'_>) -> Facts {
    let SubjectIdentity {
        test_name: _,
        deterministic,
        response,
        source,
        allocations,
        allocated_bytes,
        heap_peak_bytes,
        verdicts,
    } = SubjectIdentity::of(subject);
    let mut facts = Vec::new();
    if let Some(response) = response {
        let Response { status, content_type, body_sha256, body_bytes, json_sha256, headers } =
            response;
        let media = content_type.as_deref().unwrap_or(NONE);
        add(&mut facts, "response", format!("{status} {media}"));
        add(&mut facts, "body", format!("{body_sha256} {} B", body_bytes.get()));
        add(&mut facts, "body as JSON", json_sha256.clone().unwrap_or_else(|| NONE.to_owned()));
        for (name, digest) in headers {
            add(&mut facts, &format!("header {}", escaped(name)), digest.clone());
        }
    }
    if let Some(deterministic) = deterministic {
        add(&mut facts, "deterministic", (if deterministic { "yes" } else { "no" }).to_owned());
    }
    if let Some(source) = source {
        add(&mut facts, "counted by", source.to_string());
    }
    for (subject, range) in [
        ("allocations", allocations),
        ("allocated bytes", allocated_bytes),
        ("heap", heap_peak_bytes),
    ] {
        if let Some(range) = range {
            add(&mut facts, subject, range.to_string());
        }
    }
    let others = subject.claims().iter().filter(|it| !it.kind.is_exact() && !it.kind.is_change());
    for claim in verdicts.into_iter().chain(others.map(ClaimIdentity::of)) {
        let (subject, verdict, reason) = match claim {
            ClaimIdentity::Plain(kind, verdict, reason) => (kind.to_string(), verdict, reason),
            ClaimIdentity::OfMetric(kind, metric, verdict, reason) => {
                (format!("{kind} {metric}"), verdict, reason)
            }
        };
        add(&mut facts, &subject, format!("{verdict} ({reason})"));
    }
    facts
}

/// A figure and the verdict on it are one fact.
fn add(facts: &mut Facts, subject: &str, text: String) {
    match facts.iter_mut().find(|(known, _)| known == subject) {
        Some((_, known)) => *known = format!("{known} {text}"),
        None => facts.push((subject.to_owned(), text)),
    }
}

fn compare(name: &str, old: &Facts, new: &Facts, found: &mut Vec<Difference>) {
    let of = |facts: &Facts, subject: &str| {
        let fact = facts.iter().find(|(known, _)| known == subject);
        fact.map_or(NONE.to_owned(), |(_, text)| text.clone())
    };
    let gone = old.iter().filter(|(subject, _)| !new.iter().any(|(known, _)| known == subject));
    for (subject, _) in new.iter().chain(gone) {
        let (old, new) = (of(old, subject), of(new, subject));
        if old != new {
            found.push(difference(name, subject, &old, &new));
        }
    }
}

fn difference(test_name: &str, subject: &str, before: &str, after: &str) -> Difference {
    Difference {
        test_name: test_name.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPORT: &[u8] = include_bytes!("../../tests/fixtures/schema_v1/passport.json");

    /// Paths to everything in a document that is no object and no array.
    fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    leaves(value, &format!("{path}/{key}"), out);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    leaves(value, &format!("{path}/{index}"), out);
                }
            }
            _ => out.push(path.to_owned()),
        }
    }

    /// Other values in the place of one; those that do not fit its type are not read as a passport.
    fn others(value: &Value) -> Vec<Value> {
        let mut others: Vec<Value> =
            ["PASS", "FAIL", "over-budget", "as-expected", "server-timing", "heap", "status"]
                .map(Value::from)
                .into();
        match value {
            Value::Bool(it) => others.push((!it).into()),
            Value::Number(it) => others.push((it.as_u64().unwrap_or(0) + 1).into()),
            Value::String(it) => others.push(format!("{it}0").into()),
            _ => others.push(1.into()),
        }
        others.push(Value::Null);
        others.retain(|other| other != value);
        others
    }

    #[test]
    fn whatever_changes_the_passport_hash_is_told() {
        let document: Value = serde_json::from_slice(PASSPORT).unwrap();
        let passport: Passport = serde_json::from_slice(PASSPORT).unwrap();
        assert_eq!(diff(&passport, &passport), []);
        let (mut paths, mut telling) = (Vec::new(), Vec::new());
        leaves(&document, "", &mut paths);
        for path in &paths {
            for other in others(document.pointer(path).unwrap()) {
                let mut edited = document.clone();
                *edited.pointer_mut(path).unwrap() = other.clone();
                let Ok(mut edited) = serde_json::from_value::<Passport>(edited) else { continue };
                edited.seal().unwrap();
                if edited.passport_hash != passport.passport_hash {
                    assert_ne!(diff(&passport, &edited), [], "{path}: {other}");
                    telling.push(path.clone());
                }
            }
        }
        // The test itself is about what the hash covers.
        for part in [
            "/contract/digest",
            "/test_results/0/evidence/behaviour/response/content_type",
            "/test_results/1/evidence/behaviour/response/body_sha256",
            "/test_results/1/evidence/behaviour/response/json_sha256",
            "/test_results/1/evidence/counts/source",
            "/test_results/1/evidence/counts/allocations/min",
            "/test_results/2/evidence/counts/allocated_bytes/max",
            "/test_results/2/evidence/counts/heap_peak_bytes/min",
            "/test_results/2/deterministic",
            "/test_results/2/claims/0/reason",
        ] {
            assert!(telling.iter().any(|it| it == part), "{part}");
        }
    }
}
