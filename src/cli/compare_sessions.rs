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
    compare::{AT_ONCE_MAX, Item},
    contract::Contract,
    environment::SystemInfo,
    paired::{Paired, Policy, Session},
    passport::Comparison,
    store::{self, StoreError},
    text::hex,
    units::{BYTES_PER_MB, Bytes, Count},
};

/// The largest file that is read.
const FILE_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// Where sessions are kept from one comparison to the next.
pub(super) struct KeptSessions {
    /// `None` where nobody knows what is run: servers and scripts may start another build tomorrow.
    path: Option<PathBuf>,
}

impl KeptSessions {
    /// Those that were drawn alike: of these builds and their `sources`, which they may read files of
    /// ([`super::compare_sides::Builds::sources`]), on this machine, by this version, that asked for
    /// the same work. How many checks take part changes nothing of a session.
    pub(super) fn of(
        directory: &Path,
        (comparison, sources): (&Comparison, Option<&[String]>),
        contract: &Contract,
    ) -> Self {
        let executables = comparison.builds().map(|build| build.executable_sha256.as_deref());
        let executables = executables.collect::<Option<Vec<&str>>>();
        let path = executables.zip(sources).map(|(executables, sources)| {
            let policy = Policy { checks: Count::new(1), ..comparison.policy };
            let checks = contract.checks.iter();
            let checks: Vec<_> =
                checks.map(|it| (it.id(), &it.requests, it.rounds, &it.fixture)).collect();
            let operations: Vec<_> =
                contract.operations.iter().map(|it| (&it.name, &it.sizes)).collect();
            let same = (
                (executables, sources, comparison.anchor.is_some(), policy),
                (SystemInfo::read(), env!("CARGO_PKG_VERSION"), AT_ONCE_MAX),
                (&contract.name, &contract.document.target, checks, operations),
            );
            let name = hex(&Sha256::digest(format!("{same:?}")));
            directory.join("sessions").join(format!("{}.json", &name[..32]))
        });
        Self { path }
    }

    /// Those of an earlier comparison, by [`crate::compare::Item::id`]. Of the items that are compared
    /// now, without those that the anchor took part in otherwise than it does now; of the others all,
    /// to be kept further.
    pub(super) fn read(
        &self,
        comparison: &Comparison,
        items: &[Item<'_>],
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
                for id in items.iter().map(Item::id) {
                    let anchored = comparison.is_anchored(&id);
                    let alike = |it: &Session| it.anchor.is_some() == anchored;
                    if known.get(&id).is_some_and(|it| !it.sessions.iter().all(alike)) {
                        known.remove(&id);
                    }
                }
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
        path_of(comparison, Some("tree"), contract)
    }

    fn path_of(comparison: &Comparison, source: Option<&str>, contract: &str) -> Option<PathBuf> {
        let contract = Contract::parse(contract).unwrap();
        let sources = source.map(|it| vec![it.to_owned(); 2]);
        KeptSessions::of(Path::new("kept"), (comparison, sources.as_deref()), &contract).path
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
        assert_eq!(path_of(&comparison(20, "2"), None, CONTRACT), None);
    }

    #[test]
    fn an_executable_that_reads_other_files_is_another_build() {
        let same = comparison(20, "2");
        assert_ne!(path_of(&same, Some("other"), CONTRACT), path(&same, CONTRACT));
    }

    #[test]
    fn what_is_not_compared_now_is_kept_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptSessions { path: Some(directory.path().join("sessions")) };
        let session = |anchor: &str| {
            let pairs = "\"current\": \"1\", \"control\": \"1\", \"injected\": \"1\"";
            format!("{{\"seed\": 1, \"baseline_ns\": 1, {pairs}{anchor}}}")
        };
        let paired = |anchor: &str| -> Paired {
            let session = serde_json::from_str(&session(anchor)).unwrap();
            Paired { sessions: vec![session], ..Paired::default() }
        };
        let (alone, anchored) = (paired(""), paired(", \"anchor\": \"1\""));
        let two = format!("{CONTRACT}[[endpoint]]\nname = \"c\"\npath = \"/c\"\n");
        let contract = Contract::parse(&two).unwrap();
        let [b, c] = ["b/default", "c/default"];
        let all = BTreeMap::from([(b.to_owned(), alone.clone()), (c.to_owned(), anchored.clone())]);
        kept.write(&all).unwrap();
        let item = |id: &str| Item::Check(contract.check(id).unwrap());
        let mut now = comparison(2, "2");
        now.anchor = Some(now.current.clone());
        // The anchor has both by now, but only c is asked for.
        assert_eq!(kept.read(&now, &[item(c)]).unwrap(), all);
        let only = BTreeMap::from([(c.to_owned(), anchored)]);
        assert_eq!(kept.read(&now, &[item(b), item(c)]).unwrap(), only);
        now.checks_not_in_anchor = vec![b.to_owned()];
        assert_eq!(kept.read(&now, &[item(b), item(c)]).unwrap(), all);
    }
}
