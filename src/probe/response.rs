//! What of a response is compared: its body without the parts that legitimately differ.
//!
//! A JSON body is compared in the form that [`super::json_form`] writes: neither key order, nor white
//! space, nor what the contract ignores counts as a change. Any other body is hashed as it is.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{ignored::IgnoredPointers, json_form::JsonForm};
use crate::{text::hex, units::Bytes};

/// The digest of a body, and the size of what was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size of the body; of JSON without white space, with the shortest escapes, and with `null` for
    /// what is ignored.
    pub bytes: Bytes,
    /// Whether the body is JSON.
    pub json: bool,
    /// Whether each pointer of `ignore` met a value, in their order.
    pub met: Vec<bool>,
}

impl Normalised {
    /// Digests a body without what the JSON pointers in `ignore` name; `*` stands for each element of
    /// an array.
    ///
    /// What is ignored keeps its place: what is missing differs from what is there. A body that is no
    /// JSON is digested as it is, whatever its media type says: the claim on the media type is
    /// another one. Takes at most 3 times the memory of the body beside the body.
    pub fn of(body: &[u8], ignore: &[String]) -> Self {
        match JsonForm::of(body, &IgnoredPointers::new(ignore)) {
            Some(JsonForm { sha256, bytes, met }) => {
                Self { sha256: hex(&sha256), bytes: Bytes::new(bytes), json: true, met }
            }
            None => Self {
                sha256: hex(&Sha256::digest(body)),
                bytes: Bytes::new(body.len() as u64),
                json: false,
                met: vec![false; ignore.len()],
            },
        }
    }
}

/// The digest of a body as it crossed the wire: its SHA-256 in hexadecimal.
pub fn wire_digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

/// The digests of the headers of a response, by name. A header that is not there has none.
///
/// A digest is the SHA-256 of all values of the header, with a line feed behind each; of
/// `set-cookie`, of the names of the cookies, sorted. So no value reaches a passport.
pub fn header_digests(headers: &[(String, Vec<u8>)]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in headers {
        let compared = if name == "set-cookie" { cookie_name(value) } else { value };
        values.entry(name).or_default().push(compared);
    }
    if let Some(cookies) = values.get_mut("set-cookie") {
        cookies.sort_unstable();
        cookies.dedup();
    }
    let digest = |(name, values): (&str, Vec<&[u8]>)| {
        let mut digest = Sha256::new();
        for value in values {
            digest.update(value);
            digest.update(b"\n");
        }
        (name.to_owned(), hex(&digest.finalize()))
    };
    values.into_iter().map(digest).collect()
}

/// The name of the cookie that a `set-cookie` header sets.
fn cookie_name(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(value.len());
    value[..end].trim_ascii()
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
    fn numbers_are_told_apart_by_their_digits() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("36893488147419103233", "36893488147419103232"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("1e999", "2e999"),
            ("1.0", "1"),
        ] {
            assert_ne!(digest(one, &[]), digest(other, &[]));
            assert!(Normalised::of(one.as_bytes(), &[]).json, "{one}");
        }
    }

    #[test]
    fn doubled_keys_stay_two() {
        let doubled = digest(r#"{"balance":1,"balance":2}"#, &[]);
        assert_ne!(doubled, digest(r#"{"balance":2}"#, &[]));
        assert_ne!(doubled, digest(r#"{"balance":3,"balance":2}"#, &[]));
        assert_ne!(doubled, digest(r#"{"balance":2,"balance":1}"#, &[]));
        assert_eq!(digest(r#"{"b":0,"a":1,"a":2}"#, &[]), digest(r#"{"a":1,"a":2,"b":0}"#, &[]));
    }

    /// So many arrays or objects, one within the other, that nobody can call himself for each.
    #[test]
    fn any_depth_is_json() {
        for (open, inner, other, close) in
            [("[", "1", "2", "]"), ("{\"b\":0,\"a\":", "1", "2", "}")]
        {
            let nested = |depth: usize, inner: &str| {
                let body = [&open.repeat(depth), inner, &close.repeat(depth)].concat();
                Normalised::of(body.as_bytes(), &["/a/0".to_owned()])
            };
            for depth in [128, 1 << 18] {
                let normalised = nested(depth, inner);
                assert!(normalised.json);
                assert_ne!(normalised, nested(depth, other));
                assert_ne!(normalised, nested(depth - 1, inner));
            }
        }
    }

    #[test]
    fn the_size_is_that_of_the_shortest_text() {
        let size =
            |body: &str, ignore: &[String]| Normalised::of(body.as_bytes(), ignore).bytes.get();
        let long = format!("[{{\"b\" : \"\\u0061{}\", \"a\": 1e5 }}]", "x".repeat(100));
        assert_eq!(size(&long, &[]), 2 + 2 + "\"b\":,\"a\":1e5".len() as u64 + 103);
        assert_eq!(
            size("[ [1, 2], {\"a\":{} } ]", &["/0".to_owned()]),
            "[null,{\"a\":{}}]".len() as u64
        );
    }

    #[test]
    fn a_star_is_each_element_and_the_key_of_that_name() {
        let ignore = &["/items/*/id"];
        let items = |items: &str| digest(&format!(r#"{{"items":{items}}}"#), ignore);
        let first = items(r#"[{"id":1,"n":1},{"n":2,"id":2}]"#);
        assert_eq!(first, items(r#"[{"id":3,"n":1},{"n":2,"id":[4,{"id":5}]}]"#));
        assert_ne!(first, items(r#"[{"id":1,"n":1},{"n":3,"id":2}]"#));
        assert_ne!(first, items(r#"[{"id":1,"n":1}]"#));
        assert_eq!(items(r#"{"*":{"id":1}}"#), items(r#"{"*":{"id":2}}"#));
        assert_ne!(items(r#"{"x":{"id":1}}"#), items(r#"{"x":{"id":2}}"#));
        assert_eq!(digest("[[1],[2,3]]", &["/*/*"]), digest("[[4],[5,6]]", &["/*/*"]));
        assert_ne!(digest("[[1],[2,3]]", &["/*/*"]), digest("[[4,5],[6]]", &["/*/*"]));
    }

    #[test]
    fn what_meets_nothing_is_known() {
        let met = |body: &str, ignore: &[&str]| {
            let ignore: Vec<String> = ignore.iter().map(|it| (*it).to_owned()).collect();
            Normalised::of(body.as_bytes(), &ignore).met
        };
        let body = r#"{"id":{"x":[1,2]},"items":[{"id":1},{}],"0":1}"#;
        assert_eq!(met(body, &["/id", "/nothere"]), [true, false]);
        // Also within what is ignored, and in whatever order the pointers stand.
        assert_eq!(met(body, &["/id", "/id/x/1", "/id/x/2", "/id/x"]), [true, true, false, true]);
        assert_eq!(met(body, &["/items/*/id", "/items/1/id", "/items/*"]), [true, false, true]);
        assert_eq!(met(body, &["/items/-", "/items/00", "/items/01", "/items/0/id/x"]), [false; 4]);
        assert_eq!(met(body, &["/0", "/1", "/*"]), [true, false, false]);
        assert_eq!(met("[]", &["/*", "/0"]), [false; 2]);
        assert_eq!(met("[5]", &["/*", "/0", "/0/x"]), [true, true, false]);
        assert_eq!(met("no JSON", &["/id"]), [false]);
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
    fn headers_are_told_apart_and_cookies_by_their_names_alone() {
        let digests = |headers: &[(&str, &str)]| {
            let owned =
                headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
            header_digests(&owned.collect::<Vec<_>>())
        };
        assert_eq!(digests(&[]), BTreeMap::new());
        let one = digests(&[("location", "/a")]);
        assert_eq!(one.keys().collect::<Vec<_>>(), ["location"]);
        assert_ne!(one, digests(&[("location", "/b")]));
        assert_ne!(one, digests(&[("location", "/a"), ("location", "/a")]));
        // `printf '/a\n' | sha256sum`
        assert!(one["location"].starts_with("2dcc5f52"), "{one:?}");
        let cookies = digests(&[("set-cookie", "id=1; Path=/"), ("set-cookie", "theme=x")]);
        assert_eq!(cookies, digests(&[("set-cookie", "theme=y; Secure"), ("set-cookie", "id=2")]));
        assert_ne!(cookies, digests(&[("set-cookie", "id=1")]));
        assert_ne!(cookies, digests(&[("set-cookie", "id=1"), ("set-cookie", "themes=x")]));
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

    /// JSON of which everything is kept.
    #[derive(Debug, Clone, PartialEq)]
    enum Json {
        Plain(&'static str),
        Text(String),
        Array(Vec<Json>),
        Object(Vec<(String, Json)>),
    }

    fn json() -> impl Strategy<Value = Json> {
        let plain = prop::sample::select(vec!["null", "true", "0", "-1.50", "1E+400", "1e400"]);
        let leaf = prop_oneof![
            plain.prop_map(Json::Plain),
            "\\PC{0,40}|[\\x00-\"]{0,3}".prop_map(Json::Text)
        ];
        leaf.prop_recursive(5, 60, 5, |inner| {
            let key = prop_oneof!["[ab\"\\\\]{0,2}", "\\PC{0,30}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
                prop::collection::vec((key, inner), 0..5).prop_map(Json::Object),
            ]
        })
    }

    /// The same with the members of each object in the order of their keys.
    fn sorted(json: &Json) -> Json {
        match json {
            Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
            Json::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(key, it)| (key.clone(), sorted(it))).collect();
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                Json::Object(members)
            }
            plain => plain.clone(),
        }
    }

    /// Writes it with blanks and escapes that depend on `style`.
    fn written(json: &Json, style: u32) -> String {
        let blank = ["", " ", "\n\t", "\r "][style as usize % 4];
        let text = |text: &str| -> String {
            if style.is_multiple_of(3) {
                return serde_json::to_string(text).unwrap();
            }
            let escaped: Vec<String> =
                text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            format!("\"{}\"", escaped.concat())
        };
        let joined = |parts: Vec<String>| parts.join(&format!("{blank},"));
        let next = style / 2;
        match json {
            Json::Plain(plain) => format!("{blank}{plain}{blank}"),
            Json::Text(it) => text(it) + blank,
            Json::Array(items) => {
                format!("[{}{blank}]", joined(items.iter().map(|it| written(it, next)).collect()))
            }
            Json::Object(members) => {
                let member = |(key, it): &(String, Json)| {
                    format!("{blank}{}{blank}:{}", text(key), written(it, next))
                };
                format!("{blank}{{{}{blank}}}", joined(members.iter().map(member).collect()))
            }
        }
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

        #[test]
        fn equal_json_has_an_equal_digest_however_it_is_written(
            value in json(),
            style in any::<u32>(),
        ) {
            let one = Normalised::of(written(&value, 0).as_bytes(), &[]);
            let other = Normalised::of(written(&sorted(&value), style).as_bytes(), &[]);
            prop_assert!(one.json);
            prop_assert_eq!(one, other);
        }

        #[test]
        fn other_json_has_another_digest(one in json(), other in json()) {
            let digest = |it: &Json| Normalised::of(written(it, 0).as_bytes(), &[]).sha256;
            prop_assert_eq!(digest(&one) == digest(&other), sorted(&one) == sorted(&other));
        }

        #[test]
        fn one_changed_character_changes_the_digest(value in json(), place in any::<prop::sample::Index>()) {
            let body = written(&value, 0);
            let mut changed: Vec<char> = body.chars().collect();
            let character = place.get_mut(&mut changed);
            *character = if *character == '7' { '8' } else { '7' };
            let changed: String = changed.into_iter().collect();
            let (before, after) = (Normalised::of(body.as_bytes(), &[]), Normalised::of(changed.as_bytes(), &[]));
            prop_assert_ne!(before.sha256, after.sha256);
        }
    }
}
