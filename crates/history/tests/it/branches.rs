//! Histories on a branch of their own: races, other people's pushes, and branches that were written anew.

use std::{path::Path, thread};

use perf_passport::passport::Passport;
use perf_passport_history::{HistoryError, git::Repository, store::BranchStore};
use perf_passport_test_support::repository::git_in;

use crate::opened::{Fixture, commit};

const BRANCH: &str = "perf-history";

fn on_branch(directory: &Path, remote: Option<&str>) -> BranchStore {
    let repository = Repository::needed(directory).unwrap();
    BranchStore::new(repository, BRANCH, remote).unwrap()
}

fn passports(fixture: &mut Fixture, count: u64) -> Vec<Passport> {
    (0..count).map(|it| fixture.made(10 + it, it).passport()).collect()
}

#[test]
fn processes_that_push_at_once_lose_nothing() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let remote = tempfile::tempdir().unwrap();
    git_in(remote.path(), &["init", "--quiet", "--bare"], "1750000000 +0000");
    let clones: Vec<_> = (0..4)
        .map(|_| {
            let clone = tempfile::tempdir().unwrap();
            let from = fixture.repository.path().display().to_string();
            git_in(clone.path(), &["clone", "--quiet", &from, "."], "1750000000 +0000");
            let to = remote.path().display().to_string();
            git_in(clone.path(), &["remote", "set-url", "origin", &to], "1750000000 +0000");
            clone
        })
        .collect();
    let all = passports(&mut fixture, 24);
    thread::scope(|scope| {
        for (clone, passports) in clones.iter().zip(all.chunks(6)) {
            scope.spawn(move || {
                let branch = on_branch(clone.path(), Some("origin"));
                for passport in passports {
                    branch.store.keep(passport).unwrap();
                    assert!(branch.push("add").unwrap());
                }
            });
        }
    });
    for clone in &clones {
        let branch = on_branch(clone.path(), Some("origin"));
        branch.pull().unwrap();
        let hashes = branch.store.hashes().unwrap();
        assert!(all.iter().all(|it| hashes.contains(&it.evidence_hash)) && hashes.len() == 24);
        assert!(!branch.push("again").unwrap(), "there is nothing to push");
        // Nobody's working tree, index or branch was touched.
        assert_eq!(git_in(clone.path(), &["status", "--porcelain"], "1750000000 +0000"), "");
        assert_eq!(git_in(clone.path(), &["branch", "--list", BRANCH], "1750000000 +0000"), "");
    }
}

#[test]
fn who_is_never_first_is_told_and_loses_nothing() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let all = passports(&mut fixture, 1);
    let remote = tempfile::tempdir().unwrap();
    git_in(remote.path(), &["init", "--quiet", "--bare"], "1750000000 +0000");
    let url = remote.path().display().to_string();
    let branch = on_branch(fixture.repository.path(), Some(&url)).with_attempts(3);
    branch.store.keep(&all[0]).unwrap();
    // Somebody is about to write the branch, and stays so.
    let lock = remote.path().join(format!("refs/heads/{BRANCH}.lock"));
    std::fs::write(&lock, "").unwrap();
    let error = branch.push("add").unwrap_err();
    assert!(matches!(error, HistoryError::Overtaken { attempts: 3, .. }), "{error:?}");
    assert!(
        error.may_pass() && error.to_string().contains("others were faster 3 times"),
        "{error}"
    );
    std::fs::remove_file(&lock).unwrap();
    assert!(branch.push("add").unwrap());
    let listed =
        git_in(remote.path(), &["ls-tree", "-r", "--name-only", BRANCH], "1750000000 +0000");
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn without_a_remote_the_branch_is_here_and_shares_no_commit() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let all = passports(&mut fixture, 2);
    let branch = on_branch(fixture.repository.path(), None);
    for passport in &all {
        branch.store.keep(passport).unwrap();
        assert!(branch.push("add").unwrap());
    }
    let both = ["merge-base", BRANCH, "main"];
    let output = Repository::needed(fixture.repository.path()).unwrap();
    assert!(output.named(BRANCH).is_ok());
    let mut command = std::process::Command::new("git");
    let ended = command.arg("-C").arg(fixture.repository.path()).args(both).output().unwrap();
    assert!(!ended.status.success(), "the branches share a commit");
    // What is pruned is gone here and there, and comes not back with the next push.
    let gone = [all[0].evidence_hash.clone()].into();
    branch.prune(&gone).unwrap();
    assert_eq!(branch.store.hashes().unwrap().len(), 1);
    assert!(!branch.push("again").unwrap());
    let listed = fixture.repository.git(&["ls-tree", "-r", "--name-only", BRANCH]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn a_branch_that_was_written_anew_is_told_and_nothing_is_lost() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let all = passports(&mut fixture, 2);
    let branch = on_branch(fixture.repository.path(), None);
    branch.store.keep(&all[0]).unwrap();
    branch.push("add").unwrap();
    assert!(!branch.pull().unwrap().rewritten);
    // Somebody else's history, of one other passport, by force.
    let other = tempfile::tempdir().unwrap();
    let from = fixture.repository.path().display().to_string();
    git_in(other.path(), &["clone", "--quiet", &from, "."], "1750000000 +0000");
    let theirs = on_branch(other.path(), None);
    theirs.store.keep(&all[1]).unwrap();
    theirs.push("another beginning").unwrap();
    let to = format!("+refs/heads/{BRANCH}:refs/heads/{BRANCH}");
    git_in(other.path(), &["push", "--quiet", &from, &to], "1750000000 +0000");
    let pulled = branch.pull().unwrap();
    assert!(pulled.rewritten && pulled.added == 1, "{pulled:?}");
    assert_eq!(branch.store.hashes().unwrap().len(), 2);
    // The next push adds again what the branch lost.
    assert!(branch.push("join").unwrap());
    let listed = fixture.repository.git(&["ls-tree", "-r", "--name-only", BRANCH]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

#[test]
fn names_that_are_no_branch_and_remotes_that_are_not_there_are_told() {
    let fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let new = |branch: &str, remote: Option<&str>| {
        BranchStore::new(Repository::needed(fixture.repository.path()).unwrap(), branch, remote)
    };
    for (branch, remote, said) in [
        ("a b", None, "no name of a branch"),
        ("--force", None, "no name of a branch"),
        ("main", None, "checked out"),
        ("history", Some("--upload-pack=x"), "remote"),
    ] {
        let error = new(branch, remote).unwrap_err().to_string();
        assert!(error.contains(said), "{branch}: {error}");
    }
    let nowhere = new("history", Some("https://me:s3cret@127.0.0.1:1/x.git")).unwrap();
    let error = nowhere.pull().unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn other_names_and_what_is_configured_for_other_branches_change_nothing() {
    let mut fixture = Fixture::new();
    commit(&fixture.repository, "code", "1");
    let all = passports(&mut fixture, 1);
    let remote = tempfile::tempdir().unwrap();
    let at = |arguments: &[&str]| git_in(remote.path(), arguments, "1750000000 +0000");
    at(&["init", "--quiet", "--bare"]);
    let url = remote.path().display().to_string();
    let git = |arguments: &[&str]| fixture.repository.git(arguments);
    // A branch whose name ends like that of the history, with a commit that is not here.
    let tree = at(&["hash-object", "-w", "-t", "tree", "/dev/null"]);
    let identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
    let commit = at(&[&identity[..], &["commit-tree", "-m", "other", tree.trim()]].concat());
    let longer = format!("refs/heads/a/refs/heads/{BRANCH}");
    at(&["update-ref", &longer, commit.trim()]);
    for (name, value) in [
        ("push.recurseSubmodules", "only"),
        ("push.followTags", "true"),
        ("push.gpgSign", "true"),
        ("fetch.recurseSubmodules", "true"),
    ] {
        git(&["config", name, value]);
    }
    let branch = on_branch(fixture.repository.path(), Some(&url));
    assert_eq!(branch.pull().unwrap().added, 0);
    branch.store.keep(&all[0]).unwrap();
    assert!(branch.push("add").unwrap());
    let listed = at(&["ls-tree", "-r", "--name-only", &format!("refs/heads/{BRANCH}")]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert_eq!(at(&["rev-parse", &longer]).trim(), commit.trim());
}
