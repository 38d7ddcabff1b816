//! Refs of a repository whose test target becomes this program, and so a worker: nothing of this
//! library is built.

use std::{
    cell::Cell,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{CONTRACT, OTHER, WORK, assert_says, executable, incomplete, passport, worker::MANNER};
use perf_passport_test_support::{
    processes::{eventually, is_alive, lines},
    program::{CONTRACT as FILE, Workspace, end},
};
use serde_json::Value;

const MANIFEST: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                        [[test]]\nname = \"perf_sanity\"\npath = \"src/gate.rs\"\nharness = false\n\
                        [workspace]\n";

/// A repository with this contract, whose worker is of this manner.
fn repository(manner: &str) -> Workspace {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    workspace.write("Cargo.toml", MANIFEST);
    workspace.make("src");
    workspace.write("src/lib.rs", "");
    let gate = format!(
        "use std::{{env, os::unix::process::CommandExt, process::Command}};\n\
         fn main() {{\n\
         let mut command = Command::new({:?});\n\
         command.args(env::args_os().skip(1)).env({MANNER:?}, {manner:?});\n\
         panic!(\"{{}}\", command.exec());\n\
         }}\n",
        executable(),
    );
    workspace.write("src/gate.rs", gate);
    workspace.write(".gitignore", "target\nartifacts\nCargo.lock\n");
    git(&workspace, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&workspace);
    workspace
}

fn git(workspace: &Workspace, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=b", "-c", "commit.gpgSign=false"]);
    let output = command.args(arguments).current_dir(workspace.path("")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn commit(workspace: &Workspace) {
    git(workspace, &["add", "--all"]);
    git(workspace, &["commit", "--quiet", "--message", "all"]);
}

/// The working tree against the branch.
fn command(workspace: &Workspace, more: &[&str]) -> Command {
    let mut command =
        workspace.command(&[&["compare", "--baseline-branch", "main"], more].concat());
    // Where .ci/run has everything built, which is not below this workspace.
    command.env_remove("CARGO_TARGET_DIR");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn other_checks() {
    let workspace = repository(WORK);
    let more = OTHER.replace("other", "before");
    let same = "\n[[endpoint]]\nname = \"same\"\npath = \"/other\"\n";
    workspace.write(FILE, [CONTRACT, &more, same].concat());
    commit(&workspace);
    let changed = same.replace("/other", "/work");
    workspace.write(FILE, [CONTRACT, OTHER, &changed].concat());
    let run = end(command(&workspace, &["--time-budget", "1"]).spawn().unwrap());
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    let said = "not compared, as not both sides have it and measure the same: \
                other/default, same/default, before/default\n";
    assert_says(&run.stdout, said);
    let passport = passport(&workspace);
    assert_eq!(passport["test_results"].as_array().unwrap().len(), 1);
    assert_eq!(passport["test_results"][0]["test_name"], "work/default");
    let others = passport["comparison"]["checks_not_compared"].as_array().unwrap();
    assert_eq!(others.len(), 3);
    // What the baseline's figures are of is there to be looked at.
    let (path, baseline) = workspace
        .files()
        .into_iter()
        .find(|(path, _)| {
            path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("baseline_"))
        })
        .unwrap();
    workspace.run(&["verify", path.to_str().unwrap()]).exits(0);
    let baseline: serde_json::Value = serde_json::from_str(&baseline).unwrap();
    assert_eq!(baseline["evidence_hash"], passport["baseline"]["evidence_hash"]);
    // And where nothing is left to compare.
    let none = CONTRACT.replace("work", "none");
    workspace.write(FILE, none);
    let run = end(command(&workspace, &[]).spawn().unwrap()).exits(2);
    assert_eq!(run.sentence(), "the two sides have neither a check nor an operation in common");
}

pub(crate) fn anchor() {
    let workspace = repository(WORK);
    git(&workspace, &["tag", "released"]);
    workspace.write(FILE, [CONTRACT, OTHER].concat());
    commit(&workspace);
    let more = ["--anchor", "released", "--time-budget", "1", "--no-instructions"];
    let run = end(command(&workspace, &more).spawn().unwrap());
    assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
    assert_says(
        &run.stdout,
        "as the anchor lacks it, or asks or answers otherwise: other/default\n",
    );
    let passport = passport(&workspace);
    assert_eq!(passport["complete"], true);
    let others = passport["comparison"]["checks_not_in_anchor"].as_array().unwrap();
    assert_eq!(others, &["other/default"]);
    for result in passport["test_results"].as_array().unwrap() {
        let is_other = result["test_name"] == "other/default";
        let session = &result["paired"]["sessions"][0];
        assert_eq!(session["anchor"].is_null(), is_other, "{session}");
    }
}

/// Documents and comments are no code; lines of panics are, and nobody minds them.
pub(crate) fn same_code() {
    let workspace = repository(WORK);
    let contract = CONTRACT.replace("samples = 20", "samples = 1000").replace("p50", "p95");
    workspace.write("passport.toml", contract);
    let gate = workspace.read("src/gate.rs");
    let asks = "fn asked(at: usize) -> u8 { b\"lantern\"[at] }\n";
    let calls = gate.replace(
        "fn main() {\n",
        "fn main() {\nassert!(std::hint::black_box(asked(env::args().count())) > 0);\n",
    );
    workspace.write("src/gate.rs", [asks, &calls].concat());
    commit(&workspace);
    workspace.write("README.md", "What it does.\n");
    workspace.write("src/gate.rs", ["// What it does.\n\n", asks, &calls].concat());
    let run = end(command(&workspace, &[]).spawn().unwrap()).exits(0);
    assert_says(
        &run.stderr,
        "the same code: 1 of them did the same, and are not measured further\n",
    );
    assert_says(&run.stdout, "the same code: all that both builds load is equal\n");
    assert!(!run.stderr.contains("sessions 1"), "{run:#?}");
    let passport = passport(&workspace);
    let result = &passport["test_results"][0];
    assert_eq!((&result["paired"], &result["instructions"]), (&Value::Null, &Value::Null));
    // So many, none of them near the budget, decide a p95. No other time is compared with them.
    assert_eq!(result["evidence"]["latency"]["samples"], 94);
    for kind in ["latency-change", "instructions-change"] {
        let claim = result["claims"].as_array().unwrap().iter().find(|it| it["kind"] == kind);
        let claim = claim.unwrap();
        assert_eq!((&claim["verdict"], &claim["reason"]), (&"PASS".into(), &"same-code".into()));
    }
    // Another constant is other code, and another file may be read.
    let other = [asks, &calls].concat().replace("lantern", "beacons");
    workspace.write("src/gate.rs", other);
    let budget = ["--time-budget", "0", "--no-instructions"];
    let run = end(command(&workspace, &budget).spawn().unwrap()).exits(4);
    assert!(!run.stdout.contains("the same code"), "{run:#?}");
    workspace.write("src/gate.rs", [asks, &calls].concat());
    workspace.write("data.txt", "which the service may read");
    let run = end(command(&workspace, &budget).spawn().unwrap()).exits(4);
    assert_says(&run.stdout, "both builds load the same, and may read what changed: data.txt\n");
}

/// A service may read files, which are in no executable.
pub(crate) fn other_files() {
    let workspace = repository(WORK);
    // What comparisons write is not ignored, and no part of the source all the same.
    workspace.write(".gitignore", "target\nCargo.lock\n");
    commit(&workspace);
    workspace.write("first.txt", "so that equal code proves nothing");
    let says_kept = Cell::new(false);
    let sessions =
        |seconds: &str| {
            let more = ["--time-budget", seconds, "--no-instructions"];
            let run = end(command(&workspace, &more).spawn().unwrap());
            assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
            says_kept.set(run.stderr.contains(
                "sessions of an earlier comparison of these builds count for 1 of them\n",
            ));
            let path = run.stdout.lines().find_map(|line| line.strip_prefix("passport artifacts/"));
            let path = workspace.path(format!("artifacts/{}", path.unwrap()));
            let passport: serde_json::Value = serde_json::from_str(&text(&path)).unwrap();
            let executables = ["baseline", "current"]
                .map(|side| passport["comparison"][side]["executable_sha256"].clone());
            assert_eq!(executables[0], executables[1]);
            passport["test_results"][0]["paired"]["sessions"].clone()
        };
    let first = sessions("1");
    assert!(!first.as_array().unwrap().is_empty() && !says_kept.get());
    assert_eq!(sessions("0"), first);
    assert!(says_kept.get(), "who reads the verdict knows that it is of sessions held before");
    workspace.write("data.txt", "which the service may read");
    let other = sessions("0");
    assert!(other.as_array().is_none_or(Vec::is_empty), "{other}");
    // What is tracked there is source, which comparisons then change.
    commit(&workspace);
    workspace.write("third.txt", "so that equal code proves nothing");
    assert!(!sessions("1").as_array().unwrap().is_empty());
    let other = sessions("0");
    assert!(other.as_array().is_none_or(Vec::is_empty), "{other}");
}

/// What was one of two has half of the error, also when it is asked for alone.
pub(crate) fn share() {
    let workspace = repository(WORK);
    workspace.write(FILE, [CONTRACT, OTHER].concat());
    commit(&workspace);
    workspace.write("data.txt", "so that there is something to compare");
    let compared = |seconds: &str, more: &[&str]| {
        let budget = ["--time-budget", seconds, "--no-instructions"];
        let run = end(command(&workspace, &[&budget[..], more].concat()).spawn().unwrap());
        assert!(matches!(run.code, Some(0 | 4)), "{run:#?}");
        let path = run.stdout.lines().find_map(|line| line.strip_prefix("passport artifacts/"));
        let path = workspace.path(format!("artifacts/{}", path.unwrap()));
        workspace.run(&["verify", path.to_str().unwrap()]).exits(0);
        let passport: serde_json::Value = serde_json::from_str(&text(&path)).unwrap();
        passport["comparison"]["policy"]["checks"].clone()
    };
    assert_eq!(compared("0", &["--endpoint", "work"]), 1);
    assert_eq!(compared("0", &[]), 2);
    assert_eq!(compared("0", &["--endpoint", "work"]), 2);
}

pub(crate) fn interrupted() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("processes");
    let workspace = repository(&format!("rounds=1000000 starts={}", file.display()));
    workspace.write("data.txt", "so that equal code proves nothing");
    let status = git(&workspace, &["status", "--porcelain"]);
    let temporary = place.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = command(&workspace, &["--time-budget", "600", "--no-instructions"]);
    let comparison = command.env("TMPDIR", &temporary).spawn().unwrap();
    // Two make their databases and two are observed; the six of the first round follow, which is over
    // when there is one more.
    eventually("no session begins", || lines(&file) >= 11);
    send("INT", comparison.id());
    end(comparison).exits(130);
    incomplete(&workspace);
    for process in fs::read_to_string(&file).unwrap().split_whitespace() {
        eventually(&format!("{process} lives on"), || !is_alive(process));
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(git(&workspace, &["status", "--porcelain"]), status);
    // What is built and what was seen is there for the next one.
    let again = end(self::command(&workspace, &["--time-budget", "0"]).spawn().unwrap());
    assert!(!again.stderr.contains("Compiling"), "{again:#?}");
    assert!(!again.stderr.contains("to decide"), "{again:#?}");
    assert!(matches!(again.code, Some(0 | 4)), "{again:#?}");
}

/// Neither cargo nor a build script that never ends, which is in a process of its own.
pub(crate) fn killed_while_building() {
    let workspace = repository(WORK);
    let build = "fn main() { std::fs::write(\"pid\", std::process::id().to_string()).unwrap(); \
                 loop { std::thread::sleep(std::time::Duration::from_secs(1)); } }\n";
    workspace.write("build.rs", build);
    commit(&workspace);
    let comparison = command(&workspace, &[]).spawn().unwrap();
    let top = workspace.path("").canonicalize().unwrap();
    let source = format!("perf-passport-source-{}{}", top.components().count() - 1, top.display());
    let pid = || {
        workspace.places().first().map_or(String::new(), |it| text(&it.join(&source).join("pid")))
    };
    eventually("nothing is built", || !pid().is_empty());
    let script = pid();
    assert!(is_alive(&script));
    send("KILL", comparison.id());
    assert_eq!(end(comparison).code, None);
    eventually("the build script lives on", || !is_alive(&script));
    // Who builds holds the lock of the place, so it is free again.
    workspace.write("build.rs", "fn main() {}\n");
    commit(&workspace);
    workspace.write("data.txt", "so that equal code proves nothing");
    end(command(&workspace, &["--time-budget", "0"]).spawn().unwrap()).exits(4);
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn send(signal: &str, process: u32) {
    let process = process.to_string();
    assert!(Command::new("kill").args(["-s", signal, &process]).status().unwrap().success());
}
