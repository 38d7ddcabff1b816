//! Strings of JSON with the shortest escapes, so that equal strings have equal bytes.
//!
//! What is written is never longer than what is read. Half of a surrogate pair alone is valid JSON
//! and no character; its escape stays.

/// The length of a string up to its closing quotation mark, which must be there.
pub(super) fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Writes what is between the quotation marks of a valid string, with the shortest escapes.
pub(super) fn write_shortest(inner: &[u8], write: &mut dyn FnMut(&[u8])) {
    let mut rest = inner;
    while let Some(plain) = rest.iter().position(|byte| *byte == b'\\') {
        write(&rest[..plain]);
        let (unit, length) = escape(&rest[plain..]);
        rest = &rest[plain + length..];
        let low = match unit {
            0xd800..=0xdbff if rest.starts_with(b"\\u") => escape(rest).0,
            _ => 0,
        };
        match char::decode_utf16([unit, low]).next() {
            Some(Ok(character)) => {
                write_character(character, write);
                let pair_rest = if character.len_utf16() == 2 { 6 } else { 0 };
                rest = &rest[pair_rest..];
            }
            _ => write(format!("\\u{unit:04x}").as_bytes()),
        }
    }
    write(rest);
}

/// A string as a body would hold it, with its quotation marks and the shortest escapes.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for character in text.chars() {
        write_character(character, &mut |part| quoted.extend_from_slice(part));
    }
    quoted.push(b'"');
    quoted
}

fn write_character(character: char, write: &mut dyn FnMut(&[u8])) {
    let mut buffer = [0; 4];
    let text = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\0'..='\u{1f}' => return write(format!("\\u{:04x}", u32::from(character)).as_bytes()),
        _ => character.encode_utf8(&mut buffer),
    };
    write(text.as_bytes());
}

/// The UTF-16 code unit that the escape at the start of a text stands for, and the escape's length.
fn escape(text: &[u8]) -> (u16, usize) {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => u16::from(byte - b'0'),
        _ => u16::from((byte | 0x20) - b'a') + 10,
    };
    match text[1] {
        b'b' => (8, 2),
        b'f' => (12, 2),
        b'n' => (10, 2),
        b'r' => (13, 2),
        b't' => (9, 2),
        b'u' => (text[2..6].iter().fold(0, |unit, byte| unit << 4 | digit(byte)), 6),
        plain => (u16::from(plain), 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortest(inner: &str) -> String {
        let mut written = Vec::new();
        write_shortest(inner.as_bytes(), &mut |part| written.extend_from_slice(part));
        assert!(written.len() <= inner.len(), "{inner}");
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn every_escape_has_one_spelling() {
        for (read, written) in [
            (r"a\/b", "a/b"),
            (r"\u0061\u00e9", "a\u{e9}"),
            (r"\u0022\u005C\u000a\u0009\u000d\u0008\u000C", r#"\"\\\n\t\r\b\f"#),
            (r"\u001F\u007f", "\\u001f\u{7f}"),
            (r"\uD83D\uDE00", "\u{1f600}"),
            ("\u{1f600}", "\u{1f600}"),
            (r"\ud83d", r"\ud83d"),
            (r"\uD83Dx", r"\ud83dx"),
            (r"\uD83D\n", r"\ud83d\n"),
            (r"\uDE00\uD83D", r"\ude00\ud83d"),
            (r"\uD83D\uD83D\uDE00", "\\ud83d\u{1f600}"),
            (r"\uD83D\u0041", r"\ud83dA"),
            ("", ""),
        ] {
            assert_eq!(shortest(read), written, "{read}");
        }
    }

    #[test]
    fn a_key_of_a_pointer_is_written_as_a_body_has_it() {
        assert_eq!(quoted("a\"\\\n\u{1}\u{e9}"), b"\"a\\\"\\\\\\n\\u0001\xc3\xa9\"");
    }

    #[test]
    fn the_length_of_a_string_leaves_escaped_quotation_marks_in() {
        assert_eq!(string_length(br#"a\"b\\","c""#), 6);
        assert_eq!(string_length(b"\""), 0);
    }
}
