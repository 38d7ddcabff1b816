//! The text that a service exposes: format 0.0.4 of Prometheus, and `OpenMetrics` 1.0.
//!
//! [`parse`] takes samples out of it, line by line, and believes nothing: what is cut, or is no such text,
//! is refused with the line. Types, units, help and exemplars are passed over.

use thiserror::Error;

/// Labels of a sample, and bytes of a line.
const LABELS_MAX: usize = 100;
const LINE_MAX: usize = 1 << 20;

/// One sample of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct ExposedSample<'a> {
    /// The name of the metric.
    pub name: &'a str,
    /// Its labels, in the order of the text.
    pub labels: Vec<(&'a str, String)>,
    /// The value.
    pub value: f64,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} {problem}")]
pub struct ExpositionError {
    /// The line, from 1.
    pub line: usize,
    problem: &'static str,
}

/// The samples of metrics that are wanted, in the order of the text.
///
/// # Errors
///
/// [`ExpositionError`] for the first line that is none, and where the text ends within a line or, as
/// `OpenMetrics`, without its end.
pub fn parse(
    body: &[u8],
    is_open_metrics: bool,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ExposedSample<'_>>, ExpositionError> {
    let lines_of = |text: &[u8]| text.split(|byte| *byte == b'\n').count() - 1;
    let lines = lines_of(body);
    let wrong = |line: usize, problem| ExpositionError { line, problem };
    let text = str::from_utf8(body).map_err(|error| {
        let before = &body[..error.valid_up_to()];
        wrong(lines_of(before) + 1, "is not UTF-8")
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(wrong(lines + 1, "is cut: it has no end"));
    }
    let mut samples = Vec::new();
    let mut is_ended = false;
    for (place, line) in text.lines().enumerate() {
        let number = place + 1;
        if is_ended {
            return Err(wrong(number, "comes after the end"));
        }
        if line.len() > LINE_MAX {
            return Err(wrong(number, "is longer than a million bytes"));
        }
        let line = line.trim_matches([' ', '\t']);
        if line.starts_with('#') {
            is_ended = line == "# EOF";
            continue;
        }
        if line.is_empty() {
            continue;
        }
        // A name in quotes is none that a contract can have.
        if line.starts_with('{') {
            continue;
        }
        let (name, rest) = name(line).ok_or(wrong(number, "has no name of a metric"))?;
        if !is_wanted(name) {
            // Whatever it is, it is not read; but it must be a sample.
            if !rest.starts_with([' ', '\t', '{']) {
                return Err(wrong(number, "is no sample"));
            }
            continue;
        }
        let sample = sample(name, rest).map_err(|problem| wrong(number, problem))?;
        samples.push(sample);
    }
    if is_open_metrics && !is_ended {
        return Err(wrong(lines + 1, "is cut: `# EOF` is missing"));
    }
    Ok(samples)
}

/// The name at the start of a line, and what follows.
fn name(line: &str) -> Option<(&str, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = line.find(|c: char| !part(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let is_name = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then_some((name, rest))
}

fn sample<'a>(name: &'a str, rest: &'a str) -> Result<ExposedSample<'a>, &'static str> {
    let (labels, rest) = match rest.trim_start_matches([' ', '\t']).strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // After value and time there may be an exemplar.
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("has no value")?;
    let value = number(value).ok_or("has a value that is no number")?;
    match words.next() {
        None | Some("#") => {}
        Some(time) => {
            number(time).ok_or("has a time that is no number")?;
            if words.next().is_some_and(|it| it != "#") {
                return Err("has something after its time");
            }
        }
    }
    Ok(ExposedSample { name, labels, value })
}

type Labels<'a> = Vec<(&'a str, String)>;

/// The labels up to the closing brace, and what follows.
fn labels(mut rest: &str) -> Result<(Labels<'_>, &str), &'static str> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        // A name in quotes is none that a contract can have, but the label has to be passed over.
        let (label, after) = match rest.strip_prefix('"') {
            Some(quoted) => ("", quoted_text(quoted)?.1),
            None => name(rest).ok_or("has a label without a name")?,
        };
        let after = after.trim_start_matches([' ', '\t']);
        let after = after.strip_prefix('=').ok_or("has a label without a value")?;
        let after = after.trim_start_matches([' ', '\t']);
        let after = after.strip_prefix('"').ok_or("has a value of a label without quotes")?;
        let (value, after) = quoted_text(after)?;
        if labels.len() == LABELS_MAX {
            return Err("has more than 100 labels");
        }
        if labels.iter().any(|(known, _)| *known == label) {
            return Err("has a label twice");
        }
        if !label.is_empty() {
            labels.push((label, value));
        }
        let after = after.trim_start_matches([' ', '\t']);
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.starts_with('}') => after,
            None => return Err("has labels without a comma between them"),
        };
    }
}

/// A text up to its closing quote, without escapes, and what follows.
fn quoted_text(rest: &str) -> Result<(String, &str), &'static str> {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((text, &rest[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, escaped)) => text.push(escaped),
                None => break,
            },
            plain => text.push(plain),
        }
    }
    Err("has a text without its closing quote")
}

/// A number as these formats write it.
fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        // Not all that a Rust number may be.
        _ if text.eq_ignore_ascii_case("nan") => Some(f64::NAN),
        _ if text.bytes().all(|it| it.is_ascii_digit() || b"+-.eE".contains(&it)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Result<Vec<ExposedSample<'_>>, String> {
        parse(text.as_bytes(), false, |_| true).map_err(|error| error.to_string())
    }

    #[test]
    fn samples_of_both_formats_are_read() {
        let text = "# HELP a What it is\n# TYPE a counter\na_total{route=\"/b\\\"\\\\\\n\",method=\"GET\"} 12 1700000000000\n\
                    a_total { x = \"y\" , } 1.5e3\n\n\tb 3\t\nc_bucket{le=\"+Inf\"} 4 # {trace_id=\"k\"} 0.67 1.5\n\
                    {\"quoted\",a=\"b\"} 1\n# EOF\n";
        let samples = all(text).unwrap();
        let labels: Vec<_> = samples[0].labels.iter().map(|it| (it.0, it.1.as_str())).collect();
        assert_eq!(labels, [("route", "/b\"\\\n"), ("method", "GET")]);
        let values: Vec<_> = samples.iter().map(|it| (it.name, it.value)).collect();
        assert_eq!(values, [("a_total", 12.0), ("a_total", 1500.0), ("b", 3.0), ("c_bucket", 4.0)]);
        assert!(parse(text.as_bytes(), true, |_| true).is_ok());
        assert_eq!(all("").unwrap(), []);
    }

    #[test]
    fn what_is_no_such_text_is_refused_with_its_line() {
        for (text, said) in [
            ("<!DOCTYPE html>\n", "line 1 has no name"),
            ("{}\n", ""),
            ("{\"a\": 1}\n", ""),
            ("a 1\nb", "line 2 is cut"),
            ("a 1\nhttp_requests_total{route=\"/a\"} 1", "line 2 is cut"),
            ("a\n", "line 1 has no value"),
            ("a x\n", "no number"),
            ("a 1 x\n", "time that is no number"),
            ("a 1 2 3\n", "after its time"),
            ("a{b=\"c} 1\n", "closing quote"),
            ("a{b=c} 1\n", "without quotes"),
            ("a{=\"c\"} 1\n", "without a name"),
            ("a{b=\"c\"d=\"e\"} 1\n", "comma"),
            ("a{b=\"c\",b=\"d\"} 1\n", "label twice"),
            ("1a 1\n", "no name"),
            ("# EOF\na 1\n", "line 2 comes after the end"),
        ] {
            match all(text) {
                Err(error) => assert!(!said.is_empty() && error.contains(said), "{text}: {error}"),
                // A line of names in quotes is passed over, as there is nothing in it for a contract.
                Ok(samples) => assert_eq!((samples.len(), said), (0, ""), "{text}"),
            }
        }
        let cut = parse(b"a 1\n", true, |_| true).unwrap_err();
        assert_eq!(cut.to_string(), "line 2 is cut: `# EOF` is missing");
        assert_eq!(parse(b"a 1\n\xff 1\n", false, |_| true).unwrap_err().line, 2);
        let long = format!("a{{b=\"{}\"}} 1\n", "x".repeat(LINE_MAX));
        assert!(all(&long).unwrap_err().contains("million"));
        let many: Vec<String> = (0..=LABELS_MAX).map(|it| format!("l{it}=\"\"")).collect();
        let many = many.join(",");
        assert!(all(&format!("a{{{many}}} 1\n")).unwrap_err().contains("100 labels"));
    }

    #[test]
    fn what_is_not_wanted_is_not_looked_at() {
        let samples = parse(b"a{b=c} x\nd 1\n", false, |it| it == "d").unwrap();
        assert_eq!(samples.len(), 1);
        assert!(parse(b"hello, world\n", false, |_| false).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..300), open in any::<bool>()) {
            let _ = parse(&body, open, |_| true);
        }

        #[test]
        fn any_label_value_is_read_as_it_is(value in "\\PC*|[\"\\\\\n]{0,9}") {
            let written = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("a{{b=\"{written}\"}} 1\n");
            let samples = all(&text).unwrap();
            prop_assert_eq!(&samples[0].labels[0].1, &value);
        }
    }
}
