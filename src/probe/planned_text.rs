//! A text of a request with places for values.

use super::{
    materials::{Materials, PlanError},
    values::{Place, Values, encoded},
};
use crate::contract::{Piece, pieces};

/// A text with places for values. What stands between is encoded already.
#[derive(Default)]
pub(super) struct PlannedText(Vec<TextPart>);

enum TextPart {
    Text(String),
    Value(String, Place),
}

/// Variables may be secrets.
impl std::fmt::Debug for PlannedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlannedText(..)")
    }
}

/// What kind of text a body is, which says how values are written in it.
#[derive(Clone, Copy)]
pub(super) enum TextKind {
    Json,
    Form,
    Markup,
    Plain,
}

impl TextKind {
    pub(super) fn of(media_type: Option<&str>, text: &str) -> Self {
        let media_type = media_type.map(|it| it.split(';').next().unwrap_or(it).trim());
        match media_type.map(str::to_ascii_lowercase).as_deref() {
            Some("application/x-www-form-urlencoded") => Self::Form,
            Some(json) if json == "application/json" || json.ends_with("+json") => Self::Json,
            Some(markup) if markup.ends_with("xml") || markup == "text/html" => Self::Markup,
            None if is_json_like(text) => Self::Json,
            _ => Self::Plain,
        }
    }

    /// Where a value stands that this text is before.
    pub(super) fn place(self, before: &str) -> Place {
        match self {
            Self::Json if is_in_json_text(before) => Place::JsonText,
            Self::Json => Place::JsonValue,
            Self::Form => Place::Form,
            Self::Markup => Place::Markup,
            Self::Plain => Place::Text,
        }
    }
}

/// Whether a text begins as JSON does, and not with a value.
fn is_json_like(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins && !matches!(pieces(text).first(), Some(Piece::Value(_)))
}

/// Whether a quotation mark is open at the end of this JSON.
fn is_in_json_text(before: &str) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for byte in before.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

impl PlannedText {
    /// A text without any value.
    pub(super) fn plain(text: String) -> Self {
        Self(vec![TextPart::Text(text)])
    }

    /// Reads a text; `place` says where a value stands by what is before it in the text. Variables are
    /// filled in where there can be any.
    pub(super) fn new(
        text: &str,
        with_variables: bool,
        place: &dyn Fn(&str) -> Place,
        from: &mut Materials<'_>,
    ) -> Result<Self, PlanError> {
        let (mut parts, mut before) = (Vec::new(), String::new());
        let read =
            if from.has_values { pieces(text) } else { only_variables(text, with_variables) };
        for piece in read {
            match piece {
                Piece::Text(text) => {
                    before.push_str(&text);
                    parts.push(TextPart::Text(text));
                }
                Piece::Variable(name) => {
                    let filled = variable(&name, place(&before), from)?;
                    // It changes nothing of where what follows stands.
                    before.push('x');
                    parts.push(TextPart::Text(filled));
                }
                Piece::Value(name) => {
                    parts.push(TextPart::Value(name, place(&before)));
                    before.push('x');
                }
            }
        }
        Ok(Self(parts))
    }

    /// The value of a field: what stands between values is encoded as they are.
    pub(super) fn form_value(text: &str, from: &mut Materials<'_>) -> Result<Self, PlanError> {
        let Self(mut parts) = Self::new(text, true, &|_| Place::Form, from)?;
        let is_variable = |it: &Piece| matches!(it, Piece::Variable(_));
        let variables: Vec<bool> = if from.has_values {
            pieces(text).iter().map(is_variable).collect()
        } else {
            vec![false; parts.len()]
        };
        for (part, is_variable) in parts.iter_mut().zip(variables) {
            if let TextPart::Text(text) = part
                && !is_variable
            {
                *text = encoded(text, Place::Form).unwrap_or_default();
            }
        }
        Ok(Self(parts))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TextPart::Value(name, _) => Some(name.as_str()),
            TextPart::Text(_) => None,
        })
    }

    pub(super) fn filled(&self, values: &Values) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                TextPart::Text(text) => filled.push_str(text),
                TextPart::Value(name, place) => {
                    let value = values.get(name);
                    let value =
                        value.ok_or_else(|| format!("there is no value for `{{{name}}}`"))?;
                    let encoded = encoded(value, *place);
                    filled.push_str(
                        &encoded
                            .map_err(|problem| format!("the value of `{{{name}}}` {problem}"))?,
                    );
                }
            }
        }
        Ok(filled)
    }
}

/// The text where braces are braces.
fn only_variables(text: &str, with_variables: bool) -> Vec<Piece> {
    if !with_variables {
        return vec![Piece::Text(text.to_owned())];
    }
    let (mut read, mut rest) = (Vec::new(), text);
    while let Some((before, name, after)) = crate::contract::next_variable(rest) {
        read.push(Piece::Text(before.to_owned()));
        read.push(Piece::Variable(name.to_owned()));
        rest = after;
    }
    read.push(Piece::Text(rest.to_owned()));
    read
}

/// The value of a variable as it is written at this place.
fn variable(name: &str, place: Place, from: &mut Materials<'_>) -> Result<String, PlanError> {
    let missing = || PlanError::Variable(name.to_owned());
    let value = (from.lookup)(name).ok_or_else(missing)?;
    // What was given to a header is sent as it is, but for what none can carry.
    let filled = match place {
        Place::Header | Place::Cookie if value.contains(char::is_control) => Err(missing()),
        Place::Header | Place::Cookie => Ok(value.clone()),
        place => encoded(&value, place).map_err(|_| missing()),
    };
    from.secrets.push((name.to_owned(), value));
    filled
}
