//! The figures that a snapshot pins.

use std::fmt::Write as _;

use crate::{evidence::Range, passport::Passport};

/// What must be equal on every run of the same code: the passport hash, and under it the counts
/// that it covers, so that a snapshot's diff shows which check changed and by how much.
pub fn exact_counts(passport: &Passport) -> String {
    let mut out = format!("passport hash {}\n\n", passport.passport_hash);
    let width = passport.test_results.iter().map(|it| it.test_name.len()).max().unwrap_or(0);
    let _ = writeln!(
        out,
        "{:<width$}  status  allocations  allocated B  peak heap B  body B  body SHA-256",
        "check"
    );
    for result in &passport.test_results {
        let evidence = &result.evidence;
        let counts = evidence.counts.as_ref();
        let range = |it: Option<Range>| it.map_or("-".to_owned(), |it| it.to_string());
        let response = evidence.behaviour.as_ref().map(|it| &it.response);
        let _ = writeln!(
            out,
            "{:<width$}  {:>6}  {:>11}  {:>11}  {:>11}  {:>6}  {}",
            result.test_name,
            response.map_or(0, |it| it.status),
            range(counts.map(|it| it.allocations)),
            range(counts.and_then(|it| it.allocated_bytes)),
            range(counts.and_then(|it| it.heap_peak_bytes)),
            response.map_or(0, |it| it.body_bytes.get()),
            response.and_then(|it| it.body_sha256.get(..16)).unwrap_or("-"),
        );
    }
    out
}
