//! A disk that is full, or gets full: a tiny file system in a mount namespace of its own.

use crate::{MORE_WORK, WORK, assert_says, incomplete, workspace};
use perf_passport_test_support::program::{Workspace, shell_with_mounts};

/// Mounts a file system of a mebibyte at `tiny`, fills it where that is asked for, to the last page or but for one,
/// and runs the rest.
const INSIDE: &str = r#"
set -e
mount -t tmpfs -o size=1m tmpfs tiny
case "$1" in full | nearly) head -c 2000000 /dev/zero > tiny/filling 2> /dev/null || true ;; esac
if [ "$1" = nearly ]; then truncate -s -4096 tiny/filling; fi
shift
set +e
"$@"
echo "code $?"
find tiny -name '*json*'
"#;

/// What the program says on both outputs, run with these arguments beside that file system; `None`
/// where it cannot be mounted.
fn beside_tiny(
    workspace: &Workspace,
    (filling, temporary): (&str, &str),
    more: &[&str],
) -> Option<(String, String)> {
    std::fs::create_dir(workspace.path("tiny")).unwrap();
    let program = crate::PASSPORT;
    let script = [&[INSIDE, "sh", filling, program][..], &crate::COMPARE, more].concat();
    let mut shell = shell_with_mounts(&workspace.path(""), &script)?;
    let run = shell.env("TMPDIR", workspace.path(temporary)).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some((text(run.stdout), text(run.stderr)))
}

const FULL: &str = "No space left on device";

pub(crate) fn temporary() {
    let workspace = workspace(WORK, WORK);
    let Some((out, log)) = beside_tiny(&workspace, ("full", "tiny"), &[]) else { return };
    assert_eq!(out, "code 3\n", "{log}");
    let said = log.lines().last().unwrap();
    assert!(said.starts_with("passport: ") && said.contains(FULL), "{log}");
    assert!(!workspace.path("artifacts").exists());
}

/// Each worker fills the disk, so that one can be observed, and the second one of a session finds no
/// room.
pub(crate) fn half_way() {
    let filling = format!("{WORK} fills");
    let workspace = workspace(&filling, &filling);
    let Some((out, log)) = beside_tiny(&workspace, ("empty", "tiny"), &[]) else { return };
    assert!(out.ends_with("\ncode 3\n"), "{out}");
    let said = log.lines().last().unwrap();
    assert_says(said, "passport: cannot start the worker of ");
    assert_says(said, &format!("cannot copy it: {FULL}"));
    incomplete(&workspace);
}

pub(crate) fn artifacts() {
    let workspace = workspace(WORK, MORE_WORK);
    let more = ["--artifacts-dir", "tiny/artifacts", "--time-budget", "60"];
    let Some((out, log)) = beside_tiny(&workspace, ("nearly", ""), &more) else { return };
    // What was decided is shown, and no half of a file is left.
    assert_says(&out, "FAIL     work/default");
    assert!(out.ends_with("\ncode 2\n"), "{out}");
    let said = log.lines().last().unwrap();
    assert_says(said, "passport: cannot write `tiny/artifacts");
    assert_says(said, &format!("{FULL} (os error 28); what was there is unchanged"));
}

pub(crate) fn artifacts_from_the_start() {
    let workspace = workspace(WORK, MORE_WORK);
    let more = ["--artifacts-dir", "tiny/artifacts", "--time-budget", "60"];
    let Some((out, log)) = beside_tiny(&workspace, ("full", ""), &more) else { return };
    // Nothing is measured for nobody.
    assert_eq!(out, "code 2\n");
    assert!(
        log.starts_with("passport: cannot write `tiny/artifacts`: ") && log.contains(FULL),
        "{log}"
    );
}
