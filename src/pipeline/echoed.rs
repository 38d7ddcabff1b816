//! What a service sends back of the secrets that it was sent: it is in no evidence.

use serde_json::Value;

use crate::{
    evidence::Evidence,
    probe::{forms, markup_form},
};

/// What is shorter is no secret, and would be found everywhere.
const SECRET_MIN: usize = 4;

/// How a text ends of which only the beginning is kept.
const CUT_OFF: &str = "...";

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
    evidence.bodies.texts.iter_mut().for_each(|text| secrets.leave_out_of_text(text));
}

/// Values of variables in each form in which they may come back, in lowercase, longest first; with the names
/// of the variables.
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn of(variables: &[(String, String)]) -> Self {
        let mut known = Vec::new();
        for (name, value) in variables.iter().filter(|(_, value)| value.len() >= SECRET_MIN) {
            let in_path = forms(value);
            let in_form = in_path[3].replace("%20", "+");
            for form in in_path.into_iter().chain([in_form, markup_form(value)]) {
                // As texts of a service are kept: as they are or printable, and media types in lowercase.
                let shown = form.as_bytes().escape_ascii().to_string();
                known.extend([form, shown].map(|it| (name.clone(), it.to_ascii_lowercase())));
            }
        }
        known.retain(|(_, value)| value.len() >= SECRET_MIN);
        known.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup_by(|a, b| a.1 == b.1);
        Self(known)
    }

    /// The text without them, also where its end cuts one off.
    fn without(&self, text: &str) -> String {
        // What is longer than is kept ends so.
        let (text, more) =
            text.strip_suffix(CUT_OFF).map_or((text, ""), |beginning| (beginning, CUT_OFF));
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
        text + more
    }

    /// Of a text in which one is spread over lines, nothing is left.
    fn leave_out_of_text(&self, text: &mut Option<Vec<String>>) {
        let Some(lines) = text else { return };
        // As the end of a line is escaped; it may also be cut off.
        let whole = lines.join("\\n").to_ascii_lowercase();
        let is_spread = |secret: &str| {
            let first = secret.find("\\n");
            let cut_off =
                |length: usize| secret.get(..length).is_some_and(|it| whole.ends_with(it));
            first.is_some_and(|from| whole.contains(secret) || (from..secret.len()).any(cut_off))
        };
        if self.0.iter().any(|(_, secret)| is_spread(secret)) {
            *text = None;
            return;
        }
        for line in lines {
            *line = self.without(line);
        }
    }

    fn leave_out_of(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.without(text),
            Value::Array(all) => all.iter_mut().for_each(|it| self.leave_out_of(it)),
            Value::Object(all) => {
                let members = std::mem::take(all).into_iter().map(|(name, mut value)| {
                    self.leave_out_of(&mut value);
                    (self.without(&name), value)
                });
                all.extend(members);
            }
            Value::Number(number) => {
                let text = number.to_string();
                if self.0.iter().any(|(_, secret)| *secret == text) {
                    *value = Value::String(self.without(&text));
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_line_and_not_over_several() {
        let secrets = Secrets::of(&[
            ("KEY".to_owned(), "hunter2secret".to_owned()),
            ("PEM".to_owned(), "begin\nmiddle\nend".to_owned()),
        ]);
        let kept = |lines: &[&str]| {
            let mut text = Some(lines.iter().map(|it| (*it).to_owned()).collect());
            secrets.leave_out_of_text(&mut text);
            text
        };
        assert_eq!(
            kept(&["a hunter2secret", "b"]),
            Some(vec!["a ${KEY}".to_owned(), "b".to_owned()])
        );
        assert_eq!(kept(&["<p>begin", "middle", "end</p>"]), None);
        assert_eq!(kept(&["<p>begin", "mid"]), None);
        let kept_lines = ["start", "middle", "end"].map(str::to_owned).to_vec();
        assert_eq!(kept(&["start", "middle", "end"]), Some(kept_lines));
    }

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
        let secrets = Secrets::of(&[("KEY".to_owned(), "p@ss \u{e9}\"<1>".to_owned())]);
        for text in [
            "p@ss \u{e9}\"<1>",
            "p@ss \\xc3\\xa9\\\"<1>",
            "p%40ss%20%C3%A9%22%3C1%3E",
            "p%40ss+%c3%a9%22%3c1%3e",
            "p@ss \u{e9}&quot;&lt;1&gt;",
        ] {
            assert_eq!(secrets.without(&format!("a {text} b")), "a ${KEY} b", "{text}");
        }
        assert_eq!(secrets.without("a p%40ss%20%C..."), "a ...");
        let secrets = Secrets::of(&[("KEY".to_owned(), "hunter2secret".to_owned())]);
        let mut body =
            serde_json::json!({ "a": ["x hunter2secret"], "b": { "c": "hunter2secret" }, "d": 1 });
        secrets.leave_out_of(&mut body);
        assert_eq!(body, serde_json::json!({ "a": ["x ${KEY}"], "b": { "c": "${KEY}" }, "d": 1 }));
    }
}
