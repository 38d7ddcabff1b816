//! What can be wrong with a contract, said with line, key and remedy.

use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// A contract that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The text is not TOML, or a key or value is not one of the contract's.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and where it can be guessed, what was meant.
        message: String,
    },
    /// The tables do not fit together.
    #[error("{}{message}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Meaning {
        /// The line of the value at fault, counted from 1; `None` where there is no text, as in a
        /// passport.
        line: Option<usize>,
        /// The way from the document to the value at fault.
        path: Vec<Step>,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the value of this key.
    Key(String),
    /// To the item of an array, counted from 0.
    Item(usize),
}

impl ContractError {
    /// A problem of the value of `key`, in the table that [`ContractError::within`] adds.
    pub(super) fn meaning(key: &str, message: impl Into<String>) -> Self {
        Self::Meaning { line: None, path: vec![Step::Key(key.to_owned())], message: message.into() }
    }

    /// A problem of the document as a whole.
    pub(super) fn of_document(message: impl Into<String>) -> Self {
        Self::Meaning { line: None, path: Vec::new(), message: message.into() }
    }

    /// Says that what was found is inside the table of this key.
    pub(super) fn inside(self, key: &str) -> Self {
        self.prefixed([Step::Key(key.to_owned())])
    }

    /// Says that what was found is inside this item of the array of this key; without a key, that it is
    /// where it is.
    pub(super) fn within(self, key: &str, item: usize) -> Self {
        if key.is_empty() {
            return self;
        }
        self.prefixed([Step::Key(key.to_owned()), Step::Item(item)])
    }

    /// Says which item of the array that was found is at fault.
    pub(super) fn item(mut self, item: usize) -> Self {
        if let Self::Meaning { path, .. } = &mut self {
            path.push(Step::Item(item));
        }
        self
    }

    /// What is wrong, without its place.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Syntax { message, .. } | Self::Meaning { message, .. } => message,
        }
    }

    fn prefixed<const N: usize>(mut self, steps: [Step; N]) -> Self {
        if let Self::Meaning { path, .. } = &mut self {
            path.splice(0..0, steps);
        }
        self
    }

    /// Adds the line, and the nearest known key, to a parser's error.
    pub(super) fn syntax(text: &str, source: &toml::de::Error) -> Self {
        let line = source.span().map_or(1, |span| line_at(text, span.start));
        let message = source.message().lines().collect::<Vec<_>>().join(", ");
        Self::Syntax { line, message: with_nearest_key(&message) }
    }

    /// Looks the value at fault up in the text, to name its line; where a key is left out, the line
    /// is that of the table which lacks it.
    pub(super) fn locate(self, text: &str) -> Self {
        let Self::Meaning { path, message, .. } = self else { return self };
        let line = DeTable::parse(text)
            .map_or(1, |document| line_at(text, offset(document.get_ref(), &path)));
        Self::Meaning { line: Some(line), path, message }
    }
}

/// Where the value at the end of `path` starts, or the last one on the way that is there.
fn offset(document: &DeTable<'_>, path: &[Step]) -> usize {
    let Some((Step::Key(first), path)) = path.split_first() else { return 0 };
    let Some((key, mut value)) = document.get_key_value(first.as_str()) else { return 0 };
    let mut offset = key.span().start;
    for step in path {
        let next = match (step, value.get_ref()) {
            (Step::Key(name), DeValue::Table(table)) => {
                table.get_key_value(name.as_str()).map(|(key, value)| (key.span(), value))
            }
            (Step::Item(item), DeValue::Array(items)) => {
                items.get(*item).map(|value| (value.span(), value))
            }
            _ => None,
        };
        let Some((span, inner)) = next else { break };
        (offset, value) = (span.start, inner);
    }
    offset
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Turns serde's list of all known keys into the one that was probably meant.
fn with_nearest_key(message: &str) -> String {
    let Some((problem, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    if !problem.starts_with("unknown ") {
        return message.to_owned();
    }
    let Some(unknown) = backquoted(problem).next() else { return message.to_owned() };
    let nearest = backquoted(expected)
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= known.len().max(unknown.len()) / 2);
    match nearest {
        Some((_, known)) => format!("{problem}, did you mean `{known}`?"),
        None => message.to_owned(),
    }
}

fn backquoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
