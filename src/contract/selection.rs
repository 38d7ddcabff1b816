//! Which checks of a contract somebody asks for.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Check, ServiceLife};

/// The checks that somebody asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckSelection<'a> {
    /// Endpoints, checks (`endpoint/variant`) or paths; any when empty.
    pub names: &'a [String],
    /// The fixture that the checks are on; any when left out.
    pub fixture: Option<&'a str>,
}

/// A selection that selects nothing, or more than there can be at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Nothing is called that.
    #[error("no endpoint, check or path is named `{name}`")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// No check is on the fixture.
    #[error("no check is on fixture `{name}`; the contract has {}", fixtures.join(", "))]
    UnknownFixture {
        /// The fixture's name.
        name: String,
        /// The fixtures that there are.
        fixtures: Vec<String>,
    },
    /// A running service cannot be brought into another state.
    #[error(
        "a running service is in one state, and the contract has checks on {}: say which",
        fixtures.join(", ")
    )]
    SeveralFixtures {
        /// The fixtures that there are.
        fixtures: Vec<String>,
    },
    /// A running service cannot be made anew.
    #[error(
        "check `{check}` says `fresh = \"sample\"`, and a running service cannot be made anew: \
         give the check `setup` requests instead"
    )]
    NeedsNewServices {
        /// The check.
        check: String,
    },
    /// No check has a name and the fixture that were asked for.
    #[error("no check is left to measure")]
    Nothing,
}

impl CheckSelection<'_> {
    /// Whether all checks are asked for.
    pub fn is_everything(&self) -> bool {
        self.names.is_empty() && self.fixture.is_none()
    }

    /// Those of some checks that are asked for, of which there is at least one.
    ///
    /// # Errors
    ///
    /// [`SelectionError`], all but those of a running service.
    pub fn select<'c>(&self, checks: &[&'c Check]) -> Result<Vec<&'c Check>, SelectionError> {
        let fixtures = fixtures(checks);
        if let Some(name) = self.fixture.filter(|name| !fixtures.iter().any(|it| it == name)) {
            return Err(SelectionError::UnknownFixture { name: name.to_owned(), fixtures });
        }
        for name in self.names {
            if !checks.iter().any(|check| is_named(check, name)) {
                return Err(SelectionError::UnknownName { name: name.clone() });
            }
        }
        let is_wanted = |check: &&Check| {
            self.fixture.is_none_or(|name| check.fixture == name)
                && (self.names.is_empty() || self.names.iter().any(|name| is_named(check, name)))
        };
        let wanted: Vec<&Check> = checks.iter().copied().filter(is_wanted).collect();
        if wanted.is_empty() { Err(SelectionError::Nothing) } else { Ok(wanted) }
    }

    /// The same of a service that runs already. It is in one state, so the fixture must be named where
    /// there are several.
    ///
    /// # Errors
    ///
    /// [`SelectionError`].
    pub fn select_of_running<'c>(
        &self,
        checks: &[&'c Check],
    ) -> Result<Vec<&'c Check>, SelectionError> {
        let fixtures = fixtures(checks);
        if self.fixture.is_none() && fixtures.len() > 1 {
            return Err(SelectionError::SeveralFixtures { fixtures });
        }
        let wanted = self.select(checks)?;
        // Of a flow, setup and teardown make the state.
        let is_made_anew =
            |it: &&&Check| it.service_life == ServiceLife::Sample && it.flow.is_none();
        match wanted.iter().find(is_made_anew) {
            Some(check) => Err(SelectionError::NeedsNewServices { check: check.id() }),
            None => Ok(wanted),
        }
    }
}

/// The fixtures of some checks, each once, in their order.
fn fixtures(checks: &[&Check]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let all = checks.iter().map(|check| check.fixture.as_str());
    all.filter(|name| known.insert(*name)).map(str::to_owned).collect()
}

/// Whether a check goes by this name: endpoint, `endpoint/variant`, or the path it asks for.
fn is_named(check: &Check, name: &str) -> bool {
    check.endpoint == name
        || check.id() == name
        || check.requests.iter().any(|request| request.path == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    const CONTRACT: &str = "schema_version = 1\nname = \"a\"\n\
        [[endpoint]]\nname = \"list\"\npath = \"/list\"\n\
        [[endpoint.variant]]\nname = \"few\"\nfixture = \"normal\"\n\
        [[endpoint.variant]]\nname = \"many\"\nfixture = \"huge\"\n\
        [[endpoint]]\nname = \"one\"\npath = \"/one\"\nfixture = \"normal\"\n";

    fn selected(names: &[&str], fixture: Option<&str>) -> Result<Vec<String>, SelectionError> {
        let contract = Contract::parse(CONTRACT).unwrap();
        let checks: Vec<&Check> = contract.checks.iter().collect();
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let selected = CheckSelection { names: &names, fixture }.select(&checks)?;
        Ok(selected.into_iter().map(Check::id).collect())
    }

    #[test]
    fn checks_are_named_by_endpoint_variant_path_and_fixture() {
        assert_eq!(selected(&[], None).unwrap(), ["list/few", "list/many", "one/default"]);
        assert_eq!(selected(&["list"], None).unwrap(), ["list/few", "list/many"]);
        assert_eq!(selected(&["list/many", "/one"], None).unwrap(), ["list/many", "one/default"]);
        assert_eq!(selected(&[], Some("normal")).unwrap(), ["list/few", "one/default"]);
        assert_eq!(selected(&["list"], Some("normal")).unwrap(), ["list/few"]);
    }

    #[test]
    fn what_selects_nothing_is_refused() {
        let name = "other".to_owned();
        let unknown = SelectionError::UnknownName { name: name.clone() };
        assert_eq!(selected(&["one", "other"], None), Err(unknown));
        let fixtures = vec!["normal".to_owned(), "huge".to_owned()];
        let error = selected(&[], Some("other"));
        assert_eq!(error, Err(SelectionError::UnknownFixture { name, fixtures }));
        assert_eq!(selected(&["one"], Some("huge")), Err(SelectionError::Nothing));
    }

    #[test]
    fn a_running_service_is_in_one_state() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let checks: Vec<&Check> = contract.checks.iter().collect();
        let any = CheckSelection::default();
        let fixtures = vec!["normal".to_owned(), "huge".to_owned()];
        let several = Err(SelectionError::SeveralFixtures { fixtures });
        assert_eq!(any.select_of_running(&checks), several);
        let named = CheckSelection { fixture: Some("normal"), ..any };
        assert_eq!(named.select_of_running(&checks).unwrap().len(), 2);
        assert_eq!(any.select_of_running(&checks[..1]).unwrap().len(), 1);
    }

    #[test]
    fn a_running_service_is_not_made_anew() {
        let contract = Contract::parse(&format!("{CONTRACT}fresh = \"sample\"\n")).unwrap();
        let checks: Vec<&Check> = contract.checks.iter().collect();
        let named = CheckSelection { fixture: Some("normal"), ..CheckSelection::default() };
        let check = "one/default".to_owned();
        let error = Err(SelectionError::NeedsNewServices { check });
        assert_eq!(named.select_of_running(&checks), error);
        assert_eq!(named.select_of_running(&checks[..1]).unwrap().len(), 1);
        assert_eq!(named.select(&checks).unwrap().len(), 2);
    }
}
