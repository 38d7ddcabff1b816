//! What the variables of a contract stand for.

use std::collections::BTreeMap;

/// Values that the target gives itself, before those of the environment.
#[derive(Clone, Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(super) fn set(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().or_else(|| environment(name))
    }
}

#[expect(clippy::disallowed_methods, reason = "headers of a contract may name variables")]
fn environment(name: &str) -> Option<String> {
    // A secret that nobody gave is empty, as in the pull request of a fork.
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
