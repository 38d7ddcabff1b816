//! The places in a JSON body that pointers lead to.
//!
//! A body is read once, from its start to its end, and nothing of it is made anew: digits stay as they
//! came, and a key that is there twice is met twice.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::{
    ignored::{IgnoredPath, IgnoredPointers},
    json_string::{string_length, write_shortest},
};

/// Whether a body is JSON.
pub(crate) fn is_json(body: &[u8]) -> bool {
    str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Where the values are that pointers lead to, outermost ones alone; none where the body is not JSON.
pub(crate) fn values_at(body: &[u8], pointers: &IgnoredPointers) -> Vec<Range<usize>> {
    if is_json(body) { values_of_json(body, pointers) } else { Vec::new() }
}

/// The same of a body that is known to be JSON.
pub(super) fn values_of_json(body: &[u8], pointers: &IgnoredPointers) -> Vec<Range<usize>> {
    let path = IgnoredPath::new(pointers);
    let mut reader = Reader { body, at: 0, depth: 0, path, inside: None, found: Vec::new() };
    reader.read();
    reader.found
}

/// Reads a body that is known to be JSON.
struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    depth: usize,
    path: IgnoredPath<'a>,
    /// The depth and the start of the value that is met, while it is read.
    inside: Option<(usize, usize)>,
    found: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(byte) = self.body.get(self.at).copied() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'{' | b'[' => {
                    self.begin(self.at);
                    self.at += 1;
                    self.path.open(self.depth, byte == b'[');
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.at += 1;
                    self.path.close(self.depth);
                    self.depth -= 1;
                    self.end();
                }
                b',' => {
                    self.at += 1;
                    self.path.next_element(self.depth);
                }
                b'"' => self.string(),
                _ => {
                    self.begin(self.at);
                    let ends = |it: &u8| b",]} \t\n\r".contains(it);
                    let rest = &self.body[self.at..];
                    self.at += rest.iter().position(ends).unwrap_or(rest.len());
                    self.end();
                }
            }
        }
    }

    /// A string: a key when a colon comes after it, else a value.
    fn string(&mut self) {
        let start = self.at;
        let inner = &self.body[start + 1..];
        let inner = &inner[..string_length(inner)];
        let after = start + inner.len() + 2;
        let white = |byte: &&u8| b" \t\n\r".contains(byte);
        let gap = self.body[after..].iter().take_while(white).count();
        if self.body.get(after + gap) == Some(&b':') {
            let mut key = vec![b'"'];
            write_shortest(inner, &mut |part| key.extend_from_slice(part));
            key.push(b'"');
            self.path.enter_member(self.depth, &key);
            self.at = after + gap + 1;
        } else {
            self.begin(start);
            self.at = after;
            self.end();
        }
    }

    fn begin(&mut self, start: usize) {
        if self.path.is_ignored(self.depth) && self.inside.is_none() {
            self.inside = Some((self.depth, start));
        }
    }

    fn end(&mut self) {
        if let Some((depth, start)) = self.inside.filter(|(depth, _)| *depth == self.depth) {
            debug_assert_eq!(depth, self.depth);
            self.found.push(start..self.at);
            self.inside = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'b>(body: &'b str, pointers: &[&str]) -> Option<Vec<&'b str>> {
        let pointers: Vec<String> = pointers.iter().map(|it| (*it).to_owned()).collect();
        let found = values_at(body.as_bytes(), &IgnoredPointers::new(&pointers));
        is_json(body.as_bytes()).then(|| found.into_iter().map(|it| &body[it]).collect())
    }

    #[test]
    fn values_are_found_as_they_came() {
        let body = r#" { "id" : 12345678901234567890.10 , "a":{"b":["x", "y\"z" ]},"id":"two" } "#;
        assert_eq!(found(body, &["/id"]).unwrap(), ["12345678901234567890.10", "\"two\""]);
        assert_eq!(found(body, &["/a/b/1"]).unwrap(), [r#""y\"z""#]);
        assert_eq!(found(body, &["/a", "/a/b"]).unwrap(), [r#"{"b":["x", "y\"z" ]}"#]);
        assert_eq!(found(body, &["/a/b/*"]).unwrap().len(), 2);
        assert_eq!(found(body, &["/c", "/a/b/2"]).unwrap(), [""; 0]);
        assert_eq!(found("[true,null]", &["/0", "/1"]).unwrap(), ["true", "null"]);
        assert_eq!(found(r#"{"\u0069d":1}"#, &["/id"]).unwrap(), ["1"]);
        assert_eq!(found("{\"a\":", &["/a"]), None);
        assert_eq!(found("", &["/a"]), None);
    }
}
