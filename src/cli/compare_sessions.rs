//! Sessions of earlier comparisons of the same builds: comparing them again adds evidence and does not
//! roll the dice anew.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use sha2::{Digest, Sha256};

use super::{exit::Failure, input, terminal};
use crate::{
    compare::AT_ONCE_MAX,
    contract::Contract,
    environment::SystemInfo,
    paired::{Paired, Policy},
    passport::Comparison,
    store::{self, StoreError},
    text::hex,
    units::{BYTES_PER_MB, Bytes, Count},
};

/// The largest file that is read.
const FILE_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// Where sessions are kept from one comparison to the next.
pub(super) struct KeptSessions {
    /// `None` of servers: nobody tells which build a command starts.
    path: Option<PathBuf>,
}

impl KeptSessions {
    /// Those that were drawn alike: of these builds, on this machine, by this version, that asked for
    /// the same work. How many checks take part changes nothing of a session.
    pub(super) fn of(directory: &Path, comparison: &Comparison, contract: &Contract) -> Self {
        let executables = comparison.builds().map(|build| build.executable_sha256.as_deref());
        let path = executables.collect::<Option<Vec<&str>>>().map(|executables| {
            let policy = Policy { checks: Count::new(1), ..comparison.policy };
            let checks = contract.checks.iter();
            let checks: Vec<_> =
                checks.map(|it| (it.id(), &it.requests, it.rounds, &it.fixture)).collect();
            let operations: Vec<_> =
                contract.operations.iter().map(|it| (&it.name, &it.sizes)).collect();
            let same = (
                (executables, comparison.anchor.is_some(), policy),
                (SystemInfo::read(), env!("CARGO_PKG_VERSION"), AT_ONCE_MAX),
                (&contract.name, &contract.document.target, checks, operations),
            );
            let name = hex(&Sha256::digest(format!("{same:?}")));
            directory.join("sessions").join(format!("{}.json", &name[..32]))
        });
        Self { path }
    }

    /// Those of an earlier comparison, by [`crate::compare::Item::id`].
    pub(super) fn read(
        &self,
        comparison: &Comparison,
    ) -> Result<BTreeMap<String, Paired>, Failure> {
        let Some(path) = &self.path else { return Ok(BTreeMap::new()) };
        let refused = |why: &dyn fmt::Display| {
            let path = terminal::path(path);
            Failure::usage(anyhow!("cannot read the sessions `{path}`, delete them: {why}"))
        };
        match input::read(path, FILE_MAX) {
            Ok(bytes) => {
                let mut known: BTreeMap<String, Paired> =
                    serde_json::from_slice(&bytes).map_err(|error| refused(&error))?;
                known.retain(|id, paired| {
                    let anchored = comparison.is_anchored(id);
                    paired.sessions.iter().all(|it| it.anchor.is_some() == anchored)
                });
                // What could not be measured then may be now.
                for paired in known.values_mut() {
                    (paired.failed_sessions, paired.first_failure) = (0, None);
                }
                Ok(known)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Keeps these for the next one.
    ///
    /// # Errors
    ///
    /// When they cannot be written, which takes nothing from this comparison.
    pub(super) fn write(&self, sessions: &BTreeMap<String, Paired>) -> Result<(), StoreError> {
        let Some(path) = &self.path else { return Ok(()) };
        let bytes = serde_json::to_vec(sessions).map_err(io::Error::other);
        let bytes = bytes.map_err(|source| StoreError::Write { path: path.clone(), source })?;
        store::write_bytes(path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passport::ComparedBuild;

    const CONTRACT: &str = "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"b\"\n\
                            path = \"/b\"\n";

    fn comparison(checks: u64, executable: &str) -> Comparison {
        let build = |digest: &str| ComparedBuild {
            executable_sha256: Some(digest.to_owned()),
            ..ComparedBuild::default()
        };
        Comparison {
            policy: Policy::for_suite(checks, true),
            baseline: build("1"),
            current: build(executable),
            anchor: None,
            checks_not_compared: Vec::new(),
            checks_not_in_anchor: Vec::new(),
        }
    }

    fn path(comparison: &Comparison, contract: &str) -> Option<PathBuf> {
        let contract = Contract::parse(contract).unwrap();
        KeptSessions::of(Path::new("kept"), comparison, &contract).path
    }

    #[test]
    fn sessions_are_of_builds_and_work_and_not_of_how_many_checks_there_are() {
        let kept = path(&comparison(20, "2"), CONTRACT);
        assert_eq!(path(&comparison(1, "2"), CONTRACT), kept);
        let budgets = format!("{CONTRACT}[endpoint.budgets]\nallocations_max = 1\n");
        assert_eq!(path(&comparison(20, "2"), &budgets), kept);
        assert_ne!(path(&comparison(20, "3"), CONTRACT), kept);
        assert_ne!(path(&comparison(20, "2"), &CONTRACT.replace("/b", "/c")), kept);
        let anchored =
            Comparison { anchor: Some(comparison(20, "2").current), ..comparison(20, "2") };
        assert_ne!(path(&anchored, CONTRACT), kept);
    }

    #[test]
    fn nobody_knows_which_build_a_command_starts() {
        let mut served = comparison(20, "2");
        served.current.executable_sha256 = None;
        assert_eq!(path(&served, CONTRACT), None);
    }
}
