//! Text for machines and from outside: hexadecimal digests, and strangers' bytes made printable.

/// Lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Text from outside as printable ASCII of at most `length` characters: everything else is
/// escaped, what is longer is cut.
pub fn printable(bytes: &[u8], length: usize) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() <= length {
        return text;
    }
    format!("{}...", &text[..length.saturating_sub(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_escaped_and_cut() {
        assert_eq!(printable(b"a\x1b[31m\n", 80), "a\\x1b[31m\\n");
        assert_eq!(printable(&[b'x'; 100], 10), "xxxxxxx...");
    }

    #[test]
    fn digests_are_lowercase() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
    }
}
