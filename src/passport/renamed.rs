//! Passports with names from before 0.1.0: refused by name, and not called edited.

use serde_json::Value;

use crate::contract::renamed_key;

/// Kinds of claims that have other names now.
const KINDS: [(&str, &str); 4] = [
    ("memory", "heap"),
    ("memory-change", "heap-change"),
    ("time-change", "latency-change"),
    ("time-drift", "latency-drift"),
];

/// Reasons that have other names now.
const REASONS: [(&str, &str); 1] = [("stored-time", "stored-latency")];

/// A sentence for the first old name of a document that is no passport of this version.
pub(super) fn sentence(document: &Value) -> Option<String> {
    let in_operations = || Some(format!("{}: measure again", in_operations(document)?));
    in_contract(document).or_else(in_operations)
}

fn in_contract(document: &Value) -> Option<String> {
    let problem = renamed_key(document.get("contract")?.get("document")?)?;
    Some(format!("its contract: {problem}, and measure again"))
}

/// Checks have kept their names.
fn in_operations(document: &Value) -> Option<String> {
    let is = |old: &str, new: &str| format!("`{old}` is `{new}` since 0.1.0");
    let operations = document.get("operations")?.as_array()?;
    for operation in operations {
        let cases = operation.get("cases").and_then(Value::as_array).into_iter().flatten();
        for subject in cases.chain([operation]) {
            let claims = subject.get("claims").and_then(Value::as_array);
            for claim in claims.into_iter().flatten() {
                let old = |field: &str, names: &[(&'static str, &'static str)]| {
                    let value = claim.get(field)?.as_str()?;
                    names.iter().copied().find(|(old, _)| *old == value)
                };
                if let Some((old, new)) = old("kind", &KINDS) {
                    return Some(format!("claim {}", is(old, new)));
                }
                if let Some((old, new)) = old("reason", &REASONS) {
                    return Some(format!("reason {}", is(old, new)));
                }
                if claim.get("subject").is_some() {
                    return Some(format!("field {} of a claim", is("subject", "metric")));
                }
            }
            if subject.get("time").is_some() {
                return Some(format!("field {} of an operation", is("time", "latency")));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::verify;

    const OLD: &[u8] = include_bytes!("../../tests/fixtures/before_0_1_0/operations.json");

    fn refusal(change: impl FnOnce(&mut Value)) -> String {
        let mut document: Value = serde_json::from_slice(OLD).unwrap();
        change(&mut document);
        let error = verify(&serde_json::to_vec(&document).unwrap()).unwrap_err();
        assert!(!error.is_edited(), "{error}");
        error.to_string()
    }

    fn without_old_keys(document: &mut Value) {
        for operation in document["contract"]["document"]["operation"].as_array_mut().unwrap() {
            operation.as_object_mut().unwrap().remove("regression");
            operation["budgets"] = json!({});
        }
    }

    #[test]
    fn each_old_name_is_refused_by_name() {
        let contract = refusal(|_| {});
        assert!(contract.contains("its contract: `regression` is `tolerance`"), "{contract}");
        let claim = refusal(without_old_keys);
        assert_eq!(
            claim,
            "not a passport: claim `time-change` is `latency-change` since 0.1.0: measure again"
        );
        let alone = |field: &'static str, value: Value| {
            refusal(move |document| {
                without_old_keys(document);
                for operation in document["operations"].as_array_mut().unwrap() {
                    operation["claims"] = json!([]);
                    operation["cases"] = json!([{"claims": [{field: value}], "time": null}]);
                }
            })
        };
        for (field, value, told) in [
            ("kind", "memory", "claim `memory` is `heap` since 0.1.0"),
            ("reason", "stored-time", "reason `stored-time` is `stored-latency` since 0.1.0"),
            ("subject", "accuracy", "field `subject` is `metric` since 0.1.0 of a claim"),
            ("kind", "mean", "field `time` is `latency` since 0.1.0 of an operation"),
        ] {
            let told_now = alone(field, json!(value));
            assert_eq!(told_now, format!("not a passport: {told}: measure again"));
        }
    }
}
