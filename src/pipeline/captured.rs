//! Captured values in responses: they differ from run to run, wherever they come back.
//!
//! Two responses are the same where they differ in nothing but captured values, each at the same place.
//! The first response is kept for that, and where in it such values stand is learned from the others. So
//! an amount that happens to be what an id is once stays an amount. A value that stayed the same all the
//! time, as the token of a setup that is sent once, shows no place: its text is left out wherever it stands.
//! This decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use crate::{
    contract::{CaptureSource, RequestSpec},
    probe::{IgnoredPointers, Normalised, Values, forms, values_at},
};

/// A shorter value is looked for only where it stands alone: `7` is not in `17`.
const ALONE_BELOW: usize = 8;

/// What stands for the first captured value: digits are good in any text and as a number of JSON.
const MASK: u64 = 9_000_000_000_000_000;

/// A response as far as it is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ComparedResponse {
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

/// The first response to a request, and where captured values stand in it.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    response: ComparedResponse,
    values: Vec<NamedForms>,
    /// Of the body, and of each header, by where each begins.
    places: Vec<BTreeMap<usize, Masked>>,
    /// Whether places cannot be told, so that values are left out wherever they stand.
    by_value: bool,
    /// The values that another response had otherwise, by number: only of them places can be learned.
    varied: BTreeSet<usize>,
}

/// A captured value, in the forms in which it may come back.
#[derive(Debug, Clone)]
struct NamedForms {
    name: String,
    forms: [String; 4],
}

/// A captured value in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Masked {
    length: usize,
    /// Its number by name.
    value: usize,
}

impl Reference {
    /// The reference that a first response is.
    pub(super) fn new(response: ComparedResponse, values: &Values) -> Self {
        let places = vec![BTreeMap::new(); response.headers.len() + 1];
        let values = named_forms(values);
        Self { values, response, places, by_value: false, varied: BTreeSet::new() }
    }

    /// The response as it is compared: the first one, where this one differs from that in captured values
    /// alone. Whether more is known of the places by now.
    pub(super) fn look(
        &mut self,
        spec: &RequestSpec,
        response: ComparedResponse,
        values: &Values,
    ) -> (ComparedResponse, bool) {
        let has_varied = self.note_varied(values);
        if response == self.response {
            return (response, has_varied);
        }
        let theirs = named_forms(values);
        if let Some(places) = self.align(&response, &theirs) {
            let before: usize = self.places.iter().map(BTreeMap::len).sum();
            for (known, new) in self.places.iter_mut().zip(places) {
                known.extend(new);
            }
            let now: usize = self.places.iter().map(BTreeMap::len).sum();
            return (self.response.clone(), has_varied || now > before);
        }
        // The order of keys may differ: then only the values can be told, and not their places.
        let (other, own) = (without(&response, &theirs), without(&self.response, &self.values));
        let form = |it: &ComparedResponse| Normalised::of(&it.body, &spec.ignore).sha256;
        let is_json = spec.compare_body == crate::contract::CompareBody::Json;
        if is_json && other.headers == own.headers && form(&other) == form(&own) {
            let is_new = !self.by_value;
            self.by_value = true;
            return (self.response.clone(), has_varied || is_new);
        }
        (other, has_varied)
    }

    /// Notes which values differ from those of the first response; whether one did not before.
    fn note_varied(&mut self, values: &Values) -> bool {
        let before = self.varied.len();
        for (name, value) in values.captured() {
            let differs = |it: &NamedForms| it.name == name && it.forms[0] != value;
            self.varied.extend(self.values.iter().position(differs));
        }
        self.varied.len() > before
    }

    /// Whether this is the first response.
    pub(super) fn is(&self, response: &ComparedResponse) -> bool {
        self.response == *response
    }

    /// How much is known of where captured values are: what [`Self::masked`] is changes with that.
    pub(super) fn known_places(&self) -> usize {
        let places = self.places.iter().map(BTreeMap::len).sum::<usize>();
        places + usize::from(self.by_value) + self.varied.len()
    }

    /// The first response without captured values: where their places are known, and of a value that never
    /// differed wherever it stands.
    pub(super) fn masked(&self) -> ComparedResponse {
        if self.by_value {
            return without(&self.response, &self.values);
        }
        let held = |value: usize| !self.varied.contains(&value);
        let mask = |text: &[u8], known: &BTreeMap<usize, Masked>| {
            let mut places = places_of(text, &self.values, &held);
            places.retain(|start, it| !known.iter().any(|known| overlap((start, it), known)));
            places.extend(known);
            masked(text, &places)
        };
        let mut response = self.response.clone();
        response.body = mask(&response.body, &self.places[0]);
        for ((name, value), places) in response.headers.iter_mut().zip(&self.places[1..]) {
            // Of cookies only the names are compared, which are no values.
            if name != "set-cookie" {
                *value = mask(value, places);
            }
        }
        response
    }

    /// Where values stand, in each part; `None` where anything else differs.
    fn align(
        &self,
        other: &ComparedResponse,
        theirs: &[NamedForms],
    ) -> Option<Vec<BTreeMap<usize, Masked>>> {
        let names = |it: &NamedForms| theirs.iter().find(|other| other.name == it.name);
        let pairs: Vec<_> = self.values.iter().map(|it| (it, names(it))).collect();
        let same_names = self.response.headers.len() == other.headers.len()
            && self.response.headers.iter().zip(&other.headers).all(|(a, b)| a.0 == b.0);
        if !same_names {
            return None;
        }
        let headers = self.response.headers.iter().zip(&other.headers);
        let parts = headers.map(|((name, a), (_, b))| {
            // Of cookies only the names are compared, which are no values.
            if name == "set-cookie" { Some(BTreeMap::new()) } else { align(a, b, &pairs) }
        });
        std::iter::once(align(&self.response.body, &other.body, &pairs)).chain(parts).collect()
    }
}

/// What is left out of each response to a request: what the contract ignores, and captures by pointer.
pub(super) fn left_out(spec: &RequestSpec) -> IgnoredPointers {
    let captured = spec.captures.iter().filter_map(|it| match &it.from {
        CaptureSource::Json(pointer) => Some(pointer),
        CaptureSource::Header(_) | CaptureSource::Cookie(_) => None,
    });
    IgnoredPointers::new(&spec.ignore.iter().chain(captured).cloned().collect::<Vec<String>>())
}

/// A response without what is left out of it.
pub(super) fn compared(
    left_out: &IgnoredPointers,
    body: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
) -> ComparedResponse {
    let found = if left_out.is_empty() { Vec::new() } else { values_at(&body, left_out) };
    if found.is_empty() {
        return ComparedResponse { body, headers };
    }
    let mut blank = Vec::with_capacity(body.len());
    let mut at = 0;
    for Range { start, end } in found {
        blank.extend_from_slice(&body[at..start]);
        blank.extend_from_slice(b"null");
        at = end;
    }
    blank.extend_from_slice(&body[at..]);
    ComparedResponse { body: blank, headers }
}

fn named_forms(values: &Values) -> Vec<NamedForms> {
    let mut named: Vec<NamedForms> = values
        .captured()
        .map(|(name, value)| NamedForms { name: name.to_owned(), forms: forms(value) })
        .collect();
    named.sort_by(|a, b| a.name.cmp(&b.name));
    named
}

/// Where captured values stand in the first of two texts that differ in nothing else.
fn align(
    a: &[u8],
    b: &[u8],
    values: &[(&NamedForms, Option<&NamedForms>)],
) -> Option<BTreeMap<usize, Masked>> {
    let (mut i, mut j, mut places) = (0, 0, BTreeMap::new());
    // Behind the last value that was found.
    let (mut a_from, mut b_from) = (0, 0);
    loop {
        let same = a[i..].iter().zip(&b[j..]).take_while(|(a, b)| a == b).count();
        (i, j) = (i + same, j + same);
        if i == a.len() && j == b.len() {
            return Some(places);
        }
        // A value begins before the first byte in which it differs from its other.
        let found = values.iter().enumerate().find_map(|(number, (own, other))| {
            let other = (*other)?;
            own.forms.iter().zip(&other.forms).find_map(|(own, other)| {
                let (own, other) = (own.as_bytes(), other.as_bytes());
                let common = own.iter().zip(other).take_while(|(a, b)| a == b).count();
                let (start, other_start) = (i.checked_sub(common)?, j.checked_sub(common)?);
                let fits = own != other
                    && start >= a_from
                    && other_start >= b_from
                    && stands_at(a, start, own)
                    && stands_at(b, other_start, other);
                fits.then_some((number, start, own.len(), other_start + other.len()))
            })
        });
        let (value, start, length, other_end) = found?;
        places.insert(start, Masked { length, value });
        (i, j) = (start + length, other_end);
        (a_from, b_from) = (i, j);
    }
}

/// Whether a value stands there: a short one alone.
fn stands_at(text: &[u8], start: usize, value: &[u8]) -> bool {
    let end = start + value.len();
    let is_word = |it: Option<&u8>| it.is_some_and(u8::is_ascii_alphanumeric);
    let before = start.checked_sub(1).and_then(|it| text.get(it));
    text.get(start..end) == Some(value)
        && (value.len() >= ALONE_BELOW || !(is_word(before) || is_word(text.get(end))))
}

/// The response with a mask in the place of each of these values, wherever they stand.
fn without(response: &ComparedResponse, values: &[NamedForms]) -> ComparedResponse {
    let leave_out = |text: &[u8]| masked(text, &places_of(text, values, &|_| true));
    ComparedResponse {
        body: leave_out(&response.body),
        headers: response.headers.iter().map(|(name, it)| (name.clone(), leave_out(it))).collect(),
    }
}

/// Where those values stand that are looked for, by their numbers.
fn places_of(
    text: &[u8],
    values: &[NamedForms],
    is_wanted: &dyn Fn(usize) -> bool,
) -> BTreeMap<usize, Masked> {
    let mut wanted: Vec<(usize, &[u8])> = values
        .iter()
        .enumerate()
        .filter(|(value, _)| is_wanted(*value))
        .flat_map(|(value, it)| it.forms.iter().map(move |form| (value, form.as_bytes())))
        .filter(|(_, form)| !form.is_empty())
        .collect();
    wanted.dedup();
    // One may be how another one begins.
    wanted.sort_by_key(|(_, form)| std::cmp::Reverse(form.len()));
    let (mut at, mut places) = (0, BTreeMap::new());
    while at < text.len() {
        match wanted.iter().find(|(_, form)| stands_at(text, at, form)) {
            Some((value, form)) => {
                places.insert(at, Masked { length: form.len(), value: *value });
                at += form.len();
            }
            None => at += 1,
        }
    }
    places
}

/// Whether two places have a byte in common.
fn overlap((a, of_a): (&usize, &Masked), (b, of_b): (&usize, &Masked)) -> bool {
    *a < b + of_b.length && *b < a + of_a.length
}

fn masked(text: &[u8], places: &BTreeMap<usize, Masked>) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for (start, Masked { length, value }) in places {
        // Two places that overlap are one.
        if *start < at {
            continue;
        }
        out.extend_from_slice(&text[at..*start]);
        out.extend_from_slice((MASK + *value as u64).to_string().as_bytes());
        at = start + length;
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    fn values(known: &[(&str, &str)]) -> Values {
        let mut values = Values::default();
        for (name, value) in known {
            values.capture(name, (*value).to_owned());
        }
        values
    }

    fn response(body: &str, location: &str) -> ComparedResponse {
        let headers = vec![("location".to_owned(), location.as_bytes().to_vec())];
        ComparedResponse { body: body.as_bytes().to_vec(), headers }
    }

    fn spec(more: &str) -> RequestSpec {
        let text = format!(
            "schema_version = 1\nname = \"a\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
             name = \"s\"\npath = \"/\"\n{more}"
        );
        Contract::parse(&text).unwrap().checks[0].requests[0].clone()
    }

    #[test]
    fn what_was_captured_differs_and_what_is_like_it_by_chance_does_not() {
        let one = [("id", "7"), ("token", "abc/defgh")];
        let body = r#"{"id":7,"amount":7,"at":"/a/7","t":"xabc\/defgh"}"#;
        let mut reference = Reference::new(response(body, "/a/7"), &values(&one));
        let two = values(&[("id", "12"), ("token", "ABC/DEFGH")]);
        let other = r#"{"id":12,"amount":7,"at":"/a/12","t":"xABC\/DEFGH"}"#;
        let (compared, learned) = reference.look(&spec(""), response(other, "/a/12"), &two);
        assert!(learned);
        assert_eq!(compared, response(body, "/a/7"));
        let masked = String::from_utf8(reference.masked().body).unwrap();
        let (id, token) = (MASK.to_string(), (MASK + 1).to_string());
        let expected =
            format!("{{\"id\":{id},\"amount\":7,\"at\":\"/a/{id}\",\"t\":\"x{token}\"}}");
        assert_eq!(masked, expected);
        assert_eq!(reference.masked().headers[0].1, format!("/a/{id}").into_bytes());

        // Another amount is another response, and so is an id that is not the captured one.
        for changed in [
            r#"{"id":12,"amount":8,"at":"/a/12","t":"xABC\/DEFGH"}"#,
            r#"{"id":13,"amount":7,"at":"/a/12","t":"xABC\/DEFGH"}"#,
            r#"{"id":12,"amount":7,"at":"/a/12","t":"xABC\/DEFGH","more":1}"#,
        ] {
            let (compared, learned) = reference.look(&spec(""), response(changed, "/a/12"), &two);
            assert!(!learned && compared != response(body, "/a/7"), "{changed}");
        }
        let (compared, _) = reference.look(&spec(""), response(other, "/b/12"), &two);
        assert_ne!(compared, response(body, "/a/7"));
    }

    #[test]
    fn values_with_a_common_beginning_or_of_another_length_are_found() {
        for (a, b, one, two) in [
            ("order-1 order-19", "order-10 order-19", "order-1", "order-10"),
            ("[9,19]", "[10,19]", "9", "10"),
            ("1", "10", "1", "10"),
            ("a-1.b", "a-2.b", "a-1", "a-2"),
        ] {
            let mut reference = Reference::new(response(a, ""), &values(&[("id", one)]));
            let two = values(&[("id", two)]);
            let (compared, learned) = reference.look(&spec(""), response(b, ""), &two);
            assert!(learned && compared == response(a, ""), "{a} {b}");
            assert_eq!(reference.places[0].len(), 1, "{a}");
        }
    }

    #[test]
    fn a_value_that_stays_the_same_is_left_out_and_one_that_varies_has_its_places() {
        let run = |token: &str, ids: [&str; 2]| {
            let body = |id: &str| format!(r#"{{"at":"/a/{id}","by":"x {token}","amount":7}}"#);
            let of = |id: &str| values(&[("id", id), ("token", token)]);
            let location = format!("/a?t={token}");
            let mut reference = Reference::new(response(&body(ids[0]), &location), &of(ids[0]));
            let first = reference.masked();
            let other = response(&body(ids[1]), &location);
            assert!(reference.look(&spec(""), other.clone(), &of(ids[1])).1);
            assert!(!reference.look(&spec(""), other, &of(ids[1])).1);
            (first, reference.masked())
        };
        let (once, masked) = run("secret-token-1", ["7", "8"]);
        assert_eq!(masked, run("secret-token-22", ["11", "12"]).1);
        let text = String::from_utf8(masked.body).unwrap();
        assert!(text.contains("\"amount\":7") && !text.contains("secret"), "{text}");
        // Of one response alone nobody knows which `7` is the id.
        assert_eq!(once, {
            let values = named_forms(&values(&[("id", "7"), ("token", "secret-token-1")]));
            let body = r#"{"at":"/a/7","by":"x secret-token-1","amount":7}"#;
            without(&response(body, "/a?t=secret-token-1"), &values)
        });
    }

    #[test]
    fn other_orders_of_keys_are_compared_by_value() {
        let json = spec("compare_body = \"json\"");
        let first = response(r#"{"id":7,"name":"x"}"#, "/a/7");
        let mut reference = Reference::new(first.clone(), &values(&[("id", "7")]));
        let two = values(&[("id", "8")]);
        let other = response(r#"{"name":"x","id":8}"#, "/a/8");
        assert_eq!(reference.look(&json, other.clone(), &two), (first.clone(), true));
        assert_eq!(reference.look(&json, other.clone(), &two), (first.clone(), false));
        assert_ne!(reference.look(&spec(""), other, &two).0, first);
        let changed = response(r#"{"name":"y","id":8}"#, "/a/8");
        assert_ne!(reference.look(&json, changed, &two).0, first);
    }

    #[test]
    fn ignored_and_captured_pointers_are_left_out() {
        let spec = spec("ignore = [\"/at\"]\ncapture = { id = { json = \"/id\" } }");
        let body = br#"{ "id" : {"a":1}, "at": "now" }"#.to_vec();
        let left = compared(&left_out(&spec), body, Vec::new()).body;
        assert_eq!(left, br#"{ "id" : null, "at": null }"#);
        assert_eq!(compared(&left_out(&spec), b"<html>".to_vec(), Vec::new()).body, b"<html>");
    }
}
