//! What changed in a JSON body, by pointer, in another one, by line, and what came in place of an expected body.
//!
//! Both are only known to the process that asked: a passport that was read from a file has no bodies,
//! and then nothing is said here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, Mark};
use crate::{
    claim::{BaselineFigures, Verdict},
    contract::ClaimKind,
    evidence::{Behaviour, Bodies},
    passport::TestResult,
    text::escaped,
};

/// Differences of one body that are listed.
const LISTED_MAX: usize = 10;
/// Lines of a text that are listed.
const LINES_MAX: usize = 3;
/// Characters of a value that are shown.
const VALUE_MAX: usize = 60;
/// Characters of a long line that are shown before the first one that differs.
const BEFORE_MAX: usize = 20;

/// What is known of a check whose response is not as expected, or not the baseline's.
pub(super) fn details(result: &TestResult, name: &str) -> Vec<Finding> {
    let failed = |kind| {
        let mut claims = result.claims.iter();
        claims.any(|it| it.kind == kind && it.verdict == Verdict::Fail)
    };
    let bodies = &result.evidence.bodies;
    let Some(behaviour) = &result.evidence.behaviour else { return Vec::new() };
    let unmet = behaviour.ignored_nothing.iter();
    let mut sentences: Vec<String> =
        unmet.map(|it| format!("`{}` meets nothing in any response", quoted(it))).collect();
    let headers = headers_changed(behaviour, result.baseline.as_ref());
    sentences.extend(headers.iter().map(|it| format!("the header `{}` differs", quoted(it))));
    let unexpected = failed(ClaimKind::Status) || failed(ClaimKind::ContentType);
    if let (true, false, Some(before)) =
        (failed(ClaimKind::Behaviour), unexpected, &result.baseline)
    {
        sentences.extend(changes(&before.bodies, bodies));
    }
    let finding =
        |sentence, message| Finding { mark: Mark::Detail, of: name.to_owned(), sentence, message };
    let beginning = bodies.unexpected.as_deref().filter(|_| unexpected);
    let mut details: Vec<Finding> = sentences.into_iter().map(|it| finding(it, None)).collect();
    details.extend(beginning.map(|text| match text {
        "" => finding("the body is empty".to_owned(), None),
        text => finding("the body begins".to_owned(), Some(text.to_owned())),
    }));
    details
}

/// Text from outside that stands in backticks.
fn quoted(text: &str) -> String {
    escaped(text).replace('`', "'")
}

/// The compared headers that differ among the responses, or else from the baseline's.
fn headers_changed<'a>(
    behaviour: &'a Behaviour,
    baseline: Option<&'a BaselineFigures>,
) -> BTreeSet<&'a str> {
    let mut changed: BTreeSet<&str> =
        behaviour.headers_unequal.iter().map(String::as_str).collect();
    if let Some(before) = baseline.and_then(|it| it.response.as_ref()) {
        let now = &behaviour.response.headers;
        let names = now.keys().chain(before.headers.keys());
        let differ = names.filter(|name| now.get(*name) != before.headers.get(*name));
        changed.extend(differ.map(String::as_str));
    }
    changed
}

/// What differs between the first bodies of two sides, request by request.
fn changes(before: &Bodies, after: &Bodies) -> Vec<String> {
    let mut lines = Vec::new();
    let several = after.first.len() > 1;
    for (step, after_json) in after.first.iter().enumerate() {
        let json = before.first.get(step).and_then(Option::as_ref).zip(after_json.as_ref());
        let text = |bodies: &Bodies| bodies.texts.get(step).cloned().flatten();
        let (mut found, most) = match (json, text(before).zip(text(after))) {
            (Some((before, after)), _) => {
                let mut found = Vec::new();
                compare(before, after, &mut String::new(), &mut found);
                (found, LISTED_MAX)
            }
            (None, Some((before, after))) => (lines_changed(&before, &after), LINES_MAX),
            (None, None) => continue,
        };
        let more = found.len().saturating_sub(most);
        found.truncate(most);
        if more > 0 {
            found.push(format!("and {more} more"));
        }
        let place = if several { format!("step {}: ", step + 1) } else { String::new() };
        lines.extend(found.into_iter().map(|line| place.clone() + &line));
    }
    lines
}

/// The lines that differ between two texts that have as many; else the first one, and how many there are.
fn lines_changed(before: &[String], after: &[String]) -> Vec<String> {
    let pairs = before.iter().zip(after).enumerate().filter(|(_, (old, new))| old != new);
    let mut found = pairs.map(|(number, (old, new))| {
        let (new, old) = around_difference(new, old);
        format!("line {} is `{new}`, in the baseline `{old}`", number + 1)
    });
    if before.len() == after.len() {
        return found.collect();
    }
    let counts = format!("there are {} lines, in the baseline {}", after.len(), before.len());
    found.next().into_iter().chain([counts]).collect()
}

/// Two lines that differ, each from shortly before the place where they do.
fn around_difference(one: &str, other: &str) -> (String, String) {
    // Both are ASCII, as everything that is kept of a text.
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let from =
        if one.len().max(other.len()) > VALUE_MAX { same.saturating_sub(BEFORE_MAX) } else { 0 };
    let part = |line: &str| {
        let beginning = if from > 0 { "..." } else { "" };
        let rest = quoted(line.get(from..).unwrap_or_default());
        let most = VALUE_MAX - beginning.len();
        if rest.len() <= most {
            format!("{beginning}{rest}")
        } else {
            format!("{beginning}{}...", &rest[..most - 3])
        }
    };
    (part(one), part(other))
}

/// Lists what differs between two values below a pointer. `serde_json` reads no more than 128 levels,
/// so neither has more.
fn compare(before: &Value, after: &Value, pointer: &mut String, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                below(key, pointer, |pointer| match new.get(key) {
                    Some(now) => compare(value, now, pointer, found),
                    None => found.push(format!("`{}` is gone", quoted(pointer))),
                });
            }
            for key in new.keys().filter(|key| !old.contains_key(*key)) {
                below(key, pointer, |pointer| found.push(format!("`{}` is new", quoted(pointer))));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for (index, (value, now)) in old.iter().zip(new).enumerate() {
                below(&index.to_string(), pointer, |pointer| compare(value, now, pointer, found));
            }
            if old.len() != new.len() {
                let whole = quoted(pointer);
                let (before, after) = (old.len(), new.len());
                found.push(format!("`{whole}` has {after} elements, the baseline {before}"));
            }
        }
        _ if before == after => {}
        _ => {
            let whole = quoted(pointer);
            found.push(format!("`{whole}` is {}, in the baseline {}", shown(after), shown(before)));
        }
    }
}

/// Does something with the pointer to a member or element.
fn below(key: &str, pointer: &mut String, act: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    act(pointer);
    pointer.truncate(length);
}

fn shown(value: &Value) -> String {
    let text = quoted(&value.to_string());
    if text.len() <= VALUE_MAX { text } else { format!("{}...", &text[..VALUE_MAX - 3]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bodies: &[&str]) -> Bodies {
        let mut kept = Bodies::default();
        for body in bodies {
            kept.keep_first(body.as_bytes(), &[]);
        }
        kept
    }

    fn changed(before: &str, after: &str) -> Vec<String> {
        changes(&of(&[before]), &of(&[after]))
    }

    #[test]
    fn a_renamed_member_is_gone_and_new() {
        assert_eq!(
            changed(r#"{"total":1}"#, r#"{"sum":1}"#),
            ["`/total` is gone", "`/sum` is new"]
        );
    }

    #[test]
    fn values_elements_and_types_are_told_by_pointer() {
        assert_eq!(
            changed(
                r#"{"a/b":[1,2,{"x~":true}],"n":null,"o":{}}"#,
                r#"{"o":[],"n":0,"a/b":[1,3,{"x~":"\u001b[31m"},4]}"#
            ),
            [
                "`/a~1b/1` is 3, in the baseline 2",
                r#"`/a~1b/2/x~0` is "\u001b[31m", in the baseline true"#,
                "`/a~1b` has 4 elements, the baseline 3",
                "`/n` is 0, in the baseline null",
                "`/o` is [], in the baseline {}",
            ]
        );
        assert_eq!(changed("1", "2"), ["`` is 2, in the baseline 1"]);
        assert_eq!(changed(r#"{"a":1,"b":2}"#, r#"{"b":2, "a":1}"#), Vec::<String>::new());
    }

    #[test]
    fn no_more_than_ten_are_listed_and_no_long_value() {
        let keys = |name: &str| {
            let members: Vec<String> = (0..12).map(|n| format!("\"{name}{n}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        let lines = changed(&keys("a"), &keys("b"));
        assert_eq!((lines.len(), lines[10].as_str()), (11, "and 14 more"));
        let long = changed(&format!("\"{}\"", "\u{e9}".repeat(99)), "1");
        assert!(long[0].len() < 100 && long[0].is_ascii(), "{long:?}");
    }

    #[test]
    fn what_is_no_json_is_told_by_line() {
        assert_eq!(
            changed("<p>\none\n</p>", "<p>\n`two\u{1b}\n</p>"),
            [r"line 2 is `'two\x1b`, in the baseline `one`"]
        );
        let page = |middle: &str| format!("<p>{}{middle}{}</p>", "a".repeat(50), "b".repeat(50));
        assert_eq!(
            changed(&page("1"), &page("2")),
            [format!(
                "line 1 is `...{a}2{b}...`, in the baseline `...{a}1{b}...`",
                a = "a".repeat(20),
                b = "b".repeat(33)
            )]
        );
        assert_eq!(
            changed("a\nb\nc", "a\nc"),
            ["line 2 is `c`, in the baseline `b`", "there are 2 lines, in the baseline 3"]
        );
        let numbers =
            |from: usize| (from..from + 9).map(|it| it.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(changed(&numbers(1), &numbers(2)).last().unwrap(), "and 6 more");
        // A JSON body that is none any more is shown by its own claim.
        assert_eq!(changed("1", "one"), Vec::<String>::new());
    }

    #[test]
    fn steps_are_named_and_what_is_not_at_hand_is_left_out() {
        let (before, after) = (of(&["1", "<", "3"]), of(&["1", "2", "4"]));
        assert_eq!(changes(&before, &after), ["step 3: `` is 4, in the baseline 3"]);
        let (before, after) = (of(&["1", "<a>"]), of(&["1", "<b>"]));
        assert_eq!(changes(&before, &after), ["step 2: line 1 is `<b>`, in the baseline `<a>`"]);
        assert_eq!(changes(&Bodies::default(), &after), Vec::<String>::new());
    }
}
