//! Files that cannot be written, and readers that go away.

use std::{
    fs::{self, OpenOptions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::contracts::{LEDGER, ledger};
use perf_passport_test_support::program::{
    LATEST, Workspace, assert_says, end, finish, shell_with_mounts,
};

#[test]
fn a_directory_that_cannot_be_written_is_told_and_nothing_is_changed() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.write("file", "in the way");
    let check = workspace.run(&["check", "--artifacts-dir", "file/below"]).exits(2);
    assert_says(&check.sentence(), "cannot write `file/below/performance_passport_");
    assert_says(&check.sentence(), "; what was there is unchanged");
    // What was measured is shown all the same.
    assert_says(&check.stdout, "PASS     metrics/default");
    for command in ["generate", "baseline"] {
        let run = workspace.run(&[command, "-o", "file/a.json"]).exits(2);
        assert_says(&run.sentence(), "cannot write `file/a.json`: ");
        let run = workspace.run(&[command, "-o", "."]).exits(2);
        assert_says(&run.sentence(), "cannot write `.`: ");
    }
    // What takes long is not begun.
    let exe = ["--baseline-exe", "none", "--current-exe", "none", "--artifacts-dir", "file/below"];
    let run = workspace.run(&[&["compare"][..], &exe].concat()).exits(2);
    assert_says(&run.sentence(), "cannot write `file/below`: ");
    fs::create_dir_all(workspace.path("taken.json/x")).unwrap();
    let run = workspace.run(&["generate", "-o", "taken.json"]).exits(2);
    assert_says(&run.sentence(), "cannot write `taken.json`: ");
    fs::create_dir_all(workspace.path(LATEST)).unwrap();
    let run = workspace.run(&["check"]).exits(2);
    assert_says(&run.sentence(), "cannot write `artifacts/performance/latest_");
    // What exit code 2 promises not to be there is not there.
    let filed = fs::read_dir(workspace.path("artifacts/performance")).unwrap();
    let filed: Vec<_> = filed.map(|it| it.unwrap().file_name()).collect();
    assert_eq!(filed, [LATEST.rsplit('/').next().unwrap()]);
    assert_eq!(workspace.read("file"), "in the way");
    let left: Vec<_> = workspace.files().into_iter().map(|(path, _)| path).collect();
    assert!(!left.iter().any(|it| it.to_string_lossy().ends_with(".tmp")), "{left:?}");
    if Path::new("/proc/self").exists() {
        let run = workspace.run(&["check", "--artifacts-dir", "/proc/nowhere"]).exits(2);
        assert_says(&run.sentence(), "cannot write `/proc/nowhere/");
    } else {
        println!("MISSING: /proc");
    }
}

/// A directory that may be written and not read can be renamed in, and not be opened to be synced.
#[test]
fn a_file_that_is_in_its_place_is_written_though_its_directory_cannot_be_synced() {
    const NOBODY: u32 = 65_534;
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    let (root, closed) = (workspace.path(""), workspace.path("closed"));
    fs::create_dir(&closed).unwrap();
    let mut command = workspace.command(&["generate", "-o", "closed/a.json"]);
    // Nothing is closed to the superuser.
    if fs::metadata(&root).unwrap().uid() == 0 {
        for directory in [&root, &closed] {
            chown(directory, Some(NOBODY), None).unwrap();
        }
        command.uid(NOBODY);
    }
    let mode = |bits| fs::set_permissions(&closed, fs::Permissions::from_mode(bits)).unwrap();
    mode(0o300);
    let run = finish(&mut command);
    mode(0o700);
    assert_says(&run.exits(0).stdout, "\npassport closed/a.json\n");
    workspace.run(&["verify", "closed/a.json"]).exits(0);
}

/// In a mount namespace of its own, where a tiny file system is full.
const FULL: &str = r#"
set -e
mount -t tmpfs -o size=64k tmpfs "$2"
cp baseline.json "$2/baseline.json"
head -c 1000000 /dev/zero > "$2/filling" 2> /dev/null || true
set +e
"$1" "$3" -o "$2/baseline.json"
echo "code $?"
cmp baseline.json "$2/baseline.json" && echo unchanged
ls -A "$2" | tr '\n' ' '
"#;

#[test]
fn a_full_disk_leaves_the_old_passport_whole() {
    let workspace = Workspace::with_contract(crate::PASSPORT, LEDGER);
    workspace.run(&["baseline"]).exits(0);
    fs::create_dir(workspace.path("tiny")).unwrap();
    let inside = |script: &[&str]| shell_with_mounts(&workspace.path(""), script);
    for command in ["generate", "baseline"] {
        let program = crate::PASSPORT;
        let Some(mut shell) = inside(&[FULL, "sh", program, "tiny", command]) else { return };
        let run = shell.output().unwrap();
        let (out, log) =
            (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
        assert_says(&out, "code 2\nunchanged\nbaseline.json filling ");
        assert_says(&log, "passport: cannot write `tiny/baseline.json`: No space left on device");
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.run(&["generate", "-o", "a.json"]).exits(0);
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        println!("MISSING: /dev/full");
        return;
    };
    let commands: [&[&str]; 5] = [
        &["check"],
        &["verify", "a.json"],
        &["show", "a.json"],
        &["schema", "passport"],
        &["diff", "a.json", "a.json"],
    ];
    for arguments in commands {
        let mut command = workspace.command(arguments);
        command.stdin(Stdio::null()).stdout(full.try_clone().unwrap()).stderr(Stdio::piped());
        let run = end(command.spawn().unwrap()).exits(2);
        assert_says(&run.sentence(), "cannot write to standard output: No space left");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.run(&["generate", "-o", "a.json"]).exits(0);
    let commands: [&[&str]; 6] = [
        &["check", "--ci"],
        &["verify", "a.json"],
        &["show", "a.json"],
        &["schema", "passport"],
        &["--help"],
        &["check", "--help"],
    ];
    for arguments in commands {
        let mut command = workspace.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let run = end(child).exits(0);
        assert!(!run.stderr.contains("passport: "), "{run:#?}");
    }
    // Nobody reads standard error either.
    let mut command = workspace.command(&["check", "--contract", "none.toml"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    end(child).exits(2);
    let script = "\"$1\" check --ci 2>/dev/null | head -n 1";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", crate::PASSPORT]);
    let piped = finish(shell.current_dir(workspace.path(""))).exits(0);
    assert!(piped.stdout.starts_with("verdict  check "), "{piped:#?}");
}

#[test]
fn who_may_read_a_file_stays_the_same_when_it_is_replaced() {
    let workspace = Workspace::new(crate::PASSPORT);
    let path = workspace.path("metrics.txt");
    workspace.write("metrics.txt", "before");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    perf_passport::files::write(&path, b"after").unwrap();
    assert_eq!(workspace.read("metrics.txt"), "after");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
