//! Sessions of earlier comparisons of the same builds: comparing them again adds evidence and does not
//! roll the dice anew.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use perf_passport::{
    contract::Contract,
    environment::SystemInfo,
    files,
    paired::{Paired, Session},
    passport::Comparison,
    probe::input_digest,
    store::{self, StoreError},
    text::hex,
    units::{BYTES_PER_MB, Bytes, Count},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{item::Item, progress::ComparisonProgress, round::AT_ONCE_MAX};

/// The largest file that is read.
const FILE_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// Where sessions are kept from one comparison to the next.
pub(crate) struct SessionStore {
    /// `None` where nobody knows what is run: servers and scripts may start another build tomorrow.
    path: Option<PathBuf>,
}

impl SessionStore {
    /// The store of sessions that were drawn alike: of these builds and their `sources`, which they may
    /// read files of, on this machine, by this version, that asked for the same work. How many checks
    /// take part changes nothing of a session, and neither does the rule that it is decided on by: only
    /// what a session itself takes of the policy counts.
    pub(crate) fn of(
        directory: &Path,
        comparison: &Comparison,
        sources: Option<&[String]>,
        contract: &Contract,
    ) -> Self {
        let executables = comparison.builds().map(|build| build.executable_sha256.as_deref());
        let executables = executables.collect::<Option<Vec<&str>>>();
        let path = executables.zip(sources).map(|(executables, sources)| {
            let policy = comparison.policy;
            let session = (policy.injected_ppm, policy.pair_time_ns);
            let checks = contract.checks.iter();
            let checks: Vec<_> =
                checks.map(|it| (it.id(), &it.requests, it.rounds, &it.fixture)).collect();
            // What is in files that requests are made of is a part of the requests.
            let values: Vec<_> =
                contract.checks.iter().map(|it| (&it.rows, &it.flow, it.service_life)).collect();
            let files = contract.files().into_iter();
            let files: Vec<_> =
                files.map(|it| (it, input_digest(&contract.directory, it))).collect();
            let operations: Vec<_> =
                contract.operations.iter().map(|it| (&it.name, &it.sizes)).collect();
            let same = (
                (executables, sources, comparison.anchor.is_some(), session),
                (SystemInfo::read(), env!("CARGO_PKG_VERSION"), AT_ONCE_MAX),
                (&contract.name, &contract.document.target, checks, operations, values, files),
            );
            let name = hex(&Sha256::digest(format!("{same:?}")));
            directory.join("sessions").join(format!("{}.json", &name[..32]))
        });
        Self { path }
    }

    /// A store that keeps nothing.
    pub(crate) const NONE: Self = Self { path: None };

    /// The sessions of earlier comparisons. A file that cannot be read is as good as none, and that is
    /// told: it may be in a cache that nobody can get at.
    pub(crate) fn read(&self, progress: &mut dyn FnMut(ComparisonProgress<'_>)) -> SessionHistory {
        let Some(path) = &self.path else { return SessionHistory::default() };
        let read =
            || serde_json::from_slice(&files::read(path, FILE_MAX)?).map_err(io::Error::from);
        read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let reason = error.to_string();
                progress(ComparisonProgress::SessionsUnreadable { path, reason: &reason });
            }
            SessionHistory::default()
        })
    }

    /// Keeps these for the next comparison.
    ///
    /// # Errors
    ///
    /// When they cannot be written, which takes nothing from this comparison.
    pub(crate) fn write(&self, history: &SessionHistory) -> Result<(), StoreError> {
        let Some(path) = &self.path else { return Ok(()) };
        let bytes = serde_json::to_vec(history).map_err(io::Error::other);
        let bytes = bytes.map_err(|source| StoreError::Write { path: path.clone(), source })?;
        store::write_bytes(path, &bytes)
    }
}

/// Sessions, and how they were decided by so far.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionHistory {
    /// The largest number of checks and operations that ever shared the error; never lowered. To ask for
    /// one of them alone lends it no more of the error: it was looked at with less.
    pub(crate) checks: Count,
    /// By [`Item::id`].
    pub(crate) sessions: BTreeMap<String, Paired>,
}

impl SessionHistory {
    /// Drops sessions of the items compared now whose anchor took part otherwise than it does now.
    /// Sessions of other items are kept.
    pub(crate) fn for_items(
        self,
        comparison: &Comparison,
        items: &[Item<'_>],
    ) -> BTreeMap<String, Paired> {
        let mut known = self.sessions;
        for item in items {
            let id = item.id();
            let anchored = item.is_anchored_in(comparison);
            let of_code = item.check().is_none();
            let alike = |it: &Session| {
                it.anchor.is_some() == anchored
                    && it.iterations.is_some() == of_code
                    && it.http.is_none()
            };
            let fits = |it: &Paired| !it.same_processes && it.sessions.iter().all(alike);
            if known.get(&id).is_some_and(|it| !fits(it)) {
                known.remove(&id);
            }
        }
        // What could not be measured then may be now.
        for paired in known.values_mut() {
            (paired.failed_sessions, paired.first_failure) = (0, None);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::{paired::Policy, passport::ComparedBuild, units::Ppm};

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
            same_code: None,
            mapped_code: None,
        }
    }

    fn path(comparison: &Comparison, contract: &str) -> Option<PathBuf> {
        path_of(comparison, Some("tree"), contract)
    }

    fn path_of(comparison: &Comparison, source: Option<&str>, contract: &str) -> Option<PathBuf> {
        let contract = Contract::parse(contract).unwrap();
        let sources = source.map(|it| vec![it.to_owned(); 2]);
        SessionStore::of(Path::new("kept"), comparison, sources.as_deref(), &contract).path
    }

    #[test]
    fn sessions_are_of_builds_and_work_and_not_of_how_many_checks_there_are() {
        let kept = path(&comparison(20, "2"), CONTRACT);
        assert_eq!(path(&comparison(1, "2"), CONTRACT), kept);
        // As another rule may have them: sessions are evidence, and a rule only decides on them.
        let mut other_rule = comparison(20, "2");
        other_rule.policy.layout_margin_ppm = Ppm::ZERO;
        other_rule.policy.rebuild_floor_ppm = Ppm::ZERO;
        other_rule.policy.suite_error_ppm = Ppm::ZERO;
        assert_eq!(path(&other_rule, CONTRACT), kept);
        other_rule.policy.injected_ppm = Ppm::ZERO;
        assert_ne!(path(&other_rule, CONTRACT), kept);
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
        let kept = SessionStore { path: Some(directory.path().join("sessions")) };
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
        kept.write(&SessionHistory { checks: Count::new(2), sessions: all.clone() }).unwrap();
        assert_eq!(kept.read(&mut |_| {}).checks, Count::new(2));
        let item = |id: &str| Item::Check(contract.check(id).unwrap());
        let mut now = comparison(2, "2");
        now.anchor = Some(now.current.clone());
        // The anchor has both by now, but only c is asked for.
        let read =
            |now: &Comparison, items: &[Item<'_>]| kept.read(&mut |_| {}).for_items(now, items);
        assert_eq!(read(&now, &[item(c)]), all);
        let only = BTreeMap::from([(c.to_owned(), anchored)]);
        assert_eq!(read(&now, &[item(b), item(c)]), only);
        now.checks_not_in_anchor = vec![b.to_owned()];
        assert_eq!(read(&now, &[item(b), item(c)]), all);
    }

    #[test]
    fn what_cannot_be_read_or_be_of_these_builds_is_held_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let kept = SessionStore { path: Some(path.clone()) };
        let contract = Contract::parse(CONTRACT).unwrap();
        let items = [Item::Check(&contract.checks[0])];
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            kept.read(&mut |_| {}).for_items(&comparison(1, "2"), &items)
        };
        let session = "{\"seed\": 1, \"baseline_ns\": 1, \"current\": \"1\", \
                       \"control\": \"1\", \"injected\": \"1\"}";
        let file = |session: &str, more: &str| {
            format!(
                "{{\"checks\": 1, \"sessions\": {{\"b/default\": {{\"sessions\": [{session}], \
                 \"failed_sessions\": 0{more}}}}}}}"
            )
        };
        assert_eq!(read(&file(session, ""))["b/default"].sessions.len(), 1);
        for rubbish in ["", "{", "[]", "{\"b/default\": {}}"] {
            assert!(read(rubbish).is_empty(), "{rubbish}");
        }
        let of_code = session.replace("\"}", "\", \"iterations\": 1}");
        for foreign in [file(session, ", \"same_processes\": true"), file(&of_code, "")] {
            assert!(read(&foreign).is_empty(), "{foreign}");
        }
    }
}
