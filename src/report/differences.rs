//! What differs between two passports.

use serde::Serialize;

use super::{
    Document, Report, SummaryLine,
    outside::{foreign, name},
};
use crate::passport::{Difference, Passport, diff};

/// Longer than any view of ours.
const VIEW_LENGTH_MAX: usize = 300;

/// The document: what differs, and both hashes.
#[derive(Serialize)]
struct DifferencesDocument<'a> {
    before_hash: &'a str,
    after_hash: &'a str,
    same_build: bool,
    differences: &'a [Difference],
}

impl Report<'_> {
    /// What differs between two passports, one line each, and both hashes.
    pub fn of_differences(before: &Passport, after: &Passport) -> Self {
        let found = diff(before, after);
        let same_build = before.provenance.same_build(&after.provenance);
        let (before, after) = (before.passport_hash.as_str(), after.passport_hash.as_str());
        let document = DifferencesDocument {
            before_hash: before,
            after_hash: after,
            same_build,
            differences: &found,
        };
        let document = serde_json::to_string_pretty(&document).unwrap_or_default();
        let title = if found.is_empty() { "no difference" } else { "what differs" };
        let mut report = Report::new(title.to_owned(), Document::Json(document));
        report.head = found.iter().map(line).collect();
        if found.is_empty() {
            let nothing = "no difference in behaviour, exact counts or verdicts";
            report.summary.push(SummaryLine::plain(nothing));
        }
        let (before, after) = (name(before), name(after));
        report.summary.push(SummaryLine::plain(if before == after {
            format!("passport hash {before} on both sides")
        } else {
            format!("passport hash {before} -> {after}")
        }));
        if !same_build {
            let other = "they are of different toolchains, profiles, targets or databases";
            report.summary.push(SummaryLine::plain(other));
        }
        report
    }
}

fn line(it: &Difference) -> String {
    let view = |text: &str| foreign(text, VIEW_LENGTH_MAX);
    let (before, after) = (view(&it.before), view(&it.after));
    format!("{}: {}: {before} -> {after}", name(&it.test_name), name(&it.subject))
}
