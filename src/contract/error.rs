//! What can be wrong with a contract, said with line, key and remedy.

use thiserror::Error;

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
        /// The line of the value at fault, counted from 1, where it could be found.
        line: Option<usize>,
        /// The text to look for to find the line.
        value: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl ContractError {
    /// A problem of the table or value named `value`.
    pub(super) fn meaning(value: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Meaning { line: None, value: value.into(), message: message.into() }
    }

    /// Adds the line, and the nearest known key, to a parser's error.
    pub(super) fn syntax(text: &str, source: &toml::de::Error) -> Self {
        let line = source.span().map_or(1, |span| line_at(text, span.start));
        let message = source.message().lines().collect::<Vec<_>>().join(", ");
        Self::Syntax { line, message: with_nearest_key(&message) }
    }

    /// Looks the value at fault up in the text, to name its line.
    pub(super) fn locate(self, text: &str) -> Self {
        let Self::Meaning { value, message, .. } = self else { return self };
        let quoted = [format!("\"{value}\""), format!("'{value}'")];
        // The last place: a value that stands twice is at fault where it is repeated.
        let line = quoted.iter().filter_map(|it| text.rfind(it)).max().map(|at| line_at(text, at));
        Self::Meaning { line, value, message }
    }
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
