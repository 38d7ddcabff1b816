//! Thresholds that are moved by a tenth, either way: each must break a test.
//!
//! One threshold of every rule is moved at a time, and a test that breaks says of which alert it is. What
//! no test blames is tried once more by itself.

use std::{fmt, fs, path::Path, thread};

use perf_passport::text::escaped;
use tempfile::TempDir;

use super::{
    read::NamedRules,
    tools::{Answer, Tool},
};
use crate::{error::MonitorError, named_file::NamedFile, rule::Rule};

/// What of a threshold is tried, in percent of it.
const MOVES: [i32; 2] = [-10, 10];

/// A threshold that can be moved without any test taking notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// The alert, with its objective.
    pub alert: String,
    /// The threshold as it is written.
    pub threshold: String,
    /// To what it was moved.
    pub moved_to: String,
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no test breaks when the threshold {} of {} becomes {}",
            escaped(&self.threshold),
            escaped(&self.alert),
            self.moved_to
        )
    }
}

/// What came of moving each threshold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mutation {
    /// Thresholds that were moved, each way counted.
    pub tried: usize,
    /// Those that broke no test.
    pub survivors: Vec<Survivor>,
}

/// A threshold of a rule: which file, group and rule, and the how-manieth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    file: usize,
    group: usize,
    rule: usize,
}

/// Moves each threshold of each alert.
pub(super) fn mutate(rules: &[NamedRules], tests: &[NamedFile]) -> Result<Mutation, MonitorError> {
    let places = places(rules);
    let most = places.iter().map(|it| thresholds(&at(rules, *it).expr).len()).max().unwrap_or(0);
    let mut mutation = Mutation::default();
    for index in 0..most {
        let has_it = |it: &&Place| thresholds(&at(rules, **it).expr).len() > index;
        let moved: Vec<Place> = places.iter().filter(has_it).copied().collect();
        // promtool runs tests one after the other, so both ways run beside each other.
        let answers = thread::scope(|scope| {
            let run = |percent| {
                let moved = &moved;
                scope.spawn(move || unblamed(rules, tests, moved, index, percent))
            };
            MOVES.map(run).map(|it| it.join().expect("a run of promtool does not panic"))
        });
        for (percent, unblamed) in MOVES.into_iter().zip(answers) {
            mutation.tried += moved.len();
            for place in unblamed? {
                if survives(rules, tests, place, index, percent)? {
                    mutation.survivors.push(survivor(at(rules, place), index, percent));
                }
            }
        }
    }
    Ok(mutation)
}

fn places(rules: &[NamedRules]) -> Vec<Place> {
    let mut places = Vec::new();
    for (file, named) in rules.iter().enumerate() {
        for (group, of_group) in named.rules.groups.iter().enumerate() {
            let alerts = of_group.rules.iter().enumerate().filter(|(_, it)| it.alert.is_some());
            places.extend(alerts.map(|(rule, _)| Place { file, group, rule }));
        }
    }
    places
}

fn at(rules: &[NamedRules], place: Place) -> &Rule {
    &rules[place.file].rules.groups[place.group].rules[place.rule]
}

/// The mutants that no test blames when all are moved. Tests of few rules run first, and none once every
/// mutant is blamed.
fn unblamed(
    rules: &[NamedRules],
    tests: &[NamedFile],
    moved: &[Place],
    index: usize,
    percent: i32,
) -> Result<Vec<Place>, MonitorError> {
    let scratch = scratch(rules, tests, moved, index, percent)?;
    let mut tests: Vec<&NamedFile> = tests.iter().collect();
    tests.sort_by_key(|it| rules.iter().filter(|of| it.text.contains(&of.name)).count());
    let mut left = moved.to_vec();
    for test in tests {
        // Only tests that load a file can blame what is in it.
        if left.iter().any(|it| test.text.contains(&rules[it.file].name)) {
            let answer = run_tests(&scratch.path().join("tests"), std::slice::from_ref(test))?;
            left.retain(|it| !blames(&answer, at(rules, *it)));
        }
    }
    Ok(left)
}

/// Whether all tests pass where this threshold alone is moved.
fn survives(
    rules: &[NamedRules],
    tests: &[NamedFile],
    place: Place,
    index: usize,
    percent: i32,
) -> Result<bool, MonitorError> {
    let scratch = scratch(rules, tests, &[place], index, percent)?;
    Ok(run_tests(&scratch.path().join("tests"), tests)?.passed)
}

/// A copy of rules and tests, in which the thresholds of these rules are moved.
fn scratch(
    rules: &[NamedRules],
    tests: &[NamedFile],
    moved: &[Place],
    index: usize,
    percent: i32,
) -> Result<TempDir, MonitorError> {
    let scratch = TempDir::with_prefix("passport-monitor-").map_err(MonitorError::Scratch)?;
    let write = |folder: &str, name: &str, text: &str| {
        let folder = scratch.path().join(folder);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), text)
    };
    for (file, named) in rules.iter().enumerate() {
        let mut mutant = named.rules.clone();
        for place in moved.iter().filter(|it| it.file == file) {
            let rule = &mut mutant.groups[place.group].rules[place.rule];
            rule.expr = with_moved(&rule.expr, index, percent);
        }
        let text = serde_norway::to_string(&mutant).map_err(|error| MonitorError::Unwritable {
            path: named.name.clone(),
            message: error.to_string(),
        })?;
        write("rules", &named.name, &text).map_err(MonitorError::Scratch)?;
    }
    for test in tests {
        write("tests", &test.name, &test.text).map_err(MonitorError::Scratch)?;
    }
    Ok(scratch)
}

/// Runs files of tests in a directory.
pub(super) fn run_tests(directory: &Path, tests: &[NamedFile]) -> Result<Answer, MonitorError> {
    let files = tests.iter().map(|it| directory.join(&it.name).into_os_string());
    Tool::Promtool.run(["test".into(), "rules".into()].into_iter().chain(files))
}

/// Whether a test that failed is one of this alert.
fn blames(answer: &Answer, rule: &Rule) -> bool {
    let name = rule.alert.as_deref().unwrap_or_default();
    let text = answer.text.replace('\\', "");
    let of_name = |it: &str| {
        it.contains(&format!("alertname=\"{name}\"")) || it.contains(&format!("alertname: {name},"))
    };
    let of_slo =
        |it: &str| rule.labels.get("slo").is_none_or(|slo| it.contains(&format!("slo=\"{slo}\"")));
    // promtool indents what failed by four, and what it says of that by more.
    text.split("\n    ").filter(|it| !it.starts_with(' ')).any(|it| of_name(it) && of_slo(it))
        && !answer.passed
}

/// Where the numbers are that something is compared with.
fn thresholds(expression: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = expression.as_bytes();
    let (mut found, mut at, mut in_braces) = (Vec::new(), 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => in_braces = true,
            b'}' => in_braces = false,
            b'<' | b'>' | b'=' | b'!' if !in_braces => {
                while at < bytes.len() && b"<>=!".contains(&bytes[at]) {
                    at += 1;
                }
                let rest = &expression[at..];
                let blanks = rest.len() - rest.trim_start().len();
                let number = rest.trim_start();
                let length = number
                    .find(|c: char| !(c.is_ascii_digit() || ".eE-+".contains(c)))
                    .unwrap_or(number.len());
                if number[..length].parse::<f64>().is_ok() {
                    found.push(at + blanks..at + blanks + length);
                }
                at += blanks + length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The number that a threshold becomes; zero has no tenth, so it becomes a tenth.
fn moved(number: &str, percent: i32) -> String {
    let value: f64 = number.parse().unwrap_or_default();
    let share = f64::from(percent) / 100.0;
    let number = if value == 0.0 { share } else { value * (1.0 + share) };
    format!("{number:.12}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn with_moved(expression: &str, index: usize, percent: i32) -> String {
    let Some(range) = thresholds(expression).get(index).cloned() else {
        return expression.to_owned();
    };
    let number = moved(&expression[range.clone()], percent);
    format!("{}{number}{}", &expression[..range.start], &expression[range.end..])
}

fn survivor(rule: &Rule, index: usize, percent: i32) -> Survivor {
    let threshold = thresholds(&rule.expr).get(index).map(|it| rule.expr[it.clone()].to_owned());
    let threshold = threshold.unwrap_or_default();
    let slo = rule.labels.get("slo").map(|it| format!(" {it}")).unwrap_or_default();
    Survivor {
        alert: format!("{}{slo}", rule.alert.as_deref().unwrap_or_default()),
        moved_to: moved(&threshold, percent),
        threshold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_that_something_is_compared_with() {
        let of = |text: &str| -> Vec<String> {
            thresholds(text).into_iter().map(|it| text[it].to_owned()).collect()
        };
        assert_eq!(of("a{b=~\"> 5\",c!=\"1\"}[5m] / 2 > 0.05\nand\nd >= 20"), ["0.05", "20"]);
        assert_eq!(of("min(up{job=\"a\"}) == 0"), ["0"]);
        assert_eq!(of("a < 1e-5 or b > c"), ["1e-5"]);
        assert!(of("absent(sum(a{b=\"\\\"> 1\"}))").is_empty());
        assert_eq!(with_moved("a > 5 and b >= 20", 1, 10), "a > 5 and b >= 22");
        assert_eq!(with_moved("a == 0", 0, -10), "a == -0.1");
    }
}
