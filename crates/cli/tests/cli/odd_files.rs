//! What stands where a file is expected: links, devices, FIFOs, standard output, and what a killed run
//! left.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{FileTypeExt, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use crate::contracts::ledger;
use perf_passport_test_support::program::{Finished, Workspace, assert_says, end, finish};

const ORIGINAL: &str = include_str!("../../../../tests/fixtures/schema_v1/original.json");

fn workspace() -> Workspace {
    let workspace = Workspace::with_contract(crate::PASSPORT, &ledger());
    workspace.write("original.json", ORIGINAL);
    workspace.run(&["import", "original.json", "-o", "sound.json"]).exits(0);
    workspace
}

fn fifo(workspace: &Workspace, name: &str) {
    let mut command = Command::new("mkfifo");
    assert!(command.arg(workspace.path(name)).status().unwrap().success());
}

/// Runs the program in a shell with this limit.
fn limited(workspace: &Workspace, limit: &str, arguments: &[&str]) -> Finished {
    let script = format!("ulimit {limit} && exec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", crate::PASSPORT]).args(arguments);
    finish(shell.current_dir(workspace.path("")))
}

#[test]
fn limits_of_the_process_are_told_and_neither_panics_nor_signals() {
    let workspace = workspace();
    // So that `check` writes more than the limit.
    workspace.run(&["generate", "-o", "whole.json"]).exits(0);
    for files in 6..16 {
        let run = limited(&workspace, &format!("-n {files}"), &["check", "--ci"]);
        assert_says(&run.refused(3), "too few files may be open at once");
    }
    limited(&workspace, "-n 64", &["check", "--ci"]).exits(0);
    assert!(workspace.read("whole.json").len() > 4 * 1024);
    let run = limited(&workspace, "-f 4", &["generate", "-o", "whole.json"]).exits(2);
    assert_says(&run.sentence(), "cannot write `whole.json`: ");
    assert_says(&run.sentence(), "; what was there is unchanged");
    workspace.run(&["verify", "whole.json"]).exits(0);
}

#[test]
fn a_link_is_followed_and_stays_one() {
    let workspace = workspace();
    fs::create_dir(workspace.path("below")).unwrap();
    workspace.write("below/old.json", "old");
    for (link, leads_to) in [("link.json", "below/old.json"), ("dangling.json", "below/new.json")] {
        symlink(leads_to, workspace.path(link)).unwrap();
        workspace.run(&["import", "original.json", "-o", link]).exits(0);
        assert!(fs::symlink_metadata(workspace.path(link)).unwrap().is_symlink());
        assert!(fs::symlink_metadata(workspace.path(leads_to)).unwrap().is_file());
        workspace.run(&["verify", leads_to]).exits(0);
    }
    symlink("circle.json", workspace.path("circle.json")).unwrap();
    let run = workspace.run(&["import", "original.json", "-o", "circle.json"]);
    assert_says(&run.refused(2), "cannot write `circle.json`: its links lead in a circle");
}

#[test]
fn a_device_is_written_to_and_stays_one() {
    let workspace = workspace();
    let device = workspace.path("null");
    let made = Command::new("mknod").arg(&device).args(["c", "1", "3"]).output().unwrap();
    if !made.status.success() || File::open(&device).is_err() {
        println!("MISSING: the right to make a device");
        return;
    }
    symlink("null", workspace.path("link")).unwrap();
    for name in ["null", "link"] {
        workspace.run(&["import", "original.json", "-o", name]).exits(0);
        assert!(fs::metadata(workspace.path(name)).unwrap().file_type().is_char_device());
    }
    assert!(fs::symlink_metadata(workspace.path("link")).unwrap().is_symlink());
}

#[test]
fn a_fifo_is_written_to_where_somebody_reads() {
    let workspace = workspace();
    fifo(&workspace, "fifo");
    let path = workspace.path("fifo");
    let reading = thread::spawn(move || {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    // The reader may come later than the first run, which is then refused.
    while workspace.run(&["import", "original.json", "-o", "fifo"]).code != Some(0) {}
    assert!(reading.join().unwrap().starts_with("{\n"));
    let run = workspace.run(&["import", "original.json", "-o", "fifo"]);
    assert_says(&run.refused(2), "cannot write to `fifo`: no process reads it");
    assert!(fs::metadata(workspace.path("fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn a_fifo_that_nobody_writes_to_is_refused_by_every_reader() {
    let workspace = workspace();
    fifo(&workspace, "fifo");
    let readers: [&[&str]; 9] = [
        &["verify", "fifo"],
        &["show", "fifo"],
        &["diff", "sound.json", "fifo"],
        &["check", "--contract", "fifo"],
        &["check", "--baseline", "fifo"],
        &["import", "fifo"],
        &["import", "hyperfine", "fifo"],
        &["contract", "import", "fifo"],
        &["format", "--test-data", "fifo"],
    ];
    let operation = "[[operation]]\nname = \"o\"\nbudgets = { mean_ms_max = 1 }\n";
    let contract = format!("schema_version = 1\nname = \"o\"\n{operation}");
    workspace.write("operations.toml", contract);
    for arguments in readers {
        let mut arguments = arguments.to_vec();
        if arguments[..2] == ["import", "hyperfine"] {
            arguments.extend(["--contract", "operations.toml"]);
        }
        let said = workspace.run(&arguments).refused(2);
        assert_says(&said, "it is a FIFO, and no process writes to it");
    }
}

#[test]
fn a_fifo_is_read_where_somebody_writes() {
    let workspace = workspace();
    let mut shell = Command::new("bash");
    let script = "\"$1\" verify <(cat sound.json)";
    shell.args(["-c", script, "bash", crate::PASSPORT]).current_dir(workspace.path(""));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(child) = shell.spawn() else {
        println!("MISSING: bash");
        return;
    };
    assert_says(&end(child).exits(0).stdout, "sound  /dev/fd/");
}

#[test]
fn a_passport_that_goes_to_standard_output_goes_there_alone() {
    let workspace = workspace();
    let sound: &[&[&str]] = &[
        &["generate", "--ci"],
        &["baseline", "--ci"],
        &["validate", "--ci"],
        &["import", "original.json"],
    ];
    for arguments in sound {
        for name in ["-", "/dev/stdout"] {
            // Also where standard output is a file, which is not to be replaced then.
            let run = workspace.run(&[*arguments, &["-o", name]].concat()).exits(0);
            workspace.write("piped.json", &run.stdout);
            workspace.run(&["verify", "piped.json"]).exits(0);
            assert!(run.stderr.contains("PASS") || run.stderr.contains("ABSTAIN"), "{run:#?}");
            let mut command = workspace.command(&[*arguments, &["-o", name]].concat());
            let file = File::create(workspace.path("redirected.json")).unwrap();
            command.stdin(Stdio::null()).stdout(file).stderr(Stdio::piped());
            end(command.spawn().unwrap()).exits(0);
            workspace.run(&["verify", "redirected.json"]).exits(0);
        }
    }
    assert!(!workspace.path("-").exists());
    let mut command = workspace.command(&["import", "original.json", "-o", "/dev/stderr"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(workspace.path("errors.json")).unwrap());
    end(command.spawn().unwrap()).exits(0);
    workspace.run(&["verify", "errors.json"]).exits(0);
}

#[test]
fn what_a_killed_run_left_half_written_is_swept_by_the_next() {
    let workspace = workspace();
    let mut ended = Command::new("true").spawn().unwrap();
    let process = ended.id();
    ended.wait().unwrap();
    if !Path::new("/proc/self").exists() {
        println!("MISSING: /proc");
        return;
    }
    let left = [
        format!("out/.performance_passport_1_2_3.json.{process}.0.passport.tmp"),
        format!("out/.latest_performance_passport.json.{process}.1.passport.tmp"),
    ];
    // Of a process that lives, and of others.
    let kept = [
        format!("out/.a.json.{}.0.passport.tmp", std::process::id()),
        format!("out/.a.json.{process}.0.tmp"),
        format!("out/a.json.{process}.0.passport.tmp"),
        "out/.passport.tmp".to_owned(),
    ];
    fs::create_dir(workspace.path("out")).unwrap();
    for name in left.iter().chain(&kept) {
        workspace.write(name, "half");
    }
    workspace.run(&["check", "--artifacts-dir", "out"]).exits(0);
    assert!(left.iter().all(|it| !workspace.path(it).exists()));
    assert!(kept.iter().all(|it| workspace.path(it).exists()));
}
