//! Which checks of a contract a command is about.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::exit::Failure;
use perf_passport::contract::{Check, Contract};

/// The checks to measure, by [`Check::id`], in the order of the contract; empty only where the contract
/// has none.
pub(super) struct Selection {
    pub(super) checks: Vec<String>,
    /// Whether the user asks for the contract as a whole.
    pub(super) whole: bool,
}

impl Selection {
    /// Checks of the contract that are not among them.
    pub(super) fn left_out(&self, contract: &Contract) -> usize {
        contract.checks.len() - self.checks.len()
    }
}

/// Those of some checks that are named by endpoint, check or path; all when no name is given.
pub(super) fn named<'a>(
    mut checks: Vec<&'a Check>,
    wanted: &[String],
) -> Result<Vec<&'a Check>, Failure> {
    for name in wanted {
        if !checks.iter().any(|check| names(check, name)) {
            return Err(Failure::usage(anyhow!("no endpoint, check or path is named `{name}`")));
        }
    }
    checks.retain(|check| wanted.is_empty() || wanted.iter().any(|name| names(check, name)));
    Ok(checks)
}

/// Those of some checks that are on a fixture; all when none is named. A running service is in one
/// state, so then one must be named where there are several.
pub(super) fn on_fixture<'a>(
    checks: &[&'a Check],
    wanted: Option<&str>,
    running: bool,
) -> Result<Vec<&'a Check>, Failure> {
    let mut fixtures: Vec<&str> = checks.iter().map(|it| it.fixture.as_str()).collect();
    let mut seen = BTreeSet::new();
    fixtures.retain(|name| seen.insert(*name));
    if let Some(name) = wanted.filter(|name| !fixtures.contains(name)) {
        return Err(Failure::usage(anyhow!(
            "no check is on fixture `{name}`; the contract has {}",
            fixtures.join(", ")
        )));
    }
    if running && wanted.is_none() && fixtures.len() > 1 {
        return Err(Failure::usage(anyhow!(
            "a running service is in one state, and the contract has checks on {}: say which \
             with --fixture",
            fixtures.join(", ")
        )));
    }
    let mut checks = checks.to_vec();
    checks.retain(|check| wanted.is_none_or(|name| check.fixture == name));
    Ok(checks)
}

/// The checks that are in both selections, of which there is at least one.
pub(super) fn both<'a>(some: &[&'a Check], others: &[&Check]) -> Result<Vec<&'a Check>, Failure> {
    let in_others = |check: &&Check| others.iter().any(|it| it.id() == check.id());
    let both: Vec<&Check> = some.iter().copied().filter(in_others).collect();
    if both.is_empty() {
        return Err(Failure::usage(anyhow!("no check is left to measure")));
    }
    Ok(both)
}

/// Whether a check goes by this name: endpoint, `endpoint/variant`, or the path it asks for.
fn names(check: &Check, name: &str) -> bool {
    check.endpoint == name
        || check.id() == name
        || check.requests.iter().any(|request| request.path == name)
}
