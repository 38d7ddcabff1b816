//! The canonical form of a document, RFC 8785: what is hashed.
//!
//! [`canonical`] writes JSON without blanks, with numbers as ECMAScript writes them and the members
//! of each object sorted by the UTF-16 code units of their names. The RFC rounds integers above 2^53
//! to doubles, so that two of them could be written alike: a document that has one is refused.
//!
//! PERF: one buffer for everything, in which each object is sorted once it is complete; the outermost
//! goes to the reader member by member. A passport of 10,000 results takes a tenth of the time that
//! a buffer for each member takes.

use std::{cell::RefCell, io};

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

/// The largest integer up to which all integers are doubles: 2^53.
pub(super) const INTEGER_MAX: u64 = 1 << 53;

const TOO_LARGE: &str = "an integer is above 2^53, which no hash covers exactly";

/// Gives the canonical form of a typed document to `take`, piece by piece.
///
/// # Errors
///
/// The error of its [`Serialize`], that an object has two members of one name, or that an integer is
/// above [`INTEGER_MAX`].
pub(super) fn canonical(
    document: &impl Serialize,
    mut take: impl FnMut(&[u8]),
) -> Result<(), serde_json::Error> {
    let text = RefCell::new(Text::default());
    document.serialize(&mut Serializer::with_formatter(Writer(&text), Canonical(&text)))?;
    let Text { bytes, members, .. } = text.into_inner();
    if bytes.first() != Some(&b'{') {
        take(&bytes);
        return Ok(());
    }
    for (place, member) in members.iter().enumerate() {
        take(if place == 0 { b"{" } else { b"," });
        take(&bytes[member.start..member.end]);
    }
    take(if members.is_empty() { b"{}" } else { b"}" });
    Ok(())
}

/// What is written so far.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    /// The members of all objects that are not complete, those of the innermost last.
    members: Vec<Member>,
    /// For each such object how many of `members` belong to those around it.
    outer: Vec<usize>,
    /// Kept to be used again.
    sorted: Vec<u8>,
}

/// Where a member is, from the quote of its name to the end of its value.
#[derive(Clone, Copy)]
struct Member {
    start: usize,
    colon: usize,
    end: usize,
    /// The first bytes of its name, by which most are told apart; zeros after a shorter one.
    first: [u8; 8],
}

/// The name of a member as it is written, without the quotes.
fn name<'a>(bytes: &'a [u8], member: &Member) -> &'a [u8] {
    &bytes[member.start + 1..member.colon - 1]
}

impl Text {
    /// Sorts the members of the innermost object and completes it; the outermost is left to the
    /// reader.
    fn end_object(&mut self) -> io::Result<()> {
        let Self { bytes, members, outer, sorted } = self;
        let first = outer.pop().unwrap_or_default();
        let own = &mut members[first..];
        // Without an escape, names of ASCII are ordered as their bytes are.
        let plain = |name: &[u8]| name.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
        if own.iter().all(|it| plain(name(bytes, it))) {
            own.sort_unstable_by(|a, b| {
                a.first.cmp(&b.first).then_with(|| name(bytes, a).cmp(name(bytes, b)))
            });
        } else {
            own.sort_by_cached_key(|it| utf16(&bytes[it.start..it.colon]));
        }
        if own.windows(2).any(|pair| name(bytes, &pair[0]) == name(bytes, &pair[1])) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an object has a name twice"));
        }
        if outer.is_empty() && bytes.first() == Some(&b'{') {
            return Ok(());
        }
        sorted.clear();
        for member in &*own {
            sorted.push(b',');
            sorted.extend_from_slice(&bytes[member.start..member.end]);
        }
        let length: usize = own.iter().map(|it| it.end - it.start).sum();
        bytes.truncate(bytes.len() - length);
        bytes.extend_from_slice(sorted.get(1..).unwrap_or_default());
        bytes.push(b'}');
        members.truncate(first);
        Ok(())
    }
}

/// The code units of a name that is written as JSON.
fn utf16(name: &[u8]) -> Vec<u16> {
    let name: String = serde_json::from_slice(name).expect("it was written by a serializer");
    name.encode_utf16().collect()
}

/// Takes what the serializer writes.
struct Writer<'a>(&'a RefCell<Text>);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes where members are, and formats numbers.
struct Canonical<'a>(&'a RefCell<Text>);

impl Formatter for Canonical<'_> {
    fn begin_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let text = &mut *self.0.borrow_mut();
        text.bytes.push(b'{');
        text.outer.push(text.members.len());
        Ok(())
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W, _: bool) -> io::Result<()> {
        let text = &mut *self.0.borrow_mut();
        let start = text.bytes.len();
        text.members.push(Member { start, colon: start, end: start, first: [0; 8] });
        Ok(())
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let text = &mut *self.0.borrow_mut();
        if let Some(member) = text.members.last_mut() {
            member.colon = text.bytes.len();
            let name = name(&text.bytes, member);
            let length = name.len().min(member.first.len());
            member.first[..length].copy_from_slice(&name[..length]);
        }
        text.bytes.push(b':');
        Ok(())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let text = &mut *self.0.borrow_mut();
        if let Some(member) = text.members.last_mut() {
            member.end = text.bytes.len();
        }
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.borrow_mut().end_object()
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format_finite(value).as_bytes())
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        exact(value)?;
        serde_json::ser::CompactFormatter.write_u64(writer, value)
    }

    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        exact(value.unsigned_abs())?;
        serde_json::ser::CompactFormatter.write_i64(writer, value)
    }
}

/// Refuses an integer that a double may not hold.
fn exact(value: u64) -> io::Result<()> {
    if value > INTEGER_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, TOO_LARGE));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn text(document: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        canonical(document, |piece| bytes.extend_from_slice(piece)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// RFC 8785, section 3.2.3, but for the names of more than one character.
    #[test]
    fn names_are_sorted_as_the_rfc_says() {
        let names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let object: BTreeMap<&str, u8> = names.into_iter().zip(0..).collect();
        assert_eq!(
            text(&object),
            "{\"\\r\":1,\"1\":3,\"\u{80}\":5,\"\u{f6}\":6,\"\u{20ac}\":0,\"\u{1f600}\":4,\"\u{fb33}\":2}"
        );
    }

    /// RFC 8785, appendix B.
    #[test]
    fn numbers_are_written_as_the_rfc_says() {
        let numbers =
            [-0.0, 1e21, 1e23, 9_007_199_254_740_992.0, 1e-6, 1e-7, 333_333_333.333_333_25];
        assert_eq!(
            text(&numbers),
            "[0,1e+21,1e+23,9007199254740992,0.000001,1e-7,333333333.33333325]"
        );
    }

    #[test]
    fn an_integer_that_would_be_rounded_is_refused() {
        assert_eq!(text(&(1_u64 << 53, -1_i64 << 53)), "[9007199254740992,-9007199254740992]");
        for refused in [i128::from(INTEGER_MAX) + 1, i128::from(u64::MAX), i128::from(i64::MIN)] {
            let value: Value = serde_json::from_str(&refused.to_string()).unwrap();
            let error = canonical(&value, |_| {}).unwrap_err();
            assert!(error.to_string().contains("above 2^53"), "{error}");
        }
    }

    #[test]
    fn empty_and_nested_objects_keep_their_places() {
        let value: Value =
            serde_json::from_str(r#"{"b":[{},{"z":{},"a":[]}],"a b":{"d":1,"c":"\"}"},"a":null}"#)
                .unwrap();
        let sorted = r#"{"a":null,"a b":{"c":"\"}","d":1},"b":[{},{"a":[],"z":{}}]}"#;
        assert_eq!(text(&value), sorted);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1_i64 << 53..=1 << 53).prop_map(Value::from),
            (0..=INTEGER_MAX).prop_map(Value::from),
            prop::num::f64::NORMAL.prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,3}|.{0,4}", inner, 0..8)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn another_implementation_writes_the_same(value in any_json()) {
            let other = serde_json_canonicalizer::to_string(&value).unwrap();
            prop_assert_eq!(text(&value), other);
        }
    }
}
