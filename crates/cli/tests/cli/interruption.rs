//! Ctrl-C: what was measured is kept, marked as incomplete, and nothing is replaced by it.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use serde_json::Value;

use crate::{
    contracts::running,
    server::{Server, response},
};
use perf_passport_test_support::program::{Finished, LATEST, Workspace, assert_says, end};

/// Sends a signal to one process.
pub(crate) fn send(signal: &str, process: u32) {
    let script = "kill -s \"$1\" \"$2\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", signal, &process.to_string()]);
    assert!(command.status().unwrap().success());
}

/// Runs the program and sends it a signal while its request of this number is being answered.
fn interrupted(workspace: &Workspace, arguments: &[&str], signal: &str, request: u64) -> Finished {
    let asked = AtomicU64::new(0);
    let (reached, waiting) = mpsc::channel();
    let (sent, may_answer) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(may_answer));
    let server = Server::start(move |_| {
        if asked.fetch_add(1, Ordering::SeqCst) + 1 == request {
            reached.send(()).unwrap();
            // Ends with an error too: when the signal is sent, the sender is gone.
            let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
        Some(response("200 OK", "application/json", "{}"))
    });
    let contract =
        running(&server.url()).replace("samples = 30", "samples = 1000000\nseconds_max = 600");
    workspace.write("passport.toml", contract);
    let mut command = workspace.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child: Child = command.spawn().unwrap();
    waiting.recv().unwrap();
    send(signal, child.id());
    drop(sent);
    end(child)
}

#[test]
fn an_interrupted_check_keeps_a_passport_that_verifies_and_never_passes() {
    for signal in ["INT", "TERM"] {
        let workspace = Workspace::new(crate::PASSPORT);
        let run = interrupted(&workspace, &["check", "--ci"], signal, 200).exits(130);
        assert_says(&run.stdout, "INCOMPLETE: the run was cut short");
        let passport: Value = serde_json::from_str(&workspace.filed_passport()).unwrap();
        assert_eq!(passport["complete"], false);
        assert_ne!(passport["summary"]["overall_status"], "PASS");
        let samples = &passport["test_results"][0]["latency"]["samples"];
        assert!(samples.as_u64().unwrap() > 0, "{samples}");
        // Who asks for the latest gets none that was cut short.
        assert!(!workspace.path(LATEST).exists());
    }
}

#[test]
fn an_interrupted_run_never_replaces_a_baseline() {
    let workspace = Workspace::new(crate::PASSPORT);
    workspace.write("baseline.json", "accepted");
    let output = ["baseline", "-o", "baseline.json", "--accept-failing"];
    let run = interrupted(&workspace, &output, "INT", 100).exits(130);
    assert_says(&run.stderr, "interrupted: the baseline is unchanged\n");
    assert_eq!(workspace.read("baseline.json"), "accepted");

    let run = interrupted(&workspace, &["generate", "-o", "part.json"], "INT", 100).exits(130);
    assert_says(&run.stdout, "passport part.json\n");
    assert_eq!(workspace.json("part.json")["complete"], false);
    let said = workspace.run(&["check", "--baseline", "part.json"]).refused(2);
    assert_says(&said, "cannot compare with `part.json`: its run was cut short");
    let validated = ["validate", "--endpoint", "orders"];
    interrupted(&workspace, &validated, "INT", 100).exits(130);
}

#[test]
fn waiting_for_a_service_can_be_interrupted() {
    let (reached, waiting) = mpsc::channel();
    let server = Server::start(move |_| {
        let _ = reached.send(());
        None
    });
    let workspace = Workspace::with_contract(crate::PASSPORT, &running(&server.url()));
    let mut command = workspace.command(&["check"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    waiting.recv().unwrap();
    send("INT", child.id());
    assert_eq!(end(child).refused(130), "interrupted");
    assert!(!workspace.path("artifacts").exists());
}
