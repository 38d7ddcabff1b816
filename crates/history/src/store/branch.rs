//! A store on a branch that shares no commit with the others.
//!
//! A [`BranchStore`] is a directory below that of git, and the branch. To pull makes the directory the
//! union of both; to push adds to the branch what it lacks. Files are named after what is in them, so
//! that two histories are joined by putting both together, and a race is a push that is made again. No
//! file of the working tree and no index of the user's is touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::Write as _,
    path::PathBuf,
    process::Stdio,
    thread,
    time::Duration,
};

use super::{Store, names_in};
use crate::{
    error::HistoryError,
    git::{Repository, succeeded, text, without_passwords},
};

/// Pushes that are tried before somebody is told.
const ATTEMPTS_MAX: u64 = 200;

/// Between nothing and this is waited before a push is made again; each time twice that, nine times over.
const WAIT_FIRST: Duration = Duration::from_millis(10);

/// Times that the tip of a remote branch is looked up: it may move before it is fetched.
const TIPS_MAX: usize = 20;

/// The largest file of the branch that is taken over, in bytes.
const FILE_MAX: u64 = 512 * 1024 * 1024;

/// The options of `git fetch` and `git push`: what somebody configured for other branches is not for this
/// one. With `push.recurseSubmodules=only` nothing would be pushed, and git would say `Done`.
const FETCH: [&str; 5] =
    ["--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-recurse-submodules"];
const PUSH: [&str; 5] =
    ["--porcelain", "--no-verify", "--recurse-submodules=no", "--no-follow-tags", "--no-signed"];

/// What git says where somebody else was faster.
const RACES: [&str; 8] = [
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "failed to update ref",
    "reference already exists",
    "stale info",
    "incorrect old value",
    "failed to lock",
];

/// A store on a branch of its own.
#[derive(Debug, Clone)]
pub struct BranchStore {
    repository: Repository,
    branch: String,
    remote: Option<String>,
    /// Pushes that are tried before somebody is told.
    attempts: u64,
    /// The directory that holds what the branch holds.
    pub store: Store,
}

/// What pulling came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Files that are new here.
    pub added: usize,
    /// Whether the branch no longer has the commit that was seen last: somebody wrote it anew.
    pub rewritten: bool,
}

impl BranchStore {
    /// The store on this branch; with a remote, on the branch there.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Branch`] where it is no name of a branch, or is checked out.
    pub fn new(
        repository: Repository,
        branch: &str,
        remote: Option<&str>,
    ) -> Result<Self, HistoryError> {
        let refused =
            |why: &str| HistoryError::Branch { branch: branch.to_owned(), why: why.to_owned() };
        let named = repository.run(&["check-ref-format", "--branch", branch])?;
        if !named.status.success() || branch.starts_with('-') {
            return Err(refused("it is no name of a branch"));
        }
        if remote.is_some_and(|it| it.is_empty() || it.starts_with('-')) {
            return Err(refused("its remote has no name"));
        }
        let head = repository.run(&["symbolic-ref", "--quiet", "HEAD"])?;
        if text(&head.stdout) == format!("refs/heads/{branch}") {
            return Err(refused("it is checked out; a history has a branch of its own"));
        }
        let common =
            repository.ask(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
        // A branch may have `/` in its name, and so a directory below that of another branch.
        let name = branch.replace('%', "%25").replace('/', "%2f");
        let directory = PathBuf::from(common).join("perf-passport/history").join(name);
        let (branch, remote) = (branch.to_owned(), remote.map(str::to_owned));
        let store = Store::at(&directory);
        Ok(Self { repository, branch, remote, attempts: ATTEMPTS_MAX, store })
    }

    /// The same, which tries to push so often at most.
    #[must_use]
    pub fn with_attempts(self, attempts: u64) -> Self {
        Self { attempts, ..self }
    }

    fn seen(&self) -> String {
        format!("refs/perf-passport/seen/{}", self.branch)
    }

    fn refused(&self, why: String) -> HistoryError {
        HistoryError::Branch { branch: self.branch.clone(), why }
    }

    /// Makes the directory hold all that the branch holds.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Git`] where the branch cannot be read, or [`HistoryError::Write`].
    pub fn pull(&self) -> Result<Pulled, HistoryError> {
        let Some(tip) = self.tip()? else { return Ok(Pulled::default()) };
        let mut pulled = Pulled::default();
        let seen = self.repository.run(&["rev-parse", "--verify", "--quiet", &self.seen()])?;
        let seen = text(&seen.stdout);
        if seen == tip {
            return Ok(pulled);
        }
        if !seen.is_empty() {
            let is_in = self.repository.run(&["merge-base", "--is-ancestor", &seen, &tip])?;
            pulled.rewritten = !is_in.status.success();
        }
        let (here, listed) = (self.files()?, self.listed(&tip)?);
        if !seen.is_empty() && !pulled.rewritten {
            // What the branch had and has no more, somebody pruned. Of one that was written anew nobody
            // knows, so that all is kept.
            for name in self.listed(&seen)?.keys().filter(|it| !listed.contains_key(*it)) {
                self.store.remove_file(name)?;
            }
        }
        let missing: Vec<(String, String)> =
            listed.into_iter().filter(|(name, _)| !here.contains(name)).collect();
        pulled.added = missing.len();
        self.take_over(&missing)?;
        self.repository.ask(&["update-ref", &self.seen(), &tip])?;
        Ok(pulled)
    }

    /// Adds to the branch what it lacks, and tries again where somebody else was faster. `false` where it
    /// lacks nothing.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Branch`] where the remote refuses, [`HistoryError::Overtaken`] where others were
    /// faster each time.
    pub fn push(&self, message: &str) -> Result<bool, HistoryError> {
        self.publish_files(message, &BTreeSet::new())
    }

    /// Removes passports from the branch and from the directory. The commits before still have them.
    ///
    /// # Errors
    ///
    /// Those of [`BranchStore::push`].
    pub fn prune(&self, hashes: &BTreeSet<String>) -> Result<(), HistoryError> {
        let names = hashes.iter().map(|it| Store::passport_name(it)).collect();
        self.publish_files("prune", &names)?;
        hashes.iter().try_for_each(|it| self.store.remove(it))
    }

    fn publish_files(
        &self,
        message: &str,
        removed: &BTreeSet<String>,
    ) -> Result<bool, HistoryError> {
        let mut said = String::new();
        for attempt in 0..self.attempts {
            let tip = self.tip()?;
            let listed = match &tip {
                Some(tip) => self.listed(tip)?,
                None => BTreeMap::new(),
            };
            let mut new = self.files()?;
            new.retain(|name| !listed.contains_key(name) && !removed.contains(name));
            if new.is_empty() && !removed.iter().any(|it| listed.contains_key(it)) {
                return Ok(attempt > 0);
            }
            let commit = self.commit(tip.as_deref(), (&new, removed), message)?;
            match self.publish(tip.as_deref(), &commit)? {
                // What others added is not here yet, so that the commit is not seen as a whole.
                None => return Ok(true),
                Some(why) => said = why,
            }
            thread::sleep(wait(attempt));
        }
        Err(HistoryError::Overtaken { branch: self.branch.clone(), attempts: self.attempts, said })
    }

    /// The commit that the branch is at; that of the remote, fetched, where there is one.
    fn tip(&self) -> Result<Option<String>, HistoryError> {
        let Some(remote) = &self.remote else {
            let name = format!("refs/heads/{}^{{commit}}", self.branch);
            let found = self.repository.run(&["rev-parse", "--verify", "--quiet", &name])?;
            return Ok(found.status.success().then(|| text(&found.stdout)));
        };
        let name = format!("refs/heads/{}", self.branch);
        for _ in 0..TIPS_MAX {
            let listed =
                succeeded("ls-remote", self.repository.run(&["ls-remote", "--", remote, &name])?)?;
            let Some(tip) = tip_in(&text(&listed), &name) else { return Ok(None) };
            if self.has_tree(&tip)? {
                return Ok(Some(tip));
            }
            let fetch = [&["fetch"], FETCH.as_slice(), &["--", remote, &name]].concat();
            succeeded("fetch", self.repository.run(&fetch)?)?;
            // The name may be at another commit since; that one is listed again then.
            if self.has_tree(&tip)? {
                return Ok(Some(tip));
            }
        }
        Err(self.refused("its remote has a commit that cannot be fetched".to_owned()))
    }

    fn has_tree(&self, commit: &str) -> Result<bool, HistoryError> {
        let has = self.repository.run(&["cat-file", "-e", &format!("{commit}^{{tree}}")])?;
        Ok(has.status.success())
    }

    /// The files of passports and records in a commit, with their blobs.
    fn listed(&self, commit: &str) -> Result<BTreeMap<String, String>, HistoryError> {
        let output = self.repository.run(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let listed = succeeded("ls-tree", output)?;
        let of = |entry: &[u8]| {
            let entry = str::from_utf8(entry).ok()?;
            let (meta, name) = entry.split_once('\t')?;
            let blob = meta.strip_prefix("100644 blob ")?;
            is_of_store(name).then(|| (name.to_owned(), blob.to_owned()))
        };
        Ok(listed.split(|it| *it == 0).filter_map(of).collect())
    }

    /// The files of passports and records in the directory.
    fn files(&self) -> Result<BTreeSet<String>, HistoryError> {
        let mut files: BTreeSet<String> =
            self.store.hashes()?.iter().map(|it| Store::passport_name(it)).collect();
        let records = names_in(&self.store.directory().join(super::RECORDS))?;
        let records = records.into_iter().map(|it| format!("{}/{it}", super::RECORDS));
        files.extend(records.filter(|it| is_of_store(it)));
        Ok(files)
    }

    /// Writes blobs to the directory.
    ///
    /// The names are hashes, so that none leads anywhere else; what is in a file is verified when it is read.
    fn take_over(&self, files: &[(String, String)]) -> Result<(), HistoryError> {
        for (name, blob) in files {
            // Before it is read: what others pushed may be of any size.
            let size = self.repository.ask(&["cat-file", "-s", blob])?;
            if size.parse::<u64>().is_ok_and(|it| it > FILE_MAX) {
                return Err(self.refused(format!("`{name}` is larger than 512 MiB")));
            }
            let output = self.repository.run(&["cat-file", "blob", blob])?;
            let bytes = succeeded("cat-file", output)?;
            let path = self.store.directory().join(name);
            perf_passport::files::write(&path, &bytes)
                .map_err(|source| HistoryError::Write { path, source })?;
        }
        // Also where the branch holds records alone, it is a history.
        let passports = self.store.directory().join(super::PASSPORTS);
        fs::create_dir_all(&passports)
            .map_err(|source| HistoryError::Write { path: passports, source })
    }

    /// A commit with the first of these files besides those of `tip`, and without the second.
    fn commit(
        &self,
        tip: Option<&str>,
        (new, removed): (&BTreeSet<String>, &BTreeSet<String>),
        message: &str,
    ) -> Result<String, HistoryError> {
        let directory = self.store.directory();
        let failed = |source| HistoryError::Write { path: directory.to_owned(), source };
        let index =
            tempfile::Builder::new().prefix(".index-").tempdir_in(directory).map_err(failed)?;
        let index = index.path().join("index");
        let run = |arguments: &[&str], input: &[u8]| {
            let mut command = self.repository.command();
            command.env("GIT_INDEX_FILE", &index).args(arguments);
            for (name, value) in [("NAME", "passport"), ("EMAIL", "passport@localhost")] {
                command.env(format!("GIT_AUTHOR_{name}"), value);
                command.env(format!("GIT_COMMITTER_{name}"), value);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().map_err(HistoryError::NoGit)?;
            let mut stdin = child.stdin.take();
            // A command that ends early says why itself.
            let _ = stdin.as_mut().map(|it| it.write_all(input));
            drop(stdin);
            let output = child.wait_with_output().map_err(HistoryError::NoGit)?;
            succeeded(arguments[0], output).map(|it| text(&it))
        };
        if let Some(tip) = tip {
            run(&["read-tree", tip], b"")?;
        }
        let mut entries = String::new();
        for name in new {
            let path = directory.join(name);
            let path = path.to_string_lossy();
            let blob = run(&["hash-object", "-w", "--no-filters", "--", &path], b"")?;
            entries += &format!("100644 {blob}\t{name}\0");
        }
        let nothing = "0".repeat(tip.map_or(40, str::len));
        for name in removed {
            entries += &format!("0 {nothing}\t{name}\0");
        }
        run(&["update-index", "-z", "--add", "--index-info"], entries.as_bytes())?;
        let tree = run(&["write-tree"], b"")?;
        let mut arguments = vec!["commit-tree", "--no-gpg-sign", "-m", message];
        arguments.extend(tip.iter().flat_map(|it| ["-p", *it]));
        arguments.push(&tree);
        run(&arguments, b"")
    }

    /// Puts the branch at a commit where it is still at `tip`; why not, where others were faster.
    fn publish(&self, tip: Option<&str>, commit: &str) -> Result<Option<String>, HistoryError> {
        let name = format!("refs/heads/{}", self.branch);
        let Some(remote) = &self.remote else {
            let before = tip.map_or_else(|| "0".repeat(commit.len()), str::to_owned);
            let output = self.repository.run(&["update-ref", &name, commit, &before])?;
            return Ok((!output.status.success()).then(|| "the branch has moved".to_owned()));
        };
        // Only where the branch is still where it was, and not by force.
        let to = format!("{commit}:{name}");
        let push = [&["push"], PUSH.as_slice(), &["--", remote, &to]].concat();
        let output = self.repository.run(&push)?;
        if output.status.success() {
            return Ok(None);
        }
        let told = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        if RACES.iter().any(|it| told.contains(it)) {
            return Ok(Some("the branch has moved".to_owned()));
        }
        let said: Vec<&str> = told.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        let said = said[said.len().saturating_sub(4)..].join("; ");
        Err(self.refused(format!("cannot push: {}", without_passwords(&said))))
    }
}

/// The commit that a remote lists for this name and no other: it also lists names that end like it.
fn tip_in(listed: &str, name: &str) -> Option<String> {
    let mut rows = listed.lines().filter_map(|it| it.split_once('\t'));
    rows.find(|(_, of)| *of == name).map(|(tip, _)| tip.to_owned())
}

/// A part of a span that doubles, by chance: who pushes at once again and again would never let a slower one
/// through ("full jitter", Brooker 2015).
fn wait(attempt: u64) -> Duration {
    let span = WAIT_FIRST * (1 << attempt.min(9));
    let chance = RandomState::new().build_hasher().finish() >> 32;
    span.mul_f64(f64::from(u32::try_from(chance).unwrap_or_default()) / f64::from(u32::MAX))
}

/// Whether a path is that of a passport or of a record.
fn is_of_store(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        [super::PASSPORTS, group, file] => {
            super::hash_of(file).is_some_and(|it| it.starts_with(group) && group.len() == 2)
        }
        [super::RECORDS, file] => super::hash_of(file).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_is_that_of_the_whole_name() {
        let (name, longer) = ("refs/heads/perf", "refs/heads/a/refs/heads/perf");
        assert_eq!(tip_in(&format!("aa\t{longer}"), name), None);
        assert_eq!(tip_in(&format!("aa\t{longer}\nbb\t{name}"), name), Some("bb".to_owned()));
    }

    #[test]
    fn only_files_that_are_named_after_a_hash_are_of_a_store() {
        let hash = "ab".repeat(32);
        assert!(is_of_store(&format!("passports/ab/{hash}.json")));
        assert!(is_of_store(&format!("records/{hash}.json")));
        for other in [
            format!("passports/ac/{hash}.json"),
            format!("passports/{hash}.json"),
            format!("records/../{hash}.json"),
            format!("records/{hash}"),
            "records/../../etc/passwd".to_owned(),
            "README.md".to_owned(),
            String::new(),
        ] {
            assert!(!is_of_store(&other), "{other}");
        }
    }
}
