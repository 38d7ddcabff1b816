//! Documents as text: keys in the order of the alphabet, whatever other crates want of `serde_json`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::MonitorError;

/// The first lines of each file that can have a comment.
const HEAD: &str = "# Made by `passport monitor` of the contract. Change the contract, not this file:\n\
                    # `passport monitor all --check` tells what differs.\n";

/// A document as YAML, with these lines of comment above it.
///
/// # Errors
///
/// That it has no such form.
pub(crate) fn yaml(
    path: &str,
    comments: &[String],
    document: &impl Serialize,
) -> Result<String, MonitorError> {
    let comments: Vec<String> = comments.iter().map(|it| format!("# {it}\n")).collect();
    let comments = comments.concat();
    let text = serde_norway::to_string(document).map_err(|error| MonitorError::Unwritable {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    Ok(format!("{HEAD}{comments}{text}"))
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> String {
    format!("{:#}\n", sorted(value))
}

/// The same value with its keys in the order of the alphabet.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            let members: Map<String, Value> =
                keys.into_iter().map(|key| (key.clone(), sorted(&members[key]))).collect();
            Value::Object(members)
        }
        other => other.clone(),
    }
}
