//! What a service sends back of the secrets that it was sent: it is in no evidence.

use serde_json::Value;

use crate::{evidence::Evidence, text::printable};

/// What is shorter is no secret, and would be found everywhere.
const SECRET_MIN: usize = 4;

/// Puts `${NAME}` where the evidence has the value of a variable.
pub(super) fn leave_out(evidence: &mut Evidence, variables: &[(String, String)]) {
    let secrets = Secrets::of(variables);
    if secrets.0.is_empty() {
        return;
    }
    let texts = [&mut evidence.bodies.unexpected, &mut evidence.first_failure];
    for text in texts.into_iter().flatten() {
        *text = secrets.without(text);
    }
    let behaviour = evidence.behaviour.as_mut();
    if let Some(media_type) = behaviour.and_then(|it| it.response.content_type.as_mut()) {
        *media_type = secrets.without(media_type);
    }
    evidence.bodies.first.iter_mut().flatten().for_each(|it| secrets.leave_out_of(it));
}

/// Values of variables in lowercase, with the names of the variables.
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn of(variables: &[(String, String)]) -> Self {
        // As texts of a service are kept: printable, and media types in lowercase.
        let known = variables.iter().map(|(name, value)| {
            (name.clone(), printable(value.as_bytes(), value.len()).to_ascii_lowercase())
        });
        Self(known.filter(|(_, value)| value.len() >= SECRET_MIN).collect())
    }

    /// The text without them, also where its end cuts one off.
    fn without(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.0 {
            let mut from = 0;
            while let Some(at) = text[from..].to_ascii_lowercase().find(value.as_str()) {
                let instead = format!("${{{name}}}");
                text.replace_range(from + at..from + at + value.len(), &instead);
                from += at + instead.len();
            }
            let ends_with = |length: &usize| {
                let start = value.get(..*length);
                start.is_some_and(|it| text.to_ascii_lowercase().ends_with(it))
            };
            if let Some(length) = (SECRET_MIN..value.len()).rev().find(ends_with) {
                text.truncate(text.len() - length);
            }
        }
        text
    }

    fn leave_out_of(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.without(text),
            Value::Array(all) => all.iter_mut().for_each(|it| self.leave_out_of(it)),
            Value::Object(all) => all.values_mut().for_each(|it| self.leave_out_of(it)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_left_out_wherever_it_stands() {
        let secrets = Secrets(vec![("KEY".to_owned(), "hunter2secret".to_owned())]);
        for (text, expected) in [
            ("bad token: Bearer hunter2SECRET, hunter2secret", "bad token: Bearer ${KEY}, ${KEY}"),
            ("cut off: hunter2s", "cut off: "),
            ("the hunt", "the "),
            ("nothing of it: hun", "nothing of it: hun"),
            ("", ""),
        ] {
            assert_eq!(secrets.without(text), expected);
        }
        let mut body =
            serde_json::json!({ "a": ["x hunter2secret"], "b": { "c": "hunter2secret" }, "d": 1 });
        secrets.leave_out_of(&mut body);
        assert_eq!(body, serde_json::json!({ "a": ["x ${KEY}"], "b": { "c": "${KEY}" }, "d": 1 }));
    }
}
