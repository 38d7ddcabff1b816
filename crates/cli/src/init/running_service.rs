//! What a running service answers, so that its first contract expects that.

use serde_json::Value;

use perf_passport::{
    contract::OutlinedEndpoint,
    probe::{Exchange, HttpSettings, HttpTarget, Pass, PreparedRequest, Probe, ProbeError},
    text::escaped,
    units::{BYTES_PER_MB, Bytes, Nanos},
};

/// Times that each path is asked for.
const REQUESTS: usize = 5;

/// The time for one request.
const TIMEOUT: Nanos = Nanos::new(10_000_000_000);

/// The largest body that is read, as by default.
const BODY_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);

/// Asks for each path and writes down what is answered: the status, and what differs between responses.
/// Returns sentences on what a contract cannot say.
///
/// # Errors
///
/// What is wrong with the URL; or that nobody answers.
pub(super) fn ask(
    base_url: &str,
    endpoints: &mut [OutlinedEndpoint],
) -> Result<Vec<String>, ProbeError> {
    let target = HttpTarget::new(HttpSettings {
        base_url: base_url.to_owned(),
        timeout: TIMEOUT,
        body_max: BODY_MAX,
        pid: None,
        ca_file: None,
    })?;
    let mut probe = target.http_probe()?;
    let mut notes = Vec::new();
    for endpoint in endpoints {
        let path = escaped(&endpoint.path);
        let answers = match answers(&mut probe, &endpoint.path) {
            Ok(answers) => answers,
            Err(error @ (ProbeError::Unreachable { .. } | ProbeError::Request(_))) => {
                return Err(error);
            }
            Err(error) => {
                let why = escaped(&error.to_string());
                notes.push(format!("{path} could not be asked, so status 200 is expected: {why}"));
                continue;
            }
        };
        let Some(first) = answers.first() else { continue };
        endpoint.status = first.status;
        if answers.iter().any(|it| it.status != first.status) {
            notes.push(format!(
                "{path} is answered with another status now and then: `status` will fail"
            ));
        }
        if first.status >= 400 {
            notes.push(format!(
                "{path} is answered with status {}, which is expected now",
                first.status
            ));
        }
        if answers.iter().all(|it| it.body == first.body) {
            continue;
        }
        match differences(&answers) {
            Some(pointers) => endpoint.ignore = pointers,
            None => notes.push(format!(
                "{path} is answered otherwise each time, and no JSON pointer says where: `deterministic` \
                 will fail"
            )),
        }
    }
    Ok(notes)
}

fn answers(probe: &mut dyn Probe, path: &str) -> Result<Vec<Exchange>, ProbeError> {
    let request = PreparedRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        compare_headers: Vec::new(),
        setup: Vec::new(),
    };
    (0..REQUESTS).map(|_| probe.send(&request, Pass::Timed)).collect()
}

/// JSON pointers of all in which the bodies differ; `None` where they are no JSON, or differ as a whole.
fn differences(answers: &[Exchange]) -> Option<Vec<String>> {
    let bodies: Vec<Value> =
        answers.iter().map(|it| serde_json::from_slice(&it.body).ok()).collect::<Option<_>>()?;
    let (first, others) = bodies.split_first()?;
    let mut pointers = Vec::new();
    for other in others {
        compare(first, other, &mut String::new(), &mut pointers);
    }
    pointers.sort();
    pointers.dedup();
    // The bodies may differ in white space alone, and the whole body cannot be ignored.
    (!pointers.is_empty() && !pointers.iter().any(String::is_empty)).then_some(pointers)
}

/// Adds the pointers of what differs. Elements of an array are `*`.
fn compare(one: &Value, other: &Value, at: &mut String, pointers: &mut Vec<String>) {
    let length = at.len();
    match (one, other) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            for (key, value) in one {
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                if let Some(other) = other.get(key) {
                    compare(value, other, at, pointers);
                }
                at.truncate(length);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            at.push_str("/*");
            one.iter().zip(other).for_each(|(one, other)| compare(one, other, at, pointers));
            at.truncate(length);
        }
        _ if one != other => pointers.push(at.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(one: &Value, other: &Value) -> Vec<String> {
        let mut found = Vec::new();
        compare(one, other, &mut String::new(), &mut found);
        found
    }

    #[test]
    fn what_differs_is_named_as_deep_as_it_lies() {
        let one =
            json!({ "at": 1, "same": [1], "items": [{ "id": 1, "n": 5 }], "a/b": 1, "list": [1] });
        let other =
            json!({ "at": 2, "same": [1], "items": [{ "id": 2, "n": 5 }], "a/b": 2, "list": [] });
        let mut found = pointers(&one, &other);
        found.sort();
        assert_eq!(found, ["/at", "/a~1b", "/items/*/id", "/list"]);
        assert_eq!(pointers(&json!({ "a": 1 }), &json!({ "b": 1 })), [""]);
        assert!(pointers(&json!([1, {}]), &json!([1, {}])).is_empty());
    }
}
