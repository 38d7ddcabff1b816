//! The values of one run: of its row, and of the responses before. Each is encoded for the place where
//! it goes, or refused.

use super::json_string::quoted;
use crate::text::{in_markup, percent_encoded};

/// A value is no longer than a path may be.
pub(super) const VALUE_MAX: usize = 8 << 10;

/// What is shorter is no secret, and would be found everywhere.
const HIDDEN_MIN: usize = 4;

/// The values that are known so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Values {
    known: Vec<NamedValue>,
}

#[derive(Clone, PartialEq, Eq)]
struct NamedValue {
    name: String,
    value: String,
    /// Whether a response had it, and not the contract.
    captured: bool,
}

/// A captured value may be a secret.
impl std::fmt::Debug for NamedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedValue").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Values {
    /// Adds a value of the row.
    pub(super) fn add(&mut self, name: &str, value: String) {
        self.known.push(NamedValue { name: name.to_owned(), value, captured: false });
    }

    /// Adds a value of a response, in the place of the one that was captured before under this name.
    pub(crate) fn capture(&mut self, name: &str, value: String) {
        self.known.retain(|it| it.name != name || !it.captured);
        self.known.push(NamedValue { name: name.to_owned(), value, captured: true });
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.known.iter().find(|it| it.name == name).map(|it| it.value.as_str())
    }

    /// The captured ones, with their names.
    pub(crate) fn captured(&self) -> impl Iterator<Item = (&str, &str)> {
        let captured = self.known.iter().filter(|it| it.captured);
        captured.map(|it| (it.name.as_str(), it.value.as_str()))
    }

    /// A text with `{name}` in the place of each captured value: what is shown to people has no token.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut captured: Vec<_> =
            self.captured().filter(|(_, value)| value.len() >= HIDDEN_MIN).collect();
        captured.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let mut text = text.to_owned();
        for (name, value) in captured {
            for form in forms(value) {
                text = text.replace(&form, &format!("{{{name}}}"));
            }
        }
        text
    }
}

/// How a value may come back: as it is, in a JSON text in two ways, and in a path.
pub(crate) fn forms(value: &str) -> [String; 4] {
    let in_json = in_json_text(value);
    [value.to_owned(), in_json.replace('/', "\\/"), in_json, percent_encoded(value)]
}

/// How a value may come back in XML or HTML.
pub(crate) fn markup_form(value: &str) -> String {
    encoded(value, Place::Markup).unwrap_or_default()
}

/// Where in a request a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The beginning of a path, which the value is.
    WholePath,
    /// Within a path or a query.
    Url,
    /// A header.
    Header,
    /// The value of a cookie.
    Cookie,
    /// A text within JSON.
    JsonText,
    /// A value of JSON.
    JsonValue,
    /// The value of a field of a form.
    Form,
    /// XML or HTML.
    Markup,
    /// A text of which nothing is known.
    Text,
}

/// The value as it is written there, or why it cannot be.
pub(super) fn encoded(value: &str, place: Place) -> Result<String, &'static str> {
    match place {
        Place::WholePath => {
            crate::contract::path_problem(value).map_or_else(|| Ok(value.to_owned()), Err)
        }
        Place::Url | Place::Form => Ok(percent_encoded(value)),
        Place::Header if value.chars().all(|c| (' '..='~').contains(&c)) => Ok(value.to_owned()),
        Place::Header => Err("has characters that no header can carry"),
        Place::Cookie => {
            let plain = |c: char| c.is_ascii_graphic() && !"\",;\\".contains(c);
            let is_plain = value.chars().all(plain);
            if is_plain {
                Ok(value.to_owned())
            } else {
                Err("has characters that no cookie can carry")
            }
        }
        Place::JsonText => Ok(in_json_text(value)),
        Place::JsonValue => {
            // What stands beside texts is a number, or one of three words.
            let is_scalar = !value.trim().is_empty()
                && value.trim() == value
                && !value.starts_with(['"', '{', '['])
                && serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
            let refusal =
                "is no number, `true`, `false` or `null`: put `{name}` into quotation marks";
            if is_scalar { Ok(value.to_owned()) } else { Err(refusal) }
        }
        Place::Markup if value.contains(|c: char| c.is_control() && !"\t\r\n".contains(c)) => {
            Err("has control characters, which no markup can carry")
        }
        Place::Markup => Ok(in_markup(value)),
        Place::Text if value.contains('\0') => Err("has a NUL, which no text can carry"),
        Place::Text => Ok(value.to_owned()),
    }
}

/// What is between the quotation marks of a JSON text.
fn in_json_text(value: &str) -> String {
    // PERF: most values are ids and tokens.
    if value.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\') {
        return value.to_owned();
    }
    let quoted = quoted(value);
    let text = String::from_utf8(quoted).unwrap_or_default();
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_encoded_for_its_place_or_refused() {
        let hostile = "a\r\nb\0/../\"<&;";
        let at = |place| encoded(hostile, place);
        assert_eq!(at(Place::Url).unwrap(), "a%0D%0Ab%00%2F..%2F%22%3C%26%3B");
        assert_eq!(at(Place::Form), at(Place::Url));
        assert_eq!(at(Place::JsonText).unwrap(), "a\\r\\nb\\u0000/../\\\"<&;");
        for refused in [
            Place::WholePath,
            Place::Header,
            Place::Cookie,
            Place::JsonValue,
            Place::Markup,
            Place::Text,
        ] {
            assert!(at(refused).is_err(), "{refused:?}");
        }
        assert_eq!(
            encoded("<a href='x'>&", Place::Markup).unwrap(),
            "&lt;a href=&#39;x&#39;&gt;&amp;"
        );
        assert_eq!(encoded("/orders/7?a=1", Place::WholePath).unwrap(), "/orders/7?a=1");
        for path in ["http://h/", "/a/../b", "/a b", ""] {
            assert!(encoded(path, Place::WholePath).is_err(), "{path}");
        }
        for (value, fits) in [("1.50", true), ("-1e9", true), ("null", true), ("true", true)] {
            assert_eq!(encoded(value, Place::JsonValue).is_ok(), fits, "{value}");
        }
        for value in ["", " 1", "1,2", "\"a\"", "{}", "[]", "a", "1}"] {
            assert!(encoded(value, Place::JsonValue).is_err(), "{value}");
        }
        assert!(encoded("a;b=c", Place::Cookie).is_err());
        assert_eq!(encoded("a.b-c=", Place::Cookie).unwrap(), "a.b-c=");
    }

    #[test]
    fn what_was_captured_is_hidden_in_all_its_forms_and_rows_are_shown() {
        let mut values = Values::default();
        values.add("row", "shown1".to_owned());
        values.capture("token", "ab/\"cd".to_owned());
        values.capture("id", "7".to_owned());
        let text = "x ab/\"cd ab/\\\"cd ab\\/\\\"cd ab%2F%22cd shown1 7";
        assert_eq!(values.hide(text), "x {token} {token} {token} {token} shown1 7");
        assert!(!format!("{values:?}").contains("cd"));
        values.capture("token", "other".to_owned());
        assert_eq!(values.get("token"), Some("other"));
    }
}
