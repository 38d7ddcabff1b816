//! Text for machines and from outside: hexadecimal digests, and strangers' text made printable.

/// Lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// So many of what the noun names: `1 check`, `2 checks`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Text from outside as printable ASCII of at most `length` characters: everything else is
/// escaped, what is longer is cut.
pub fn printable(bytes: &[u8], length: usize) -> String {
    // PERF: the media type of each response comes here, and is rarely anything else.
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\"'\\".contains(byte);
    if bytes.len() <= length && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let text = bytes.escape_ascii().to_string();
    if text.len() <= length {
        return text;
    }
    format!("{}...", &text[..length.saturating_sub(3)])
}

/// Text with all but printable ASCII escaped; printable ASCII stays as it is, backslashes too.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == ' ' || c.is_ascii_graphic() {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_escaped_and_cut() {
        assert_eq!(printable(b"a\x1b[31m\n", 80), "a\\x1b[31m\\n");
        assert_eq!(printable(&[b'x'; 100], 10), "xxxxxxx...");
        assert_eq!(printable(b"it's a \"\\\"", 80), "it\\'s a \\\"\\\\\\\"");
    }

    #[test]
    fn a_line_stays_one_line_of_ascii() {
        assert_eq!(escaped("it's C:\\x"), "it's C:\\x");
        assert_eq!(escaped("a\n\u{1b}[31m\u{e9}\u{7f}"), "a\\n\\u{1b}[31m\\u{e9}\\u{7f}");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|it| counted(it, "check")), ["0 checks", "1 check", "2 checks"]);
    }

    #[test]
    fn digests_are_lowercase() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
    }
}
