//! Text for machines and from outside: digests as text, and strangers' text as it may stand in an output, in
//! markup and in a URL.

/// Lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Base64 with padding (RFC 4648, section 4), as content security policies have it.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            let is_there = digit <= chunk.len();
            out.push(if is_there { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    out
}

/// Text as a part of a path or a query, of which it ends none (RFC 3986, section 2.1).
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |it: u8| char::from(DIGITS[usize::from(it & 0xf)]);
            out.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    out
}

/// Text that is no markup in HTML or XML, between elements and in quotes.
pub fn in_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
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
    fn base64_is_that_of_the_standard() {
        let known =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (text, expected) in known {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn text_from_outside_is_no_markup_and_ends_no_part_of_a_url() {
        assert_eq!(in_markup("<b a=\"x\">&'"), "&lt;b a=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(percent_encoded("a-Z_0.~/?&\u{e9}"), "a-Z_0.~%2F%3F%26%C3%A9");
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
