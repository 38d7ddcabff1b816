//! Text from outside, made printable and cut to a length.

use crate::text::{escaped, printable};

/// Longer than any name that a contract can give.
const NAME_LENGTH_MAX: usize = 160;

/// A name as text from outside: a stranger's passport may name its checks anything. Backticks, which
/// end code in sentences and in Markdown, become quotes.
pub(super) fn name(text: &str) -> String {
    printable(text.as_bytes(), NAME_LENGTH_MAX).replace('`', "'")
}

/// Any other text from outside, cut to a length in bytes.
pub(super) fn foreign(text: &str, length_max: usize) -> String {
    let text = escaped(text);
    match text.get(..length_max) {
        Some(beginning) if text.len() > length_max => format!("{beginning}..."),
        _ => text,
    }
}
