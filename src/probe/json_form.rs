//! The form in which two JSON bodies are compared: nothing is lost, and memory has a bound.
//!
//! [`JsonForm::of`] reads a body twice. `serde_json` says whether the body is JSON; it skips values
//! without recursion, so no depth and no number is too much. Then the body is written again:
//!
//! - without white space, and with the members of each object sorted by key;
//! - two members of one key stay two, in their order;
//! - a string has the shortest escapes, a number the very characters that it came with;
//! - what is ignored is one byte, [`IGNORED`];
//! - an object of more than [`INLINE_MAX`] bytes is [`DIGEST`] and its SHA-256. So what lies deep is
//!   moved and hashed once, and not once for each level above it.
//!
//! The form is hashed and dropped. Beside the body it takes at most 2.9 times the body's size: the
//! text of the outermost open object, and 4 bytes for each open object and each of its members.
//! Where no object is open, what is written is hashed at once.

use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::{
    ignored::{IgnoredPath, IgnoredPointers},
    json_string::{string_length, write_shortest},
};

/// Stands for what is ignored. No text of the form has such a byte otherwise.
const IGNORED: u8 = 1;
/// Is followed by the 32 bytes of an object's SHA-256. No UTF-8 text has such a byte.
const DIGEST: u8 = 0xff;
/// Objects of more bytes are represented by their digest, which takes 33.
const INLINE_MAX: usize = 64;
/// Bytes of the form that are gathered before they are hashed.
const FLUSH_MIN: usize = 1 << 16;

/// A JSON body as it is compared.
#[derive(Debug)]
pub(super) struct JsonForm {
    /// SHA-256 of the form.
    pub(super) sha256: [u8; 32],
    /// Bytes of the body without white space, with shortest escapes, and `null` for what is ignored.
    pub(super) bytes: u64,
    /// Whether each pointer met a value.
    pub(super) met: Vec<bool>,
}

impl JsonForm {
    /// The form of a body without what the pointers meet; `None` when the body is not JSON.
    pub(super) fn of(body: &[u8], ignore: &IgnoredPointers) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        // PERF: half the memory, as all but the largest bodies are shorter than 4 GiB.
        Some(if u32::try_from(body.len()).is_ok() {
            FormWriter::<u32>::new(body, ignore).form()
        } else {
            FormWriter::<u64>::new(body, ignore).form()
        })
    }
}

/// A place in the form.
trait Offset: Copy + Ord {
    fn new(place: usize) -> Self;
    fn get(self) -> usize;
}

impl Offset for u32 {
    fn new(place: usize) -> Self {
        Self::try_from(place).expect("the form is no longer than the body, which is below 4 GiB")
    }

    fn get(self) -> usize {
        self as usize
    }
}

impl Offset for u64 {
    fn new(place: usize) -> Self {
        place as Self
    }

    fn get(self) -> usize {
        usize::try_from(self).expect("it was a place in memory")
    }
}

/// Writes the form of a body that is known to be JSON, from its start to its end.
struct FormWriter<'a, Place> {
    body: &'a [u8],
    at: usize,
    /// What is written and not yet hashed: from the outermost open object on.
    form: Vec<u8>,
    /// Of each open object the place of its `{`, then the places of its members so far. A member
    /// starts with a quotation mark, so the two kinds are told apart by what stands there.
    places: Vec<Place>,
    whole: Sha256,
    bytes: u64,
    depth: usize,
    path: IgnoredPath<'a>,
    /// The depth at which a value is ignored, while it is read.
    ignoring: Option<usize>,
}

impl<'a, Place: Offset> FormWriter<'a, Place> {
    fn new(body: &'a [u8], ignore: &'a IgnoredPointers) -> Self {
        Self {
            body,
            at: 0,
            form: Vec::new(),
            places: Vec::new(),
            whole: Sha256::new(),
            bytes: 0,
            depth: 0,
            path: IgnoredPath::new(ignore),
            ignoring: None,
        }
    }

    fn form(mut self) -> JsonForm {
        while let Some(byte) = self.body.get(self.at).copied() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'{' | b'[' => self.open(byte),
                b'}' | b']' => self.close(byte),
                b',' => {
                    self.at += 1;
                    self.path.next_element(self.depth);
                    self.write(&[byte]);
                }
                b'"' => self.string(),
                _ => self.literal(),
            }
        }
        self.whole.update(&self.form);
        JsonForm { sha256: self.whole.finalize().into(), bytes: self.bytes, met: self.path.met() }
    }

    /// A number, `true`, `false` or `null`.
    fn literal(&mut self) {
        let rest = &self.body[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += length;
        self.begin_value();
        self.write(&rest[..length]);
        self.end_value();
    }

    /// A string: a key when a colon comes after it, else a value.
    fn string(&mut self) {
        let start = self.at + 1;
        let end = start + string_length(&self.body[start..]);
        let inner = &self.body[start..end];
        self.at = end + 1;
        let white = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let gap = self.body[self.at..].iter().take_while(white).count();
        if self.body.get(self.at + gap) != Some(&b':') {
            self.begin_value();
            if self.ignoring.is_none() {
                self.write_string(inner);
            }
            self.end_value();
            return;
        }
        self.at += gap + 1;
        let place = self.form.len();
        let before = self.bytes;
        self.write_string(inner);
        self.path.enter_member(self.depth, &self.form[place..]);
        if self.ignoring.is_some() {
            self.form.truncate(place);
            self.bytes = before;
        } else {
            self.keep(place);
            self.write(b":");
        }
    }

    fn open(&mut self, byte: u8) {
        self.at += 1;
        self.begin_value();
        if byte == b'{' && self.ignoring.is_none() {
            self.keep(self.form.len());
        }
        self.write(&[byte]);
        self.path.open(self.depth, byte == b'[');
        self.depth += 1;
    }

    fn close(&mut self, byte: u8) {
        self.at += 1;
        self.path.close(self.depth);
        self.depth -= 1;
        self.write(&[byte]);
        if byte == b'}' && self.ignoring.is_none() {
            self.close_object();
        }
        self.end_value();
    }

    /// Writes the ignored byte where a value begins that is ignored.
    fn begin_value(&mut self) {
        if self.path.is_ignored(self.depth) && self.ignoring.is_none() {
            self.write(&[IGNORED]);
            self.bytes += "null".len() as u64 - 1;
            self.ignoring = Some(self.depth);
        }
    }

    fn end_value(&mut self) {
        if self.ignoring == Some(self.depth) {
            self.ignoring = None;
        }
        if self.places.is_empty() && self.form.len() >= FLUSH_MIN {
            self.whole.update(&self.form);
            self.form.clear();
        }
    }

    /// Sorts the members of the object that was written last.
    fn close_object(&mut self) {
        let opened = |place: &Place| self.form[place.get()] == b'{';
        let index =
            self.places.iter().rposition(opened).expect("a valid body opens what it closes");
        let start = self.places[index].get();
        let members = Members { form: &self.form, places: &self.places[index + 1..] };
        let order = members.order();
        if self.form.len() - start > INLINE_MAX {
            let mut digest = Sha256::new();
            match order {
                None => digest.update(&self.form[start..]),
                Some(order) => members.write(&order, &mut |part| digest.update(part)),
            }
            let digest = digest.finalize();
            self.form.truncate(start);
            self.form.push(DIGEST);
            self.form.extend_from_slice(&digest);
        } else if let Some(order) = order {
            let mut sorted = Vec::with_capacity(INLINE_MAX);
            members.write(&order, &mut |part| sorted.extend_from_slice(part));
            self.form.truncate(start);
            self.form.extend_from_slice(&sorted);
        }
        self.places.truncate(index);
    }

    /// Notes a place, with little room for more: doubling would take as much again.
    fn keep(&mut self, place: usize) {
        if self.places.len() == self.places.capacity() {
            self.places.reserve_exact(self.places.len() / 8 + 16);
        }
        self.places.push(Place::new(place));
    }

    fn write(&mut self, text: &[u8]) {
        if self.ignoring.is_none() {
            self.append(text);
        }
    }

    fn append(&mut self, text: &[u8]) {
        let room = self.form.capacity() - self.form.len();
        if room < text.len() {
            self.form.reserve_exact(text.len().max(self.form.len() / 8 + 256));
        }
        self.form.extend_from_slice(text);
        self.bytes += text.len() as u64;
    }

    /// Writes a string, given without its quotation marks, also where it is ignored.
    fn write_string(&mut self, inner: &[u8]) {
        self.append(b"\"");
        write_shortest(inner, &mut |part| self.append(part));
        self.append(b"\"");
    }
}

/// The members of one object.
struct Members<'a, Place> {
    form: &'a [u8],
    /// Where each starts, in their order; the last ends before the last byte of the form.
    places: &'a [Place],
}

impl<Place: Offset> Members<'_, Place> {
    /// Their numbers in the order of their keys; `None` when that is the order they are in.
    fn order(&self) -> Option<Vec<Place>> {
        let key = |number: usize| {
            let text = &self.form[self.places[number].get() + 1..];
            &text[..string_length(text)]
        };
        if (1..self.places.len()).all(|number| key(number - 1) <= key(number)) {
            return None;
        }
        let mut order: Vec<Place> = (0..self.places.len()).map(Place::new).collect();
        // In place. Members of one key keep their order.
        order.sort_unstable_by(|a, b| key(a.get()).cmp(key(b.get())).then(a.cmp(b)));
        Some(order)
    }

    /// Writes the object with its members in this order.
    fn write(&self, order: &[Place], write: &mut dyn FnMut(&[u8])) {
        for (index, number) in order.iter().enumerate() {
            let number = number.get();
            let next = self.places.get(number + 1).map_or(self.form.len(), |next| next.get());
            write(if index == 0 { b"{" } else { b"," });
            // Without the comma or brace behind it.
            write(&self.form[self.places[number].get()..next - 1]);
        }
        write(b"}");
    }
}
