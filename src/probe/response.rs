//! What of a response is compared: its body without the parts that legitimately differ.
//!
//! A JSON body is hashed with its keys sorted and `null` in the place of what is ignored, so that
//! neither key order nor a clock in it counts as a change; any other body is hashed as it is.

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
    /// Whether the body is JSON.
    pub json: bool,
}

impl Normalised {
    /// Digests a body with `null` in the place of what the JSON pointers in `ignore` name.
    ///
    /// A body that is no JSON is digested as it is, whatever its media type says: the claim on the
    /// media type is another one.
    pub fn of(body: &[u8], ignore: &[String]) -> Self {
        let sorted = serde_json::from_slice::<Value>(body).ok().map(|mut value| {
            for pointer in ignore {
                // In place: the rest of an array keeps its places, and what is missing differs from
                // what is there.
                if let Some(ignored) = value.pointer_mut(pointer) {
                    *ignored = Value::Null;
                }
            }
            let mut sorted = Vec::with_capacity(body.len());
            write_sorted(&value, &mut sorted);
            sorted
        });
        let hashed = sorted.as_deref().unwrap_or(body);
        Self {
            sha256: hex(&Sha256::digest(hashed)),
            bytes: Bytes::new(hashed.len() as u64),
            json: sorted.is_some(),
        }
    }
}

/// Writes JSON with sorted keys, whatever order the map keeps: another crate's features decide
/// that. Integers of 64 bits are exact; any other number is the `f64` nearest to it, so that two
/// numbers with the same nearest one count as equal.
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
        assert_ne!(digest("18446744073709551615", &[]), digest("18446744073709551614", &[]));
        // Beyond 64 bits they are floats, as the documentation says.
        assert_eq!(digest("36893488147419103233", &[]), digest("36893488147419103232", &[]));
    }

    #[test]
    fn an_escaped_pointer_reaches_its_key() {
        let ignored = digest(r#"{"a/b":1,"c~d":2}"#, &["/a~1b", "/c~0d"]);
        assert_eq!(ignored, digest(r#"{"a/b":3,"c~d":"x"}"#, &["/a~1b", "/c~0d"]));
    }

    #[test]
    fn what_is_ignored_keeps_its_place() {
        let ignore = &["/list/0", "/list/2"];
        let list = |list: &str| digest(&format!(r#"{{"list":{list}}}"#), ignore);
        assert_eq!(list("[1,2,3,4]"), list("[5,2,7,4]"));
        assert_ne!(list("[1,2,3,4]"), list("[1,2,3,5]"));
        assert_ne!(list("[1,2,3,4]"), list("[1,3,2,4]"));
        assert_ne!(list("[1,2]"), list("[2]"));
    }

    #[test]
    fn a_missing_field_differs_from_an_ignored_one() {
        assert_ne!(digest(r#"{"a":1,"now":5}"#, &["/now"]), digest(r#"{"a":1}"#, &["/now"]));
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
