//! What of a response is compared: its body without the parts that legitimately differ.
//!
//! A JSON body is hashed with its keys sorted and the ignored pointers left out, so that neither
//! key order nor a clock in it counts as a change; any other body is hashed as it is.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{text::hex, units::Bytes};

/// The digest of a body, and the size of what was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Bytes that were hashed.
    pub bytes: Bytes,
}

impl Normalised {
    /// Digests a body without what the JSON pointers in `ignore` name.
    ///
    /// A body that is no JSON is digested as it is, whatever its media type says: the claim on the
    /// media type is another one.
    pub fn of(body: &[u8], ignore: &[String]) -> Self {
        let sorted = serde_json::from_slice::<Value>(body).ok().map(|mut value| {
            for pointer in ignore {
                remove(&mut value, pointer);
            }
            let mut sorted = Vec::with_capacity(body.len());
            write_sorted(&value, &mut sorted);
            sorted
        });
        let hashed = sorted.as_deref().unwrap_or(body);
        Self { sha256: hex(&Sha256::digest(hashed)), bytes: Bytes::new(hashed.len() as u64) }
    }
}

/// Removes what an RFC 6901 pointer names; nothing where it names nothing.
fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let Some(parent) = value.pointer_mut(parent) else { return };
    let key = last.replace("~1", "/").replace("~0", "~");
    match parent {
        Value::Object(map) => {
            map.remove(&key);
        }
        Value::Array(items) => {
            if let Some(index) = key.parse().ok().filter(|index: &usize| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Writes JSON with sorted keys, whatever order the map keeps: another crate's features decide
/// that. Numbers are written as they were read, so that no precision is lost.
fn write_sorted(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
                out.push(b':');
                write_sorted(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_sorted(item, out);
            }
            out.push(b']');
        }
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(body: &str, ignore: &[&str]) -> String {
        let ignore: Vec<String> = ignore.iter().map(|it| (*it).to_owned()).collect();
        Normalised::of(body.as_bytes(), &ignore).sha256
    }

    #[test]
    fn key_order_and_ignored_pointers_do_not_count_and_anything_else_does() {
        let plain = digest(r#"{"a":1,"b":[{"t":5,"x":2}]}"#, &["/b/0/t"]);
        assert_eq!(plain, digest(r#"{ "b": [{"x":2,"t":6}], "a": 1 }"#, &["/b/0/t"]));
        assert_ne!(plain, digest(r#"{"a":1,"b":[{"t":5,"x":3}]}"#, &["/b/0/t"]));
        assert_ne!(plain, digest(r#"{"a":1,"b":[{"t":5,"x":2}]}"#, &[]));
    }

    #[test]
    fn large_integers_are_told_apart() {
        assert_ne!(digest("9007199254740993", &[]), digest("9007199254740992", &[]));
    }

    #[test]
    fn an_escaped_pointer_reaches_its_key() {
        assert_eq!(digest(r#"{"a/b":1,"c~d":2}"#, &["/a~1b", "/c~0d"]), digest("{}", &[]));
    }

    /// The SHA-256 of the empty string, as everyone knows it.
    #[test]
    fn a_body_that_is_no_json_is_hashed_as_it_is() {
        assert_eq!(digest("", &["/a"]), hex(&Sha256::digest(b"")));
        assert!(digest("", &[]).starts_with("e3b0c44298fc1c14"));
    }

    proptest! {
        #[test]
        fn rubbish_is_digested_without_panic(
            body in prop::collection::vec(any::<u8>(), 0..200),
            pointer in "(/[a-z0-9~]{0,3}){0,3}",
        ) {
            let digest = Normalised::of(&body, &[pointer]);
            prop_assert_eq!(digest.sha256.len(), 64);
        }
    }
}
