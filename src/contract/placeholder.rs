//! Texts of a request with names in them: `{id}` for a value of a row or a capture, `${NAME}` for a
//! variable. `{{id}}` is the text `{id}`.
//!
//! Only requests of flows, and of checks that have rows or captures, are read so: elsewhere a brace is a
//! brace. Nothing here knows what a name stands for.

/// A part of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it is.
    Text(String),
    /// The name of a variable.
    Variable(String),
    /// The name of a captured value, or of a column.
    Value(String),
}

/// The parts of a text, in their order. Texts are not empty.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
    let flush = |plain: &mut String, pieces: &mut Vec<Piece>| {
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(plain)));
        }
    };
    while let Some(at) = rest.find(['{', '$']) {
        let (before, here) = rest.split_at(at);
        plain.push_str(before);
        let length = if let Some(name) = enclosed(here, "{{", "}}") {
            plain.push_str(&here[1..name.len() + 3]);
            name.len() + 4
        } else if let Some(name) = enclosed(here, "${", "}") {
            flush(&mut plain, &mut pieces);
            pieces.push(Piece::Variable(name.to_owned()));
            name.len() + 3
        } else if let Some(name) = enclosed(here, "{", "}") {
            flush(&mut plain, &mut pieces);
            pieces.push(Piece::Value(name.to_owned()));
            name.len() + 2
        } else {
            plain.push_str(&here[..1]);
            1
        };
        rest = &here[length..];
    }
    plain.push_str(rest);
    flush(&mut plain, &mut pieces);
    pieces
}

/// The names of values in a text.
pub(crate) fn names(text: &str) -> impl Iterator<Item = String> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Value(name) => Some(name),
        Piece::Text(_) | Piece::Variable(_) => None,
    })
}

/// Whether a value can have this name: 1 to 64 letters, digits and `_`, and no digit first.
pub(crate) fn is_name(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && text.len() <= 64 && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// The name between these two, at the beginning of a text.
fn enclosed<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let inner = text.strip_prefix(open)?;
    let name = &inner[..inner.find(close)?];
    is_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_braces() {
        let text = |it: &str| Piece::Text(it.to_owned());
        let value = |it: &str| Piece::Value(it.to_owned());
        let variable = |it: &str| Piece::Variable(it.to_owned());
        for (written, read) in [
            ("", vec![]),
            ("/a/{id}", vec![text("/a/"), value("id")]),
            ("{\"a\":{id}}", vec![text("{\"a\":"), value("id"), text("}")]),
            ("{}{ id }{1a}", vec![text("{}{ id }{1a}")]),
            ("{{id}}{id}", vec![text("{id}"), value("id")]),
            (
                "Bearer ${TOKEN}-{a}",
                vec![text("Bearer "), variable("TOKEN"), text("-"), value("a")],
            ),
            ("$${A}$", vec![text("$"), variable("A"), text("$")]),
            ("{open", vec![text("{open")]),
            ("\u{e9}{a}\u{e9}", vec![text("\u{e9}"), value("a"), text("\u{e9}")]),
        ] {
            assert_eq!(pieces(written), read, "{written}");
        }
        assert_eq!(names("{a}${B}{c}").collect::<Vec<_>>(), ["a", "c"]);
    }
}
