//! Bodies that are shown to people while the process lives, and are in no file.
//!
//! A passport holds digests: a body may hold secrets. To say what changed in a body, or what came in
//! its place, takes the body itself. [`Bodies`] travels with the evidence of a check and is left out
//! wherever evidence is written. It decides nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::printable;

/// The largest body that is kept.
const KEPT_MAX: usize = 1 << 20;
/// How much is kept of a body that is no JSON.
const TEXT_MAX: usize = 1 << 16;
/// How much is kept of a body that was not expected.
const BEGINNING_MAX: usize = 500;

/// What is kept of the bodies of a check.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bodies {
    /// Of each request the first body, with `null` for what is ignored; `None` where it is no JSON that
    /// can be shown, or large.
    pub first: Vec<Option<Value>>,
    /// Of each request the lines of the first body, as printable ASCII, where it is no JSON that can be shown
    /// and nothing of it is ignored: as many as 64 KiB have.
    #[serde(default)]
    pub texts: Vec<Option<Vec<String>>>,
    /// The beginning of the first body that came with an unexpected status or media type, or that should
    /// have been JSON; printable ASCII.
    pub unexpected: Option<String>,
}

/// Evidence that was read from a file is equal to what was written, whatever is shown beside it.
impl PartialEq for Bodies {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Bodies {}

impl Bodies {
    /// Keeps the first body of the next request.
    pub(crate) fn keep_first(&mut self, body: &[u8], ignore: &[String]) {
        let short = Some(body).filter(|body| body.len() <= KEPT_MAX);
        let mut value: Option<Value> = short.and_then(|body| serde_json::from_slice(body).ok());
        for pointer in ignore {
            let segments: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
            if let Some(value) = &mut value {
                blank(value, &segments);
            }
        }
        let is_text = value.is_none() && ignore.is_empty();
        self.texts.push(is_text.then(|| lines(body)));
        self.first.push(value);
    }

    /// Keeps the beginning of a body that was not expected, if it is the first.
    pub(crate) fn keep_unexpected(&mut self, body: &[u8]) {
        let beginning = &body[..body.len().min(BEGINNING_MAX)];
        let text = || {
            let more = if body.len() > BEGINNING_MAX { "..." } else { "" };
            printable(beginning, 4 * BEGINNING_MAX) + more
        };
        self.unexpected.get_or_insert_with(text);
    }
}

fn lines(body: &[u8]) -> Vec<String> {
    let kept = &body[..body.len().min(TEXT_MAX)];
    kept.split(|byte| *byte == b'\n').map(|line| printable(line, 4 * TEXT_MAX)).collect()
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Puts `null` where a pointer leads to; `*` is each element of an array.
fn blank(value: &mut Value, segments: &[String]) {
    let Some((segment, rest)) = segments.split_first() else {
        *value = Value::Null;
        return;
    };
    match value {
        Value::Object(members) => {
            if let Some(member) = members.get_mut(segment) {
                blank(member, rest);
            }
        }
        Value::Array(items) if segment == "*" => items.iter_mut().for_each(|it| blank(it, rest)),
        Value::Array(items) => {
            let index =
                segment.parse().ok().filter(|_| segment == "0" || !segment.starts_with('0'));
            if let Some(item) = index.and_then(|index: usize| items.get_mut(index)) {
                blank(item, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_ignored_is_not_shown() {
        let mut bodies = Bodies::default();
        let ignore = ["/a~1b", "/items/*/id", "/items/1/n", "/items/01/n", "/none/x"];
        let ignore = ignore.map(str::to_owned);
        bodies.keep_first(br#"{"a/b":1,"items":[{"id":1,"n":1},{"id":2,"n":2}]}"#, &ignore);
        let shown = json!({"a/b": null, "items": [{"id": null, "n": 1}, {"id": null, "n": null}]});
        assert_eq!(bodies.first, [Some(shown)]);
    }

    #[test]
    fn of_what_is_no_json_or_large_lines_are_kept() {
        let mut bodies = Bodies::default();
        bodies.keep_first(b"<html>", &[]);
        bodies.keep_first(&vec![b' '; KEPT_MAX + 1], &[]);
        bodies.keep_first("[".repeat(1000).as_bytes(), &[]);
        assert_eq!(bodies.first, [None, None, None]);
        let kept: Vec<usize> = bodies.texts.iter().flatten().flatten().map(String::len).collect();
        assert_eq!(kept, [6, TEXT_MAX, 1000]);
        let mut ignoring = Bodies::default();
        ignoring.keep_first(b"<html>", &["/id".to_owned()]);
        assert_eq!(ignoring.texts, [None]);
        // Of a long text the beginning is kept, line by line.
        let mut bodies = Bodies::default();
        bodies.keep_first(&b"a \xff\r\n".repeat(TEXT_MAX), &[]);
        let lines = bodies.texts[0].as_ref().unwrap();
        assert_eq!((lines.len(), lines[0].as_str()), (TEXT_MAX / 5 + 1, "a \\xff\\r"));
    }

    #[test]
    fn of_the_first_unexpected_body_the_beginning_is_kept_and_escaped() {
        let mut bodies = Bodies::default();
        bodies.keep_unexpected(b"<h1>\x1b[31mno\xff\n");
        bodies.keep_unexpected(b"another");
        assert_eq!(bodies.unexpected.as_deref(), Some("<h1>\\x1b[31mno\\xff\\n"));
        let mut bodies = Bodies::default();
        bodies.keep_unexpected(&[0; 501]);
        assert_eq!(bodies.unexpected, Some("\\x00".repeat(500) + "..."));
    }
}
