//! A history that something is in the way of: a shallow clone, a lock, a full disk, a closed directory.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Stdio,
};

use crate::history::History;
use perf_passport_test_support::{
    program::{Finished, assert_says, end, finish, shell_with_mounts},
    repository::git_in,
};

/// The passports of a store, and what else lies beside them.
fn kept(history: &Path) -> (usize, Vec<String>) {
    let (mut passports, mut others, mut directories) =
        (0, Vec::new(), vec![history.join("passports")]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == "json") {
                perf_passport::store::read(&path).unwrap();
                passports += 1;
            } else {
                others.push(path.display().to_string());
            }
        }
    }
    (passports, others)
}

#[test]
fn a_shallow_clone_says_what_it_cannot_know() {
    let history = History::of_a_change();
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", history.repository.path().display());
    let git = |arguments: &[&str]| git_in(clone.path(), arguments, "1750000000 +0000");
    git(&["clone", "--quiet", "--depth", "1", &from, "."]);
    let directory = history.repository.path().join("history").display().to_string();
    let log = |more: &[&str]| -> Finished {
        let arguments = [&["history", "log", "--directory", &directory], more].concat();
        finish(history.workspace.command(&arguments).current_dir(clone.path()))
    };
    let said = log(&[]).exits(4);
    assert_says(&said.stderr, "this clone is shallow");
    let unknown =
        "not known: what 1 passport of commits say that this shallow clone does not have\n";
    assert_says(&said.stdout, &format!("0 open events, 0 open suspicions, 0 accepted\n{unknown}"));
    // What changed after a commit at which all was measured is known.
    let since = log(&["--since", "HEAD"]).exits(0);
    assert!(!since.stdout.contains("not known"), "{}", since.stdout);
    let unknown = log(&["--since", "HEAD~1"]).exits(2).stderr;
    assert_says(&unknown, "no commit is called `HEAD~1`: this clone is shallow");
    git(&["fetch", "--quiet", "--unshallow"]);
    let whole = log(&[]).exits(1);
    assert!(!whole.stdout.contains("not known"), "{}", whole.stdout);
}

#[test]
fn an_index_that_somebody_locks_is_told_and_what_is_added_is_kept() {
    let mut history = History::of_a_change();
    history.commit("three");
    history.made("three.json", 14);
    let directory = history.repository.path().join("history");
    let lock = rusqlite::Connection::open(directory.join("index.sqlite")).unwrap();
    lock.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Both wait for as long as they do, at the same time.
    let start = |arguments: &[&str]| {
        let mut command = history.workspace.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir(history.repository.path()).spawn().unwrap()
    };
    let log = start(&["history", "log"]);
    let add = end(start(&["history", "add", "three.json"]));
    let log = end(log);
    assert_says(&log.refused(3), "is locked by another process: wait for that, or name another");
    let add = add.exits(0);
    assert_says(&add.stdout, "kept  ");
    assert_says(&add.stderr, "kept, and the index follows later: ");
    assert_eq!(kept(&directory), (3, Vec::new()));
    drop(lock);
    assert_says(&history.run(&["history", "index"]).exits(0).stdout, "3 passports, 1 new, 0 gone");
    history.run(&["history", "log"]).exits(1);
}

/// A small file system that gets full, and then not.
const FULL: &str = r#"
set -e
mount -t tmpfs -o size=1m tmpfs "$2"
cp -r history "$2/history"
head -c 4000000 /dev/zero > "$2/filling" 2> /dev/null || true
set +e
"$1" history add three.json --directory "$2/history"
echo "code $?"
find "$2/history" -name '*.json' -size 0; find "$2/history" -name '*.tmp'
find "$2/history/passports" -name '*.json' | wc -l
"$1" history add three.json --index "$2/index.sqlite"
echo "kept $?"
"$1" history log --index "$2/index.sqlite"
echo "log $?"
rm "$2/filling"
"$1" history add three.json --directory "$2/history"
echo "again $?"
find "$2/history/passports" -name '*.json' | wc -l
"#;

#[test]
fn a_full_disk_keeps_nothing_or_all_of_a_passport() {
    let mut history = History::of_a_change();
    history.commit("three");
    history.made("three.json", 14);
    let directory = history.repository.path();
    fs::create_dir(directory.join("tiny")).unwrap();
    let Some(mut command) = shell_with_mounts(directory, &[FULL, "sh", crate::PASSPORT, "tiny"])
    else {
        return;
    };
    let run = command.output().unwrap();
    let (out, log) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let left: Vec<&str> = out.lines().filter(|it| !it.starts_with("kept  ")).collect();
    assert_eq!(left, ["code 2", "2", "kept 0", "log 2", "again 0", "3"], "{out}{log}");
    assert_says(&log, "cannot write `tiny/history/passports/");
    assert_says(&log, "No space left on device");
    assert_says(
        &log,
        "kept, and the index follows later: cannot write the index `tiny/index.sqlite`",
    );
    assert_eq!(kept(&directory.join("history")), (3, Vec::new()));
}

#[test]
fn a_directory_that_cannot_be_written_is_told_and_can_be_read_by_another_index() {
    const NOBODY: u32 = 65_534;
    let mut history = History::of_a_change();
    history.commit("three");
    history.made("three.json", 14);
    let directory = history.repository.path().to_owned();
    let is_root = fs::metadata(&directory).unwrap().uid() == 0;
    // Nothing is closed to the superuser.
    if is_root {
        for path in [directory.clone(), directory.join(".git"), directory.join("history")] {
            chown(path, Some(NOBODY), None).unwrap();
        }
    }
    let run = |arguments: &[&str]| {
        let mut command = history.workspace.command(arguments);
        command.current_dir(&directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root {
            command.uid(NOBODY);
        }
        end(command.spawn().unwrap())
    };
    let store = directory.join("history");
    let set = |bits: u32| {
        let mut directories = vec![store.clone()];
        while let Some(path) = directories.pop() {
            let below = fs::read_dir(&path).unwrap().map(|it| it.unwrap().path());
            directories.extend(below.filter(|it| it.is_dir()));
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        }
    };
    set(0o555);
    let add = run(&["history", "add", "three.json"]);
    let log = run(&["history", "log"]);
    let elsewhere = run(&["history", "log", "--index", "elsewhere.sqlite"]);
    set(0o755);
    assert_says(&add.refused(2), "cannot write `history/passports/");
    // The index that is there says all, as long as it need not be written.
    match log.code {
        Some(1) => assert_says(&log.stdout, "2 open events"),
        _ => assert_says(&log.refused(2), "name another place with --index"),
    }
    assert_says(&elsewhere.exits(1).stdout, "2 open events");
    assert_eq!(kept(&store), (2, Vec::new()));
}
